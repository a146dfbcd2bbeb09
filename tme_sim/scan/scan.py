"""Run a scan: read it, refuse what is wrong with it, plan, carry out, write the table."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tme_sim.errors import InputError
from tme_sim.scan import cost, outcomes, sharing, version
from tme_sim.scan.design import Arm, Scan, arms_of, read_study
from tme_sim.scan.execute import Told, execute, needed
from tme_sim.scan.sharing import Task
from tme_sim.scan.store import RUN_FILE, Store
from tme_sim.scenario import Scenario
from tme_sim.scenario.errors import nearest

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass(frozen=True)
class Planned:
    """A scan that is known to be good, not yet run."""

    scan: Scan
    runs: list[tuple[Arm, Scenario]]
    tasks: list[Task]
    store: Store

    def text(self, workers: int) -> str:
        """Runs, shared segments, what is left to do and how long it will take."""
        todo = needed(self.tasks, self.store, self.scan.outcomes)
        runs = [task for task in self.tasks if task.is_run]
        segments = [task for task in self.tasks if not task.is_run]
        shared = sum(t.end - t.start for t in self.tasks)
        alone = sum(t.end for t in runs)
        lines = [
            f"{self.scan.name}: {len(self.runs)} runs, {len(runs)} of them different, "
            f"in {self.store.folder}",
            f"  {len(segments)} shared segments: {shared} ticks instead of {alone} "
            f"({shared / max(alone, 1):.0%})",
            f"  done before: {len(runs) - sum(t.is_run for t in todo)} runs",
        ]
        if todo:
            per_tick = cost.seconds_per_tick(todo[0])
            seconds = cost.makespan(todo, per_tick, workers)
            lines.append(
                f"  about {seconds:.0f} s on {workers} workers ({1e3 * per_tick:.1f} ms a tick, "
                "timed at the start of the first run)"
            )
        return "\n".join(lines)


def plan(path: str | Path, *, share: bool = True) -> Planned:
    """Read a scan file and resolve every run of it; nothing is written.

    Raises:
        ScenarioError: with file and line: an unknown axis, outcome, column, value.
    """
    scan = read_study(path)
    outcomes.check(scan)
    if scan.best is not None and scan.best.outcome not in scan.outcomes:
        msg = f"unknown outcome {scan.best.outcome!r}; {nearest(scan.best.outcome, scan.outcomes)}"
        raise scan.document.error(("best", "outcome"), msg)
    runs = []
    for arm in arms_of(scan):
        scenario = scan.load(arm.overrides, *arm.at)
        seeds = scan.all_seeds(scenario.seed)
        runs += [(arm, scenario.model_copy(update={"seed": seed})) for seed in seeds]
    tasks = sharing.plan([scenario for _, scenario in runs], share=share)
    return Planned(scan, runs, tasks, Store(scan.folder()))


def run(
    planned: Planned,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    told: Told | None = None,
) -> pd.DataFrame:
    """Carry out a scan; returns the table that ``results.parquet`` holds.

    Raises:
        InputError: the store exists and ``resume`` is not set, or cannot be written.
    """
    scan, store = planned.scan, planned.store
    if (store.folder / "work").exists() and not resume:
        msg = f"{store.folder} exists: go on with --resume, or give the scan another name or store"
        raise InputError(msg)
    store.create()
    with cluster(scan, workers=workers, scheduler=scheduler) as client:
        execute(
            planned.tasks,
            client,
            store=store,
            outcomes=scan.outcomes,
            keep=scan.keep,
            told=told,
        )
    table = results(planned)
    if scan.best is not None:
        _keep_best(table, scan, store)
    manifest = {"name": scan.name, "code": version.code(), "file": scan.document.text}
    store.write_results(table.drop(columns="key"), manifest | {"keys": sorted(set(table["key"]))})
    return table


def results(planned: Planned) -> pd.DataFrame:
    """One row per run, in the order of the plan."""
    rows = []
    for arm, scenario in planned.runs:
        key = sharing.run_key(scenario)
        found = planned.store.row(key) or {"status": "missing", "message": "", "digest": ""}
        about = {"arm": arm.label, **arm.values, "seed": scenario.seed, "status": found["status"]}
        end = {"message": found["message"], "digest": found["digest"], "key": key}
        rows.append(about | found.get("outcomes", {}) | end)
    return pd.DataFrame(rows)


@contextlib.contextmanager
def cluster(scan: Scan, *, workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """A Dask client: of a scheduler, of the file's cluster, or of workers on this machine."""
    from dask.distributed import Client

    os.environ.update(ENVIRONMENT)  # before workers import numba
    n_workers = workers or os.cpu_count() or 1
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    with _own(scan, n_workers) as owned, Client(owned) as client:
        yield client


def _own(scan: Scan, workers: int) -> Any:
    if "slurm" in scan.cluster:
        from dask_jobqueue import SLURMCluster

        owned = SLURMCluster(**{"cores": 1, "processes": 1, **scan.cluster["slurm"]})
        owned.scale(workers)
        return owned
    from dask.distributed import LocalCluster

    # no memory limit: a run's memory is checked when its scenario is
    return LocalCluster(
        n_workers=workers, threads_per_worker=1, memory_limit=0, dashboard_address=None
    )


def _keep_best(table: pd.DataFrame, scan: Scan, store: Store) -> None:
    """Remove the run files of all but the best run."""
    values = table.loc[table["status"] == "done"].dropna(subset=[scan.best.outcome])
    if values.empty:
        return
    ranked = values.sort_values(scan.best.outcome, ascending=scan.best.direction == "minimize")
    for key in set(ranked["key"]) - {ranked["key"].iloc[0]}:
        (store.place(key, is_run=True) / RUN_FILE).unlink(missing_ok=True)
