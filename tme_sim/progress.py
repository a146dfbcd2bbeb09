"""Progress of a run: a bar on a terminal, a plain line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel
    from tme_sim.scenario import Scenario

MINUTES_PER_DAY = 1440.0
PLAIN_LINE_EVERY = 10.0  # [s] of wall time


@contextlib.contextmanager
def progress(
    scenario: "Scenario", *, quiet: bool
) -> Iterator[Callable[["TumorModel"], None] | None]:
    """A callback for ``simulate(progress=...)`` that shows cells, time, speed and time left."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(scenario) as callback:
            yield callback
    else:
        yield _plain(scenario)


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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(scenario.name, total=scenario.time.duration, status="")
        start = _Start()

        def show(model: "TumorModel") -> None:
            bar.update(task, completed=model.time, status=start.status(model))

        yield show


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
        speed = (model.time - self._time) / MINUTES_PER_DAY / elapsed * 60.0
        day = model.time / MINUTES_PER_DAY
        return f"day {day:.1f}, {model.population.n} cells, {speed:.1f} days/min"
