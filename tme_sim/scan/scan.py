"""Run a scan: read it, refuse what is wrong with it, plan, carry out, write tables and figures."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import pandas as pd

from tme_sim.errors import InputError
from tme_sim.scan import cost, figures, outcomes, paired, response, sharing, version
from tme_sim.scan.cluster import connect
from tme_sim.scan.cost import Forecast
from tme_sim.scan.design import Arm, Best, Scan, arms_of
from tme_sim.scan.execute import DONE, Progress, Terms, execute, needed
from tme_sim.scan.sharing import Task
from tme_sim.scan.store import RUN_FILE, Store
from tme_sim.scan.study import COLUMNS, Kind, Study, read_study
from tme_sim.scenario import Scenario
from tme_sim.scenario.errors import nearest


@dataclass(frozen=True)
class Planned(Generic[Kind]):
    """Runs of a study that are known to be good, not yet carried out.

    Attributes:
        study: What asks for them.
        runs: In the order of the results.
        tasks: Of all that differ, with the pasts that they share.
        keys: Of the runs, as their files were when they were planned.
    """

    study: Kind
    runs: list[tuple[Arm, Scenario]]
    tasks: list[Task]
    keys: list[str]

    @property
    def store(self) -> Store:
        """Where they go."""
        return Store(self.study.folder())

    @property
    def terms(self) -> Terms:
        """What holds for all of them."""
        return Terms(str(self.study.folder().resolve()), self.study.outcomes, self.study.keep)

    def forecast(self, workers: int) -> Forecast | None:
        """How long what is left to do will take; None where that is nothing, or pilots fail."""
        todo = needed(self.tasks, self.terms)
        return cost.forecast(self.study, todo, workers) if todo else None

    def text(self, forecast: Forecast | None) -> str:
        """Runs, shared segments, what is left to do and how long it will take."""
        runs = [task for task in self.tasks if task.is_run]
        left = sum(task.is_run for task in needed(self.tasks, self.terms))
        shared = sum(task.end - task.start for task in self.tasks)
        alone = sum(task.end for task in runs)
        lines = [
            f"{self.study.name}: {len(self.runs)} runs, {len(runs)} of them different, "
            f"in {self.store.folder}",
            f"  {len(self.tasks) - len(runs)} shared segments: {shared} ticks instead of {alone} "
            f"({shared / max(alone, 1):.0%})",
            f"  done before: {len(runs) - left} runs",
        ]
        if forecast is not None:
            lines.append(
                f"  about {forecast.seconds:.0f} s on {forecast.workers} workers, then tables "
                f"and figures ({forecast.cost.text()})"
            )
        elif left:
            lines.append("  time unknown: the runs that were to be timed failed")
        return "\n".join(lines)


def plan(path: str | Path, *, share: bool = True) -> Planned[Scan]:
    """Read a scan file and resolve every run of it; nothing is written.

    Raises:
        ScenarioError: with file and line: an unknown axis, outcome, column, value, arm.
    """
    scan = read_study(path, Scan)
    arms = arms_of(scan)
    labels = [arm.label for arm in arms]
    if scan.reference is not None and scan.reference not in labels:
        msg = f"unknown arm {scan.reference!r}; {nearest(scan.reference, labels)}"
        raise scan.document.error(("reference",), msg)
    if scan.best is not None and scan.best.outcome not in scan.outcomes:
        msg = f"unknown outcome {scan.best.outcome!r}; {nearest(scan.best.outcome, scan.outcomes)}"
        raise scan.document.error(("best", "outcome"), msg)
    if scan.best is not None and outcomes.has_several(scan.outcomes[scan.best.outcome]):
        raise scan.document.error(("best", "outcome"), outcomes.SEVERAL)
    return plan_arms(scan, arms, share=share)


def plan_arms(study: Kind, arms: Sequence[Arm], *, share: bool = True) -> Planned[Kind]:
    """Resolve every run of some arms of a study.

    Raises:
        ScenarioError: with file and line.
    """
    runs, axes = [], {name for arm in arms for name in arm.values}
    for arm in arms:
        scenario = study.load(arm.overrides, *arm.at)
        seeds = study.all_seeds(scenario.seed)
        runs += [(arm, scenario.model_copy(update={"seed": seed})) for seed in seeds]
    scenarios = [scenario for _, scenario in runs]
    outcomes.check(study, scenarios, axes)
    keys = [sharing.run_key(scenario) for scenario in scenarios]
    return Planned(study, runs, sharing.plan(scenarios, share=share), keys)


def open_store(study: Study, *, resume: bool) -> Store:
    """The store of a study, made if needed.

    Raises:
        InputError: it exists and ``resume`` is not set, or cannot be written.
    """
    check_store(study, resume=resume)
    store = Store(study.folder())
    store.create()
    return store


def check_store(study: Study, *, resume: bool) -> None:
    """Refuse a store that ``open_store`` would refuse; nothing is written."""
    folder = study.folder()
    try:
        exists = (folder / "work").exists()
    except OSError as err:  # a name that no folder can have
        msg = f"{folder}: cannot be a store: {err.strerror}"
        raise study.document.error(("store",), msg) from err
    if exists and not resume:
        msg = f"{folder} exists: go on with --resume, or give the study another name or store"
        raise InputError(msg)
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        msg = f"{folder}: the store cannot be written; {place} is no folder that you may write to"
        raise InputError(msg)


def run(
    planned: Planned[Scan],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Carry out a scan; returns the table that ``results.parquet`` holds.

    Raises:
        InputError: the store exists and ``resume`` is not set, or cannot be written.
    """
    store = open_store(planned.study, resume=resume)
    with connect(planned.study, workers=workers, scheduler=scheduler) as client:
        execute(planned.tasks, client, planned.terms, progress)
    table = results(planned)
    if planned.study.best is not None:
        _keep_best(table, planned.study.best, store)
    _write(planned, table)
    return table


def results(planned: Planned[Kind]) -> pd.DataFrame:
    """One row per run, in the order of the plan; ``key`` leads to its files."""
    rows = []
    for (arm, scenario), key in zip(planned.runs, planned.keys, strict=True):
        found = planned.store.row(key) or {"status": "missing", "message": "", "digest": ""}
        about = {"arm": arm.label, **arm.values, "seed": scenario.seed, "status": found["status"]}
        end = {"message": found["message"], "digest": found["digest"], "key": key}
        rows.append(about | found.get("outcomes", {}) | end)
    table = pd.DataFrame(rows)
    for name in table.select_dtypes("object"):
        known = table[name].dropna()
        if known.map(type).nunique() > 1:  # a column of a Parquet file has one type
            table.loc[known.index, name] = known.astype(str)
    ends = ["message", "digest", "key"]
    return table[[name for name in table.columns if name not in ends] + ends]


def measured(table: pd.DataFrame, planned: Planned[Kind]) -> list[str]:
    """Columns of a table of results that are outcomes."""
    axes = {name for arm, _ in planned.runs for name in arm.values}
    return [name for name in table.columns if name not in axes and name not in COLUMNS]


def courses(planned: Planned[Kind]) -> pd.DataFrame:
    """Burden of all finished runs over time: arm, seed, day, first_dose [d], burden."""
    parts = []
    for (arm, scenario), key in zip(planned.runs, planned.keys, strict=True):
        row = planned.store.row(key)
        if row is not None and row["status"] == DONE:
            course = pd.DataFrame({"arm": arm.label, "seed": scenario.seed, **row["course"]})
            parts.append(course.astype({"first_dose": float}))
    names = ["arm", "seed", "day", "first_dose", "burden"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _write(planned: Planned[Scan], table: pd.DataFrame) -> None:
    """Tables as Parquet and CSV, the manifest, and the figures that the tables give rise to."""
    scan, store = planned.study, planned.store
    done = table[table["status"] == DONE]
    names = measured(table, planned)
    reference = scan.reference or planned.runs[0][0].label
    course = courses(planned)
    tables = {
        "results": table.drop(columns="key"),
        "courses": course,
        "bands": response.bands(course),
        "responses": response.responses(course),
        "paired": paired.differences(done, names, reference),
        "survival": response.survival(done, names),
    }
    manifest = {
        "name": scan.name,
        "code": version.code(),
        "file": scan.document.text,
        "reference": reference,
        "keys": sorted(set(table["key"])),
    }
    store.write_results(tables, manifest)
    axes = list(planned.runs[0][0].values)
    figures.draw_all(store.folder / "figures", tables, names, axes=axes, title=scan.name)


def _keep_best(table: pd.DataFrame, best: Best, store: Store) -> None:
    """Remove the run files of all but the best run."""
    if best.outcome not in table:
        return  # no run ended well
    values = table.loc[table["status"] == DONE].dropna(subset=[best.outcome])
    if values.empty:
        return
    ranked = values.sort_values(best.outcome, ascending=best.direction == "minimize")
    for key in set(ranked["key"]) - {ranked["key"].iloc[0]}:
        (store.place(key, is_run=True) / RUN_FILE).unlink(missing_ok=True)
