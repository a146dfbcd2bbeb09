"""Find the voxel of every cell."""

# ruff: noqa: ANN001, ANN202 - kernels carry no annotations

import math

import numpy as np

from tme_sim.compute.launch import launch
from tme_sim.fields import Grid
from tme_sim.state.columns import Population


def voxels(population: Population, grid: Grid) -> np.ndarray:
    """Flat index (int32) of each cell's voxel, as ``Grid.voxel_of`` has it, in one kernel."""
    voxel = np.empty(population.n, np.int32)
    nz, ny, nx = grid.shape
    launch(_find_voxel, population.n, population["position"], grid.voxel, nz, ny, nx, voxel)
    return voxel


def _find_voxel(i, position, edge, nz, ny, nx, voxel):
    x = min(max(math.floor(position[i, 0] / edge), 0), nx - 1)
    y = min(max(math.floor(position[i, 1] / edge), 0), ny - 1)
    z = min(max(math.floor(position[i, 2] / edge), 0), nz - 1)
    voxel[i] = (z * ny + y) * nx + x
