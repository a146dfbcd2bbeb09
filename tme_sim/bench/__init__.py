"""Measure speed and memory on this machine: fields, cells, and the whole tick.

Each module has `add_arguments(parser)` and `main(options) -> int` for `tme-sim bench`.
"""
