"""Nothing is lost, nothing turns negative, and what cells are told is what the medium lost."""

import numpy as np
import pytest

from tme_sim.fields import Grid, Microenvironment, Substrate

LIMIT = {"float32": 1e-5, "float64": 1e-12}


def _gap(balance):
    gap = balance["in"] - balance["out"] - balance["decayed"] - balance["taken_up"]
    largest = max(abs(value) for value in balance.values())
    return abs(gap - balance["stored"]) / largest if largest else 0.0


def _busy(shape, dtype, boundary):
    """Uptake of both kinds, sources, vessels and fixed voxels at once."""
    rng = np.random.default_rng(11)
    env = Microenvironment(
        Grid(shape, 20.0), [Substrate("s", 2e4, 0.05, 1.0, boundary)], dtype=dtype
    )
    env.set_exchange("s", source=rng.random(shape), uptake=50.0 * rng.random(shape) ** 6)
    env.set_saturating_uptake("s", 20.0 * (rng.random(shape) < 0.3), 0.5)
    env.set_vessels("s", 10.0 * (rng.random(shape) < 0.05), 4.0)
    env.fix("s", rng.random(shape) < 0.03, 2.0)
    return env


RING = {"x_low": "periodic", "x_high": "periodic"}
OPEN = {"x_low": {"exchange": 0.01, "bath": 9.0}}


@pytest.mark.parametrize("boundary", [{}, {"all": 3.0}, OPEN, RING])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1, 37), (1, 21, 30), (7, 8, 9), (31, 29, 33)])
def test_the_balance_closes_in_every_step(shape, dtype, boundary):
    env = _busy(shape, dtype, boundary)
    for dt in (0.01, 1.0, 6.0, 6.0):
        held = env.state()["s"]["fixed"].astype(bool)
        before = env["s"][~held].sum(dtype=float)
        report = env.step(dt)
        assert _gap(report.balance) < LIMIT[dtype]
        stored = env["s"][~held].sum(dtype=float) - before
        assert report.balance["stored"] == pytest.approx(stored, rel=1e-6, abs=1e-6 * before)
        assert env["s"].min() >= 0.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_balance_closes_in_a_living_tissue(dtype):
    """Twenty ticks: uptake drifts, a drug comes in a pulse, voxels are fixed and let go."""
    shape = (5, 19, 23)
    rng = np.random.default_rng(6)
    env = _busy(shape, dtype, {"y_low": 3.0})
    uptake, vessels = 20.0 * rng.random(shape) ** 4, 5.0 * (rng.random(shape) < 0.05)
    for tick in range(20):
        uptake *= rng.uniform(0.97, 1.03, shape)
        env.set_exchange("s", source=rng.random(shape), uptake=uptake)
        env.set_vessels("s", vessels, 50.0 * np.exp(-0.3 * tick) if tick > 3 else 0.0)
        env.fix("s", (rng.random(shape) < 0.03) if tick % 5 else None, 2.0)
        assert _gap(env.step(6.0).balance) < LIMIT[dtype]
        assert env["s"].min() >= 0.0


def test_the_balance_closes_where_walls_conduct_far_more_than_cells_take():
    """Rounding of a float32 concentration next to such a wall is as large as the gap allowed."""
    rng = np.random.default_rng(4)
    shape = (1, 60, 60)
    cells = rng.random(shape) < 0.4
    env = Microenvironment(Grid(shape), [Substrate("glucose", 3e4, 0.0, 5.0, {"all": 5.0})])
    for _ in range(10):
        env.set_saturating_uptake("glucose", 0.05 * cells * rng.uniform(0.98, 1.02, shape), 0.5)
        assert _gap(env.step(6.0).balance) < LIMIT["float32"]


def test_what_cells_take_up_is_what_the_medium_loses():
    rng = np.random.default_rng(5)
    shape = (1, 20, 20)
    env = Microenvironment(Grid(shape, 20.0), [Substrate("s", 1e4, 0.0, 5.0)], dtype=np.float64)
    env.set_exchange("s", uptake=rng.random(shape))
    env.set_saturating_uptake("s", 3.0 * rng.random(shape), 0.5)
    for dt in (0.1, 1.0, 1.0):
        before = env["s"].sum()
        report = env.step(dt)
        gained = (env.realised_uptake("s") + env.realised_clearance("s")).sum() * dt
        assert gained == pytest.approx(before - env["s"].sum(), rel=1e-10)
        assert gained == pytest.approx(report.balance["taken_up"], rel=1e-10)


@pytest.mark.parametrize("shape", [(1, 1, 50), (1, 12, 12), (5, 6, 5)])
def test_mass_is_kept_over_a_thousand_steps(shape):
    rng = np.random.default_rng(2)
    initial = rng.random(shape)
    env = Microenvironment(Grid(shape), [Substrate("s", 1e3, 0.0, initial)], dtype=np.float64)
    for _ in range(1000):
        env.step(0.5)
    assert env["s"].sum() == pytest.approx(initial.sum(), rel=1e-12)


def test_decay_alone_is_exponential():
    env = Microenvironment(
        Grid((1, 5, 5)), [Substrate("s", 1e3, 0.1, 1.0)], dtype=np.float64, tolerance=1e-5
    )
    for _ in range(10):
        env.step(1.0)
    np.testing.assert_allclose(env["s"], np.exp(-1.0), rtol=1e-4)


@pytest.mark.parametrize("diffusivity", [1e3, 1e5])
@pytest.mark.parametrize("shape", [(1, 1, 41), (1, 20, 21), (9, 10, 11)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_concentrations_stay_positive_beside_a_very_strong_sink(dtype, shape, diffusivity):
    uptake = np.where(np.indices(shape).sum(axis=0) % 2, 1e4, 0.0)
    substrate = Substrate("s", diffusivity, 0.0, 38.0, {"x_low": 38.0})
    env = Microenvironment(Grid(shape, 20.0), [substrate], dtype=dtype)
    env.set_exchange("s", uptake=uptake)
    for dt in (1e-4, 1e-2, 1.0, 6.0, 60.0):
        report = env.step(dt)
        assert env["s"].min() >= 0.0
        assert _gap(report.balance) < LIMIT[dtype]


@pytest.mark.parametrize("dt", [0.05, 1.0, 6.0])
@pytest.mark.parametrize("shape", [(1, 15, 31), (7, 9, 15)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_concentrations_stay_positive_where_source_and_drug_come_and_go(dtype, shape, dt):
    """A source walks through strong sinks that swap places; a drug is pulsed from one voxel."""
    ligand, drug = Substrate("ligand", 6e3, 0.05), Substrate("drug", 3e4)
    env = Microenvironment(Grid(shape, 20.0), [ligand, drug], dtype=dtype)
    odd = np.indices(shape).sum(axis=0) % 2
    vessel = np.zeros(shape)
    vessel[shape[0] // 2, shape[1] // 2, 0] = 100.0
    for tick in range(10):
        source = np.zeros(shape)
        source[:, shape[1] // 2, tick + 2] = 1e3
        sinks = np.where(odd == tick % 2, 1e4, 0.0)
        env.set_exchange("ligand", source=source, uptake=sinks)
        env.set_exchange("drug", uptake=sinks[::-1] if tick > 5 else 0.0)
        env.set_vessels("drug", vessel, 0.0 if tick % 3 else 1e3)
        for report in env.step(dt).values():
            assert _gap(report.balance) < LIMIT[dtype]
        for name in env.names:
            assert env[name].min() >= 0.0


def test_saturating_uptake_never_takes_more_than_there_is():
    env = Microenvironment(Grid((1, 8, 8)), [Substrate("s", 1e3, 0.0, 1.0)])
    env.set_saturating_uptake("s", 1e3, 1e-3)
    before = float(env["s"].sum(dtype=float))
    report = env.step(6.0)
    assert env["s"].min() >= 0.0
    assert report.balance["taken_up"] == pytest.approx(before, rel=1e-3)


def test_a_tracer_that_is_nowhere_stays_nowhere():
    env = Microenvironment(Grid((1, 8, 8)), [Substrate("s", 1e3, 0.1)])
    env.set_exchange("s", uptake=1.0)
    env.set_saturating_uptake("s", 1.0, 1.0)
    report = env.step(6.0)
    assert not env["s"].any()
    assert report.balance["stored"] == 0.0
