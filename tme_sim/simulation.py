"""Run a scenario: model, recorder, checkpoints, progress and signals; the result is a ``Run``."""

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tme_sim.bug_report import failed_tick
from tme_sim.compute.launch import set_threads
from tme_sim.continuation import (
    checkpoint_folder,
    moment_of,
    refuse_other_conditions,
    refuse_other_deciders,
    refuse_other_weights,
    refuse_untrusted,
    refuse_without_checkpoint,
    saved_state,
    warn_of_other_versions,
    with_washout,
)
from tme_sim.errors import InputError
from tme_sim.files import HDF5
from tme_sim.model.tumor_model import TumorModel, load_cell_model
from tme_sim.output.layout import INTERRUPTED
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import Run, open_run
from tme_sim.scenario import Scenario, load_scenario
from tme_sim.scenario.differences import refuse_another_past
from tme_sim.scenario.units import minutes, ticks_before
from tme_sim.state import checkpoint
from tme_sim.state.lock import locked

Progress = Callable[[TumorModel], None]
LONGEST_NAME = 243  # bytes; file systems allow 255, and `.checkpoints` stands behind it
CHECKPOINT_SECONDS = 600.0  # of wall time, at most, between checkpoints
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)  # the last: no stop


def simulate(
    scenario: Scenario,
    path: str | Path | None = None,
    *,
    until: str | float | None = None,
    device: str = "auto",
    threads: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Simulate a scenario from its beginning and record it.

    Args:
        scenario: what ``load_scenario`` returned.
        path: the run file; ``outputs/<name>-<seed>.h5`` where it is not given.
        until: stop at this time (string with unit, or minutes) instead of the scenario's duration.
        device: ``auto``, ``cpu`` or ``cuda``: where the cell model is evaluated.
        threads: number of threads; the result does not depend on it.
        force: overwrite an existing finished run.
        progress: called with the model after every tick.

    Returns:
        The run, open for reading. ``run.reason`` says why it ended.

    Raises:
        InputError: the file exists and is not to be overwritten, or the scenario cannot run.
    """
    path = default_path(scenario) if path is None else Path(path)
    last = _last_tick(scenario, until)
    _refuse_overwrite(path, force=force)
    _use_threads(threads)
    with locked(path):  # a place that cannot be written is refused before the work
        model = TumorModel(scenario, device=device)
        recorder = Recorder(path, model)
        checkpoint.clear(checkpoint_folder(path))
        recorder.frame(model)
        return _finish(model, recorder, path, last=last, progress=progress)


def resume(
    path: str | Path,
    *,
    scenario: Scenario | None = None,
    until: str | float | None = None,
    trust: bool = False,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """Continue an interrupted or killed run from its last checkpoint, to the same digest.

    Where it was stopped before its first checkpoint, it begins anew.

    What else is given is as of ``simulate``; a ``scenario`` is what the run is taken to be. With
    ``trust``, a policy that the run file names may be imported, and not only the scenario's.

    Raises:
        InputError: the file is no run, or not of this scenario, these weights or policies.
    """
    path = Path(path)
    begun = open_run(path, unsealed=True)
    saved = begun.scenario
    last = _last_tick(saved, until)
    if scenario is not None:
        refuse_other_conditions(begun, saved, scenario)
    refuse_untrusted(begun, scenario, trust=trust)
    _use_threads(threads)
    with locked(path):
        found = saved_state(begun)
        if found is None and begun.parent is None:
            model = TumorModel(saved, device=device)
            refuse_other_deciders(begun, model)
            recorder = Recorder(path, model)
            recorder.frame(model)
        else:
            _, state = found or refuse_without_checkpoint(begun)
            model = _restored(begun, state, device=device)
            recorder = Recorder(path, model, resume_from=state["recorder"])
        return _finish(model, recorder, path, last=last, progress=progress)


def branch(  # noqa: PLR0913 - conditions, place, and how it runs, as of simulate
    path: str | Path,
    at: str | float,
    *,
    overrides: dict[str, object] | None = None,
    scenario: Scenario | None = None,
    output: str | Path | None = None,
    until: str | float | None = None,
    trust: bool = False,
    device: str = "auto",
    threads: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Continue a run from the time ``at`` on under other conditions.

    The ticks from the last checkpoint to ``at`` are simulated again as they were. The new run file
    holds the shared past and the new future; without overrides it has the digest of the run it
    branched from. The conditions are overrides of the run's scenario, or a whole ``scenario``:
    substrates that it lacks are dropped, new ones start at their initial values; a drug that it
    lacks is given no more, and what was given washes out. With ``trust``, a policy that only the
    run file names may be imported.

    Raises:
        InputError: there is no checkpoint that early, the run does not reach ``at``, or the
            conditions are at odds with the past.
    """
    path = Path(path)
    parent = open_run(path)
    old = parent.scenario
    if scenario is None:
        refuse_untrusted(parent, trust=trust)
        new = load_scenario(parent.resolved, overrides, files=parent.tables)
    else:
        new = scenario
    output = _branch_path(path, at) if output is None else Path(output)
    moment, last = moment_of(parent, at), _last_tick(new, until)
    if output.resolve() == path.resolve():
        msg = f"{output} is the run to branch from; choose another file with -o"
        raise InputError(msg)
    _refuse_overwrite(output, force=force)
    refuse_another_past(old, new)
    _use_threads(threads)
    with locked(output):
        with _past(parent, moment, output, scenario=scenario, trust=trust, device=device) as (
            source,
            state,
        ):
            whole = with_washout(old, new, state, moment)
            if whole is not new:  # it names what the run file does
                refuse_untrusted(parent, scenario, trust=trust)
            cell_model = load_cell_model(whole, device)
            if whole.surrogate == parent.scenario.surrogate:
                refuse_other_weights(parent, cell_model)
            model = TumorModel(whole, device=device, cell_model=cell_model, state=state["model"])
            model.therapy.load_policies(whole)
            origin = {"parent": str(path), "branch_time": f"{moment:g} min"}
            origin["parent_digest"] = parent.digest()
            recorder = Recorder(
                output, model, resume_from=state["recorder"], source=source, provenance=origin
            )
        checkpoint.clear(checkpoint_folder(output))
        _checkpoint(model, recorder, output)
        return _finish(model, recorder, output, last=last, progress=progress)


def default_path(scenario: Scenario) -> Path:
    """Where a run goes when nobody says so."""
    return Path("outputs") / f"{scenario.name}-{scenario.seed}.h5"


def _restored(run: Run, state: dict[str, Any], *, device: str) -> TumorModel:
    """The model of a run at a checkpoint, with what decided in it."""
    cell_model = load_cell_model(run.scenario, device)
    refuse_other_weights(run, cell_model)
    model = TumorModel(run.scenario, device=device, cell_model=cell_model, state=state["model"])
    refuse_other_deciders(run, model)
    warn_of_other_versions(run, model)
    model.therapy.load_policies(run.scenario)
    return model


@contextlib.contextmanager
def _past(
    parent: Run,
    moment: float,
    output: Path,
    *,
    scenario: Scenario | None,
    trust: bool,
    device: str,
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A file that holds a run up to a moment, and the state of the run then."""
    wanted = ticks_before(moment, parent.tick)
    tick, state = saved_state(parent, at_most=wanted) or refuse_without_checkpoint(parent, moment)
    if tick == wanted:
        yield parent.path, state
        return
    refuse_untrusted(parent, scenario, trust=trust)
    model = _restored(parent, state, device=device)
    again = output.with_name(output.name + ".past")
    try:
        recorder = Recorder(again, model, resume_from=state["recorder"], source=parent.path)
        try:
            while model.tick_index < wanted:
                _step(model, recorder, again)
            state = {"model": model.state(), "recorder": recorder.state()}
        finally:
            recorder.close()
        yield again, state
    finally:
        again.unlink(missing_ok=True)


def _finish(
    model: TumorModel,
    recorder: Recorder,
    path: Path,
    *,
    last: int,
    progress: Progress | None,
) -> Run:
    try:
        reason = _drive(model, recorder, path, last=last, progress=progress)
    except BaseException:
        recorder.close()
        raise
    recorder.finish(model, reason)
    return open_run(path)


def _drive(
    model: TumorModel,
    recorder: Recorder,
    path: Path,
    *,
    last: int,
    progress: Progress | None,
) -> str:
    written = time.monotonic()
    with _signals() as received:
        while model.tick_index < last and model.stop_reason() is None:
            _step(model, recorder, path)
            asked = set(received)
            received.clear()
            overdue = time.monotonic() - written > CHECKPOINT_SECONDS
            if _due(model, model.scenario.time.checkpoint_every) or asked or overdue:
                _checkpoint(model, recorder, path)
                written = time.monotonic()
            if progress is not None:
                progress(model)
            if asked - {signal.SIGUSR1}:
                return INTERRUPTED
    _checkpoint(model, recorder, path)
    if not _due(model, model.scenario.time.frame_every):
        recorder.frame(model)
    return model.stop_reason() or "duration"


def _step(model: TumorModel, recorder: Recorder, path: Path) -> None:
    try:
        model.step()
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # of ours, or of a user's policy
        raise failed_tick(error, model, recorder, path) from error
    recorder.tick(model)
    if _due(model, model.scenario.time.frame_every):
        recorder.frame(model)


def _checkpoint(model: TumorModel, recorder: Recorder, path: Path) -> None:
    state = {"model": model.state(), "recorder": recorder.state()}
    checkpoint.save(checkpoint_folder(path), model.tick_index, state)


def _due(model: TumorModel, every: float) -> bool:
    """Whether a multiple of ``every`` [min] falls on the present tick (ratios are integers)."""
    return model.tick_index % round(every / model.scenario.time.tick) == 0


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect signals instead of dying of them: the tick ends and a checkpoint is written."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {s: signal.signal(s, lambda number, _frame: received.append(number)) for s in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _last_tick(scenario: Scenario, until: str | float | None) -> int:
    """Ticks that are done at the end of a run."""
    duration, tick = scenario.time.duration, scenario.time.tick
    end = duration if until is None else minutes(until)
    if not 0.0 <= end < math.inf:
        msg = f"until: {until!r} is no time from 0 on"
        raise InputError(msg)
    return ticks_before(min(end, duration), tick, whole=False)


def _refuse_overwrite(path: Path, *, force: bool) -> None:
    length = len(os.fsencode(path.name))
    if length > LONGEST_NAME:
        msg = (
            f"{path.name[:40]}...: a run file's name has at most {LONGEST_NAME} bytes, not {length}"
        )
        raise InputError(msg)
    if path.is_dir():
        msg = f"{path} is a directory; the run file needs a file name, such as {path / 'run.h5'}"
        raise InputError(msg)
    if path.exists() and not _is_run(path):
        msg = f"{path}: exists and is no run file; choose another with -o"
        raise InputError(msg)
    if path.exists() and not force:
        msg = f"{path} exists: continue it with --resume, overwrite it with --force, or choose -o"
        raise InputError(msg)


def _is_run(path: Path) -> bool:
    """Whether a file may be written over by a run: HDF5, or nothing at all."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(HDF5)) in (HDF5, b"")


def _branch_path(path: Path, at: str | float) -> Path:
    label = str(at).replace(" ", "")
    return path.with_name(f"{path.stem}-branch-{label}{path.suffix}")


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        set_threads(threads)
