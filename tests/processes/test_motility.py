import numpy as np
import pytest

from tests.processes.tissue import N_TYPES, box, cells, decided, pass_time
from tests.reference.walk import fuerth_msd, walk
from tme_sim.compute.random import Stream, uniform
from tme_sim.processes.mechanics import ContactProperties
from tme_sim.processes.motility import response

SPEED, PERSISTENCE = 10.0, 2.0  # [um/min], [min]: E10, T cells
EDGE = 4000.0


def crowd_of_walkers(n, dim, **outputs):
    rng = np.random.default_rng(11)
    position = EDGE / 2 + rng.uniform(-200, 200, (n, 3))
    if dim == 2:
        position[:, 2] = 10.0
    heading = rng.normal(size=(n, 3))
    heading[:, 2] *= dim == 3
    heading /= np.linalg.norm(heading, axis=1)[:, None]
    population = cells(position, direction=heading)
    given = {"speed": SPEED, "persistence_time": PERSISTENCE, **outputs}
    return population, decided(population, **given)


def wander(population, dim, **how):
    """Walk without contacts; displacement from the start."""
    start = population["position"].copy()
    # cells without size touch nobody
    population["radius"][:] = 0.0
    pass_time(population, box(EDGE, dim), mechanics=False, **how)
    return population["position"] - start


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize(
    ("minutes", "msd", "tick"), [(1, 85.22, 1), (10, 3205.4, 5), (60, 23200.0, 6)]
)
def test_displacement_grows_as_fuerth_said(dim, minutes, msd, tick):
    population, _ = crowd_of_walkers(4000, dim)

    moved = wander(population, dim, minutes=minutes, tick=float(tick))

    assert msd == pytest.approx(fuerth_msd(SPEED, PERSISTENCE, minutes), rel=1e-3)
    assert np.mean((moved**2).sum(axis=1)) == pytest.approx(msd, rel=0.05)
    np.testing.assert_allclose(moved.mean(axis=0), 0, atol=4 * np.sqrt(msd / 4000))
    assert dim == 3 or (moved[:, 2] == 0).all()


def test_a_walk_agrees_with_its_twin_turn_by_turn():
    for dim in (2, 3):
        population, _ = crowd_of_walkers(20, dim)
        before = population["direction"].copy()
        moved = wander(population, dim, seed=9, tick=6.0)
        for i in range(20):

            def draw(k, i=i):
                return uniform(9, Stream.MOTILITY, 0, i + 1, k)

            settings = {"speed": SPEED, "persistence": PERSISTENCE, "bias": np.zeros(3)}
            expected = walk(draw, direction=before[i], dt=6.0, dim=dim, **settings)
            np.testing.assert_allclose(moved[i], expected[0], atol=1e-4)
            np.testing.assert_allclose(population["direction"][i], expected[1], atol=1e-6)


def test_a_walk_does_not_depend_on_the_substeps():
    ways = []
    for fastest in (SPEED, 40.0):  # one cell in a hurry makes everyone's substeps shorter
        population, walking = crowd_of_walkers(50, 3)
        walking["speed"][-1] = fastest
        ways.append(wander(population, 3)[:-1])

    np.testing.assert_allclose(ways[0], ways[1], atol=1e-9)


def drift(gain, relative_gradient, dim=2):
    """Mean velocity along x over SPEED of cells in a field that rises along x."""
    population, _ = crowd_of_walkers(2000, dim, chemotaxis_CXCL10=gain)
    grid = box(EDGE, dim)
    level = np.full(grid.shape, 2.0)
    slope = np.zeros((*grid.shape, 3))
    slope[..., 0] = relative_gradient * 4.0  # concentration + half saturation
    moved = wander(population, dim, minutes=30, gradients={"CXCL10": (level, slope)})
    return moved[:, 0].mean() / (30 * SPEED)


def test_cells_drift_up_an_attractant_and_down_a_repellent():
    up, down = drift(1.0, 0.01), drift(-1.0, 0.01)

    assert up == pytest.approx(-down, abs=0.04)
    assert up > 0.3
    assert abs(drift(0.0, 0.01)) < 0.02


def test_drift_saturates_with_the_gradient_and_grows_with_the_gain():
    assert 0.02 < drift(1.0, 1e-4) < drift(1.0, 1e-3) < drift(1.0, 1e-1) < 0.7
    assert drift(0.3, 1e-1) < 0.5 * drift(1.0, 1e-1)


def test_a_bias_of_one_halves_the_angle_to_the_gradient():
    # random unit vector + 1 in the plane: mean cosine 2/pi, from the first turn (after P) on
    assert drift(1.0, 1.0) == pytest.approx(2 / np.pi * (1 - PERSISTENCE / 30), rel=0.04)
    assert response(0.02) == pytest.approx(0.5)


def test_dead_and_obstacle_cells_do_not_walk():
    population, _ = crowd_of_walkers(3, 2)
    population["status"][0] = 1
    population["type"][1] = 4
    types = ContactProperties.uniform(N_TYPES)
    types.motile[4] = False

    moved = wander(population, 2, types=types)

    assert (np.linalg.norm(moved, axis=1) > 0).tolist() == [False, False, True]


def test_a_cell_without_direction_draws_one():
    population, _ = crowd_of_walkers(200, 3)
    population["direction"][:] = 0.0

    moved = wander(population, 3, minutes=0.01, tick=0.01)

    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 0.1, rtol=0.02)
    np.testing.assert_allclose(np.linalg.norm(population["direction"], axis=1), 1, rtol=1e-6)
