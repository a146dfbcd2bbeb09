"""Cells as Mesa agents: views of rows, and sets of them."""
