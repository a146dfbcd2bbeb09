"""``tme-sim lineage``: who descends from whom, as tables, trees and clone sizes."""

import argparse
from pathlib import Path

from tme_sim.cli.exit_codes import DONE
from tme_sim.errors import InputError
from tme_sim.text import printable

SUMMARY = "who descends from whom: trees and clones"
FILES = ("csv", "newick", "trees", "muller", "tree")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, which files, which cells."""
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="every cell that ever lived")
    parser.add_argument("--newick", type=Path, metavar="FILE")
    parser.add_argument("--trees", type=Path, metavar="FILE.trees", help="for tskit")
    parser.add_argument("--muller", type=Path, metavar="FILE.png", help="clone sizes over time")
    parser.add_argument("--tree", type=Path, metavar="FILE.png", help="tree of descent")
    parser.add_argument("--sample", type=int, metavar="N", help="only N of the living tumor cells")
    parser.add_argument("--full", action="store_true", help="the dead and other tissue too")


def run(options: argparse.Namespace) -> int:
    """Write the files and print one line of each."""
    from tme_sim.analysis.lineage.files import write  # pandas and matplotlib
    from tme_sim.output.run import open_run  # h5py

    _check_selection(options)
    files = {kind: path for kind in FILES if (path := getattr(options, kind)) is not None}
    for line in write(open_run(options.run), files, full=options.full, sample=options.sample):
        print(printable(line))
    return DONE


def _check_selection(options: argparse.Namespace) -> None:
    if options.full and options.sample is not None:
        msg = "--full keeps every cell and --sample a few of the living; give one of them"
        raise InputError(msg)
    if options.sample is not None and options.sample < 1:
        msg = f"--sample {options.sample}: at least 1 cell is needed"
        raise InputError(msg)
