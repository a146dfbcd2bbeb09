"""No legal tissue is too much for a step: starved, stiff, tiny, huge, all at once."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import lambertw

from tests.reference.fields import Problem
from tme_sim.fields import Grid, Microenvironment, SolveError, Substrate

ROUNDING = 1e-6  # of the content: what float32 storage leaves of a change
SHAPES = [(1, 1, 1), (1, 1, 2), (1, 1, 13), (1, 7, 9), (1, 20, 20), (3, 5, 4), (6, 6, 6)]


@pytest.fixture
def in_double(monkeypatch):
    """Names of the substrates whose steps were made in float64, in order."""
    made, original = [], Microenvironment._advance_in_double

    def advance(env, field, dt):
        made.append(field.substrate.name)
        return original(env, field, dt)

    monkeypatch.setattr(Microenvironment, "_advance_in_double", advance)
    return made


def _closed(shape, *, initial, voxel=20.0, diffusivity=2e4):
    return Microenvironment(
        Grid(shape, voxel), [Substrate("glucose", diffusivity, 0.0, initial)], tolerance=1e-4
    )


def test_the_last_traces_of_a_used_up_substrate_decay_exactly(in_double):
    """Far below half-saturation uptake is of first order: c = c0 exp(-Vmax t / K)."""
    env = _closed((1, 20, 20), initial=1e-22)
    env.set_saturating_uptake("glucose", 0.05, 0.5)
    env.step(12.0)
    assert in_double == ["glucose"]
    np.testing.assert_allclose(env["glucose"], 1e-22 * np.exp(-1.2), rtol=1e-3)


def test_a_closed_box_runs_out_as_michaelis_and_menten_say():
    """c = K W(c0 / K exp((c0 - V t) / K)), and what was there is what was taken up."""
    most, half, start = 0.2, 0.5, 5.0
    env = _closed((1, 6, 6), initial=start)
    env.set_saturating_uptake("glucose", most, half)
    taken = 0.0
    for tick in range(1, 60):
        taken += env.step(12.0).balance["taken_up"]
        exact = half * lambertw(start / half * np.exp((start - most * 12.0 * tick) / half)).real
        np.testing.assert_allclose(env["glucose"], exact, rtol=0.1, atol=1e-3)
        assert env["glucose"].min() >= 0.0
    assert env["glucose"].max() < 1e-30
    assert taken == pytest.approx(36 * start, rel=1e-5)


def test_a_box_of_fine_voxels_over_a_long_tick_is_well_mixed(in_double):
    """D / voxel^2 is 1e9 of the tick, below what float32 resolves: only the mean moves."""
    shape, rng = (1, 9, 14), np.random.default_rng(3)
    env = _closed(shape, initial=2.0, voxel=1.0, diffusivity=1e5)
    source, uptake = 2e-3 * rng.random(shape), 4e-3 * rng.random(shape)
    env.set_exchange("glucose", source, uptake)
    env.step(1440.0)
    assert in_double
    level, rate = source.mean() / uptake.mean(), uptake.mean()
    exact = level + (2.0 - level) * np.exp(-rate * 1440.0)
    np.testing.assert_allclose(env["glucose"], exact, rtol=2e-3)


@pytest.mark.parametrize("shape", [(1, 9, 14), (3, 5, 7)])
def test_a_step_in_double_is_that_of_the_slow_twin(shape, in_double):
    rng, dt = np.random.default_rng(7), 1440.0
    source, uptake, maximum = (1e-2 * rng.random(shape) for _ in range(3))
    initial = rng.random(shape)
    env = Microenvironment(Grid(shape, 1.0), [Substrate("s", 1e5, 0.0, initial)], substeps=1)
    env.set_exchange("s", source, uptake)
    env.set_saturating_uptake("s", maximum, 0.5)
    twin = Problem(shape, 1.0, 1e5, 0.0, {}, source, uptake, maximum, 0.5, settled=1e-6)
    whole = twin.euler(initial, dt)
    halves = twin.euler(twin.euler(initial, 0.5 * dt), 0.5 * dt)
    env.step(dt)
    assert in_double
    np.testing.assert_allclose(env["s"], 2 * halves - whole, rtol=1e-4)


def test_what_fails_in_double_too_says_so_and_leaves_the_field(monkeypatch):
    monkeypatch.setattr("tme_sim.fields.solver.MAX_CYCLES", 1)
    env = _closed((1, 20, 20), initial=4.0, diffusivity=1e3)
    env.set_exchange("glucose", uptake=1e3 * (np.indices((1, 20, 20)).sum(axis=0) % 3 == 0))
    with pytest.raises(SolveError, match=r"'glucose'.*12 min did not converge"):
        env.step(12.0)
    assert (env["glucose"] == 4.0).all()


def _log(low, high):
    """0, or a number of any magnitude from 10^low to 10^high."""
    return st.one_of(st.just(0.0), st.floats(low, high).map(lambda x: 10.0**x))


@st.composite
def _tissues(draw, widen=0.0):
    """A tissue with any terms, and the length of its ticks [min]; `widen` [decades]."""
    shape, seed = draw(st.sampled_from(SHAPES)), draw(st.integers(0, 2**32 - 1))
    value = draw(_log(-9 - widen, 4 + widen))
    exchange = {"exchange": draw(_log(-9, 1 + widen)), "bath": value}
    periodic = {"x_low": "periodic", "x_high": "periodic"}
    boundary = draw(st.sampled_from([{}, {"all": value}, {"x_low": exchange}, periodic]))
    substrate = Substrate(
        "s", draw(_log(0, 6 + widen)), draw(_log(-6 - widen, 2 + widen)), value, boundary
    )
    env = Microenvironment(Grid(shape, 10.0 ** draw(st.floats(0, 2))), [substrate])
    rng, share = np.random.default_rng(seed), draw(st.floats(0, 1))

    def somewhere(low, high):
        size = draw(_log(low - widen, high + widen))
        return size * (rng.random(shape) < share) * rng.random(shape)

    half = 10.0 ** draw(st.floats(-4 - widen, 2 + widen))
    env.set_saturating_uptake("s", somewhere(-6, 5), half)
    env.set_exchange("s", somewhere(-9, 4), somewhere(-6, 4))
    env.set_vessels("s", somewhere(-4, 5), draw(_log(-9, 3)))
    return env, 10.0 ** draw(st.floats(-2 - widen, 3.2 + widen / 2))


def _check(env, dt):
    """A few steps: none fails, nothing turns negative, and what is gone has been taken."""
    for _ in range(4):
        report = env.step(dt)
        c = env["s"].astype(float)
        assert np.isfinite(c).all()
        assert c.min() >= 0.0
        amounts = report.balance
        gained = amounts["in"] - amounts["out"] - amounts["decayed"] - amounts["taken_up"]
        largest = max(abs(amount) for amount in amounts.values())
        content = c.sum() + abs(amounts["stored"])
        assert abs(gained - amounts["stored"]) <= 1e-5 * largest + ROUNDING * content + 1e-37


ANY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@settings(ANY, max_examples=150)
@given(_tissues())
def test_no_tissue_is_too_much(tissue):
    _check(*tissue)


@pytest.mark.fuzz
@settings(ANY, derandomize=False, max_examples=20_000)
@given(_tissues(widen=2.0))
def test_no_tissue_is_too_much_however_strange(tissue):
    _check(*tissue)
