"""Time the cell processes alone: a packed disk or ball of cells in a medium that stays as it is."""

import argparse

from tme_sim.bench import tick

add_arguments = tick.add_arguments
OFF = ("therapy", "fields", "arrival", "exchange")  # what is left out of a tick


def main(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    return tick.run(args, name="cells", off=OFF)
