"""The order of convergence, by regression over refinements."""

import math

import numpy as np
import pytest

from tests.reference.fields import Problem
from tme_sim.fields import Grid, Microenvironment, Substrate, stepping

WALLS = {"x_low": 1.0, "x_high": {"exchange": 0.01, "bath": 0.2}}


def _order(sizes, errors):
    slope, _ = np.polyfit(np.log(sizes), np.log(errors), 1)
    return slope


def _steady_slab(x, width, length, bath_rate, bath):
    """c'' = c / length^2, c(0) = 1, c'(width) = bath_rate (bath - c(width))."""
    u = width / length
    a = bath_rate * length
    slope = (a * bath - np.sinh(u) - a * np.cosh(u)) / (np.cosh(u) + a * np.sinh(u))
    return np.cosh(x / length) + slope * np.sinh(x / length)


@pytest.mark.parametrize("shape", [(1, 1, 0), (1, 3, 0), (3, 3, 0)])
def test_space_is_second_order_with_a_value_and_an_exchange_at_the_walls(shape):
    errors, voxels = [], [40.0, 20.0, 10.0, 5.0, 2.5]
    for voxel in voxels:
        grid = Grid((*shape[:2], round(400.0 / voxel)), voxel)
        env = Microenvironment(grid, [Substrate("s", 1e5, 10.0, 0.0, WALLS)], dtype=np.float64)
        exact = _steady_slab(grid.centres("x"), 400.0, 100.0, 0.01, 0.2)
        errors.append(np.abs(env.steady_state("s") - exact).max())
    assert _order(voxels, errors) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_space_is_second_order_in_every_dimension(dim):
    """A source is made so that prod sin(pi x / 400) / 2 + 1 is the steady state, walls at 1."""
    errors, voxels = [], [80.0, 50.0, 40.0, 25.0, 20.0]
    for voxel in voxels:
        n = round(400.0 / voxel)
        grid = Grid((n if dim > 2 else 1, n if dim > 1 else 1, n), voxel)
        env = Microenvironment(grid, [Substrate("s", 1e5, 20.0, 0.0, {"all": 1.0})], dtype=float)
        centres = np.ix_(*(grid.centres(axis) for axis in "zyx"))
        modes = [
            np.sin(np.pi * x / 400.0)
            for x, count in zip(centres, grid.shape, strict=True)
            if count > 1
        ]
        mode = 0.5 * np.prod(np.broadcast_arrays(*modes), axis=0).reshape(grid.shape)
        source = 20.0 * (1.0 + mode) + 1e5 * dim * (np.pi / 400.0) ** 2 * mode
        env.set_exchange("s", source=source)
        errors.append(np.abs(env.steady_state("s") - 1.0 - mode).max())
    assert _order(voxels, errors) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("shape", [(1, 1, 48), (1, 4, 12), (3, 4, 5)])
def test_time_is_second_order_where_the_transient_matters(shape):
    rng = np.random.default_rng(3)
    start, uptake, vessels = rng.random(shape), rng.random(shape), rng.random(shape)
    twin = Problem(shape, 20.0, 400.0, 0.1, {"x_low": ("exchange", np.inf, 1.0)})
    twin.uptake, twin.permeability, twin.plasma = uptake, vessels, 2.0
    exact = twin.exact(start, 2.0)
    errors, counts = [], [32, 64, 128, 256]
    for substeps in counts:
        env = Microenvironment(
            Grid(shape, 20.0),
            [Substrate("s", 400.0, 0.1, start, {"x_low": 1.0})],
            dtype=np.float64,
            substeps=substeps,
        )
        env.set_exchange("s", uptake=uptake)
        env.set_vessels("s", vessels, 2.0)
        env.step(2.0)
        errors.append(np.linalg.norm(env["s"] - exact))
    assert _order(1.0 / np.array(counts), errors) == pytest.approx(2.0, abs=0.15)


def test_a_stiff_step_lands_on_the_steady_state():
    grid = Grid((1, 20, 20), 20.0)
    env = Microenvironment(
        grid, [Substrate("s", 1e5, 10.0, 0.0, {"all": 1.0})], dtype=np.float64, substeps=1
    )
    steady = env.steady_state("s")
    env.step(1e6)
    np.testing.assert_allclose(env["s"], steady, rtol=1e-5)


def test_the_estimate_of_a_substep_bounds_the_error_of_its_extrapolations():
    """For modes exp(-x) of any decay the third order has to cover (x below 60)."""
    x = np.logspace(-3, math.log10(60.0), 2000)
    tables = [(1.0 + x / n) ** -n for n in (1, 2, 3)]
    estimate = np.abs(tables[1] - tables[0])
    for order, share in ((2, stepping.SECOND), (3, stepping.THIRD)):
        weights = stepping.WEIGHTS[order]
        assert math.isclose(sum(weights), 1.0)
        kept = sum(w * table for w, table in zip(weights, tables, strict=True))
        assert (np.abs(kept - np.exp(-x)) <= share * estimate).all()


@pytest.mark.parametrize("diffusivity", [0.0, 1e3])
def test_what_of_an_error_outlives_a_time_is_judged_at_that_time(diffusivity):
    """(1 + t A)^-1 of a uniform error, whatever length of step was solved or judged before."""
    decay, grid = 2.0, Grid((1, 8, 8))
    env = Microenvironment(grid, [Substrate("s", diffusivity, decay, 1.0)], dtype=np.float64)
    control = stepping.Control(1e-3, 1e-10, 1e-14)
    system, absent = env._fields["s"].system(env._work), np.zeros((0, 0, 0))
    stepper = stepping.Stepper(system, env._work, control, absent, absent)
    stepper.step(env["s"], 1.0, 1.0)
    for time in (3.0, 0.25, 0.5, 3.0):
        stepper._difference(np.ones(grid.shape), np.zeros(grid.shape))
        expected = grid.n_voxels / (1.0 + time * decay) ** 2
        assert stepper._relaxed(time) == pytest.approx(expected, rel=0.2 if diffusivity else 1e-9)
