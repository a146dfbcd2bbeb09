"""``tme-sim replay``: show runs in the browser, or write a page or a movie of them."""

import contextlib
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tme_sim.cli.exit_codes import DONE
from tme_sim.errors import InputError

if TYPE_CHECKING:
    from tme_sim.output.run import Run

SUMMARY = "show a run, or two side by side, in the browser; or write a page or a movie"
DEFAULT_PORT, LAST_PORT = 8765, 65535
SHOWN = 40  # letters of what was found, in a message
DEFAULT_MAX_SIZE = "25 MB"
PLAIN_EVERY = 0.25  # of a movie, between lines of progress where there is no terminal
_UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9}


def add_arguments(parser: ArgumentParser) -> None:
    """Which runs, and whether to serve them or to write a page or a movie."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN.h5", help="two runs are shown side by side"
    )
    parser.add_argument("--port", type=port, default=DEFAULT_PORT, metavar="N")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE.html",
        help="write one page that opens from disk, without a server",
    )
    parser.add_argument(
        "--max-size",
        default=DEFAULT_MAX_SIZE,
        metavar="SIZE",
        help=f"of that page; frames are thinned to it ({DEFAULT_MAX_SIZE})",
    )
    parser.add_argument(
        "--movie", type=Path, metavar="FILE.mp4|.webm|.gif", help="write a movie of one run"
    )
    parser.add_argument("--color", default="type", metavar="COLUMN", help="of the movie (type)")
    parser.add_argument("--layer", metavar="FIELD", help="of the movie, or none")
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="of the movie")
    parser.add_argument("--fps", type=int, metavar="N", help="of the movie")


def run(options: Namespace) -> int:
    """Serve the runs, or write the files that were asked for."""
    if options.html is None and options.movie is None:
        from tme_sim.replay.server import serve  # starlette and uvicorn

        serve(options.runs, port=options.port, open_browser=not options.no_browser)
        return DONE
    from tme_sim.output.run import open_run  # h5py

    runs = [open_run(path) for path in options.runs]
    if options.html is not None:
        _write_page(runs, options)
    if options.movie is not None:
        _write_movie(runs, options)
    return DONE


def _write_page(runs: "list[Run]", options: Namespace) -> None:
    from tme_sim.replay.page_file import write  # h5py

    limit = _bytes(options.max_size)
    path = write(runs, options.html, limit, progress=lambda line: print(line, file=sys.stderr))
    print(f"{path}  ({path.stat().st_size / 1e6:.1f} MB; opens in any browser, no server needed)")


def _write_movie(runs: "list[Run]", options: Namespace) -> None:
    from tme_sim.replay.movie import Look, write  # matplotlib

    if len(runs) != 1:
        msg = f"--movie shows one run, but {len(runs)} were given"
        raise InputError(msg)
    look = Look(options.color, options.layer, _pixels(options.size), options.fps)
    with _progress() as progress:
        path = write(runs[0], options.movie, look, progress)
    print(f"{path}  ({path.stat().st_size / 1e6:.1f} MB)")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console  # only where there is a terminal
        from rich.progress import Progress  # only where there is a terminal

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("movie", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last = 0.0

    def line(done: int, total: int) -> None:
        nonlocal last
        if done == total or done / total >= last + PLAIN_EVERY:
            last = done / total
            print(f"movie: {done} of {total} frames", file=sys.stderr, flush=True)

    yield line


def port(text: str) -> int:
    """A port of this machine; 0 is any that is free."""
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > LAST_PORT:
        msg = f"{text[:SHOWN]!r} is no port; 0 (any) to {LAST_PORT} are allowed"
        raise ArgumentTypeError(msg)
    return int(text)


def _bytes(text: str) -> float:
    """A size such as "25 MB"; a number alone is megabytes."""
    number = text.strip().upper()
    unit = next((u for u in _UNITS if number.endswith(u)), "")
    try:
        size = float(number.removesuffix(unit)) * _UNITS.get(unit, 1e6)
    except ValueError:
        size = 0.0
    if not 0 < size < float("inf"):
        msg = f"--max-size {text[:SHOWN]!r}: a size such as '25 MB' is needed"
        raise InputError(msg)
    return size


def _pixels(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(re.fullmatch("[0-9]{1,5}", part) for part in parts):
        msg = f"--size {text[:SHOWN]!r}: width and height such as 1280x720 are needed"
        raise InputError(msg)
    return int(parts[0]), int(parts[1])
