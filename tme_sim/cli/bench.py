"""``tme-sim bench``: measure speed and memory on this machine."""

import argparse
from typing import Protocol

SUMMARY = "measure speed and memory on this machine"


class Part(Protocol):
    """A module of ``tme_sim.bench``."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is measured and how often."""

    def main(self, args: argparse.Namespace) -> int:
        """Measure and print; returns the exit code."""
        ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which part; the rest belongs to it."""
    parser.add_argument("part", choices=("fields", "cells", "tick"))
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="see PART --help")


def run(options: argparse.Namespace) -> int:
    """Measure the part, with a parser of its own."""
    part = _part(options.part)
    parser = argparse.ArgumentParser(
        prog=f"tme-sim bench {options.part}",
        description=part.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    part.add_arguments(parser)
    return part.main(parser.parse_args(options.rest))


def _part(name: str) -> Part:
    if name == "fields":
        from tme_sim.bench import fields  # numba

        return fields
    from tme_sim.bench import cells, tick  # numba and torch

    return cells if name == "cells" else tick
