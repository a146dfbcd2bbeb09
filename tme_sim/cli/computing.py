"""What commands that run many simulations share: their arguments, and the libraries they need."""

import argparse
import contextlib
import importlib.util
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from tme_sim.errors import InputError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIBRARIES = ("cryptography", "dask", "distributed", "filelock", "lifelines", "optuna", "pyarrow",
             "SALib")  # fmt: skip


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


def check_libraries() -> None:
    """Refuse to begin without a library of the extra, also where it is needed at the end only."""
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        msg = f"{', '.join(missing)} {verb} not installed; scans need: pip install 'tme-sim[scan]'"
        raise InputError(msg)


@contextlib.contextmanager
def resumable(options: argparse.Namespace, command: str) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end a study with the line that continues it.

    Raises:
        KeyboardInterrupt: with that line.
    """
    line = f"tme-sim {command} {shlex.quote(str(options.study))} --resume"
    if options.workers is not None:
        line += f" --workers {options.workers}"
    if options.scheduler is not None:
        line += f" --scheduler {shlex.quote(options.scheduler)}"
    before = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(line) from stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(_number: int, _frame: object) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # until workers are gone
    raise KeyboardInterrupt


def print_line(line: str) -> None:
    """One line of progress, to standard error."""
    print(line, file=sys.stderr, flush=True)
