"""What a scan will cost, before it runs: timed in workers that do a part of it, then thrown away.

Each worker that the scan would have on this machine simulates a run of its own, all at once, from
its beginning to its end or until the pilot's time is over. Ticks that it did not reach are
extrapolated: the number of cells n goes on as in its second half, up to the room there is, and a
tick takes

    c(n) = a + b n    [s], a and b >= 0

by least squares over the ticks that were timed.
"""

import heapq
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from tme_sim import simulation
from tme_sim.analysis.implications import PACKED_VOLUME
from tme_sim.model.tumor_model import TumorModel
from tme_sim.output.run import Run
from tme_sim.scan.cluster import connect, n_cores
from tme_sim.scan.execute import Job, Terms, job_of, priorities, row_of
from tme_sim.scan.sharing import Task
from tme_sim.scan.study import Study
from tme_sim.scenario import Scenario, load_scenario

if TYPE_CHECKING:
    from dask.distributed import Client

WARM_SECONDS, PILOT_SECONDS = 2.0, 10.0
TIMED = "timed"  # why a pilot ended that was cut short
CREDIBLE = 0.1  # share of the plan that is done before the time it took corrects the rest


@dataclass(frozen=True)
class Cost:
    """Wall times [s].

    Attributes:
        start: Until workers are ready (processes start, load the code, find it compiled), and at
            the end until they are gone.
        root: To build a model, to open, close and measure its file.
        branch: The same of a piece that branches from a checkpoint, a copy of the file included.
        ticks: (n + 1,) Of the first k ticks with what they record, to the end of the longest run.
        timed: How many of them were timed; the rest is extrapolated.
    """

    start: float
    root: float
    branch: float
    ticks: np.ndarray
    timed: int

    def of(self, task: Task) -> float:
        """Time of one task in a worker."""
        fixed = self.root if task.parent is None else self.branch
        return fixed + float(self.ticks[task.end] - self.ticks[task.start])

    def text(self) -> str:
        """What an estimate rests on."""
        end = len(self.ticks) - 1
        text = (
            f"{self.start:.0f} s to start and end, {self.root:.2g} s a run, "
            f"{self.branch:.2g} s a branch, {1e3 * self.ticks[-1] / end:.2g} ms a tick, "
            f"timed on {self.timed} of {end} ticks"
        )
        return text if self.timed == end else f"{text}; cells go on as in the second half of these"


@dataclass(frozen=True)
class Forecast:
    """How long tasks will take on some workers."""

    cost: Cost
    tasks: Sequence[Task]
    workers: int

    @property
    def seconds(self) -> float:
        """Wall time until all are done."""
        return self.cost.start + makespan(self.tasks, self.cost, self.workers)

    def left(self, tasks: Sequence[Task], elapsed: float) -> float:
        """Wall time until those that are not finished after ``elapsed`` seconds are done.

        As planned, times by how much what is finished took longer, once that is ``CREDIBLE``.
        """
        left = makespan(tasks, self.cost, self.workers)
        done = makespan(self.tasks, self.cost, self.workers) - left
        credible = done > CREDIBLE * (done + left)
        return left * (elapsed / (self.cost.start + done) if credible else 1.0)


@dataclass(frozen=True)
class Pilot:
    """Wall times of a run [s]: of its ticks, with the number of cells after each; of the rest."""

    ticks: np.ndarray
    cells: np.ndarray
    root: float
    branch: float

    def until(self, tick: int) -> float:
        """Time to simulate so many ticks from the beginning, and to branch from there."""
        return self.root + self.branch + float(self.ticks[:tick].sum())


def forecast(study: Study, tasks: Sequence[Task], workers: int) -> Forecast | None:
    """How long tasks will take, from pilots on this machine; None where every pilot fails.

    It takes the workers' start and about ``WARM_SECONDS`` and ``PILOT_SECONDS`` from there.
    """
    runs = [task for task in tasks if task.is_run]
    n = min(workers, n_cores(), len(runs))
    chosen = [runs[k * len(runs) // n] for k in range(n)]
    terms = Terms("", study.outcomes, study.keep)
    here = study.model_copy(update={"cluster": {}})
    begin = time.perf_counter()
    with connect(here, workers=n, scheduler=None) as client:
        client.wait_for_workers(n)
        places = list(client.scheduler_info()["workers"])
        cold = _pilots(client, places, chosen, terms, WARM_SECONDS)
        ready = time.perf_counter() - begin
        warm = _pilots(client, places, chosen, terms, PILOT_SECONDS)
        end = time.perf_counter()
    ready += time.perf_counter() - end
    both = [(c, w, t.scenario) for c, w, t in zip(cold, warm, chosen, strict=True) if c and w]
    if not both:
        return None
    n_ticks = max(task.end for task in tasks)
    again = max(w.until(len(c.ticks)) for c, w, _ in both)
    cost = Cost(
        start=max(ready - again, 0.0),
        root=float(np.mean([w.root for _, w, _ in both])),
        branch=float(np.mean([w.branch for _, w, _ in both])),
        ticks=np.mean([curve(w, scenario, n_ticks) for _, w, scenario in both], axis=0),
        timed=min(n_ticks, *(len(w.ticks) for _, w, _ in both)),
    )
    return Forecast(cost, tasks, workers)


def pilot(job: Job, terms: Terms, seconds: float) -> Pilot:
    """Simulate a run in a worker for some seconds or to its end; branch from there."""
    scenario = load_scenario(job.scenario)
    clock = _Clock(seconds)
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder) / "run.h5", Path(folder) / "branch.h5"
        begin = time.perf_counter()
        run = simulation.simulate(scenario, path, threads=1, progress=clock)
        _measure(run, terms)
        ran = time.perf_counter()
        at = {"scenario": scenario, "output": other, "until": run.times[-1]}
        _measure(simulation.branch(path, run.times[-1], threads=1, **at), terms)
        branched = time.perf_counter() - ran
    ticks = np.diff(clock.stamps)
    ticks = np.insert(ticks, 0, ticks[:1].sum())  # the first: as long as the second
    root = ran - begin - float(ticks.sum())
    never = 0 if run.reason == TIMED else round(job.until / scenario.time.tick) - len(ticks)
    return Pilot(np.pad(ticks, (0, never)), np.pad(clock.cells, (0, never), "edge"), root, branched)


def curve(pilot: Pilot, scenario: Scenario, end: int) -> np.ndarray:
    """(end + 1,) Wall time of the first k ticks [s]: as timed, then extrapolated."""
    timed = min(len(pilot.ticks), end)
    n = pilot.cells.astype(float)
    half = np.arange(timed // 2, timed)
    rate = np.polyfit(half, np.log(np.maximum(n[half], 1.0)), 1)[0] if half.size > 1 else 0.0
    room = max(n[-1], float(np.prod(scenario.domain.box)) / PACKED_VOLUME[scenario.domain.dim])
    later = np.minimum(n[-1] * np.exp(np.minimum(rate * np.arange(1, end - timed + 1), 60.0)), room)
    parts, _ = nnls(np.column_stack([np.ones(timed), n[:timed]]), pilot.ticks[:timed])
    ticks = np.concatenate([pilot.ticks[:timed], parts[0] + parts[1] * later])
    return np.concatenate([[0.0], np.cumsum(ticks)])


def makespan(tasks: Sequence[Task], cost: Cost, workers: int) -> float:
    """Wall time of tasks on ready workers [s], each taking what ``execute`` would give it next.

    What a task branches from stands before it, or is done.
    """
    first = priorities(tasks)
    place = {task.key: k for k, task in enumerate(tasks)}
    branches: dict[str, list[tuple[int, int]]] = {key: [] for key in place}
    ready: list[tuple[int, int]] = []  # minus priority, index of the task
    running: list[tuple[float, int]] = []  # when it ends [s], index of the task
    now = 0.0
    for task in tasks:
        above = task.parent.key if task.parent else ""
        branches.get(above, ready).append((-first[task.key], place[task.key]))
    heapq.heapify(ready)
    while ready or running:
        for _ in range(min(workers - len(running), len(ready))):
            k = heapq.heappop(ready)[1]
            heapq.heappush(running, (now + cost.of(tasks[k]), k))
        now, k = heapq.heappop(running)
        for later in branches[tasks[k].key]:
            heapq.heappush(ready, later)
    return now


def _pilots(
    client: "Client", places: Sequence[str], tasks: Sequence[Task], terms: Terms, seconds: float
) -> list[Pilot | None]:
    """A pilot of each task, all at once, each on its worker; None of those that fail."""
    futures = [
        client.submit(pilot, job_of(task), terms, seconds, workers=[place], pure=False)
        for task, place in zip(tasks, places, strict=True)
    ]
    return [None if future.exception() else future.result() for future in futures]


def _measure(run: Run, terms: Terms) -> None:
    """As at the end of a run; of one that was cut short the outcomes may not exist."""
    if run.reason == TIMED:
        run.digest()
    else:
        row_of(run, terms)


class _Clock:
    """Takes the time and the number of cells after every tick, and stops a run after a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.stamps: list[float] = []
        self.cells: list[int] = []

    def __call__(self, model: TumorModel) -> None:
        self.stamps.append(time.perf_counter())
        self.cells.append(model.population.n)
        if len(self.stamps) > 1 and self.stamps[-1] - self.stamps[0] > self.seconds:
            model.stop(TIMED)
