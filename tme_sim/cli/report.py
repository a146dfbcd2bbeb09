"""``tme-sim report``: draw the figures of a run."""

import argparse
from pathlib import Path

from tme_sim.cli.exit_codes import DONE
from tme_sim.cli.simulating import figure_of

SUMMARY = "draw the figures of a run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and where to."""
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.png|.pdf")


def run(options: argparse.Namespace) -> int:
    """Draw, and print where."""
    from tme_sim.analysis.figures import report  # matplotlib
    from tme_sim.output.run import open_run  # h5py

    print(report.draw(open_run(options.run), options.output or figure_of(options.run)))
    return DONE
