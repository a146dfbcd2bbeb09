import numpy as np
import pytest

from tests.processes.tissue import RADIUS, crowd
from tests.reference import contacts
from tme_sim.processes.cell_list import CellList, Space, cut
from tme_sim.processes.contact import meet


def listed(position, radius, grid, walls):
    return CellList(Space(grid.size, grid.dim == 2, walls), radius).build(position)


@pytest.mark.parametrize("walls", ["reflecting", "periodic", "open"])
@pytest.mark.parametrize("dim", [2, 3])
def test_every_contact_is_found_once(dim, walls):
    position, grid = crowd(120, dim, seed=3)
    radius = np.random.default_rng(4).uniform(3, 9, 120)
    cells = listed(position, radius, grid, walls)

    total, _ = meet(cells, np.arange(120), np.ones(120, dtype=np.float32), np.full(120, 0.5))

    shown = np.zeros((120, 4))
    expected = contacts.sums(position, radius, shown, grid.size, walls, dim)[:, 4]
    np.testing.assert_allclose(total, expected, rtol=1e-12, atol=1e-12)


def test_cells_outside_open_walls_still_find_each_other():
    grid = crowd(100, 2)[1]
    position = np.array([[-30.0, 50, 10], [-40.0, 50, 10], [50.0, 900, 10], [50.0, 912, 10]])
    cells = listed(position, np.full(4, RADIUS), grid, "open")

    total, chosen = meet(cells, np.arange(4), np.ones(4, dtype=np.float32), np.full(4, 0.5))

    assert (total == 1.0).all()
    assert chosen.tolist() == [1, 0, 3, 2]


def test_a_bin_holds_its_cells_in_the_order_of_their_rows():
    position, grid = crowd(500, 3)
    cells = listed(position, np.full(500, RADIUS), grid, "reflecting")

    runs = np.split(cells.order, cells.start[1:-1])

    assert np.array_equal(np.sort(cells.order), np.arange(500))
    assert all((np.diff(run) > 0).all() for run in runs)


def test_a_thousand_cells_in_one_place_are_all_neighbours():
    position = np.full((1000, 3), 50.0) + np.linspace(0, 1, 1000)[:, None]
    cells = listed(position, np.full(1000, RADIUS), crowd(100, 3)[1], "reflecting")

    total, _ = meet(cells, np.arange(1000), np.ones(1000, dtype=np.float32), np.full(1000, 0.5))

    assert (total == 999.0).all()


def test_an_empty_domain_costs_few_bins():
    bins = cut(Space((1e5, 1e5, 1e5), planar=False), RADIUS, 10)
    assert bins.n_x * bins.n_y * bins.n_z <= 4096


def test_a_periodic_domain_must_hold_a_contact():
    with pytest.raises(ValueError, match="smaller than twice the contact range"):
        cut(Space((40.0, 200.0, 20.0), planar=True, walls="periodic"), RADIUS, 10)
