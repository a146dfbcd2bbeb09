"""The cell cycle: doubling times, stationary phases, growth; against theory and the slow twin."""

import math

import numpy as np
import pytest

from surrogates.phenotype import stationary_phases
from tests.processes.coupled import clock, decide, output, run
from tests.reference import cycle as twin
from tests.reference.bodies import BODY, GROWTH, outputs, population
from tme_sim.compute import launch
from tme_sim.processes import cycle, division, steady_growth
from tme_sim.processes.steady_growth import desynchronise
from tme_sim.processes.volume import set_volumes
from tme_sim.state.columns import APOPTOTIC, G1, G2M, S

RATES = {"growth_rate": 2e-3, "g1s_rate": 1 / 300, "g2m_rate": 1 / 180}
DOUBLING = 15.3206 * 60.0  # [min] of these rates, S of 8 h


def grow(cells, minutes, *, dt=6.0, seed=1, **rates):
    rates = {"s_duration_factor": 1.0} | RATES | rates
    decide(cells, **rates)
    for tick in range(round(minutes / dt)):
        at = clock(tick, dt=dt, seed=seed)
        run(division, cells, given=run(cycle, cells, at=at), at=at)


def steady(n, seed=1):
    cells = population(n, position=500.0)
    given = outputs(cells, **RATES)
    desynchronise(cells, slice(0, n), outputs=given, growth=GROWTH, seed=seed)
    return cells


def test_one_tick_equals_the_slow_twin():
    cells = steady(400)
    cells["phase_age"][:50] = np.linspace(0.0, 5.9, 50)
    set_volumes(cells, slice(50, 80), growth=GROWTH, size=2.5)
    names = ("id", *cycle.WRITES)
    before = [{name: cells[name][row].item() for name in names} for row in range(400)]
    rates = RATES | {"g1s_rate": 0.1, "g2m_rate": 0.2, "s_duration_factor": 0.25}
    decide(cells, **rates)
    dividing = run(cycle, cells, at=clock(8, seed=3)).dividing
    rates = {name: output(cells, name)[0].item() for name in steady_growth.RATES}
    for row, cell in enumerate(before):
        divides = twin.live(cell, rates, BODY, dt=6.0, seed=3, tick=8)
        assert divides == dividing[row]
        for name in cycle.WRITES:
            assert cells[name][row] == pytest.approx(cell[name], rel=1e-5, abs=1e-4), name
    assert 20 < dividing.sum() < 350


def test_doubling_time_is_that_of_the_rates_over_2e4_cells():
    cells = steady(12_000)
    n = cells.n
    grow(cells, DOUBLING)
    assert cells.n > 20_000
    assert cells.n / n == pytest.approx(2.0, rel=0.01)


def test_doubling_time_does_not_depend_on_the_tick():
    counts = []
    for dt in (2.0, 12.0):
        cells = steady(6000)
        grow(cells, 960.0, dt=dt)
        counts.append(cells.n)
    assert counts[0] == pytest.approx(counts[1], rel=0.02)


def test_phases_start_and_stay_stationary():
    cells = steady(20_000)
    expected, _ = stationary_phases(1 / 300, 1 / 180, 480.0)
    for _ in range(2):
        shares = np.bincount(cells["phase"], minlength=3) / cells.n
        np.testing.assert_allclose(shares, expected[0], atol=0.02)
        in_s = cells["phase"] == S
        assert (cells["phase_progress"][in_s] < 1.0).all()
        assert (cells["phase_progress"][~in_s] == 0.0).all()
        grow(cells, 300.0)


def test_initial_volumes_are_those_of_growth():
    cells = steady(4000)
    mean = cells["volume"].mean(dtype=float)
    assert (cells["volume"][cells["phase"] == G1] == 2494.0).all()
    assert cells["volume"].max() <= 2 * 2494.0 + 1e-3
    grow(cells, 600.0)
    # fluid lags behind growing solids by growth_rate / (fluid_rate (1 - fraction)), 16 % here
    assert cells["volume"].mean(dtype=float) == pytest.approx(mean, rel=0.05)


def test_a_population_of_pure_g1_divides_like_a_yule_process():
    """B6 of published birth processes: mean e^(r t), variance N0 e^(r t) (e^(r t) - 1)."""
    rate, minutes, founders, n_runs = 0.05 / 60.0, 24 * 60.0, 20, 150
    cells = population(founders * n_runs, group=np.repeat(np.arange(n_runs), founders))
    cells["phase"][:] = G2M
    quick = {"g1s_rate": 1e4, "s_duration_factor": 1e-9, "g2m_rate": rate, "growth_rate": 0.1}
    grow(cells, minutes, dt=12.0, **quick)
    counts = np.bincount(cells["group"], minlength=n_runs)
    growth = math.exp(rate * minutes)
    variance = founders * growth * (growth - 1.0)
    assert counts.mean() == pytest.approx(founders * growth, abs=3 * math.sqrt(variance / n_runs))
    assert counts.var(ddof=1) == pytest.approx(variance, rel=4 * math.sqrt(2.0 / n_runs))


def test_solids_stop_at_the_target_of_the_phase_and_fluid_follows():
    cells = population(3, phase=[G1, S, S])
    set_volumes(cells, slice(0, 3), growth=GROWTH, size=np.array([0.8, 1.0, 1.0]))
    still = {"g1s_rate": 0.0, "g2m_rate": 0.0, "s_duration_factor": 1e3}
    grow(cells, 1440.0, **still)
    np.testing.assert_allclose(cells["volume"], [2494.0, 4988.0, 4988.0], rtol=2e-3)
    solid = cells["volume"] - cells["fluid_volume"]
    np.testing.assert_allclose(solid, np.array([1.0, 2.0, 2.0]) * 623.5, rtol=1e-4)
    np.testing.assert_allclose(cells["nuclear_volume"] / solid, 540 / 2494, rtol=1e-4)
    np.testing.assert_allclose(
        cells["radius"], (0.75 / np.pi * cells["volume"]) ** (1 / 3), rtol=1e-6
    )


def test_solids_beyond_the_target_are_lost_at_the_published_rates():
    cells = population(2, phase=[G1, S])
    set_volumes(cells, slice(0, 2), growth=GROWTH, size=np.array([2.0, 2.0]))
    grow(cells, 180.0, g1s_rate=0.0, g2m_rate=0.0, s_duration_factor=1e3)
    nucleus = 135.0 * (1.0 + math.exp(-0.33 * 3.0))
    cytoplasm = 488.5 * (1.0 + math.exp(-0.27 * 3.0))
    assert cells["nuclear_volume"].tolist() == pytest.approx([nucleus, 270.0], rel=1e-5)
    solid = cells["volume"] - cells["fluid_volume"]
    assert solid.tolist() == pytest.approx([nucleus + cytoplasm, 1247.0], rel=1e-5)


def test_solids_grow_exponentially():
    cells = population(1, phase=S)
    set_volumes(cells, slice(0, 1), growth=GROWTH)
    grow(cells, 120.0, growth_rate=1e-3, s_duration_factor=1e3)
    assert cells["volume"][0] - cells["fluid_volume"][0] == pytest.approx(
        623.5 * math.exp(0.12), 1e-5
    )


def test_with_every_rate_zero_nothing_changes():
    cells = steady(200)
    before = cells.state()
    still = dict.fromkeys(RATES, 0.0) | {"s_duration_factor": 1e6}
    grow(cells, 600.0, **still)
    assert cells.n == 200
    np.testing.assert_array_equal(cells["phase"], before["phase"])
    np.testing.assert_allclose(cells["volume"], before["volume"], rtol=1e-6)


def test_dead_cells_are_left_alone():
    cells = steady(100)
    cells["status"][:] = APOPTOTIC
    grow(cells, 0.0, g1s_rate=1.0, g2m_rate=1.0)
    before = cells.state()
    grow(cells, 60.0, g1s_rate=1.0, g2m_rate=1.0)
    for name, column in before.items():
        np.testing.assert_array_equal(cells[name], column)


@pytest.mark.parametrize("threads", [1, 2])
def test_serial_and_parallel_loops_agree_to_the_bit(threads, monkeypatch):
    states = []
    for parallel_from in (1, 10**9):
        monkeypatch.setattr(launch, "PARALLEL_FROM", parallel_from)
        launch.set_threads(threads)
        cells = steady(500)
        grow(cells, 120.0)
        states.append(cells.state())
    launch.set_threads()
    for name, column in states[0].items():
        assert column.tobytes() == states[1][name].tobytes(), name
