import numba
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.spatial import cKDTree

from tests.processes.tissue import N_TYPES, RADIUS, box, cells, crowd, decided, pass_time
from tests.reference import contacts
from tme_sim.processes.integrator import MOST_STAGES, at_walls, stable_up_to, stage_coefficients
from tme_sim.processes.mechanics import ContactProperties
from tme_sim.state.columns import APOPTOTIC

PUBLISHED = {1: 11.672459, 10: 14.670925, 60: 15.957717}  # PhysiCell 1.14.2, from 10 um [um]


def pair(held=False, distance=10.0):
    types = ContactProperties.uniform(N_TYPES)
    types.motile[1] = not held
    return cells([[95.0, 100, 10], [95.0 + distance, 100, 10]], type=[0, 1]), types


def apart(population):
    return float(np.linalg.norm(np.diff(population["position"], axis=0)))


def exact_distance(minutes, movers, start=10.0):
    """Distance of two cells of which `movers` move, by the published law."""

    def approach(_, d):
        return [movers * contacts.pair_speed(d[0], 2 * RADIUS, 10.0, 0.4)]

    return solve_ivp(approach, (0, minutes), [start], rtol=1e-10, atol=1e-12).y[0, -1]


def test_the_published_distances_are_a_pair_of_which_one_stops_feeling_the_other():
    # so no symmetric law can follow them: both cells moving, it is 12.099 um after 1 min
    for minutes, distance in PUBLISHED.items():
        twin = contacts.physicell_pair(10.0, RADIUS, minutes=minutes)
        assert twin == pytest.approx(distance, abs=1e-6)


@pytest.mark.parametrize("minutes", PUBLISHED)
def test_a_pair_follows_the_published_distances_when_one_stops_as_it_did_there(minutes):
    together = 0.45  # four steps of 0.1 min, and the half step that Adams-Bashforth starts with
    population, types = pair()
    pass_time(population, box(200, 2), minutes=together, tick=together, types=types)
    types.motile[1] = False
    rest = minutes - together
    pass_time(population, box(200, 2), minutes=rest, tick=rest, types=types)

    assert apart(population) == pytest.approx(PUBLISHED[minutes], rel=5e-3)


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("minutes", [1, 10, 60])
def test_a_pair_follows_the_exact_solution(minutes, held):
    population, types = pair(held)

    pass_time(population, box(200, 2), minutes=minutes, tick=minutes, types=types)

    assert apart(population) == pytest.approx(exact_distance(minutes, 2 - held), rel=5e-3)


@pytest.mark.parametrize("stages", [2, 3, 5, MOST_STAGES])
def test_stages_are_of_second_order_and_stable_as_far_as_promised(stages):
    def growth(z):  # of y' = z y over one step of length 1
        before, way, first = 0.0, 0.0, 1.0
        for mu, nu, share, first_share in stage_coefficients(stages):
            then = 1.0 + way if (mu or nu) else first
            before, way = way, mu * way + nu * before + z * (share * then + first_share)
        return 1.0 + way

    error = [abs(growth(z) - np.exp(z)) for z in (-0.01, -0.005)]
    assert np.log2(error[0] / error[1]) == pytest.approx(3.0, abs=0.1)
    factors = [abs(growth(-z)) for z in np.linspace(0.1, stable_up_to(stages), 500)]
    assert max(factors) < 1.0
    assert abs(growth(-1.3 * stable_up_to(stages))) > 1.0


def test_a_pair_comes_to_rest_at_the_published_equilibrium():
    population, types = pair()

    pass_time(population, box(200, 2), minutes=600, types=types)

    assert apart(population) == pytest.approx(40 / 21 * RADIUS, rel=1e-5)
    assert population["position"][:, 2].tolist() == [10.0, 10.0]


def test_a_compressed_ball_relaxes_as_with_tiny_steps():
    n, minutes = 1000, 6.0
    start = 200.0 + np.random.default_rng(7).normal(size=(n, 3)) * 25.0
    population = cells(start)

    pass_time(population, box(400, 3), minutes=minutes)

    reference = contacts.relax(start, np.full(n, RADIUS), minutes=minutes, dt=0.01)

    def density(position):
        return 1 / np.mean(np.linalg.norm(position - position.mean(axis=0), axis=1) ** 3)

    assert density(population["position"]) == pytest.approx(density(reference), rel=0.01)
    assert density(population["position"]) < 0.7 * density(start)
    error = np.linalg.norm(population["position"] - reference, axis=1)
    assert np.sqrt(np.mean(error**2)) < 0.1


@pytest.mark.parametrize(("n", "dim"), [(40, 2), (1000, 3)])
def test_overlapping_newborns_never_explode(n, dim):
    population = cells(np.full((n, 3), 200.0))

    report = pass_time(population, box(400, dim), minutes=6.0)

    moved = np.linalg.norm(population["position"] - 200.0, axis=1)
    assert 20.0 < moved.max() < 120.0
    assert np.isfinite(population["position"]).all()
    assert report.motion.substeps < 300


def test_a_quiet_tissue_takes_few_substeps():
    position = np.array([[x * 16.0 + 20, y * 16.0 + 20, 10] for x in range(10) for y in range(10)])
    population = cells(position)

    assert pass_time(population, box(200, 2)).motion.substeps <= 6


def test_crowding_is_one_in_equilibrium_packing():
    spacing = 40 / 21 * RADIUS
    hexagon = [[np.cos(a), np.sin(a), 0] for a in np.arange(6) * np.pi / 3]
    population = cells(100.0 + spacing * np.array([[0, 0, 0], *hexagon]))

    pass_time(population, box(200, 2), mechanics=False)

    assert population["crowding"][0] == pytest.approx(1.0, rel=0.01)
    assert population["n_contacts"][0] == pytest.approx(6.0)


def test_contacts_show_what_touching_cells_display():
    population = cells([[50.0, 50, 10], [60.0, 50, 10], [50.0, 60, 10]], type=[0, 1, 0])
    population["status"][2] = APOPTOTIC
    types = ContactProperties.uniform(N_TYPES)
    types.b7[1] = 0.7
    decided(population, antigen=0.5, PDL1=0.25)

    pass_time(population, box(100, 2), types=types, mechanics=False)

    names = ("antigen_contact", "PDL1_contact", "B7_contact", "death_contact", "n_contacts")
    seen = [population[name][0] for name in names]
    np.testing.assert_allclose(seen, [0.5, 0.25, 0.7, 1.0, 2.0], rtol=1e-6)


def test_the_dead_do_not_adhere():
    population, types = pair(distance=18.0)
    population["status"][1] = APOPTOTIC

    pass_time(population, box(200, 2), types=types)

    assert apart(population) == 18.0


@pytest.mark.parametrize(("speed", "headway"), [(0.3, 0.0), (0.41, 0.01), (2.4, 2.0)])
def test_a_walk_gets_on_with_what_its_speed_exceeds_the_adhesion(speed, headway):
    # two cells side by side that both walk along y: they stay beside each other
    rest = 40 / 21 * RADIUS
    heading = [[0.0, 1.0, 0.0]] * 2
    population = cells([[95.0, 20, 10], [95.0 + rest, 20, 10]], direction=heading)
    decided(population, speed=speed, persistence_time=1e9)

    pass_time(population, box(200, 2))

    np.testing.assert_allclose(population["position"][:, 1], 20 + 6 * headway, atol=1e-5)
    assert apart(population) == pytest.approx(rest, abs=1e-6)


def spread(adhesion, speed, *, n=60, days=1):
    """Growth of the mean distance from the centre of a disk of cells that walk."""
    population = cells(400.0 + 15.5 * hexagonal(n))
    decided(population, speed=speed, persistence_time=43.0, adhesion=adhesion)
    radius = [np.linalg.norm(population["position"][:, :2] - 400.0, axis=1).mean()]
    pass_time(population, box(800, 2), minutes=1440 * days, tick=12.0)
    radius.append(np.linalg.norm(population["position"][:, :2] - 400.0, axis=1).mean())
    return radius[1] / radius[0]


def hexagonal(n):
    """The n points of a hexagonal lattice of distance 1 that are nearest to its origin."""
    a, b = (k.ravel() for k in np.meshgrid(*[np.arange(-12, 13)] * 2))
    points = np.stack([a + b / 2, b * np.sqrt(3) / 2, 0 * a], axis=1)
    return points[np.argsort(np.linalg.norm(points, axis=1), kind="stable")[:n]]


def test_adhesive_cells_stay_together_and_others_walk_apart():
    assert spread(adhesion=1.58, speed=0.41) < 1.1  # a melanoma cell's
    assert spread(adhesion=0.1, speed=0.41) > 1.5  # the same cell without cadherins


@pytest.mark.parametrize(
    ("walls", "x", "turned"), [("reflecting", 3.0, 1.0), ("periodic", 197.0, -1.0)]
)
def test_a_walker_meets_a_wall(walls, x, turned):
    population = cells([[5.0, 100.0, 10.0]], direction=[[-1.0, 0.0, 0.0]])
    decided(population, speed=8.0, persistence_time=1e9)

    report = pass_time(population, box(200, 2), tick=1.0, minutes=1.0, walls=walls)

    np.testing.assert_allclose(population["position"][0], [x, 100, 10], rtol=1e-6)
    np.testing.assert_allclose(population["direction"][0], [turned, 0, 0])
    assert not report.cleared.any()


def test_who_walks_out_of_open_walls_has_left():
    population = cells([[5.0, 100, 10], [100.0, 100, 10]], direction=[[-1.0, 0, 0]] * 2)
    decided(population, speed=8.0, persistence_time=1e9)

    report = pass_time(population, box(200, 2), tick=1.0, minutes=1.0, walls="open")

    assert report.cleared.tolist() == [True, False]


def test_walls_keep_any_displacement_inside():
    for x in (-1e4, -7.0, -1e-18, 0.0, 55.5, 100.0, 107.0, 1e4 + 3):
        for walls in (0, 1):
            assert 0.0 <= at_walls(x, 100.0, walls)[0] <= 100.0


def test_switched_off_processes_leave_cells_where_they_are():
    position, grid = crowd(50, 2)
    population = cells(position)
    decided(population, speed=1.0, persistence_time=5.0)

    pass_time(population, grid, mechanics=False, motility=False)

    np.testing.assert_array_equal(population["position"], position)
    assert population["n_contacts"].sum() > 0


def test_without_mechanics_nobody_is_held():
    population, types = pair(distance=15.0)
    population["direction"][:] = [1.0, 0.0, 0.0]
    decided(population, speed=0.3, persistence_time=1e9)

    pass_time(population, box(200, 2), types=types, mechanics=False)

    np.testing.assert_allclose(population["position"][:, 0], [96.8, 111.8])


def test_an_empty_tissue_has_nothing_to_move():
    assert pass_time(cells(np.empty((0, 3))), box(100, 2)).cleared.size == 0


@pytest.mark.parametrize(("n", "dim"), [(500, 2), (21_000, 3)])
def test_one_and_two_threads_give_the_same_bits(n, dim):
    def moved(threads):
        numba.set_num_threads(threads)
        position, grid = crowd(n, dim, spacing=15.0)
        population = cells(position)
        decided(population, speed=2.0, persistence_time=2.0, antigen=0.3)
        pass_time(population, grid, tick=1.0, minutes=1.0)
        return population.state()

    available = numba.config.NUMBA_NUM_THREADS
    one, two = moved(1), moved(min(2, available))
    numba.set_num_threads(available)

    assert all(np.array_equal(one[name], two[name]) for name in one)


def mixing(population, grid):
    """Share of touching pairs that are of two types, in a periodic plane."""
    size = np.array(grid.size[:2])
    tree = cKDTree(population["position"][:, :2] % size, boxsize=size)
    first, second = tree.query_pairs(1.25 * 2 * RADIUS, output_type="ndarray").T
    return np.mean(population["type"][first] != population["type"][second])


@pytest.mark.parametrize(("across", "sorts"), [(0.0, True), (1.0, False)])
def test_cells_that_adhere_better_to_their_own_type_sort_out(across, sorts):
    """Differential adhesion: Steinberg 1963, doi:10.1126/science.141.3579.401."""
    position, grid = crowd(100, 2, seed=0, spacing=13.0)
    population = cells(position, type=np.arange(100) % 2)
    types = ContactProperties.uniform(2)
    types.affinity[0, 1] = types.affinity[1, 0] = across
    decided(population, speed=1.5, persistence_time=20.0)
    mixed = mixing(population, grid)

    later = []
    for seed in (1, 2, 3, 4):
        walk = {"minutes": 720.0, "tick": 30.0, "walls": "periodic"}
        pass_time(population, grid, types=types, seed=seed, **walk)
        later.append(mixing(population, grid) / mixed)

    assert np.mean(later[1:]) < 0.8 if sorts else np.mean(later[1:]) > 0.9
