"""The solver agrees with the slow twin: everything switched on, any shape."""

import numpy as np
import pytest

from tests.reference.fields import FACES, Problem
from tme_sim.fields import Grid, Microenvironment, Substrate

INF = np.inf
WALLS = {
    "closed": {},
    "value": {face: 4.0 for face in FACES},
    "periodic": {face: "periodic" for face in FACES},
    "mixed": {
        "x_low": 4.0,
        "x_high": {"exchange": 0.01, "bath": 2.0},
        "y_low": "periodic",
        "y_high": "periodic",
    },
}


def _twin_walls(boundary):
    walls = {}
    for face, condition in boundary.items():
        if condition == "periodic":
            walls[face] = "periodic"
        elif isinstance(condition, dict):
            walls[face] = ("exchange", condition["exchange"], condition["bath"])
        else:
            walls[face] = ("exchange", INF, condition)
    return walls


def _both(shape, boundary, **options):
    """An environment and its twin with uneven uptake, vessels, sources and fixed voxels."""
    rng = np.random.default_rng(7)
    source = rng.random(shape)
    uptake = 20.0 * rng.random(shape) ** 4
    maximum = 30.0 * rng.random(shape) ** 2
    permeability = 5.0 * (rng.random(shape) < 0.1)
    fixed = rng.random(shape) < 0.1
    initial = rng.random(shape)
    env = Microenvironment(
        Grid(shape, 20.0),
        [Substrate("s", 5e3, 0.1, initial, boundary)],
        dtype=np.float64,
        **options,
    )
    env.set_exchange("s", source, uptake)
    env.set_saturating_uptake("s", maximum, 0.5)
    env.set_vessels("s", permeability, 3.0)
    env.fix("s", fixed, 1.5)
    twin = Problem(
        shape,
        20.0,
        5e3,
        0.1,
        _twin_walls(boundary),
        source,
        uptake,
        maximum,
        0.5,
        permeability,
        3.0,
        fixed,
        1.5,
    )
    return env, twin


SHAPES = [(1, 1, 13), (1, 9, 14), (3, 5, 7), (5, 1, 6)]


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_steady_state_equals_that_of_a_direct_solve(shape, walls):
    env, twin = _both(shape, WALLS[walls])
    expected = twin.euler(env["s"], INF)
    np.testing.assert_allclose(env.steady_state("s"), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_substep_is_the_extrapolation_of_backward_euler(shape, walls):
    env, twin = _both(shape, WALLS[walls], substeps=1)
    c0 = env["s"].copy()
    whole = twin.euler(c0, 0.02)
    halves = twin.euler(twin.euler(c0, 0.01), 0.01)
    env.step(0.02)
    np.testing.assert_allclose(env["s"], 2 * halves - whole, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 1, 2), (1, 2, 3), (1, 37, 53), (1, 64, 65), (2, 3, 31), (13, 11, 17)]
)
def test_any_number_of_voxels_will_do(shape):
    env, twin = _both(shape, WALLS["mixed"])
    expected = twin.euler(env["s"], INF)
    np.testing.assert_allclose(env.steady_state("s"), expected, rtol=1e-8, atol=1e-10)
    env.step(1e4)
    np.testing.assert_allclose(env["s"], expected, rtol=1e-3)


def test_float32_agrees_with_the_direct_solve():
    env, twin = _both((3, 5, 7), WALLS["mixed"])
    coarse = Microenvironment(env.grid, [Substrate("s", 5e3, 0.1, 1.0, WALLS["mixed"])])
    state = env.state()["s"]
    coarse.set_exchange("s", state["source"], state["uptake"])
    coarse.set_saturating_uptake("s", state["maximum"], 0.5)
    coarse.set_vessels("s", state["permeability_area"], 3.0)
    coarse.fix("s", state["fixed"], 1.5)
    np.testing.assert_allclose(coarse.steady_state("s"), twin.euler(env["s"], INF), rtol=2e-5)


def test_the_error_in_time_stays_below_its_estimate():
    env, twin = _both((1, 9, 9), WALLS["value"], tolerance=1e-3)
    env.fix("s", None)
    env.set_saturating_uptake("s", 0.0)
    twin.fixed, twin.maximum = None, 0.0
    for _ in range(3):
        expected = twin.exact(env["s"], 0.3)
        report = env.step(0.3)
        error = np.linalg.norm(env["s"] - expected) / np.linalg.norm(expected)
        assert error <= report.error


def test_the_gradient_of_a_linear_field_is_exact():
    grid = Grid((4, 5, 6), 10.0)
    z, y, x = np.meshgrid(*(grid.centres(axis) for axis in "zyx"), indexing="ij")
    env = Microenvironment(grid, [Substrate("s", 1.0, 0.0, 1 + 2 * x + 3 * y + 4 * z)], dtype=float)
    assert env.gradient("s").shape == (4, 5, 6, 3)
    np.testing.assert_allclose(env.gradient("s"), np.broadcast_to([2.0, 3.0, 4.0], (4, 5, 6, 3)))
