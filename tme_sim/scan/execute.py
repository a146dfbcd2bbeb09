"""Carry out the tasks of a scan on Dask workers, one thread and one task at a time each."""

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filelock import Timeout

from tme_sim import continuation, simulation
from tme_sim.errors import InputError
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run, open_run
from tme_sim.output.summary import dose_times
from tme_sim.scan import sharing
from tme_sim.scan.outcomes import measure, need_checkpoints, with_code
from tme_sim.scan.sharing import Task
from tme_sim.scan.store import RUN_FILE, Store
from tme_sim.scenario import load_scenario
from tme_sim.scenario.units import DAY
from tme_sim.state import checkpoint
from tme_sim.therapy.schedule import ROUNDING

if TYPE_CHECKING:
    from dask.distributed import Client, Future

DONE = "done"
FAILED = "failed"
BUSY = "busy"  # another process has this task; ask again later
LOOK_EVERY = 1.0  # [s]
LONGEST = 300  # characters of a message
N_COURSE = 200  # points of a course that a row holds, about
FULL = (errno.ENOSPC, errno.EDQUOT)  # no run is to blame, and none will fare better


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
    parent: "Job | None"  # the segment that it continues
    branch_time: float  # [min]
    files: dict[str, str]  # hashes of a user's files, as they were when it was planned


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
        parent=job_of(task.parent) if task.parent else None,
        branch_time=task.branch_time,
        files=task.files,
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
        if wanted and not _is_done(task, terms):
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
            finished = future.status == "finished"
            yield task, future.result() if finished else _lost(task, terms, future.exception())
        yield None, ""


def _lost(task: Task, terms: Terms, error: BaseException | None = None) -> str:
    """A task whose workers died with it, again and again, or whose result cannot be stored."""
    job = job_of(task)
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    try:
        with terms.store.claim(job.key):
            return _fail(job, terms, "its workers died, or those of its shared past")
    except Timeout:
        return BUSY


def _n_running(client: "Client") -> int:
    return sum(bool(keys) for keys in client.processing().values())


def _is_done(job: Job | Task, terms: Terms) -> bool:
    """Whether nothing is left to do; failed runs and those without an outcome are repeated."""
    store = terms.store
    if not job.is_run:
        return store.row(job.key, is_run=False) is not None
    row = store.row(job.key)
    return row is not None and row["status"] == DONE and row["asked"] == with_code(terms.outcomes)


def _make(job: Job, terms: Terms) -> str:
    """Simulate, measure, publish; a failed run is a row with its message, whatever it was.

    A shared past that turns out to be damaged is made again first; a full disk fails no run, it
    ends the scan.

    Raises:
        OSError: the disk is full.
    """
    store, key = terms.store, job.key
    path = store.work(key) / RUN_FILE
    try:
        if _measure_again(job, terms):
            return DONE
        _refuse_other_files(job)
        row = _row(job, terms, _simulate(store, job, path))
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        if job.parent is None or _is_whole(job.parent, store):
            return _fail(job, terms, f"{type(error).__name__}: {error}")
        return _begin_again(job, job.parent, terms)
    if job.is_run:
        shutil.rmtree(continuation.checkpoint_folder(path), ignore_errors=True)
        if terms.keep not in ("all", "best"):
            path.unlink()
    store.publish(key, is_run=job.is_run, row=row)
    return DONE


def _row(job: Job, terms: Terms, run: Run) -> dict[str, Any]:
    """What the store holds of a finished run or segment."""
    if job.parent is not None and "parent_digest" in run.provenance:
        past = terms.store.row(job.parent.key, is_run=False)
        if past is None or past["digest"] != run.provenance["parent_digest"]:
            msg = f"{run.provenance['parent']}: is damaged"
            raise RunFileError(msg)
    if job.is_run:
        return row_of(run, terms)
    _refuse_unfinished(run)
    return {"status": DONE, "digest": run.digest()}


def _begin_again(job: Job, segment: Job, terms: Terms) -> str:
    """Throw a damaged past away with what came of it, and make it again; busy until then."""
    store = terms.store
    for folder in (store.work(job.key), store.place(segment.key, is_run=False)):
        shutil.rmtree(folder, ignore_errors=True)
    answer = carry_out(segment, terms)
    return BUSY if answer in (DONE, BUSY) else _fail(job, terms, f"in the shared past: {answer}")


def _is_whole(segment: Job, store: Store) -> bool:
    """Whether a finished segment is what was published: recorded frames, and its checkpoint."""
    place = store.place(segment.key, is_run=False) / RUN_FILE
    row = store.row(segment.key, is_run=False)
    try:
        run = open_run(place)
        found = continuation.saved_state(run)
        return row is not None and found is not None and run.digest() == row["digest"]
    except Exception:  # whatever a damaged file leads to
        return False


def _measure_again(job: Job, terms: Terms) -> bool:
    """Whether a finished run, whose file was kept, could be asked for other outcomes."""
    store, key = terms.store, job.key
    row, file = store.row(key), store.place(key, is_run=True) / RUN_FILE
    if row is None or row["status"] != DONE or not file.is_file():
        return False
    if need_checkpoints(terms.outcomes):
        return False
    run = _opened(file)
    if run is None or run.digest() != row["digest"]:
        return False  # damaged
    store.write_row(key, row_of(run, terms))
    return True


def _opened(file: Path) -> Run | None:
    try:
        return open_run(file)
    except RunFileError:
        return None


def row_of(run: Run, terms: Terms) -> dict[str, Any]:
    """What the table holds of a finished run: outcomes, course, digest."""
    _refuse_unfinished(run)
    return {
        "status": DONE,
        "message": "",
        "asked": with_code(terms.outcomes),
        "outcomes": measure(run, terms.outcomes),
        "course": _course(run),
        "digest": run.digest(),
    }


def _refuse_unfinished(run: Run) -> None:
    if not run.complete:
        msg = f"stopped by a signal at {run.times[-1] / DAY:g} d"
        raise InterruptedError(msg)


def _refuse_other_files(job: Job) -> None:
    """Refuse a user's file that was edited since the runs were planned: the keys would lie."""
    for file, digest in sharing.file_hashes(load_scenario(job.scenario)).items():
        if job.files[file] != digest:
            msg = f"{file} was changed while the scan ran; start it again with --resume"
            raise InputError(msg)


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
    scenario = load_scenario(job.scenario)
    if path.exists() and checkpoint.ticks(continuation.checkpoint_folder(path)):
        with contextlib.suppress(InputError, OSError, KeyError):  # damaged
            return simulation.resume(path, scenario=scenario, until=job.until, threads=1)
    parent = store.place(job.parent.key, is_run=False) / RUN_FILE if job.parent else None
    if parent is None or open_run(parent).end < job.branch_time - ROUNDING:  # a stop condition
        return simulation.simulate(scenario, path, until=job.until, threads=1, force=True)
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
    row = {"status": FAILED, "message": message[:LONGEST], "asked": {}, "outcomes": {}}
    store.publish(job.key, is_run=True, row=row | {"digest": ""})
    return FAILED
