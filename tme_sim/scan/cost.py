"""What a scan will cost, before it runs: wall time from a short timing of its first run."""

import heapq
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tme_sim.scan.sharing import Task
from tme_sim.simulation import simulate

PILOT_SECONDS = 5.0
SHORT = 3  # ticks


@dataclass(frozen=True)
class Cost:
    """Wall times [s].

    Attributes:
        start: Until a new worker is ready: it loads the code and compiles, or finds it compiled.
        task: To build a model and to open and close its files.
        tick: Of a tick with what it records.
    """

    start: float
    task: float
    tick: float


def timed(task: Task) -> Cost:
    """Cost on this machine, from the first ticks of one run, for some seconds.

    Numbers of cells change in a run and its cost with them: the timing is of its beginning.
    """
    with tempfile.TemporaryDirectory() as folder:
        first = _seconds(task, SHORT, folder)  # as in a new worker: nothing is loaded
        short = _seconds(task, SHORT, folder)
        longer = min(max(20 * SHORT, _ticks_in(PILOT_SECONDS, task, folder)), task.end)
        if longer <= SHORT:
            return Cost(first - short, 0.0, short / SHORT)
        tick = (_seconds(task, longer, folder) - short) / (longer - SHORT)
    return Cost(first - short, max(short - SHORT * tick, 0.0), max(tick, 0.0))


def makespan(tasks: Sequence[Task], cost: Cost, workers: int) -> float:
    """Wall time of the tasks on a number of workers [s]: each takes the next that is ready."""
    ends: dict[str, float] = {}
    free = [cost.start] * workers
    for task in tasks:
        start = heapq.heappop(free)
        ready = ends.get(task.parent.key, 0.0) if task.parent else 0.0
        ends[task.key] = max(start, ready) + cost.task + (task.end - task.start) * cost.tick
        heapq.heappush(free, ends[task.key])
    return max(ends.values(), default=0.0)


def _ticks_in(seconds: float, task: Task, folder: str) -> int:
    """Ticks that take about this long, judged by some more than the shortest."""
    ticks = min(10 * SHORT, task.end)
    return int(seconds / _seconds(task, ticks, folder) * ticks)


def _seconds(task: Task, ticks: int, folder: str) -> float:
    """Wall time of the first ticks of a run, recorded as a run of the scan would be."""
    start = time.perf_counter()
    until = ticks * task.scenario.time.tick
    simulate(task.scenario, Path(folder) / "pilot.h5", until=until, threads=1, force=True)
    return time.perf_counter() - start
