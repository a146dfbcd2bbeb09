"""Outcomes of a run by name: each turns a run and its parameters into one or several numbers."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tme_sim.output.run import Run
from tme_sim.output.summary import DOSE, baseline_row
from tme_sim.scan.design import Study
from tme_sim.scenario.errors import nearest
from tme_sim.scenario.units import minutes
from tme_sim.state.columns import ALIVE

DAY = 1440.0


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
    if of not in ("baseline", "nadir"):
        msg = f"of: found {of!r}; {nearest(of, ('baseline', 'nadir'))}"
        raise ValueError(msg)
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


OUTCOMES: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (burden, nadir, time_to_progression, resistant_fraction, cumulative_dose)
}


def check(study: Study) -> None:
    """Refuse an outcome or a parameter that does not exist.

    Raises:
        ScenarioError: with file, line and the nearest valid name.
    """
    for column, spec in study.outcomes.items():
        path = ("outcomes", column)
        if len(spec) != 1:
            raise study.document.error(path, f"found {spec!r}; one outcome is needed")
        ((name, parameters),) = spec.items()
        parameters = parameters or {}
        if name not in OUTCOMES and name != "function":
            hint = nearest(name, (*OUTCOMES, "function"))
            raise study.document.error(path, f"unknown outcome {name!r}; {hint}")
        try:
            function, given = _resolved(name, parameters)
            inspect.signature(function).bind(None, **given)
        except (TypeError, ValueError, ImportError, AttributeError, KeyError) as err:
            raise study.document.error((*path, name), f"{name}: {err}") from err


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
    """The function behind an outcome; that of a user as ``function: {path: "package:name"}``."""
    if name != "function":
        return OUTCOMES[name], parameters
    module, _, attribute = str(parameters["path"]).partition(":")
    given = {key: value for key, value in parameters.items() if key != "path"}
    return getattr(importlib.import_module(module), attribute), given
