"""Which parameters of a scenario matter: Morris screening and Sobol indices, by SALib."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from tme_sim.analysis.figures.style import STYLE
from tme_sim.errors import InputError
from tme_sim.scan import figures, scan, version
from tme_sim.scan.cluster import connect
from tme_sim.scan.design import Arm, refuse_overlaps
from tme_sim.scan.execute import DONE, Progress, execute
from tme_sim.scan.response import as_numbers
from tme_sim.scan.scan import Planned
from tme_sim.scan.study import Range, Study, read_study
from tme_sim.scenario.quantities import refuse

INDICES = {  # what SALib calls the indices of a method, the main one first
    "morris": ("mu_star", "mu", "sigma"),
    "sobol": ("ST", "S1"),
}
MEANING = {
    "mu_star": "mean absolute effect over the range,\norange: raises it, blue: lowers it",
    "ST": "share of variance: total (light), alone (dark)",
}
POSITIVE, NEGATIVE, ALONE = "#D55E00", "#0072B2", "#1B3A6B"


class Sensitivity(Study):
    """A sensitivity file.

    Attributes:
        parameters: Dotted path -> the range that it is varied over.
        method: ``morris`` (elementary effects, Morris 1991 and Campolongo 2007) or ``sobol``
            (variance-based indices, Saltelli 2010).
        n: Trajectories of Morris, of parameters + 1 points each; or base points of Sobol, a power
            of 2, each of which makes parameters + 2 points.
        levels: Of each parameter in Morris.
        seed: Of the sample and of the bootstrap.
        resamples: Of the bootstrap behind the intervals.
    """

    keep: Literal["all", "failed", "none"] = "failed"
    parameters: dict[str, Range] = Field(min_length=1)
    method: Literal["morris", "sobol"]
    n: int = Field(ge=2)
    levels: int = Field(default=4, ge=2)
    seed: int = Field(default=1, ge=0)
    resamples: int = Field(default=1000, ge=10)

    @model_validator(mode="after")
    def _possible(self) -> "Sensitivity":
        if self.method == "sobol" and self.n & (self.n - 1):
            refuse(f"found {self.n}, but Sobol needs a power of 2", "n")
        if self.levels % 2:
            refuse(f"found {self.levels}, but Morris needs an even number", "levels")
        return self

    @property
    def problem(self) -> dict[str, Any]:
        """What SALib samples: every parameter as a share of its range."""
        names = list(self.parameters)
        return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}

    def sample(self) -> np.ndarray:
        """Points (n_points, n_parameters), shares of the ranges in [0, 1]."""
        from SALib.sample import morris, sobol  # an extra, imports pandas and scipy

        points: np.ndarray
        if self.method == "morris":
            points = morris.sample(self.problem, self.n, num_levels=self.levels, seed=self.seed)
        else:
            points = sobol.sample(self.problem, self.n, calc_second_order=False, seed=self.seed)
        return points


@dataclass(frozen=True)
class Sampled:
    """A sensitivity study with its points and the runs at them."""

    study: Sensitivity
    points: np.ndarray
    planned: "Planned[Sensitivity]"


def plan(path: str | Path) -> Sampled:
    """Read a sensitivity file and resolve every run of it; nothing is written.

    Raises:
        ScenarioError: with file and line.
    """
    study = read_study(path, Sensitivity)
    points = study.sample()
    whole = {name: spec.at(0.0) for name, spec in study.parameters.items()}
    refuse_overlaps(study, [[Arm("", whole, whole, ("parameters",))]])
    arms = []
    for k, point in enumerate(points):
        pairs = zip(study.parameters.items(), point, strict=True)
        values = {name: spec.at(float(share)) for (name, spec), share in pairs}
        arms.append(Arm(f"point {k}", values, values, ("parameters",)))
    return Sampled(study, points, scan.plan_arms(study, arms))


def run(
    sampled: Sampled,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Carry out a sensitivity study; returns the table of indices that ``sensitivity.csv`` holds.

    Points of which a run failed or gave no number are left out, with all that belongs to them.

    Raises:
        InputError: the store exists and ``resume`` is not set, or cannot be written; or no run
            gave an outcome.
    """
    study, planned = sampled.study, sampled.planned
    store = scan.open_store(study, resume=resume)
    with connect(study, workers=workers, scheduler=scheduler) as client:
        execute(planned.tasks, client, planned.terms, progress)
    results = scan.results(planned)
    manifest = {"name": study.name, "code": version.code(), "file": study.document.text}
    tables = {"results": results.drop(columns="key")}
    table = indices(sampled, results)
    store.write_results(tables | {"sensitivity": table}, manifest)
    if table.empty:
        failed = results["message"][results["status"] != DONE]
        msg = f"no run gave a number: {next(iter(failed), 'outcomes are texts')}"
        raise InputError(msg)
    draw(study, table, store.folder / "figures")
    return table


def indices(sampled: Sampled, results: pd.DataFrame) -> pd.DataFrame:
    """Indices of every numeric outcome, from its mean over the seeds of each point.

    Columns: outcome, parameter, n, and for every index of the method its value, low and high: the
    bootstrap's 95 % interval (``mu`` and ``sigma`` have none). They rest on n trajectories or base
    points: those with a number at each of their points, of every seed. NaN where these are fewer
    than two, or where an outcome never varies.
    """
    study = sampled.study
    parts = []
    for name in scan.measured(results, sampled.planned):
        numbers = as_numbers(results[name])
        if numbers is not None:
            of_points = numbers.to_numpy().reshape(len(sampled.points), -1)
            found = _indices_of(study, sampled.points, of_points.mean(axis=1))
            found.insert(0, "outcome", name)
            parts.append(found)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def gaps(study: Sensitivity, table: pd.DataFrame) -> list[str]:
    """What indices rest on less than was asked for, one line per outcome."""
    known = table.drop_duplicates("outcome").set_index("outcome")["n"]
    what = "trajectories" if study.method == "morris" else "base points"
    return [
        f"{name}: {n} of {study.n} {what} gave numbers; the others are left out"
        for name, n in known.items()
        if n < study.n
    ]


def draw(study: Sensitivity, table: pd.DataFrame, folder: Path) -> list[Path]:
    """A tornado figure per outcome that has indices; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with mpl.rc_context(STYLE):
        for name, one in table.groupby("outcome", sort=False):
            if one[INDICES[study.method][0]].isna().all():
                continue
            paths.append(folder / f"tornado_{name}.png")
            title = "\n".join([f"{study.name}: {name}".replace("_", " "), *gaps(study, one)])
            figures.save(tornado(one, study.method, title), paths[-1])
    return paths


def tornado(table: pd.DataFrame, method: str, title: str) -> Figure:
    """Parameters by their main index, the largest on top, with bootstrap intervals.

    Morris: the bar's colour is the sign of the mean effect. Sobol: first-order index inside.
    """
    main = INDICES[method][0]
    ranked = table.sort_values(main, kind="stable").reset_index(drop=True)
    figure = Figure(figsize=(7.0, 1.5 + 0.36 * len(ranked)), layout="constrained")
    ax = figure.subplots()
    if method == "morris":
        colors = [POSITIVE if mu >= 0 else NEGATIVE for mu in ranked["mu"]]
    else:
        colors = ["#9DB4CE"] * len(ranked)
        ax.barh(ranked.index, ranked["S1"], color=ALONE, height=0.3, zorder=2)
    ax.barh(ranked.index, ranked[main], color=colors, height=0.65)
    ax.hlines(ranked.index, ranked[f"{main}_low"], ranked[f"{main}_high"], color="black",
              linewidth=1.2, zorder=3)  # fmt: skip
    ax.set_yticks(ranked.index, ranked["parameter"])
    ax.set_xlabel(f"{MEANING[main]}; lines: 95 % of a bootstrap")
    ax.set_title(title)
    return figure


def _indices_of(study: Sensitivity, points: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    from SALib.analyze import morris, sobol  # an extra, imports pandas and scipy

    size = len(study.parameters) + (1 if study.method == "morris" else 2)  # of a trajectory
    whole = np.isfinite(values).reshape(-1, size).all(axis=1)
    used, n = np.repeat(whole, size), int(whole.sum())
    points, values = points[used], values[used]
    table = pd.DataFrame({"parameter": list(study.parameters), "n": n})
    options = {"num_resamples": study.resamples, "seed": study.seed}
    if n < 2 or np.ptp(values) == 0.0:
        found = {}
    elif study.method == "morris":
        options["num_levels"] = study.levels
        found = morris.analyze(study.problem, points, values, **options)
    else:
        found = sobol.analyze(study.problem, values, calc_second_order=False, **options)
    for name in INDICES[study.method]:
        table[name] = np.asarray(found.get(name, np.nan), float)
        if name not in ("mu", "sigma"):
            half = np.asarray(found.get(f"{name}_conf", np.nan), float)
            table[f"{name}_low"], table[f"{name}_high"] = table[name] - half, table[name] + half
    return table
