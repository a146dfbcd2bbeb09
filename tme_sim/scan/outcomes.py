"""Outcomes of a run by name: each turns a run and its parameters into one or several numbers."""

import importlib
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tme_sim.analysis.explain.survival import explain
from tme_sim.analysis.metrics import tumor_codes
from tme_sim.errors import InputError
from tme_sim.output.explanation import FATES
from tme_sim.output.run import Run
from tme_sim.output.summary import DOSE, baseline_row
from tme_sim.scan.response import EVENT
from tme_sim.scan.study import COLUMNS, Study
from tme_sim.scan.version import file_hash
from tme_sim.scenario import Scenario, ScenarioError
from tme_sim.scenario.errors import nearest
from tme_sim.scenario.units import DAY, minutes
from tme_sim.state.columns import ALIVE

EPITHELIUM = "epithelium"
REFERENCES = ("baseline", "nadir")  # what progression is measured from
LONGEST = 80  # characters of the name of an outcome, which becomes a file's


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

    Where it never does: the days that were followed, and ``event`` is false (censored). No cells
    are no progression; the first after none are.
    """
    table = run.metrics.iloc[baseline_row(run) or 0 :]
    cells, time = table["burden"].to_numpy(), table["time"].to_numpy()
    reference = cells[0] if of == "baseline" else np.minimum.accumulate(cells)
    grown = (cells > 0) & (cells >= factor * reference)
    reached = np.flatnonzero(grown[1:]) + 1
    last = reached[0] if reached.size else cells.size - 1
    return {"": float(time[last] - time[0]) / DAY, "event": bool(reached.size)}


def resistant_fraction(run: Run, *, at: str | None = None) -> float:
    """Share of living tumor cells with a standing or acquired mutation; NaN without such cells."""
    frame = len(run.times) - 1 if at is None else run.frame_at(at)
    cells = run.frame(frame, ("type", "status", "clone"))
    tumor = np.isin(cells["type"], tumor_codes(run))
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
    groups = healthy_groups(run.scenario)
    cells = run.metrics[[f"n_{name}" for name in groups]].sum(axis=1).to_numpy()
    cells = cells[baseline_row(run) or 0 :]
    return float(1.0 - cells.min() / cells[0]) if cells[0] > 0 else float("nan")


def healthy_groups(scenario: Scenario) -> list[str]:
    """Groups of epithelium, of a type of the user's own too."""
    types = scenario.cell_types
    cells = scenario.cells.items()
    return [name for name, group in cells if types[group.type].network_type == EPITHELIUM]


def mechanisms(run: Run, *, at: str | None = None, cells: int = 200) -> dict[str, float]:
    """Shares of causes why tumor cells survive (see ``tme-sim explain``), of ``cells`` drawn.

    At the last checkpoint, or the last one not after ``at``; NaN where no therapy has begun or no
    tumor cell lives.
    """
    last = run.times[-1] if at is None else minutes(at)
    try:
        (found,) = explain(run, at=[float(last)], cells=cells)
    except InputError:
        return dict.fromkeys(FATES, math.nan)
    causes = (*FATES, *found.verdict.put_back)
    counts = np.bincount(found.verdict.cause, minlength=len(causes))
    total = int(counts.sum()) or math.nan
    return {name: float(n / total) for name, n in zip(causes, counts, strict=True)}


SEVERAL = "mechanisms are several shares, not one number"
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


def check(study: Study, scenarios: Sequence[Scenario], columns: Iterable[str] = ()) -> None:
    """Refuse an outcome or a parameter that does not exist, or that no run can have.

    Args:
        study: With the outcomes.
        scenarios: Of its runs.
        columns: What else the tables hold, so that no outcome may be called so.

    Raises:
        ScenarioError: with file, line and the nearest valid name.
    """
    taken = {*COLUMNS, *columns}
    for column, spec in study.outcomes.items():
        path = ("outcomes", column)
        fault = _bad_name(column, taken)
        if fault is not None:
            raise study.document.error(path, fault)
        taken |= {column, column + EVENT}
        if len(spec) != 1:
            raise study.document.error(path, f"found {spec!r}; one outcome is needed")
        ((name, parameters),) = spec.items()
        if name not in OUTCOMES and name != FUNCTION:
            hint = nearest(name, (*OUTCOMES, FUNCTION))
            raise study.document.error(path, f"unknown outcome {name!r}; {hint}")
        fault = _fault(name, parameters or {}, scenarios)
        if fault is not None:
            raise study.document.error((*path, name), fault)


def has_several(spec: dict[str, Any]) -> bool:
    """Whether an outcome is several numbers and none that stands for all."""
    return mechanisms.__name__ in spec


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
        for key, one in values.items():
            name = f"{column}_{key}" if key else column
            if name in found:
                msg = f"two outcomes give {name}; rename one of them"
                raise ValueError(msg)
            found[name] = _plain(name, one)
    return found


def _plain(name: str, value: Any) -> str | float | None:
    """A value of an outcome as a row of the store holds it."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int) and abs(value) > np.iinfo("i8").max:
        return float(value)  # the widest integer of a table
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    msg = f"{name} is of type {type(value).__name__}; a number or a text is needed"
    raise TypeError(msg)


def _bad_name(column: str, taken: set[str]) -> str | None:
    """Why an outcome cannot be called so; None where it can."""
    if not column.isprintable() or "/" in column or not 0 < len(column) <= LONGEST:
        return f"names of outcomes have at most {LONGEST} characters and no '/'"
    both = {column, column + EVENT} & taken
    if both:
        return f"the tables have another column {min(both)!r}; give the outcome another name"
    return None


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
    except (Exception, SystemExit) as err:  # whatever the user's code raises
        return f"{name}: {type(err).__name__}: {err}"
    drugs = sorted({entry.drug for scenario in scenarios for entry in scenario.therapy})
    if name == cumulative_dose.__name__ and given["drug"] not in drugs:
        return f"{given['drug']!r} is given in no run; {nearest(given['drug'], drugs)}"
    if name == toxicity.__name__ and not any(map(healthy_groups, scenarios)):
        return f"toxicity needs cells of type {EPITHELIUM}; no run has them"
    return _bad_value(name, given)


def _bad_value(name: str, given: dict[str, Any]) -> str | None:
    of, factor, cells = given.get("of", "baseline"), given.get("factor", 1.2), given.get("cells", 1)
    if name == time_to_progression.__name__ and of not in REFERENCES:
        return f"of: found {of!r}; {nearest(str(of), REFERENCES)}"
    if name == time_to_progression.__name__ and not (_is_number(factor) and 1.0 < factor < np.inf):
        return f"factor: found {factor!r}; a number above 1 is needed"
    if name == mechanisms.__name__ and not (isinstance(cells, int) and cells > 0):
        return f"cells: found {cells!r}; a number from 1 on is needed"
    try:
        if name != FUNCTION and given.get("at") is not None and minutes(given["at"]) < 0.0:
            return f"at: {given['at']!r} is before the run"
    except ScenarioError as err:
        return f"at: {err.message}"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
