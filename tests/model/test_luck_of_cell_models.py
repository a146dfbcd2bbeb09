"""A cell model of a user's that draws luck: by the key of a cell, so that a run stays one run."""

from dataclasses import replace

import numpy as np
import pytest

import surrogates
import tme_sim
from surrogates.channels import OUTPUTS
from surrogates.network import cpu
from tests.model.cell_models import Wrapped
from tests.model.small import small
from tme_sim.compute import launch
from tme_sim.compute.random import uniforms

SPEED = OUTPUTS.index("speed")
STREAM = 10_001  # of the test's own


class Lucky(Wrapped):
    """Cells walk at a speed that they draw anew at every tick."""

    def __init__(self, model):
        super().__init__(model)
        self.keys = []

    def step(self, cells, dt, *, out):
        self.model.step(cells, dt, out=out)
        ids, tick, seed = cells.key
        self.keys.append((ids.copy(), tick, seed, dt))
        out.outputs[:, SPEED] *= 2.0 * uniforms(seed, STREAM, tick, ids, 0)


class InParts(Wrapped):
    """Asks another model in three batches, in any order."""

    def step(self, cells, dt, *, out):
        for part in np.array_split(np.random.default_rng(0).permutation(len(cells)), 3):
            found = self.model.allocate(len(part))
            self.model.step(cells.take(part), dt, out=found)
            out.put(part, found)


def after_two_hours(cell_model):
    model = tme_sim.TumorModel(small(), cell_model=cell_model)
    model.run_for("2 h")
    return model


@pytest.fixture(scope="module")
def lucky():
    return Lucky(surrogates.load("tme-cell"))


@pytest.fixture(scope="module")
def run(lucky):
    return after_two_hours(lucky)


def same(one, other):
    return all(np.array_equal(one.population[c], other.population[c]) for c in ("id", "position"))


def test_the_tick_hands_every_cell_its_key(run, lucky):
    ticks = [(tick, seed) for _, tick, seed, dt in lucky.keys if dt > 0.0]
    assert ticks == [(k, run.seed) for k in range(run.tick_index)]
    alive = run.population["birth_time"] < run.time - run.dt  # born before the last tick
    assert set(run.population["id"][alive]) <= set(lucky.keys[-1][0])
    assert all(len(set(ids)) == len(ids) for ids, *_ in lucky.keys)


def test_luck_by_key_is_the_same_for_any_batch(run):
    assert same(run, after_two_hours(InParts(Lucky(surrogates.load("tme-cell")))))


def test_luck_by_key_is_the_same_for_any_number_of_threads(run, monkeypatch):
    monkeypatch.setattr(launch, "PARALLEL_FROM", 1)
    monkeypatch.setattr(cpu, "PARALLEL_FROM", 1)
    launch.set_threads(2)
    try:
        shared = after_two_hours(Lucky(surrogates.load("tme-cell")))
    finally:
        launch.set_threads()
    assert same(run, shared)


def test_luck_changes_with_the_seed_of_the_run(run):
    other = Lucky(surrogates.load("tme-cell"))
    other.step = lambda cells, dt, *, out: Lucky.step(other, reseeded(cells), dt, out=out)
    assert not same(run, after_two_hours(other))


def reseeded(cells):
    return replace(cells, key=cells.key._replace(seed=cells.key.seed + 1))
