"""Search for schedules by Optuna: doses, intervals, times on and off, criteria, orders of drugs."""

import contextlib
import itertools
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import optuna
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field, field_validator, model_validator
from sqlalchemy.exc import SQLAlchemyError

from tme_sim.analysis.figures.style import STYLE
from tme_sim.errors import InputError
from tme_sim.scan import figures, outcomes, scan, sharing, version
from tme_sim.scan.cluster import connect, n_cores
from tme_sim.scan.design import Arm, axis_arms, combined, refuse_overlaps, require_values
from tme_sim.scan.execute import DONE, Progress, State, execute
from tme_sim.scan.response import as_numbers
from tme_sim.scan.scan import Planned
from tme_sim.scan.study import Range, Study, read_study
from tme_sim.scenario import Scenario
from tme_sim.scenario.errors import nearest
from tme_sim.scenario.quantities import refuse

if TYPE_CHECKING:
    from dask.distributed import Client

HEARTBEAT, GRACE = 5, 20  # [s]; a trial that is silent for longer died with its process
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
ROW_ERRORS = (InputError, RuntimeError, ValueError)  # a trial that fails with one is a row
TRIAL = ("number", "state")  # columns of a trial beside what it tried and gave, and a message
QUESTIONS = "questions"  # attribute of the study in its storage
FRONT, OTHERS = "#D55E00", "#9DB4CE"
TrialProgress = Callable[[str], None]


class Search(Study):
    """An optimisation file.

    Attributes:
        search: Dotted path -> range of a number.
        choices: Name -> values of that path, or labels with overrides each, as axes of a scan.
        objectives: Outcome -> maximize or minimize; its mean over the seeds counts.
        trials: How many are to be finished, those of earlier calls included.
        sampler: Of Optuna: tpe, nsga2, gp (Gaussian process) or random.
        seed: Of the sampler. With several workers the order in which trials end counts too.
        prune: Give a trial up after some of its seeds where it is worse than the median of others.
        storage: URL of Optuna's storage; ``study.db`` (SQLite) in the store unless given.
    """

    keep: Literal["all", "failed", "none"] = "failed"
    search: dict[str, Range] = Field(default_factory=dict)
    choices: dict[str, Any] = Field(default_factory=dict)
    objectives: dict[str, Literal["maximize", "minimize"]] = Field(min_length=1)
    trials: int = Field(ge=1)
    sampler: Literal["tpe", "nsga2", "gp", "random"] = "tpe"
    seed: int = Field(default=1, ge=0)
    prune: bool = False
    storage: str | None = None

    @field_validator("choices", mode="before")
    @classmethod
    def _choices(cls, value: Any) -> Any:
        return require_values(value)

    @model_validator(mode="after")
    def _possible(self) -> "Search":
        if not self.search and not self.choices:
            refuse("nothing to search for: `search` or `choices` is needed", "search")
        if self.prune and len(self.objectives) > 1:
            refuse("one objective is needed; Optuna cannot prune with several", "prune")
        if self.prune and len(self.seeds or range(self.replicates)) < 2:
            refuse("several replicates are needed; trials are pruned after some of them", "prune")
        return self

    def arm(self, trial: optuna.Trial) -> Arm:
        """What a trial suggests, as an arm."""
        values: dict[str, Any] = {}
        for path, spec in self.search.items():
            low, high = spec.bounds()
            number: float
            if spec.whole:
                number = trial.suggest_int(path, int(low), int(high), log=spec.log)
            else:
                number = trial.suggest_float(path, low, high, log=spec.log)
            values[path] = spec.quantity(number)
        parts = [Arm(f"trial {trial.number}", values, values, ("search",))]
        for name, entries in self.choices.items():
            arms = {str(arm.values[name]): arm for arm in axis_arms(name, entries, "choices")}
            parts.append(arms[trial.suggest_categorical(name, list(arms))])
        return combined(parts)


@dataclass(frozen=True)
class Found:
    """A finished search: all trials, and those that no other beats in every objective."""

    trials: pd.DataFrame
    best: pd.DataFrame


def plan(path: str | Path) -> Search:
    """Read an optimisation file and try every bound and choice of it; nothing is run or written.

    Raises:
        ScenarioError: with file and line.
    """
    study = read_study(path, Search)
    for name in study.objectives:
        if name not in study.outcomes:
            msg = f"unknown outcome; {nearest(name, study.outcomes)}"
            raise study.document.error(("objectives", name), msg)
        if outcomes.has_several(study.outcomes[name]):
            raise study.document.error(("objectives", name), outcomes.SEVERAL)
    searched = {path: spec.at(0.0) for path, spec in study.search.items()}
    choices = [axis_arms(name, entries, "choices") for name, entries in study.choices.items()]
    refuse_overlaps(study, [[Arm("", searched, searched, ("search",))], *choices])
    tried = [
        Arm(path, {}, {path: spec.at(end)}, ("search", path))
        for path, spec in study.search.items()
        for end in (0.0, 1.0)
    ]
    tried += itertools.chain(*choices)
    taken = (*TRIAL, *study.search, *study.choices)
    outcomes.check(study, [study.load(arm.overrides, *arm.at) for arm in tried], taken)
    return study


def run(
    study: Search,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    progress: TrialProgress | None = None,
) -> Found:
    """Carry out a search, as many trials at a time as there are workers.

    Every run goes to the store: a trial that says what another said costs nothing.

    Raises:
        InputError: the store exists and ``resume`` is not set, or cannot be written; or the
            storage of Optuna cannot be opened, or its trials answer other questions; or no trial
            ended well.
    """
    store = scan.open_store(study, resume=resume)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = _open_study(study, resume=resume)
    finished = len(found.get_trials(deepcopy=False, states=FINISHED))
    with connect(study, workers=workers, scheduler=scheduler) as client, _trials() as (pool, go_on):
        pool.submit(
            found.optimize,
            lambda trial: _objective(study, client, trial, go_on),
            n_trials=max(study.trials - finished, 0),
            n_jobs=workers or n_cores(),
            catch=ROW_ERRORS,
            callbacks=[
                lambda _study, trial: progress(_trial_line(study, trial)) if progress else None
            ],
        ).result()
    done = found.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = found.best_trials if done else []
    result = Found(_table(study, found.trials), _table(study, best))
    manifest = {"name": study.name, "code": version.code(), "file": study.document.text}
    store.write_results({"trials": result.trials, "best": result.best}, manifest)
    if not done:
        msg = f"no trial ended well; the last: {result.trials['message'].iloc[-1]}"
        raise InputError(msg)
    draw(study, result, store.folder / "figures" / "pareto.png")
    return result


@contextlib.contextmanager
def _trials() -> Iterator[tuple[ThreadPoolExecutor, Progress]]:
    """A thread that carries out trials, and what they ask once a second whether to go on.

    Optuna waits for trials that run, however it is interrupted; so these must end by themselves.
    """
    stopped = threading.Event()

    def go_on(_state: State) -> None:
        if stopped.is_set():
            raise _StoppedError

    with ThreadPoolExecutor(1) as pool:
        try:
            yield pool, go_on
        finally:
            stopped.set()


class _StoppedError(Exception):
    """The search was interrupted."""


def draw(study: Search, found: Found, path: Path) -> Path:
    """All trials and the Pareto front by pairs of objectives; the course of a single objective."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(study.objectives)
    done = found.trials[found.trials["state"] == TrialState.COMPLETE.name]
    pairs = list(itertools.combinations(names, 2)) or [("number", names[0])]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(pairs) + 0.4, 3.8), layout="constrained")
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        for ax, (across, up) in zip(panels, pairs, strict=True):
            ax.plot(done[across], done[up], "o", color=OTHERS, markersize=4, label="trials")
            _front(ax, study, done, found.best, across, up)
            ax.set(xlabel=_axis_label(study, across), ylabel=_axis_label(study, up))
            ax.legend()
        title = f"{study.name}: {len(done)} trials".replace("_", " ")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        figures.save(figure, path)
    return path


def _objective(
    study: Search, client: "Client", trial: optuna.Trial, go_on: Progress
) -> float | tuple[float, ...]:
    """Means of the objectives over the seeds, one seed after the other."""
    arm = study.arm(trial)
    names = list(study.objectives)
    rows: list[list[float]] = []
    try:
        scenario = study.load(arm.overrides, *arm.at)
        for step, seed in enumerate(study.all_seeds(scenario.seed)):
            one = scenario.model_copy(update={"seed": seed})
            rows.append(_values(study, client, arm, one, go_on))
            if study.prune:
                trial.report(sum(row[0] for row in rows) / len(rows), step)
                if trial.should_prune():
                    raise optuna.TrialPruned
    except (*ROW_ERRORS, _StoppedError) as err:
        trial.set_user_attr("message", str(err) or "interrupted")
        raise
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    return means[0] if len(names) == 1 else tuple(means)


def _values(
    study: Search, client: "Client", arm: Arm, scenario: Scenario, go_on: Progress
) -> list[float]:
    """Objectives of one run of a trial."""
    tasks = sharing.plan_alone(scenario)
    planned = Planned(study, [(arm, scenario)], tasks, [tasks[-1].key])
    execute(planned.tasks, client, planned.terms, go_on)
    (row,) = scan.results(planned).to_dict(orient="records")
    if row["status"] != DONE:
        raise RuntimeError(row["message"])
    values = []
    for name in study.objectives:
        number = as_numbers(pd.Series([row.get(name)]))
        if number is None or number.isna().any():
            msg = f"{name} is {row.get(name)}, no number to compare, at seed {scenario.seed}"
            raise RuntimeError(msg)
        values.append(float(number.iloc[0]))
    return values


def _open_study(study: Search, *, resume: bool) -> optuna.Study:
    """The study in its storage; a trial whose process died is tried again."""
    url = study.storage or f"sqlite:///{(study.folder() / 'study.db').resolve()}"
    pruner = optuna.pruners.MedianPruner() if study.prune else optuna.pruners.NopPruner()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of the heartbeat
    try:
        storage = RDBStorage(
            url,
            heartbeat_interval=HEARTBEAT,
            grace_period=GRACE,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
        )
        found = optuna.create_study(
            storage=storage,
            study_name=study.name,
            pruner=pruner,
            directions=list(study.objectives.values()),
            load_if_exists=resume,
        )
    except (SQLAlchemyError, ImportError, ValueError, optuna.exceptions.OptunaError) as err:
        msg = f"{url}: the storage of Optuna cannot be opened: {str(err).splitlines()[0]}"
        raise InputError(msg) from err
    _refuse_other_questions(study, found)
    found.sampler = _sampler(study, len(found.get_trials(deepcopy=False)))
    return found


def _refuse_other_questions(study: Search, found: optuna.Study) -> None:
    """Refuse to mix trials of which the values mean something else; note what they mean."""
    asked = study.model_dump(include={"search", "choices", "objectives"}, mode="json")
    base = study.load({})
    asked["outcomes"] = outcomes.with_code({k: study.outcomes[k] for k in study.objectives})
    asked["scenario"] = sharing.content_hash(base)
    asked["seeds"] = study.all_seeds(base.seed)
    asked |= {"weights": version.weights(base), "code": version.code()}
    asked = {name: json.dumps(value) for name, value in asked.items()}
    known = found.user_attrs.get(QUESTIONS)
    if known is None and not found.get_trials(deepcopy=False):
        found.set_user_attr(QUESTIONS, asked)
        return
    other = [name for name, value in asked.items() if (known or {}).get(name) != value]
    if other:
        msg = (
            f"{study.document.name}: {', '.join(other)} differ from those of the trials in "
            f"{study.folder()}; put them back, or give the study another name or store"
        )
        raise InputError(msg)


def _sampler(study: Search, n_before: int) -> BaseSampler:
    seed = study.seed + n_before  # a sampler that starts anew would repeat its first draws
    match study.sampler:
        case "tpe":
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        case "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def _table(study: Search, trials: list[FrozenTrial]) -> pd.DataFrame:
    """Trials by number: state, what was suggested, objectives, message."""
    rows = []
    for trial in sorted(trials, key=lambda one: one.number):
        values = trial.values or [float("nan")] * len(study.objectives)
        row = {"number": trial.number, "state": trial.state.name}
        row |= {name: trial.params.get(name) for name in (*study.search, *study.choices)}
        row |= dict(zip(study.objectives, values, strict=True))
        lost = "its process ended" if trial.state == TrialState.FAIL else ""
        rows.append(row | {"message": trial.user_attrs.get("message", lost)})
    names = (*TRIAL, *study.search, *study.choices, *study.objectives, "message")
    return pd.DataFrame(rows, columns=names)


def _front(
    ax: Axes, study: Search, done: pd.DataFrame, best: pd.DataFrame, across: str, up: str
) -> None:
    if across == "number":
        so_far = done[up].cummax() if study.objectives[up] == "maximize" else done[up].cummin()
        ax.step(done["number"], so_far, where="post", color=FRONT, label="best so far")
        return
    front = best.sort_values(across)
    line = "-" if len(study.objectives) == 2 else ""
    ax.plot(front[across], front[up], f"o{line}", color=FRONT, markersize=5, label="Pareto front")


def _axis_label(study: Search, name: str) -> str:
    return "trial" if name == "number" else f"{name} ({study.objectives[name]})"


def _trial_line(study: Search, trial: FrozenTrial) -> str:
    values = ", ".join(f"{value:.4g}" for value in trial.values or ())
    settings = ", ".join(
        f"{name} {value:.4g} {study.search[name].unit}".rstrip()
        if name in study.search
        else f"{name} {value}"
        for name, value in trial.params.items()
    )
    end = values or trial.user_attrs.get("message", "")
    return f"trial {trial.number} {trial.state.name.lower()}: {end} ({settings})"
