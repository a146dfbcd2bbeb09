"""``tme-sim info``: scenario, provenance, digest and totals of a run."""

import argparse
import shutil
from pathlib import Path

from tme_sim.cli.exit_codes import DONE

SUMMARY = "print scenario, provenance, digest and totals"
MAX_WIDTH = 100  # columns of the text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    parser.add_argument("run", type=Path, metavar="RUN.h5")


def run(options: argparse.Namespace) -> int:
    """Print it, as wide as the terminal."""
    from tme_sim.output.run import open_run  # h5py

    width = min(MAX_WIDTH, shutil.get_terminal_size().columns)
    print(open_run(options.run).info(width))
    return DONE
