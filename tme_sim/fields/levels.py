"""Lay out the multigrid levels of a grid and their couplings."""

from __future__ import annotations

import math

import numpy as np

from tme_sim.fields.substrate import Wall


def level_shapes(shape: tuple[int, int, int]) -> np.ndarray:
    """(n_levels, 5) int64: nz, ny, nx, first and last element in the flat work arrays.

    Each level halves every axis longer than one voxel, rounding up, down to a single voxel.
    """
    rows, begin = [], 0
    current = list(shape)
    while True:
        size = math.prod(current)
        rows.append((*current, begin, begin + size))
        begin += size
        if size == 1:
            return np.array(rows, dtype=np.int64)
        current = [(n + 1) // 2 for n in current]


def couplings(
    levels: np.ndarray, *, voxel: float, diffusivity: float, walls: tuple[Wall, ...], dtype: type
) -> np.ndarray:
    """(n_levels, 9): kz, ky, kx and the conductances of six walls on every level [1/min]."""
    width = np.array([voxel, voxel, voxel])
    rows = []
    for level, (nz, ny, nx, *_) in enumerate(levels):
        if level:
            width = np.where(levels[level - 1, :3] > 1, 2 * width, width)
        n = (nz, ny, nx)
        k = [diffusivity / w**2 if m > 1 else 0.0 for w, m in zip(width, n, strict=True)]
        g = [
            _conductance(diffusivity, w, wall)
            for w, wall in zip(width.repeat(2), walls, strict=True)
        ]
        rows.append(k + g)
    return np.array(rows, dtype=dtype)


def _conductance(diffusivity: float, width: float, wall: Wall) -> float:
    """Rate [1/min] at which a voxel of this width follows what lies behind the wall."""
    if wall.exchange == 0.0:
        return 0.0
    return diffusivity / (width * (1.0 / wall.exchange + 0.5 * width))
