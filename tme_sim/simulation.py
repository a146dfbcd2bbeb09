"""Run a scenario: model, recorder, checkpoints, progress and signals; the result is a ``Run``."""

import contextlib
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tme_sim.compute.launch import set_threads
from tme_sim.errors import InputError
from tme_sim.model.tumor_model import TumorModel
from tme_sim.output.layout import INTERRUPTED
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import Run, open_run
from tme_sim.scenario import Scenario, load_scenario
from tme_sim.scenario.units import minutes
from tme_sim.state import checkpoint

Progress = Callable[[TumorModel], None]


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
    _refuse_overwrite(path, force=force)
    _use_threads(threads)
    model = TumorModel(scenario, device=device)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(checkpoint_folder(path), ignore_errors=True)
    recorder = Recorder(path, model)
    recorder.frame(model)
    return _finish(model, recorder, path, until=until, progress=progress)


def resume(
    path: str | Path,
    *,
    until: str | float | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """Continue an interrupted or killed run from its last checkpoint, to the same digest.

    Raises:
        InputError: the file is no run, or has no checkpoint to continue from.
    """
    path = Path(path)
    saved = open_run(path).scenario
    _use_threads(threads)
    return _continue(path, path, saved, None, until=until, device=device, progress=progress)


def branch(  # noqa: PLR0913 - conditions, place, and how it runs, as of simulate
    path: str | Path,
    at: str | float,
    *,
    overrides: dict[str, object] | None = None,
    scenario: Scenario | None = None,
    output: str | Path | None = None,
    until: str | float | None = None,
    device: str = "auto",
    threads: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Continue a run from its last checkpoint not after ``at``, under other conditions.

    The new run file holds the shared past and the new future; without overrides it has the digest
    of the run it branched from. The conditions are overrides of the run's scenario, or a whole
    ``scenario``: substrates that it lacks are dropped, new ones start at their initial values.
    """
    path = Path(path)
    if scenario is None:
        scenario = load_scenario(open_run(path).resolved, overrides)
    output = _branch_path(path, at) if output is None else Path(output)
    _refuse_overwrite(output, force=force)
    _use_threads(threads)
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(checkpoint_folder(output), ignore_errors=True)
    shutil.copyfile(path, output)
    return _continue(
        path, output, scenario, minutes(at), until=until, device=device, progress=progress
    )


def default_path(scenario: Scenario) -> Path:
    """Where a run goes when nobody says so."""
    return Path("outputs") / f"{scenario.name}-{scenario.seed}.h5"


def checkpoint_folder(path: Path) -> Path:
    """Where the checkpoints of a run file live."""
    return path.with_name(path.name + ".checkpoints")


def _continue(
    source: Path,
    path: Path,
    scenario: Scenario,
    at: float | None,
    *,
    until: str | float | None = None,
    device: str,
    progress: Progress | None,
) -> Run:
    tick = None if at is None else int(at / scenario.time.tick + 1e-9)
    _, state = checkpoint.load(checkpoint_folder(source), at_most=tick)
    model = TumorModel(scenario, device=device, state=state["model"])
    recorder = Recorder(path, model, resume_from=state["recorder"])
    return _finish(model, recorder, path, until=until, progress=progress)


def _finish(
    model: TumorModel,
    recorder: Recorder,
    path: Path,
    *,
    until: str | float | None,
    progress: Progress | None,
) -> Run:
    try:
        reason = _drive(model, recorder, path, until=until, progress=progress)
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
    until: str | float | None,
    progress: Progress | None,
) -> str:
    time = model.scenario.time
    end = time.duration if until is None else min(minutes(until), time.duration)
    with _stop_signals() as received:
        while model.tick_index * time.tick < end and model.stop_reason() is None:
            model.step()
            recorder.tick(model)
            if _due(model, time.frame_every):
                recorder.frame(model)
            if _due(model, time.checkpoint_every) or received:
                _checkpoint(model, recorder, path)
            if progress is not None:
                progress(model)
            if received:
                return INTERRUPTED
    _checkpoint(model, recorder, path)
    if not _due(model, time.frame_every):
        recorder.frame(model)
    return model.stop_reason() or "duration"


def _checkpoint(model: TumorModel, recorder: Recorder, path: Path) -> None:
    state = {"model": model.state(), "recorder": recorder.state()}
    checkpoint.save(checkpoint_folder(path), model.tick_index, state)


def _due(model: TumorModel, every: float) -> bool:
    """Whether a multiple of ``every`` [min] falls on the present tick (ratios are integers)."""
    return model.tick_index % round(every / model.scenario.time.tick) == 0


@contextlib.contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying: the tick ends and a checkpoint is written."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {s: signal.signal(s, lambda number, _frame: received.append(number)) for s in wanted}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _refuse_overwrite(path: Path, *, force: bool) -> None:
    if path.is_dir():
        msg = f"{path} is a directory; the run file needs a file name, such as {path / 'run.h5'}"
        raise InputError(msg)
    if path.exists() and not force:
        msg = f"{path} exists: continue it with --resume, overwrite it with --force, or choose -o"
        raise InputError(msg)


def _branch_path(path: Path, at: str | float) -> Path:
    label = str(at).replace(" ", "")
    return path.with_name(f"{path.stem}-branch-{label}{path.suffix}")


def _use_threads(threads: int | None) -> None:
    if threads is not None:
        set_threads(threads)
