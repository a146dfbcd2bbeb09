"""Tell how a scan gets on: a bar on a terminal, a plain line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tme_sim.scan.execute import Told
from tme_sim.scan.scan import Planned

PLAIN_LINE_EVERY = 10.0  # [s]


@contextlib.contextmanager
def telling(planned: Planned) -> Iterator[Told]:
    """A callback that shows how many runs are done, running and failed, and the time left."""
    total = sum(task.is_run for task in planned.tasks)
    if not sys.stderr.isatty():
        yield _plain(planned.study.name, total)
        return
    columns = ("{task.description}", BarColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(planned.study.name, total=total, state="")

        def told(done: int, running: int, failed: int) -> None:
            bar.update(task, completed=done, state=_state(done, running, failed, total))

        yield told


def _plain(name: str, total: int) -> Told:
    last = start = time.monotonic()
    at_first = None

    def told(done: int, running: int, failed: int) -> None:
        nonlocal last, at_first
        at_first = done if at_first is None else at_first
        now = time.monotonic()
        if now - last >= PLAIN_LINE_EVERY or done == total:
            last = now
            new = done - at_first
            left = f", {(now - start) / new * (total - done):.0f} s left" if new else ""
            state = _state(done, running, failed, total)
            print(f"{name}: {state}{left}", file=sys.stderr, flush=True)

    return told


def _state(done: int, running: int, failed: int, total: int) -> str:
    return f"{done} of {total} done, {running} running, {failed} failed"
