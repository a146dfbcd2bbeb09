"""Sum over the cells of each voxel."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tme_sim.fields import Grid


def sum_by_voxel(voxel: NDArray[np.int32], values: ArrayLike, grid: Grid) -> NDArray[np.float64]:
    """Sum of one value per cell over the cells of each voxel, in the grid's shape.

    Serial and in the order of rows: a parallel scatter would lose mass and depend on the number
    of threads.
    """
    weights = np.asarray(values, dtype=np.float64)
    total: NDArray[np.float64] = np.bincount(voxel, weights, grid.n_voxels).astype(np.float64)
    return total.reshape(grid.shape)
