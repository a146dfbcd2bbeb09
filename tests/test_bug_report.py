"""A tick that fails: one line, the last whole tick, and a bundle for a bug report."""

import json
import zipfile

import numpy as np
import pytest

import tme_sim
from tests.model.small import small
from tme_sim.continuation import checkpoint_folder
from tme_sim.errors import TickError
from tme_sim.fields import Microenvironment, SolveError
from tme_sim.model.tumor_model import TumorModel
from tme_sim.state import checkpoint

BUNDLE = {
    *("scenario.yaml", "resolved.json", "provenance.json", "traceback.txt", "failed_state.npz"),
    "last_checkpoint/tick_0000000012.npz",
}


def failing_at(tick, monkeypatch, error):
    """Fields whose step fails in this tick, as often as it is made."""
    whole, solve, now = TumorModel.step, Microenvironment.step, [0]

    def step(model):
        now[0] = model.tick_index
        whole(model)

    def fail(env, dt):
        if now[0] == tick:
            raise error
        return solve(env, dt)

    monkeypatch.setattr(TumorModel, "step", step)
    monkeypatch.setattr(Microenvironment, "step", fail)


def test_a_step_that_fails_leaves_the_last_whole_tick_and_a_bundle(tmp_path, monkeypatch):
    scenario, path = small(), tmp_path / "run.h5"
    undisturbed = tme_sim.simulate(scenario, tmp_path / "whole.h5", until="2 h").digest()
    with monkeypatch.context() as patch:
        failing_at(12, patch, SolveError("glucose did not converge; " + "1e-3 " * 60, [1.0]))
        with pytest.raises(TickError) as caught:
            tme_sim.simulate(scenario, path, until="2 h")
    message, bundle = str(caught.value), tmp_path / "run.h5.bugreport.zip"
    assert message.startswith(f"{path}: the tick at 1.2 h failed: ")
    assert ": SolveError: glucose did not" in message
    assert message.endswith(f" ...; for a bug report: {bundle}")
    assert "\n" not in message
    assert len(message) < 300 + 3 * len(str(tmp_path))
    with zipfile.ZipFile(bundle) as file:
        assert set(file.namelist()) == BUNDLE
        assert "in fail\n" in file.read("traceback.txt").decode()
        assert json.loads(file.read("provenance.json"))["tme_sim"] == tme_sim.__version__
        assert json.loads(file.read("resolved.json")) == scenario.resolved()
        file.extract("failed_state.npz", tmp_path)
    (tmp_path / "failed_state.npz").rename(tmp_path / "tick_0000000012.npz")
    assert np.isfinite(
        checkpoint.load(tmp_path)[1]["model"]["env"]["glucose"]["concentration"]
    ).all()
    assert checkpoint.ticks(checkpoint_folder(path)) == [12]
    assert tme_sim.resume(path, until="2 h").digest() == undisturbed
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_without_room_for_a_bundle_the_line_still_comes(tmp_path, monkeypatch):
    failing_at(2, monkeypatch, MemoryError())
    monkeypatch.setattr("zipfile.ZipFile.writestr", _no_room)
    with pytest.raises(TickError, match=r"MemoryError \(no bundle .*No space left"):
        tme_sim.simulate(small(), tmp_path / "run.h5", until="1 h")


def _no_room(*_args):
    raise OSError(28, "No space left on device")
