"""Progress of a run and of what is compiled for it: on a terminal, or as plain lines elsewhere."""

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tme_sim.scenario.units import DAY

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel
    from tme_sim.scenario import Scenario

PLAIN_LINE_EVERY = 10.0  # [s] of wall time
START_OF_LINE = "\r\x1b[2K"  # of a terminal, and nothing left on it


@contextlib.contextmanager
def progress(
    scenario: "Scenario", *, quiet: bool
) -> Iterator[Callable[["TumorModel"], None] | None]:
    """A callback for ``simulate(progress=...)`` that shows cells, time, speed and time left."""
    with compiling(quiet=quiet, of_a_run=True):
        if quiet:
            yield None
        elif sys.stderr.isatty():
            with _bar(scenario) as callback:
                yield callback
        else:
            yield _plain(scenario)


@contextlib.contextmanager
def compiling(*, quiet: bool, of_a_run: bool) -> Iterator[None]:
    """Say which kernels are compiled, if any are; those of a run are compiled side by side."""
    from tme_sim import warm_up  # numba

    report = _silence if quiet else _on_terminal if sys.stderr.isatty() else _now_and_then()
    with warm_up.compiling(report, warm_up.PARTS if of_a_run else ()):
        yield


def _silence(_text: str) -> None:
    pass


def _on_terminal(text: str) -> None:
    """One line that is written over and vanishes; beside the bar, which holds ``sys.stderr``."""
    width = shutil.get_terminal_size().columns - 1
    print(START_OF_LINE + text[:width], end="", file=sys.__stderr__, flush=True)


def _now_and_then() -> Callable[[str], None]:
    last = -PLAIN_LINE_EVERY

    def report(text: str) -> None:
        nonlocal last
        if text and time.monotonic() - last >= PLAIN_LINE_EVERY:
            last = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    return report


@contextlib.contextmanager
def _bar(scenario: "Scenario") -> Iterator[Callable[["TumorModel"], None]]:
    from rich.console import Console  # only where there is a terminal
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[status]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(scenario.name, total=scenario.time.duration, status="")
    start = _Start()

    def show(model: "TumorModel") -> None:
        bar.start()  # the line was free for what is compiled before the first tick
        bar.update(task, completed=model.time, status=start.status(model))

    try:
        yield show
    finally:
        bar.stop()


def _plain(scenario: "Scenario") -> Callable[["TumorModel"], None]:
    start = _Start()
    last = time.monotonic()

    def show(model: "TumorModel") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_LINE_EVERY:
            last = now
            print(f"{scenario.name}: {start.status(model)}", file=sys.stderr, flush=True)

    return show


class _Start:
    """The moment the run began to tick, to say its speed."""

    def __init__(self) -> None:
        self._wall: float | None = None
        self._time = 0.0

    def status(self, model: "TumorModel") -> str:
        """Simulated day, cells, simulated days per minute of wall time."""
        now = time.monotonic()
        if self._wall is None:
            self._wall, self._time = now, model.time
        elapsed = max(now - self._wall, 1e-9)
        speed = (model.time - self._time) / DAY / elapsed * 60.0
        day = model.time / DAY
        return f"day {day:.1f}, {model.population.n} cells, {speed:.1f} days/min"
