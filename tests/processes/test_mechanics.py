import numpy as np
import pytest

from tests.processes.tissue import RADIUS, box, cells, crowd, pass_time
from tests.reference import contacts
from tme_sim.processes import mechanics
from tme_sim.processes.cell_list import Space
from tme_sim.processes.mechanics import ContactProperties, Forces, bodies_of, interact
from tme_sim.processes.neighbours import Neighbours


def felt(position, radius, grid, *, walls="reflecting", types=None, **columns):
    n = len(position)
    types = types or ContactProperties.uniform(1)
    shown = np.random.default_rng(5).uniform(0, 1, (n, 4)).astype(np.float32)
    columns = {"adhesion": 0.4, "repulsion": 10.0, "kind": 0, "mobility": 1.0} | columns
    columns = {name: np.broadcast_to(value, n) for name, value in columns.items()}
    listed = types.listing_radius(columns["kind"], radius)
    forces = Forces.of(n)
    interact(
        bodies_of(position, radius, **columns),
        Neighbours(Space(grid.size, grid.dim == 2, walls), listed).build(position),
        adhesion=types.pairs,
        identity=np.arange(1, n + 1),
        shown=shown,
        forces=forces,
    )
    return forces, shown


@pytest.mark.parametrize(
    ("distance", "speed"),
    [
        (5, 4.707289903),
        (10, 1.535558110),
        (15, 0.084804619),
        (18, -0.008311940),
        (20, -0.000962674),
    ],
)
@pytest.mark.parametrize("dim", [2, 3])
def test_a_pair_moves_at_the_published_speed(distance, speed, dim):
    position = np.array([[50.0, 50, 10], [50.0 + distance, 50, 10]])

    forces, _ = felt(position, np.full(2, RADIUS), box(100, dim))

    np.testing.assert_allclose(forces.velocity[:, 0], [-speed, speed], atol=1e-6)
    assert (forces.velocity[:, 1:] == 0).all()
    assert mechanics.pair_speed(distance / (2 * RADIUS), 10.0, 0.4) == pytest.approx(
        speed, abs=1e-8
    )


@pytest.mark.parametrize("walls", ["reflecting", "periodic"])
@pytest.mark.parametrize("dim", [2, 3])
def test_velocities_and_contacts_agree_with_the_twin(dim, walls):
    position, grid = crowd(100, dim, seed=1)
    rng = np.random.default_rng(2)
    radius, adhesion, repulsion = rng.uniform((4, 0, 5), (9, 1, 20), (100, 3)).T

    forces, shown = felt(
        position, radius, grid, adhesion=adhesion, repulsion=repulsion, walls=walls
    )

    own = {"adhesion": adhesion, "repulsion": repulsion}
    expected = contacts.velocities(position, radius, grid.size, walls=walls, dim=dim, **own)
    np.testing.assert_allclose(forces.velocity, expected, rtol=1e-10, atol=1e-12)
    sums = contacts.sums(position, radius, shown, grid.size, walls, dim)
    np.testing.assert_allclose(forces.contact, sums, rtol=1e-5, atol=1e-6)
    holds = contacts.holds(position, radius, grid.size, adhesion=adhesion, walls=walls, dim=dim)
    np.testing.assert_allclose(forces.hold, holds, rtol=1e-10, atol=1e-12)
    assert (holds > 0).sum() > 50


@pytest.mark.parametrize("walls", ["reflecting", "periodic"])
def test_adhesion_of_each_pair_of_types_agrees_with_the_twin(walls):
    position, grid = crowd(100, 2, seed=3)
    rng = np.random.default_rng(4)
    radius, kind = rng.uniform(4, 9, 100), rng.integers(0, 3, 100)
    types = ContactProperties.uniform(3)
    types.affinity[:] = [[1.0, 0.3, 2.0], [0.3, 1.0, 0.0], [2.0, 0.0, 1.0]]
    types.adhesion_range[:] = [1.1, 1.25, 1.7]

    forces, shown = felt(position, radius, grid, walls=walls, types=types, kind=kind, adhesion=4.0)

    own = {"adhesion": np.full(100, 4.0), "repulsion": np.full(100, 10.0)}
    own |= {"reach": types.adhesion_range[kind], "affinity": types.affinity[kind][:, kind]}
    expected = contacts.velocities(position, radius, grid.size, walls=walls, dim=2, **own)
    np.testing.assert_allclose(forces.velocity, expected, rtol=1e-10, atol=1e-12)
    sums = contacts.sums(position, radius, shown, grid.size, walls, 2)
    np.testing.assert_allclose(forces.contact, sums, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("reach", "pulls"), [((1.25, 1.25), False), ((1.25, 1.8), True)])
def test_adhesion_ends_at_the_sum_of_both_ranges(reach, pulls):
    position = np.array([[50.0, 50, 10], [50.0 + 1.4 * 2 * RADIUS, 50, 10]])
    types = ContactProperties.uniform(2)
    types.adhesion_range[:] = reach

    forces, _ = felt(position, np.full(2, RADIUS), box(100, 2), types=types, kind=[0, 1])

    speed = 0.4 * (1.0 - 1.4 / 1.525) ** 2 if pulls else 0.0
    assert forces.velocity[:, 0] == pytest.approx([speed, -speed], abs=1e-12)
    assert forces.contact[:, 4].tolist() == [0.0, 0.0]


def test_pushes_are_equal_and_opposite():
    position, grid = crowd(300, 3, spacing=10.0)

    forces, _ = felt(position, np.full(300, RADIUS), grid)

    np.testing.assert_allclose(forces.velocity.sum(axis=0), 0, atol=1e-10)
    assert np.abs(forces.velocity).max() > 1


def test_coincident_cells_part_in_opposite_directions():
    position = np.full((2, 3), 50.0)

    for dim in (2, 3):
        velocity = felt(position, np.full(2, RADIUS), box(100, dim))[0].velocity
        assert np.linalg.norm(velocity[0]) == pytest.approx(9.6, rel=1e-4)
        np.testing.assert_array_equal(velocity[0], -velocity[1])
        assert dim == 3 or velocity[0, 2] == 0


def test_an_obstacle_pushes_and_stays():
    position = np.array([[50.0, 50, 10], [60.0, 50, 10]])

    forces, _ = felt(position, np.full(2, RADIUS), box(100, 2), mobility=[1.0, 0.0])

    assert forces.velocity[0, 0] == pytest.approx(-1.535558110)
    assert (forces.velocity[1] == 0).all()
    assert forces.hold.tolist() == [0.4, 0.0]


def test_stiffness_bounds_the_rates_of_relaxation():
    position, grid = crowd(30, 3, spacing=9.0)
    radius = np.full(30, RADIUS)
    own = {"adhesion": np.zeros(30), "repulsion": np.full(30, 10.0)}

    def velocity(flat):
        return contacts.velocities(flat.reshape(30, 3), radius, grid.size, **own).ravel()

    step = 1e-6 * np.eye(90)
    at = position.ravel()
    jacobian = np.array([(velocity(at + h) - velocity(at - h)) / 2e-6 for h in step]).T
    fastest = -np.linalg.eigvals(jacobian).real.min()

    stiffness = felt(position, radius, grid, adhesion=0.0)[0].stiffness.max()

    assert fastest <= stiffness <= 4 * fastest


def test_affinity_scales_the_adhesion_of_a_pair_of_types():
    population = cells([[50.0, 50, 10], [68.0, 50, 10]], type=[0, 1])
    types = ContactProperties.uniform(2)
    types.affinity[0, 1] = types.affinity[1, 0] = 0.0
    pass_time(population, box(100, 2), types=types)

    assert (population["position"][:, 0] == [50.0, 68.0]).all()
