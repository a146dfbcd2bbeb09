"""Outcomes of a run by name: each turns a run and its parameters into one or several numbers."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tme_sim.analysis.explain.survival import explain
from tme_sim.errors import InputError
from tme_sim.output.explanation import FATES
from tme_sim.output.run import Run
from tme_sim.output.summary import DOSE, baseline_row
from tme_sim.scan.study import Study
from tme_sim.scan.version import file_hash
from tme_sim.scenario import Scenario, ScenarioError
from tme_sim.scenario.errors import nearest
from tme_sim.scenario.units import DAY, minutes
from tme_sim.state.columns import ALIVE

EPITHELIUM = "epithelium"
REFERENCES = ("baseline", "nadir")  # what progression is measured from


def burden(run: Run, *, at: str | None = None) -> float:
    """Living tumor cells at a time (the end where none is given, or where the run ended before)."""
    metrics = run.metrics
    time = np.inf if at is None else minutes(at)
    row = int(np.searchsorted(metrics["time"], time + 1e-9, side="right")) - 1
    return float(metrics["burden"].iloc[row])


def nadir(run: Run) -> float:
    """Least burden from the first dose on (from the start where none was given)."""
    return float(run.metrics["burden"].iloc[baseline_row(run) or 0 :].min())


def time_to_progression(
    run: Run, *, factor: float = 1.2, of: str = "baseline"
) -> dict[str, float | bool]:
    """Days from the first dose until burden reaches ``factor`` x baseline or x nadir so far.

    Where it never does: the days that were followed, and ``event`` is false (censored).
    """
    table = run.metrics.iloc[baseline_row(run) or 0 :]
    cells, time = table["burden"].to_numpy(), table["time"].to_numpy()
    reference = cells[0] if of == "baseline" else np.minimum.accumulate(cells)
    reached = np.flatnonzero((cells >= factor * reference) & (np.arange(cells.size) > 0))
    last = reached[0] if reached.size else cells.size - 1
    return {"": float(time[last] - time[0]) / DAY, "event": bool(reached.size)}


def resistant_fraction(run: Run, *, at: str | None = None) -> float:
    """Share of living tumor cells with a standing or acquired mutation; NaN without such cells."""
    frame = len(run.times) - 1 if at is None else run.frame_at(at)
    cells = run.frame(frame, ("type", "status", "clone"))
    tumor = cells["type"] == run.columns["type"]["categories"].index("tumor")
    clones = cells["clone"][tumor & (cells["status"] == ALIVE)]
    mutants = run.clones["index"][run.clones["parent"] >= 0]
    return float(np.isin(clones, mutants).mean()) if clones.size else float("nan")


def cumulative_dose(run: Run, *, drug: str) -> float:
    """Amount of a drug that was given [mg]."""
    given = run.events["text"][run.events["kind"] == DOSE].str.split()
    return float(sum(float(words[1]) for words in given if words[0] == drug))


def toxicity(run: Run) -> float:
    """Largest share of healthy epithelium that was lost after the first dose.

    1 - min(epithelial cells) / epithelial cells at the first dose; NaN without such cells.
    """
    groups = [name for name, group in run.scenario.cells.items() if group.type == EPITHELIUM]
    cells = run.metrics[[f"n_{name}" for name in groups]].sum(axis=1).to_numpy()
    cells = cells[baseline_row(run) or 0 :]
    return float(1.0 - cells.min() / cells[0]) if cells[0] > 0 else float("nan")


def mechanisms(run: Run, *, at: str | None = None, cells: int = 200) -> dict[str, float]:
    """Shares of causes why tumor cells survive (see ``tme-sim explain``), of ``cells`` drawn.

    At the last checkpoint, or the last one not after ``at``; nothing where no therapy has begun.
    """
    last = run.times[-1] if at is None else minutes(at)
    try:
        (found,) = explain(run, at=[float(last)], cells=cells)
    except InputError:
        return {}
    causes = (*FATES, *found.verdict.put_back)
    counts = np.bincount(found.verdict.cause, minlength=len(causes))
    total = max(int(counts.sum()), 1)
    return {name: float(n / total) for name, n in zip(causes, counts, strict=True)}


FUNCTION = "function"  # of a user: ``function: {path: "package.module:name", ...}``
OUTCOMES: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        burden,
        nadir,
        time_to_progression,
        resistant_fraction,
        cumulative_dose,
        toxicity,
        mechanisms,
    )
}


def check(study: Study, scenarios: Sequence[Scenario]) -> None:
    """Refuse an outcome or a parameter that does not exist, or that no run can have.

    Raises:
        ScenarioError: with file, line and the nearest valid name.
    """
    for column, spec in study.outcomes.items():
        path = ("outcomes", column)
        if len(spec) != 1:
            raise study.document.error(path, f"found {spec!r}; one outcome is needed")
        ((name, parameters),) = spec.items()
        if name not in OUTCOMES and name != FUNCTION:
            hint = nearest(name, (*OUTCOMES, FUNCTION))
            raise study.document.error(path, f"unknown outcome {name!r}; {hint}")
        fault = _fault(name, parameters or {}, scenarios)
        if fault is not None:
            raise study.document.error((*path, name), fault)


def need_checkpoints(outcomes: dict[str, dict[str, Any]]) -> bool:
    """Whether a run file alone does not tell them."""
    return any(mechanisms.__name__ in spec for spec in outcomes.values())


def with_code(outcomes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Outcomes with the hash of the code of a user's functions: another code, another result."""
    own = {}
    for column, spec in outcomes.items():
        if FUNCTION in spec:
            source = inspect.getsourcefile(_resolved(FUNCTION, spec[FUNCTION])[0])
            own[column] = file_hash(source) if source else ""
    return {**outcomes, "code": own} if own else outcomes


def measure(run: Run, outcomes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Columns of all outcomes of a run; several values of one get a suffix."""
    found: dict[str, Any] = {}
    for column, spec in outcomes.items():
        ((name, parameters),) = spec.items()
        function, given = _resolved(name, parameters or {})
        value = function(run, **given)
        values = value if isinstance(value, dict) else {"": value}
        found |= {f"{column}_{key}" if key else column: v for key, v in values.items()}
    return found


def _resolved(name: str, parameters: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function behind an outcome, and its parameters."""
    if name != FUNCTION:
        return OUTCOMES[name], parameters
    module, _, attribute = str(parameters["path"]).partition(":")
    given = {key: value for key, value in parameters.items() if key != "path"}
    return getattr(importlib.import_module(module), attribute), given


def _fault(name: str, parameters: dict[str, Any], scenarios: Sequence[Scenario]) -> str | None:
    """Why an outcome cannot be asked for; None where it can."""
    try:
        function, given = _resolved(name, parameters)
    except (TypeError, ValueError, ImportError, AttributeError, KeyError) as err:
        return f"{name}: {err}"
    try:
        inspect.signature(function).bind(None, **given)
    except TypeError as err:
        known = list(inspect.signature(function).parameters)[1:]
        return f"{name}: {err}; its parameters are {known}"
    except ValueError as err:
        return f"{name}: {err}"
    drugs = sorted({entry.drug for scenario in scenarios for entry in scenario.therapy})
    if name == cumulative_dose.__name__ and given["drug"] not in drugs:
        return f"{given['drug']!r} is given in no run; {nearest(given['drug'], drugs)}"
    healthy = any(g.type == EPITHELIUM for s in scenarios for g in s.cells.values())
    if name == toxicity.__name__ and not healthy:
        return f"toxicity needs cells of type {EPITHELIUM}; no run has them"
    return _bad_value(name, given)


def _bad_value(name: str, given: dict[str, Any]) -> str | None:
    of = given.get("of", "baseline")
    if name == time_to_progression.__name__ and of not in REFERENCES:
        return f"of: found {of!r}; {nearest(of, REFERENCES)}"
    try:
        if given.get("at") is not None:
            minutes(given["at"])
    except ScenarioError as err:
        return f"at: {err.message}"
    return None
