"""Arrival through endothelium: as many as supplied and let in, at the vessels' surface."""

import numpy as np
import pytest

from tests.processes.coupled import clock, coupling, decide, run
from tests.reference.bodies import domain, population
from tme_sim.model.coupling import Supply
from tme_sim.processes import arrival
from tme_sim.state.columns import ALIVE, APOPTOTIC

SIZE = (1e3, 1e3)


def vessels(n):
    place = np.random.default_rng(1).uniform(100, 900, (n, 3))
    return population(n, position=place, radius=7.0)


def come(cells, *, expected=0.5, openness=1.0, tick=0, size=SIZE, group=3, rows=None, **how):
    rows = np.arange(cells.n) if rows is None else rows
    cells["status"][:] = APOPTOTIC
    cells["status"][rows] = ALIVE
    decide(cells, extravasation_rate=openness)
    coupled = coupling(
        types={"vessel_surface": np.ones(1)},
        domain=domain(*size, **how),
        supplies=(Supply(group, expected / 6.0, 5.0),),
    )
    return run(arrival, cells, coupled=coupled, at=clock(tick, seed=2)).arriving[0]


@pytest.mark.parametrize("openness", [0.0, 0.4, 1.0])
def test_as_many_come_as_are_supplied_and_let_in(openness):
    cells = vessels(20)
    counts = [come(cells, openness=openness, tick=tick).id.size for tick in range(1000)]
    expected = 0.5 * openness
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected / 1000))
    assert np.var(counts) == pytest.approx(expected, rel=0.2)


@pytest.mark.parametrize("size", [SIZE, (1e3, 1e3, 1e3)])
def test_they_appear_at_the_vessels_surface(size):
    cells = vessels(20)
    arrivals = come(cells, expected=100.0, size=size)
    step = arrivals.position - cells["position"][arrivals.vessel]
    np.testing.assert_allclose(np.linalg.norm(step, axis=1), 12.0)
    assert (step[:, 2] == 0.0).all() == (len(size) == 2)
    assert np.unique(arrivals.id).size == arrivals.id.size


def test_groups_and_ticks_have_their_own_arrivals():
    cells = vessels(20)
    every = [come(cells, expected=50.0, tick=t, group=g).id for t in (0, 1) for g in (1, 2)]
    ids = np.concatenate(every)
    assert np.unique(ids).size == ids.size
    assert np.array_equal(every[0], come(cells, expected=50.0, tick=0, group=1).id)


def test_without_vessels_nobody_comes():
    arrivals = come(vessels(3), expected=50.0, rows=np.arange(0))
    assert arrivals.id.size == 0
    assert arrivals.position.shape == (0, 3)


def test_arrivals_stay_in_the_domain():
    cells = population(200, position=[0.0, 1e3, 10.0], radius=7.0)
    arrivals = come(cells, expected=500.0)
    assert (arrivals.position[:, :2] >= 0.0).all()
    assert (arrivals.position[:, :2] <= 1e3).all()


def test_arrivals_come_in_at_the_other_side_of_periodic_walls():
    cells = population(200, position=[0.0, 1e3, 10.0], radius=7.0)
    arrivals = come(cells, expected=500.0, walls="periodic")
    assert (arrivals.position[:, :2] >= 0.0).all()
    assert (arrivals.position[:, :2] < 1e3).all()
    step = arrivals.position - cells["position"][arrivals.vessel]
    step -= 1e3 * np.round(step / 1e3)
    np.testing.assert_allclose(np.linalg.norm(step, axis=1), 12.0)
