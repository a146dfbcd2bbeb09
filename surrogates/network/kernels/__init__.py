"""Kernels of the network on the CPU: tiles of cells, drives, heads, training domain."""
