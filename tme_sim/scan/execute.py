"""Carry out the tasks of a scan on Dask workers, one thread and one task at a time each."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import Timeout

from tme_sim import simulation
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run, open_run
from tme_sim.scan.outcomes import measure
from tme_sim.scan.sharing import Task
from tme_sim.scan.store import RUN_FILE, Store
from tme_sim.scenario import load_scenario
from tme_sim.state import checkpoint

DONE = "done"
BUSY = "busy"  # another process has this task; ask again later
LOOK_EVERY = 1.0  # [s]
Told = Callable[[int, int, int], None]


def carry_out(
    job: dict[str, Any], folder: str, outcomes: dict[str, Any], keep: str, parent: str = ""
) -> str:
    """Simulate one task in a worker and publish it; returns done, failed, busy or the error."""
    store, key = Store(Path(folder)), job["key"]
    if parent == BUSY:
        return BUSY
    try:
        with store.claim(key):
            if _is_done(store, job, outcomes):
                return DONE
            if parent.startswith("error: "):
                return _fail(store, job, f"in the shared past: {parent.removeprefix('error: ')}")
            return _make(store, job, outcomes, keep)
    except Timeout:
        return BUSY


def job_of(task: Task) -> dict[str, Any]:
    """A task as plain data."""
    return {
        "key": task.key,
        "scenario": task.scenario.resolved(),
        "is_run": task.is_run,
        "until": task.end * task.scenario.time.tick,
        "parent": task.parent.key if task.parent else None,
        "branch_time": task.branch_time,
    }


def execute(
    tasks: list[Task],
    client: Any,
    *,
    store: Store,
    outcomes: dict[str, Any],
    keep: str,
    told: Told | None = None,
) -> None:
    """Carry out all tasks that are not done; a lost worker costs only its unfinished ones.

    ``told`` hears, about once a second, how many runs are done, running and failed.
    """
    todo = needed(tasks, store, outcomes)
    finished = sum(task.is_run for task in tasks) - sum(task.is_run for task in todo)
    failed = 0
    while todo:
        left = []
        for task, answer in _answers(_submit(todo, client, store, outcomes, keep), store):
            if task is None and told:
                told(finished, _n_running(client), failed)
            if task is None:
                continue
            if answer == BUSY:
                left.append(task)
            elif task.is_run:
                finished += 1
                failed += answer != DONE
        todo = [task for task in todo if task in left]
    if told:
        told(finished, 0, failed)


def needed(tasks: list[Task], store: Store, outcomes: dict[str, Any]) -> list[Task]:
    """The runs that are not done, and the segments that they branch from, in order."""
    keys: set[str] = set()
    for task in reversed(tasks):  # what branches stands behind what it branches from
        wanted = task.is_run or task.key in keys
        if wanted and not _is_done(store, job_of(task), outcomes):
            keys |= {task.key} | ({task.parent.key} if task.parent else set())
        else:
            keys.discard(task.key)
    return [task for task in tasks if task.key in keys]


def _submit(
    todo: list[Task], client: Any, store: Store, outcomes: dict[str, Any], keep: str
) -> dict[Any, Task]:
    futures: dict[str, Any] = {}
    for task in todo:
        above = futures.get(task.parent.key, "") if task.parent else ""
        arguments = (job_of(task), str(store.folder.resolve()), outcomes, keep, above)
        futures[task.key] = client.submit(carry_out, *arguments, pure=False)
    return {futures[task.key]: task for task in todo}


def _answers(futures: dict[Any, Task], store: Store) -> Iterator[tuple[Task | None, str]]:
    """(task, answer) of each task as it ends; (None, "") once a second."""
    from dask.distributed import TimeoutError as NotYet
    from dask.distributed import wait

    waiting = set(futures)
    while waiting:
        with contextlib.suppress(NotYet):
            wait(list(waiting), timeout=LOOK_EVERY, return_when="FIRST_COMPLETED")
        for future in [f for f in futures if f in waiting and f.done()]:
            waiting.discard(future)
            task = futures[future]
            if future.status == "finished":
                yield task, future.result()
            else:  # the worker died with it, again and again
                what = f"lost with its worker ({future.exception()})"
                yield task, _fail(store, job_of(task), what)
        yield None, ""


def _n_running(client: Any) -> int:
    return sum(bool(keys) for keys in client.processing().values())


def _is_done(store: Store, job: dict[str, Any], outcomes: dict[str, Any]) -> bool:
    """Whether nothing is left to do; failed runs and those without an outcome are repeated."""
    if not job["is_run"]:
        return (store.place(job["key"], is_run=False) / RUN_FILE).is_file()
    row = store.row(job["key"])
    return row is not None and row["status"] == DONE and row["asked"] == outcomes


def _make(store: Store, job: dict[str, Any], outcomes: dict[str, Any], keep: str) -> str:
    """Simulate, measure, publish."""
    key, is_run = job["key"], job["is_run"]
    path = store.work(key) / RUN_FILE
    kept = store.place(key, is_run=True) / RUN_FILE
    try:
        run = open_run(kept) if is_run and kept.is_file() else _simulate(store, job, path)
        if not is_run:
            store.publish(key, is_run=False)
            return DONE
        row = {
            "status": DONE,
            "message": "",
            "asked": outcomes,
            "outcomes": measure(run, outcomes),
            "digest": run.digest(),
        }
    except Exception as error:  # a failed run is a row with its message, whatever it was
        return _fail(store, job, f"{type(error).__name__}: {error}")
    shutil.rmtree(simulation.checkpoint_folder(path), ignore_errors=True)
    if run.path == kept:
        store.work(key).mkdir(parents=True, exist_ok=True)
        kept.rename(path)
    if keep not in ("all", "best"):
        path.unlink()
    store.publish(key, is_run=True, row=row)
    return DONE


def _simulate(store: Store, job: dict[str, Any], path: Path) -> Run:
    """The run of a task: resumed where somebody was stopped, else branched or from its start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until = {"until": job["until"], "threads": 1, "device": "auto"}
    if path.exists() and checkpoint.ticks(simulation.checkpoint_folder(path)):
        with contextlib.suppress(RunFileError):
            return simulation.resume(path, **until)
    scenario = load_scenario(job["scenario"])
    if job["parent"] is None:
        return simulation.simulate(scenario, path, force=True, **until)
    parent = store.place(job["parent"], is_run=False) / RUN_FILE
    return simulation.branch(
        parent, job["branch_time"], scenario=scenario, output=path, force=True, **until
    )


def _fail(store: Store, job: dict[str, Any], message: str) -> str:
    """Publish a failed run as a row; a failed segment only tells those that wait for it."""
    if not job["is_run"]:
        return f"error: {message}"
    row = {"status": "failed", "message": message, "asked": {}, "outcomes": {}, "digest": ""}
    store.publish(job["key"], is_run=True, row=row)
    return "failed"
