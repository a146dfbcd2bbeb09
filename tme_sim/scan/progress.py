"""Progress of a scan: a bar on a terminal, a plain line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich import progress as bars
from rich.console import Console

from tme_sim.scan.cost import Forecast
from tme_sim.scan.execute import Progress, State

PLAIN_LINE_EVERY = 10.0  # [s]


@contextlib.contextmanager
def progress(name: str, forecast: Forecast | None) -> Iterator[Progress]:
    """A callback that shows how many runs are done, running and failed, and the time left."""
    start = time.monotonic()

    def line(state: State) -> str:
        counts = f"{state.done} done, {state.running} running, {state.failed} failed"
        if forecast is None or not state.left:
            return counts
        left = forecast.left(state.left, time.monotonic() - start)
        return f"{counts}, about {left:.0f} s left"

    if not sys.stderr.isatty():
        yield _plain(name, line)
        return
    columns = ("{task.description}", bars.BarColumn(), bars.TextColumn("{task.fields[state]}"))
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None, state="")

        def show(state: State) -> None:
            total = state.done + sum(task.is_run for task in state.left)
            bar.update(task, completed=state.done, total=total, state=line(state))

        yield show


def _plain(name: str, line: Callable[[State], str]) -> Progress:
    last = time.monotonic()

    def show(state: State) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_LINE_EVERY or not state.left:
            last = time.monotonic()
            print(f"{name}: {line(state)}", file=sys.stderr, flush=True)

    return show
