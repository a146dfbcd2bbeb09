"""A study that was stopped goes on from its last checkpoint; a finished run is not made again."""

import pytest

import surrogates
import tme_sim
from tests.validation import kept_runs

DISH = """
format: 1
name: dish
time: {duration: 10 h, tick: 30 min, checkpoint_every: 1 h}
domain: {size: [200 um, 200 um]}
cells: {tumor: {type: tumor, count: 20, placement: everywhere}}
processes: {motility: off, mechanics: off, contact: off}
"""
RATES = {"tumor": {"g1s_rate": 0.01, "s_duration_factor": 0.1, "g2m_rate": 0.01}}


class Interrupted:
    """A cell model that is stopped once it was asked a number of times; counts the questions."""

    def __init__(self, model, stop_at):
        self._model, self._stop_at, self.asked = model, stop_at, 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def step(self, *args, **kwargs):
        self.asked += 1
        if self.asked == self._stop_at:
            raise KeyboardInterrupt
        self._model.step(*args, **kwargs)


def burden(model):
    return model.burden


def observed(stop_at=None):
    cell_model = Interrupted(surrogates.load("constant", rates=RATES), stop_at)
    scenario = tme_sim.load_scenario(DISH)
    seen = kept_runs.observe(scenario, burden, every=30.0, cell_model=cell_model)
    return seen, cell_model.asked


def test_a_stopped_study_goes_on_to_the_same_result(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_runs, "RUNS", tmp_path / "undisturbed")
    undisturbed, ticks = observed()
    monkeypatch.setattr(kept_runs, "RUNS", tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        observed(stop_at=15)

    resumed, more = observed()
    again, none = observed()

    assert undisturbed[0] < undisturbed[-1]
    assert resumed == again == undisturbed
    assert 0 < more < ticks
    assert none == 0


def test_what_could_change_a_run_changes_its_key():
    model = surrogates.load("constant", rates=RATES)
    scenario = tme_sim.load_scenario(DISH)
    keys = {
        kept_runs.key(scenario, 30.0, model, burden),
        kept_runs.key(scenario, 60.0, model, burden),
        kept_runs.key(scenario, 30.0, model, observed),
        kept_runs.key(scenario, 30.0, surrogates.load("constant"), burden),
        kept_runs.key(tme_sim.load_scenario(DISH, {"seed": 2}), 30.0, model, burden),
    }

    assert len(keys) == 5
