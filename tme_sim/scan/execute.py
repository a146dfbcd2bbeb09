"""Carry out the tasks of a scan on Dask workers, one thread and one task at a time each."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filelock import Timeout

from tme_sim import continuation, simulation
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run, open_run
from tme_sim.output.summary import dose_times
from tme_sim.scan.outcomes import measure, need_checkpoints, with_code
from tme_sim.scan.sharing import Task
from tme_sim.scan.store import RUN_FILE, Store
from tme_sim.scenario import load_scenario
from tme_sim.scenario.units import DAY
from tme_sim.state import checkpoint

if TYPE_CHECKING:
    from dask.distributed import Client, Future

DONE = "done"
FAILED = "failed"
BUSY = "busy"  # another process has this task; ask again later
LOOK_EVERY = 1.0  # [s]
N_COURSE = 200  # points of a course that a row holds, about


@dataclass(frozen=True)
class State:
    """How far tasks have come: runs done, running and failed; all tasks that are not finished."""

    done: int
    running: int
    failed: int
    left: list[Task]


Progress = Callable[[State], None]


@dataclass(frozen=True)
class Terms:
    """What holds for all tasks of a study: where results go, what is measured, what stays."""

    folder: str
    outcomes: dict[str, Any]
    keep: str

    @property
    def store(self) -> Store:
        """The store in that folder."""
        return Store(Path(self.folder))


class Job(NamedTuple):
    """A task as plain data, which a worker gets."""

    key: str
    scenario: dict[str, Any]  # resolved
    is_run: bool
    until: float  # [min]
    parent: str | None  # key of the segment that it continues
    branch_time: float  # [min]


def carry_out(job: Job, terms: Terms, parent: str = "") -> str:
    """Simulate one task in a worker and publish it; returns done, failed, busy or the error."""
    if parent == BUSY:
        return BUSY
    try:
        with terms.store.claim(job.key):
            if _is_done(job, terms):
                return DONE
            if parent.startswith("error: "):
                what = f"in the shared past: {parent.removeprefix('error: ')}"
                return _fail(job, terms, what)
            return _make(job, terms)
    except Timeout:
        return BUSY


def job_of(task: Task) -> Job:
    """A task as plain data."""
    return Job(
        key=task.key,
        scenario=task.scenario.resolved(),
        is_run=task.is_run,
        until=task.end * task.scenario.time.tick,
        parent=task.parent.key if task.parent else None,
        branch_time=task.branch_time,
    )


def execute(
    tasks: list[Task], client: "Client", terms: Terms, progress: Progress | None = None
) -> None:
    """Carry out all tasks that are not done; a lost worker costs only its unfinished ones.

    ``progress`` hears, about once a second, how far they have come.
    """
    todo = needed(tasks, terms)
    left = {task.key: task for task in todo}
    n_runs = sum(task.is_run for task in tasks)
    failed = 0

    def report(running: int) -> None:
        if progress is not None:
            done = n_runs - sum(task.is_run for task in left.values())
            progress(State(done, running, failed, list(left.values())))

    while todo:
        for task, answer in _answers(_submit(todo, client, terms), terms):
            if task is None:
                report(_n_running(client))
            elif answer != BUSY:
                del left[task.key]
                failed += task.is_run and answer != DONE
        todo = list(left.values())
        if todo:
            time.sleep(LOOK_EVERY)  # another process is at them
    report(0)


def priorities(tasks: Sequence[Task]) -> dict[str, int]:
    """Ticks from the start of each task to the end of the longest run that needs it.

    Those with the most come first: long ones that start last would leave workers idle.
    """
    ends: dict[str, int] = {}
    for task in reversed(tasks):  # what branches stands behind what it branches from
        ends[task.key] = max(ends.get(task.key, 0), task.end)
        if task.parent is not None:
            above = task.parent.key
            ends[above] = max(ends.get(above, 0), ends[task.key])
    return {task.key: ends[task.key] - task.start for task in tasks}


def needed(tasks: list[Task], terms: Terms) -> list[Task]:
    """The runs that are not done, and the segments that they branch from, in order."""
    keys: set[str] = set()
    for task in reversed(tasks):  # what branches stands behind what it branches from
        wanted = task.is_run or task.key in keys
        if wanted and not _is_done(job_of(task), terms):
            keys |= {task.key} | ({task.parent.key} if task.parent else set())
        else:
            keys.discard(task.key)
    return [task for task in tasks if task.key in keys]


def _submit(todo: list[Task], client: "Client", terms: Terms) -> "dict[Future[str], Task]":
    futures: dict[str, Future[str]] = {}
    first = priorities(todo)
    for task in todo:
        above = futures.get(task.parent.key, "") if task.parent else ""
        order = {"priority": first[task.key], "pure": False}
        futures[task.key] = client.submit(carry_out, job_of(task), terms, above, **order)
    return {futures[task.key]: task for task in todo}


def _answers(futures: "dict[Future[str], Task]", terms: Terms) -> Iterator[tuple[Task | None, str]]:
    """(task, answer) of each task as it ends; (None, "") once a second."""
    from dask.distributed import TimeoutError as NotYet  # an extra
    from dask.distributed import wait  # an extra

    waiting = set(futures)
    while waiting:
        with contextlib.suppress(NotYet):
            wait(list(waiting), timeout=LOOK_EVERY, return_when="FIRST_COMPLETED")
        for future in [f for f in futures if f in waiting and f.done()]:
            waiting.discard(future)
            task = futures[future]
            yield task, future.result() if future.status == "finished" else _lost(task, terms)
        yield None, ""


def _lost(task: Task, terms: Terms) -> str:
    """A task whose workers died with it, again and again, or whose shared past did."""
    job = job_of(task)
    try:
        with terms.store.claim(job.key):
            return _fail(job, terms, "its workers died, or those of its shared past")
    except Timeout:
        return BUSY


def _n_running(client: "Client") -> int:
    return sum(bool(keys) for keys in client.processing().values())


def _is_done(job: Job, terms: Terms) -> bool:
    """Whether nothing is left to do; failed runs and those without an outcome are repeated."""
    store = terms.store
    if not job.is_run:
        return (store.place(job.key, is_run=False) / RUN_FILE).is_file()
    row = store.row(job.key)
    return row is not None and row["status"] == DONE and row["asked"] == with_code(terms.outcomes)


def _make(job: Job, terms: Terms) -> str:
    """Simulate, measure, publish; a failed run is a row with its message, whatever it was."""
    store, key = terms.store, job.key
    path = store.work(key) / RUN_FILE
    try:
        if _measure_again(job, terms):
            return DONE
        run = _simulate(store, job, path)
        row = row_of(run, terms) if job.is_run else None
    except Exception as error:
        return _fail(job, terms, f"{type(error).__name__}: {error}")
    if row is not None:
        shutil.rmtree(continuation.checkpoint_folder(path), ignore_errors=True)
        if terms.keep not in ("all", "best"):
            path.unlink()
    store.publish(key, is_run=job.is_run, row=row)
    return DONE


def _measure_again(job: Job, terms: Terms) -> bool:
    """Whether a finished run, whose file was kept, could be asked for other outcomes."""
    store, key = terms.store, job.key
    row, file = store.row(key), store.place(key, is_run=True) / RUN_FILE
    if row is None or row["status"] != DONE or not file.is_file():
        return False
    if need_checkpoints(terms.outcomes):
        return False
    store.write_row(key, row_of(open_run(file), terms))
    return True


def row_of(run: Run, terms: Terms) -> dict[str, Any]:
    """What the table holds of a finished run: outcomes, course, digest."""
    if not run.complete:
        msg = f"stopped by a signal at {run.times[-1] / DAY:g} d"
        raise InterruptedError(msg)
    return {
        "status": DONE,
        "message": "",
        "asked": with_code(terms.outcomes),
        "outcomes": measure(run, terms.outcomes),
        "course": _course(run),
        "digest": run.digest(),
    }


def _course(run: Run) -> dict[str, Any]:
    """Burden over time in at most some hundred points, the last of them included."""
    metrics, time = run.metrics, run.scenario.time
    step = max(1, round(time.duration / time.tick) // N_COURSE)
    rows = sorted({*range(0, len(metrics), step), len(metrics) - 1})
    first = dose_times(run)
    return {
        "day": (metrics["time"].iloc[rows] / DAY).tolist(),
        "burden": metrics["burden"].iloc[rows].tolist(),
        "first_dose": float(first.min()) / DAY if len(first) else None,
    }


def _simulate(store: Store, job: Job, path: Path) -> Run:
    """The run of a task: resumed where somebody was stopped, else branched or from its start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and checkpoint.ticks(continuation.checkpoint_folder(path)):
        with contextlib.suppress(RunFileError):
            return simulation.resume(path, until=job.until, threads=1)
    scenario = load_scenario(job.scenario)
    if job.parent is None:
        return simulation.simulate(scenario, path, until=job.until, threads=1, force=True)
    parent = store.place(job.parent, is_run=False) / RUN_FILE
    return simulation.branch(
        parent,
        job.branch_time,
        scenario=scenario,
        output=path,
        until=job.until,
        threads=1,
        force=True,
    )


def _fail(job: Job, terms: Terms, message: str) -> str:
    """Publish a failed run as a row; a failed segment only tells those that wait for it."""
    if not job.is_run:
        return f"error: {message}"
    store = terms.store
    if terms.keep == "none":
        shutil.rmtree(store.work(job.key), ignore_errors=True)
    row = {"status": FAILED, "message": message, "asked": {}, "outcomes": {}, "digest": ""}
    store.publish(job.key, is_run=True, row=row)
    return FAILED
