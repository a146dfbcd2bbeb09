"""The grid maps positions to voxels."""

import numpy as np
import pytest

from tme_sim.fields import Grid


def test_positions_fall_into_their_voxels_and_outside_ones_into_the_nearest():
    grid = Grid((2, 3, 4), voxel=10.0)
    positions = np.array(
        [[0.0, 0.0, 0.0], [39.9, 29.9, 19.9], [15.0, 25.0, 5.0], [-5.0, 99.0, 5.0]]
    )
    assert grid.voxel_of(positions).tolist() == [0, 23, 9, 8]
    assert grid.voxel_of(positions).dtype == np.int32
    assert grid.size == (40.0, 30.0, 20.0)
    assert grid.n_voxels == 24
    assert grid.voxel_volume == 1000.0


@pytest.mark.parametrize("n", [0, 50, 30_000])  # on one thread, and on many
def test_a_voxel_holds_the_positions_between_its_faces(n):
    grid = Grid((3, 4, 5), voxel=7.0)
    positions = np.random.default_rng(n).uniform(-3.0, 38.0, (n, 3))
    voxel = grid.voxel_of(positions)
    index = np.stack(np.unravel_index(voxel, grid.shape)[::-1], axis=1)
    inside = np.clip(positions, 0.0, np.nextafter(grid.size, 0.0))
    assert (index * grid.voxel <= inside).all()
    assert (inside < (index + 1) * grid.voxel).all()


def test_a_grid_one_voxel_thick_is_two_dimensional():
    assert Grid((1, 5, 5)).dim == 2
    assert Grid((2, 5, 5)).dim == 3


@pytest.mark.parametrize(
    ("shape", "voxel"), [((5, 5), 20.0), ((1, 0, 5), 20.0), ((1, 2.5, 5), 20.0), ((1, 5, 5), -1.0)]
)
def test_a_grid_refuses_what_is_no_box(shape, voxel):
    with pytest.raises(ValueError, match="not"):
        Grid(shape, voxel)
