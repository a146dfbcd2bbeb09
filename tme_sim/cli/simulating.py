"""What commands that simulate share: their arguments, overrides, progress, how they conclude."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tme_sim.cli.exit_codes import DONE, INTERRUPTED
from tme_sim.errors import InputError

if TYPE_CHECKING:
    from tme_sim.output.run import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``run`` and ``branch`` alike."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B=VALUE",
        dest="overrides",
        help='a value of the scenario: therapy.0.dose="480 mg"',
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where the cell model is evaluated",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="the result is the same for any")
    parser.add_argument("--force", action="store_true", help="overwrite an existing run")
    parser.add_argument("--quiet", action="store_true", help="no progress and no summary")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """The argument of commands that go on with what a run file says."""
    parser.add_argument(
        "--trust", action="store_true", help="run Python code that the run file names (policies)"
    )


def overrides(pairs: Sequence[str]) -> dict[str, object]:
    """Values by key path, of ``--set A.B=VALUE`` given any number of times."""
    found: dict[str, object] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            msg = f"--set {pair!r}: expected A.B=VALUE, such as --set therapy.0.dose='480 mg'"
            raise InputError(msg)
        found[key.strip()] = value.strip()
    return found


def figure_of(path: Path) -> Path:
    """Beside the run, under a name that no other run's figure has."""
    return path.with_suffix(".png") if path.suffix == ".h5" else path.with_name(f"{path.name}.png")


def conclude(run: "Run", path: Path, *, quiet: bool) -> int:
    """Draw the figure of a run that ended and print what came of it; returns the exit code."""
    from tme_sim.analysis.figures import report  # matplotlib
    from tme_sim.output.layout import INTERRUPTED as STOPPED  # h5py

    if run.reason == STOPPED:
        print(f"interrupted; continue with: tme-sim run {shlex.quote(str(path))} --resume")
        return INTERRUPTED
    figure = report.draw(run, figure_of(path)) if report.can_draw(run) else None
    if not quiet:
        print("\n".join(run.summary_lines(figure)))
        name = shlex.quote(str(path))
        print(f"next: tme-sim replay {name}    tme-sim info {name}")
    return DONE
