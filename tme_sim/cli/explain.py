"""``tme-sim explain``: why tumor cells survive therapy."""

import argparse
import math
import sys
from pathlib import Path

from tme_sim.cli.exit_codes import DONE
from tme_sim.errors import InputError
from tme_sim.files import written
from tme_sim.text import printable

SUMMARY = "say why tumor cells survive therapy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, when, which cells, where to."""
    parser.add_argument("run", type=Path, metavar="RUN.h5")
    parser.add_argument(
        "--at",
        action="append",
        metavar="TIME",
        help=(
            'checkpoint to explain, such as "5 d"; may be repeated. '
            "Otherwise those around nadir and progression, and the last"
        ),
    )
    parser.add_argument(
        "--cells",
        type=int,
        metavar="N",
        help=(
            "explain a random sample of the tumor cells of each checkpoint; all of them otherwise, "
            "at about 9 ms of a core each"
        ),
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        metavar="G",
        help="net growth from which on a cell survives, in doublings per day (0)",
    )
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.png|.pdf")


def run(options: argparse.Namespace) -> int:
    """Explain, then write figure and table beside the run and print the table."""
    from tme_sim.analysis.explain import report, survival  # numba, torch, matplotlib
    from tme_sim.analysis.figures.style import refuse_suffix  # as light as its package is not
    from tme_sim.compute.launch import set_threads  # numba
    from tme_sim.output import explanation  # h5py
    from tme_sim.output.run import open_run  # h5py
    from tme_sim.output.tables import write_csv  # pandas

    if options.threads is not None:
        set_threads(options.threads)
    if not math.isfinite(options.threshold):
        msg = f"--threshold {options.threshold}: a number of doublings per day is needed"
        raise InputError(msg)
    if options.cells is not None and options.cells < 1:
        msg = f"--cells {options.cells}: at least one cell is needed"
        raise InputError(msg)
    recorded, threshold = open_run(options.run), options.threshold
    figure = options.output or options.run.with_suffix(".explain.png")
    refuse_suffix(figure)
    found = survival.explain(
        recorded,
        at=options.at,
        cells=options.cells,
        threshold=threshold,
        progress=lambda line: print(line, file=sys.stderr),
    )
    table = options.run.with_suffix(".explain.csv")
    with written(table) as part:
        write_csv(report.frame(found), part, float_format="%.5g")
    file = explanation.write(survival.explanation(found, threshold), recorded)
    report.draw(found, recorded, figure)
    print(printable(report.table(found, recorded, threshold)))
    print(f"  files: {figure}, {table}, {file}")
    return DONE
