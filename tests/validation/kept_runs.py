"""Keep runs of studies in ``outputs/validation/runs``: finished ones are read, stopped ones go on.

A run's key is the hash of its resolved scenario, of the code that steps a tissue, of the weights
that decide and their class, and of the functions that prepare, steer and watch it, so that whatever
could change a result makes a run anew. A run in progress leaves checkpoints, every
``checkpoint_every`` of its scenario.
"""

import hashlib
import inspect
import json
from pathlib import Path

import tme_sim
from tme_sim.errors import InputError
from tme_sim.scan import version
from tme_sim.state import checkpoint

RUNS = Path(__file__).parents[2] / "outputs" / "validation" / "runs"


def observe(scenario, look, *, every, cell_model, prepare=None, steer=None):
    """What ``look(model)`` returns at the start and every ``every`` minutes, to the run's end.

    ``look`` returns plain numbers, strings, lists and dicts of them; ``prepare(model)`` may change
    what the scenario placed, ``steer(model)`` is called before every tick. They hold all that they
    need: the source of what they call is no part of the key. The run ends where the scenario says.
    """
    folder = RUNS / key(scenario, every, cell_model, look, prepare, steer)
    finished = folder / "observations.json"
    if not finished.exists():
        model, seen = _begin_or_go_on(folder, scenario, look, cell_model, prepare)
        _run(model, seen, look, steer, every, folder)
        partial = finished.with_suffix(".partial")
        partial.write_text(json.dumps(seen))
        partial.replace(finished)
        for path in folder.glob("tick_*"):
            path.unlink()
    return json.loads(finished.read_text())


def key(scenario, every, cell_model, *functions):
    """Folder name of a run: its scenario's name, its seed, and the hash of all it hangs on."""
    parts = [type(cell_model), *(one for one in functions if one is not None)]
    sources = [inspect.getsource(part) for part in parts]
    what = [scenario.resolved(), version.code(), cell_model.name, cell_model.hash, every, sources]
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    return f"{scenario.name}-{scenario.seed}-{digest[:16]}"


def _begin_or_go_on(folder, scenario, look, cell_model, prepare):
    try:
        _, saved = checkpoint.load(folder)
    except InputError:  # there is none
        folder.mkdir(parents=True, exist_ok=True)
        model = tme_sim.TumorModel(scenario, cell_model=cell_model)
        if prepare:
            prepare(model)
        return model, [look(model)]
    model = tme_sim.TumorModel(scenario, cell_model=cell_model, state=saved["model"])
    return model, saved["seen"]


def _run(model, seen, look, steer, every, folder):
    time = model.scenario.time
    while model.time < time.duration and model.stop_reason() is None:
        if steer is not None:
            steer(model)
        model.step()
        if model.time % every == 0:
            seen.append(look(model))
        if model.time % time.checkpoint_every == 0:
            state = {"model": model.state(), "seen": seen}
            checkpoint.save(folder, model.tick_index, state, keep=2)
