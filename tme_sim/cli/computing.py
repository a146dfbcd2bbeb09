"""What commands that run many simulations share: their arguments, and the libraries they need."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tme_sim.errors import InputError


def add_arguments(parser: argparse.ArgumentParser, study: str) -> None:
    """The arguments of ``scan``, ``optimize`` and ``sensitivity`` alike."""
    parser.add_argument("study", type=Path, metavar=study)
    parser.add_argument("--workers", type=int, metavar="N", help="one per core unless said")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask scheduler")
    parser.add_argument("--resume", action="store_true", help="compute only what is not done")


def check_workers(options: argparse.Namespace) -> None:
    """Refuse a number of workers that cannot work."""
    if options.workers is not None and options.workers < 1:
        msg = f"--workers {options.workers}: at least 1 is needed"
        raise InputError(msg)


@contextlib.contextmanager
def scan_libraries() -> Iterator[None]:
    """Imports of modules whose libraries are an extra; says which one is missing, and its cure."""
    try:
        yield
    except ModuleNotFoundError as error:
        msg = f"{error.name} is not installed; scans need: pip install 'tme-sim[scan]'"
        raise InputError(msg) from error


def print_line(line: str) -> None:
    """One line of progress, to standard error."""
    print(line, file=sys.stderr, flush=True)
