"""Continue a run: from which checkpoint, and whether under the conditions that are asked for."""

import shlex
import warnings
from pathlib import Path
from typing import Any, NoReturn

from surrogates.contract import CellModel
from tme_sim.errors import InputError
from tme_sim.model.tumor_model import TumorModel
from tme_sim.output.describe import PACKAGES, provenance_of
from tme_sim.output.layout import POLICY
from tme_sim.output.run import Run
from tme_sim.scenario import Scenario, load_scenario
from tme_sim.scenario.differences import TOLD, differences
from tme_sim.scenario.differences import in_words as told
from tme_sim.scenario.units import format_quantity, minutes, time_in_words
from tme_sim.state import checkpoint


def checkpoint_folder(path: Path) -> Path:
    """Where the checkpoints of a run file live."""
    return path.with_name(path.name + ".checkpoints")


def saved_state(run: Run, at_most: int | None = None) -> tuple[int, dict[str, Any]] | None:
    """Tick and state of the last checkpoint that is the run's own and within what it holds."""

    def fault(state: dict[str, Any]) -> str:
        recorded = state["recorder"]
        if recorded.get("run") != run.id:
            return "belongs to another run"
        if not run.holds(recorded["extent"]):
            return "is ahead of the run file"
        return ""

    return checkpoint.find(checkpoint_folder(run.path), at_most=at_most, fault=fault)


def refuse_without_checkpoint(run: Run, moment: float | None = None) -> NoReturn:
    """Refuse to continue, and tell from when on it would be possible."""
    saved = checkpoint.ticks(checkpoint_folder(run.path))
    first = f"; the first is at {time_in_words(saved[0] * run.tick)}" if saved else ""
    when = "" if moment is None else f" at or before {time_in_words(moment)}"
    msg = f"{run.path} has no checkpoint of its own{when}{first}"
    raise InputError(msg)


def with_washout(old: Scenario, new: Scenario, state: dict[str, Any], moment: float) -> Scenario:
    """The new scenario, with entries that end now for drugs in the body that it does not name."""
    bodies = state["model"]["therapy"]["bodies"]
    named = {entry.drug for entry in new.therapy}
    gone = {name for name, body in bodies.items() if body["given"] > 0.0} - named
    if not gone:
        return new
    before, data = old.resolved(), new.resolved()
    until = format_quantity(moment, "min")
    data["therapy"] += [
        plan | {"until": until}
        for plan, entry in zip(before["therapy"], old.therapy, strict=True)
        if entry.drug in gone and entry.start < moment
    ]
    for section in ("drugs", "substrates"):
        data[section] |= {
            k: v for k, v in before[section].items() if k in gone - set(data[section])
        }
    return load_scenario(data)


def moment_of(run: Run, at: str | float) -> float:
    """A time of a run's past [min]."""
    moment = minutes(at)
    if not 0.0 <= moment <= run.end:
        msg = f"at: {at!r} is no time of {run.path}, which ends at {time_in_words(run.end)}"
        raise InputError(msg)
    return moment


def refuse_untrusted(run: Run, scenario: Scenario | None = None, *, trust: bool) -> None:
    """Refuse to run Python code that only the run file names.

    Args:
        run: the run to go on with.
        scenario: what its user asks for; code that this names may run.
        trust: the user has looked at what the file names.
    """
    named = set(run.scenario.policies) - set(() if scenario is None else scenario.policies)
    if named and not trust:
        msg = (
            f"{run.path} names Python code that would be run: {', '.join(sorted(named))}; if you "
            "trust it, say so with --trust (in Python: trust=True)"
        )
        raise InputError(msg)


def refuse_other_conditions(run: Run, saved: Scenario, asked: Scenario) -> None:
    """Refuse to resume a run as another scenario than it is; the message has the branch for it."""
    changed = [
        path for path in asked.files if saved.files.get(path) not in (None, asked.files[path])
    ]
    if changed:
        msg = f"{run.path} was begun with another content of {', '.join(changed)}; start a new run"
        raise InputError(msg)
    found = differences(saved, asked)
    if found:
        sets = " ".join(f"--set {shlex.quote(f'{key}={new}')}" for key, (_, new) in found.items())
        is_short = len(found) <= TOLD and all(new is not None for _, new in found.values())
        shown = sets if is_short else "--set ..."
        msg = (
            f"{run.path} differs from what is asked for: {told(found)}. --resume goes on as it was "
            f"begun; for other conditions: tme-sim branch {shlex.quote(str(run.path))} "
            f"--at '{time_in_words(run.end)}' {shown}"
        )
        raise InputError(msg)


def warn_of_other_versions(run: Run, model: TumorModel) -> None:
    """Warn where what computes is not what it was: the result may not be the same to the bit."""
    begun, now = run.provenance, provenance_of(model)
    other = [
        f"{name} {begun[name]}, now {now[name]}"
        for name in (*PACKAGES, "tme_sim", "machine")
        if begun.get(name, "") != now.get(name, "")
    ]
    if other:
        msg = f"{run.path} was begun with {'; '.join(other)}: results may differ in their last bits"
        warnings.warn(msg, stacklevel=2)


def refuse_other_deciders(run: Run, model: TumorModel) -> None:
    """Refuse to go on with other weights, or other code of a user's policy, than a run's own."""
    refuse_other_weights(run, model.cell_model)
    facts, now = run.provenance, provenance_of(model)
    for name in (n for n in facts if n.startswith(POLICY)):
        _refuse_another(run, name, facts[name], now.get(name))


def refuse_other_weights(run: Run, cell_model: CellModel) -> None:
    """Refuse to go on from a state that another cell model left, which may have other nodes too."""
    begun = run.provenance.get("surrogate_hash", cell_model.hash)
    _refuse_another(run, "weights", begun, cell_model.hash)


def _refuse_another(run: Run, what: str, begun: object, now: object) -> None:
    if begun != now:
        msg = (
            f"{run.path}: the {what} are not those that it was begun with "
            f"({str(begun)[:12]}, now {str(now or 'none')[:12]}); put these back, or start a "
            "new run"
        )
        raise InputError(msg)
