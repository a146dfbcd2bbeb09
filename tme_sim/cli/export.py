"""``tme-sim export``: write a run for other programs."""

import argparse
from pathlib import Path

from tme_sim.cli.exit_codes import DONE

SUMMARY = "write a run for other programs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, in which format, where to."""
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument(
        "--to",
        required=True,
        metavar="FORMAT",
        help="anndata (.h5ad), vtk, simularium, csv or parquet",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="file, or folder for vtk, csv and parquet; beside the run unless given",
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        help='one frame, such as that of "5 d"; otherwise all, for anndata the last',
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")


def run(options: argparse.Namespace) -> int:
    """Write it, and print where."""
    from tme_sim.analysis.exports import export  # pandas
    from tme_sim.output.run import open_run  # h5py

    path = export(
        open_run(options.run), options.to, options.output, at=options.at, force=options.force
    )
    print(f"wrote {path}")
    return DONE
