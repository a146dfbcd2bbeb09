"""What a scan will cost, before it runs: wall time from a short timing of its first run."""

import heapq
import time
from collections.abc import Sequence

from tme_sim.model import TumorModel
from tme_sim.scan.sharing import Task

PILOT_SECONDS = 5.0
WARM_UP = 3  # ticks: compiling, first allocation


def seconds_per_tick(task: Task) -> float:
    """Wall time of a tick of the first run of a scan, timed on this machine for a few seconds.

    Numbers of cells change in a run and its cost with them: the timing is of its first ticks.
    """
    model = TumorModel(task.scenario, device="cpu")
    for _ in range(WARM_UP):
        model.step()
    start, ticks = time.perf_counter(), 0
    while time.perf_counter() - start < PILOT_SECONDS and model.tick_index < task.end + WARM_UP:
        model.step()
        ticks += 1
    return (time.perf_counter() - start) / ticks


def makespan(tasks: Sequence[Task], per_tick: float, workers: int) -> float:
    """Wall time of the tasks on a number of workers [s]: each takes the next that is ready."""
    ends: dict[str, float] = {}
    free = [0.0] * workers
    for task in tasks:
        start = heapq.heappop(free)
        ready = ends.get(task.parent.key, 0.0) if task.parent else 0.0
        ends[task.key] = max(start, ready) + (task.end - task.start) * per_tick
        heapq.heappush(free, ends[task.key])
    return max(ends.values(), default=0.0)
