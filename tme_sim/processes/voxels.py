"""Find the voxel of every cell, and sum over the cells of each voxel."""

# ruff: noqa: ANN001, ANN202 - kernels carry no annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tme_sim.compute.launch import launch
from tme_sim.fields import Grid
from tme_sim.state.columns import Population


def voxels(population: Population, grid: Grid) -> NDArray[np.int32]:
    """Flat index of each cell's voxel, as ``Grid.voxel_of`` has it, in one kernel."""
    voxel = np.empty(population.n, np.int32)
    nz, ny, nx = grid.shape
    launch(_find_voxel, population.n, population["position"], grid.voxel, nz, ny, nx, voxel)
    return voxel


def sum_by_voxel(voxel: NDArray[np.int32], values: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    """Sum of one value per cell over the cells of each voxel, in the grid's shape.

    Serial and in the order of rows: a parallel scatter would lose mass and depend on the number
    of threads.
    """
    weights = np.asarray(values, dtype=np.float64)
    total: NDArray[np.float64] = np.bincount(voxel, weights, grid.n_voxels).astype(np.float64)
    return total.reshape(grid.shape)


def _find_voxel(i, position, edge, nz, ny, nx, voxel):
    x = min(max(math.floor(position[i, 0] / edge), 0), nx - 1)
    y = min(max(math.floor(position[i, 1] / edge), 0), ny - 1)
    z = min(max(math.floor(position[i, 2] / edge), 0), nz - 1)
    voxel[i] = (z * ny + y) * nx + x
