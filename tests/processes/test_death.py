"""Death: exact competing risks, PhysiCell's volume curves, lysis and clearance."""

import math

import numpy as np
import pytest

from tests.processes.coupled import clock, decide, run
from tests.reference.bodies import BODY, GROWTH, population
from tests.reference.death import decay
from tme_sim.processes import death
from tme_sim.processes.volume import set_volumes
from tme_sim.state.columns import ALIVE, APOPTOTIC, DEBRIS, NECROTIC


def cells_of(n, **columns):
    cells = population(n, **columns)
    set_volumes(cells, slice(0, n), growth=GROWTH)
    cells["death_volume"][:] = cells["volume"]
    return cells


def advance(cells, *, dt=6.0, tick=0, seed=1, **rates):
    decide(cells, **rates)
    return run(death, cells, at=clock(tick, dt=dt, seed=seed))


def test_risks_compete_exactly():
    n, a, b, dt = 40_000, 0.03, 0.07, 6.0
    cells = cells_of(n)
    fates = advance(cells, dt=dt, apoptosis_rate=a, necrosis_rate=b)
    p = 1.0 - math.exp(-(a + b) * dt)
    expected = {ALIVE: 1.0 - p, APOPTOTIC: p * a / (a + b), NECROTIC: p * b / (a + b)}
    for status, share in expected.items():
        error = 4 * math.sqrt(share * (1 - share) / n)
        assert np.mean(cells["status"] == status) == pytest.approx(share, abs=error)
    assert np.array_equal(fates.died, cells["status"] != ALIVE)
    assert not fates.cleared.any()
    causes = np.array(death.CAUSES)[cells["death_cause"]]
    assert set(causes[cells["status"] == NECROTIC]) == {"necrosis"}
    assert set(causes[cells["status"] == APOPTOTIC]) == {"apoptosis"}
    assert set(causes[cells["status"] == ALIVE]) == {""}


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (1e-3, 5e-3)])
def test_one_draw_is_cut_where_the_formula_says(a, b):
    p = 1.0 - math.exp(-(a + b) * 6.0)
    first = p * a / (a + b) if a + b else 0.0
    for u in np.linspace(1e-6, 1 - 1e-6, 997):
        expected = 0 if u >= p else 1 if u < first else 2
        assert death.cause_of_death(u, a, b, 6.0) == expected


def test_survival_does_not_depend_on_the_tick():
    alive = []
    for dt in (3.0, 12.0):
        cells = cells_of(20_000)
        for tick in range(int(120 / dt)):
            advance(cells, dt=dt, tick=tick, apoptosis_rate=5e-3)
        alive.append(np.mean(cells["status"] == ALIVE))
    np.testing.assert_allclose(alive, math.exp(-0.6), atol=0.015)


@pytest.mark.parametrize(("minutes", "volume"), [(60, 367.111), (240, 42.2055)])
@pytest.mark.parametrize("dt", [3.0, 6.0, 12.0])
def test_an_apoptotic_cell_shrinks_as_published(minutes, volume, dt):
    cells = cells_of(1, status=APOPTOTIC)
    for tick in range(int(minutes / dt)):
        advance(cells, dt=dt, tick=tick)
    assert cells["volume"][0] == pytest.approx(volume, rel=0.005)
    assert cells["radius"][0] == pytest.approx((0.75 / math.pi * volume) ** (1 / 3), rel=0.002)


def test_an_apoptotic_cell_goes_after_516_minutes():
    cells = cells_of(1, status=APOPTOTIC)
    cleared = [advance(cells, tick=tick).cleared[0] for tick in range(86)]
    assert cleared == [False] * 85 + [True]


@pytest.mark.parametrize("kind", ["apoptosis", "necrosis"])
def test_volumes_follow_the_slow_twin(kind):
    status = {"apoptosis": APOPTOTIC, "necrosis": NECROTIC}[kind]
    cells = cells_of(1, status=status)
    curve = dict((round(t, 2), total) for t, total in decay(kind, BODY, minutes=300.0))
    for tick in range(50):
        advance(cells, tick=tick)
        assert cells["volume"][0] == pytest.approx(curve[6.0 * (tick + 1)], rel=2e-3)


def test_a_necrotic_cell_swells_bursts_above_twice_its_volume_and_is_cleared():
    cells = cells_of(1, status=NECROTIC)
    burst = next(t for t, total in decay("necrosis", BODY, minutes=600.0) if total > 2 * 2494.0)
    history = []
    for tick in range(1000):
        fates = advance(cells, tick=tick)
        history.append((cells["status"][0].item(), cells["volume"][0].item()))
        if fates.cleared[0]:
            break
    status, volume = map(np.array, zip(*history, strict=True))
    lysis = int(np.argmax(status == DEBRIS))
    assert (lysis + 1) * 6.0 == pytest.approx(burst, abs=6.0)
    assert (np.diff(volume[: lysis + 1]) > 0).all()
    assert (np.diff(volume[lysis:]) < 0).all()
    assert len(history) - 1 - lysis == BODY.debris_clearance_time / 6.0
    assert volume[-1] > 0.0  # debris takes up space until it is cleared


def test_the_dead_neither_die_again_nor_return():
    cells = cells_of(200, status=APOPTOTIC)
    fates = advance(cells, apoptosis_rate=1.0, necrosis_rate=1.0)
    assert not fates.died.any()
    assert (cells["status"] == APOPTOTIC).all()
