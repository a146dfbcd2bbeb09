"""When a tick fails: keep the last whole one, and pack what a bug report needs.

``RUN.h5.bugreport.zip`` lies beside the run: the scenario as given and with every value in force,
where the run comes from, the traceback, the state that the tick failed in, and the checkpoint of
the last whole tick. The failed tick has changed the model, so that checkpoint is made by going on
from the one before it.
"""

import contextlib
import json
import sys
import sysconfig
import tempfile
import traceback
import zipfile
from pathlib import Path
from typing import Any

from tme_sim.continuation import checkpoint_folder, saved_state
from tme_sim.errors import InputError, TickError
from tme_sim.files import written
from tme_sim.model.tumor_model import TumorModel
from tme_sim.output.describe import provenance_of
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import open_run
from tme_sim.scenario.units import time_in_words
from tme_sim.state import checkpoint

LONGEST = 160  # characters of an error's own words on the terminal
_OURS = tuple(str(Path(__file__).parents[1] / package) for package in ("tme_sim", "surrogates"))
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))


def failed_tick(
    error: BaseException, model: TumorModel, recorder: Recorder, path: Path
) -> TickError:
    """What a run that fails in a tick ends with; its file is closed and a bundle lies beside it."""
    parts: dict[str, Any] = {
        "scenario.yaml": model.scenario.source,
        "resolved.json": json.dumps(model.scenario.resolved(), indent=1),
        "provenance.json": json.dumps(provenance_of(model) | {"command": sys.argv}, indent=1),
        "traceback.txt": "".join(traceback.format_exception(error)),
    }
    bundle = path.with_name(path.name + ".bugreport.zip")
    told = f"{path}: the tick at {time_in_words(model.time)} failed: {_in_a_line(error)}"
    try:
        saved = _last_whole_tick(model, recorder, path)
        _pack(bundle, parts, model, saved)
    except (OSError, InputError) as fault:
        return TickError(f"{told} (no bundle for a bug report: {fault})")
    return TickError(f"{told}; for a bug report: {bundle}")


def _in_a_line(error: BaseException) -> str:
    """Type and words of an error, and where in a user's own code it arose, if it did there."""
    words = " ".join(str(error).split())
    words = words if len(words) <= LONGEST else words[:LONGEST] + " ..."
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith((*_OURS, *_LIBRARIES, "<"))]
    place = f"{own[-1].filename}:{own[-1].lineno}: " if own else ""
    return f"{place}{type(error).__name__}{': ' if words else ''}{words}"


def _last_whole_tick(model: TumorModel, recorder: Recorder, path: Path) -> Path | None:
    """Checkpoint of the ticks before the one that failed; the newest there is, where it fails."""
    folder, recorded = checkpoint_folder(path), recorder.state()
    recorder.close()
    wanted = model.tick_index
    with contextlib.suppress(Exception):  # whatever made the tick fail may do so again
        again = _before(model, path)
        while again is not None and again.tick_index < wanted:
            again.step()
        if again is not None:
            state = {"model": again.state(), "recorder": recorded}
            return checkpoint.save(folder, wanted, state)
    found = saved_state(open_run(path))
    return None if found is None else checkpoint.path_of(folder, found[0])


def _before(model: TumorModel, path: Path) -> TumorModel | None:
    """The model at the run's last checkpoint, or as it began."""
    run = open_run(path)
    found = saved_state(run, at_most=model.tick_index)
    if found is None and run.parent is not None:
        return None
    state = None if found is None else found[1]["model"]
    return TumorModel(model.scenario, cell_model=model.cell_model, device=model.device, state=state)


def _pack(bundle: Path, parts: dict[str, str], model: TumorModel, saved: Path | None) -> None:
    with (
        written(bundle) as place,
        zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as file,
        tempfile.TemporaryDirectory(dir=bundle.parent, prefix=".bugreport") as folder,
    ):
        for name, text in parts.items():
            file.writestr(name, text)
        if saved is not None:
            file.write(saved, f"last_checkpoint/{saved.name}")
        with contextlib.suppress(ValueError, TypeError):  # a state that was left half-changed
            state = checkpoint.save(folder, model.tick_index, {"model": model.state()})
            file.write(state, "failed_state.npz")
