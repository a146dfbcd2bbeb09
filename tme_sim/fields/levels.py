"""Lay out the multigrid levels of a grid in the work arrays, and their couplings.

Work arrays keep the voxels of the two colours of a chessboard apart, each colour contiguous in
the order (z, y, x). Every axis longer than one voxel, and x always, has a ghost voxel at both
ends, and the padded length of x and y is odd: then a voxel's colour is the parity of its flat
index i, its place is i // 2 in its colour's part, and its six neighbours, at i +- 1, i +- PX and
i +- PX PY, lie at fixed distances in the part of the other colour. So a sweep over one colour
reads and writes contiguous memory.
"""

from __future__ import annotations

import numpy as np

from tme_sim.compute import chunks
from tme_sim.fields.substrate import Wall

CHUNK = 4096  # voxels of one colour that are handled together

# columns of the table of levels: voxels per axis, padded lengths of x and y, ghosts before the
# first voxel, where the two colours begin, and the chunks of one colour and of rows
NZ, NY, NX, PX, PY, GZ, GY, GX, RED, BLACK, CHUNKS, ROWS = range(12)
# columns of the couplings of a level: along each axis, and the conductances of the six walls
KZ, KY, KX, GZ_LOW, GZ_HIGH, GY_LOW, GY_HIGH, GX_LOW, GX_HIGH = range(9)
Z, Y, X = range(3)  # axes
Z_LOW, Z_HIGH, Y_LOW, Y_HIGH, X_LOW, X_HIGH = range(6)  # faces of the box


def level_table(shape: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """Table of levels (n_levels, 12) int64, and the length of a work array that holds them all.

    Each level halves every axis longer than one voxel, rounding up, down to a single voxel.
    """
    rows, begin = [], 0
    nz, ny, nx = shape
    while True:
        px, py = _odd(nx), _odd(ny) if ny > 1 else 1
        size = px * py * (nz + 2 if nz > 1 else 1)
        margin = px // 2 + 2  # neighbours that do not exist are read, with a coupling of 0
        red = begin + margin
        black = red + (size + 1) // 2 + margin
        begin = black + size // 2 + margin
        ghosts = (int(nz > 1), int(ny > 1), 1)
        chunks = -(-(size // 2 + 1) // CHUNK)
        groups = -(-nz * ny // rows_per_chunk(nx))
        rows.append((nz, ny, nx, px, py, *ghosts, red, black, chunks, groups))
        if nz * ny * nx == 1:
            return np.array(rows, dtype=np.int64), begin
        nz, ny, nx = (nz + 1) // 2, (ny + 1) // 2, (nx + 1) // 2


def is_small(levels: np.ndarray) -> bool:
    """Whether one thread is as good as many on a grid, by its table of levels."""
    return bool(levels[0, CHUNKS] < chunks.PARALLEL_CHUNKS)


def rows_per_chunk(nx: int) -> int:
    """Rows of a grid that are handled together."""
    return max(1, 2 * CHUNK // nx)


def _odd(n: int) -> int:
    """Padded length of an axis of n voxels."""
    return n + 2 if n % 2 else n + 3


def couplings(
    levels: np.ndarray,
    *,
    voxel: float,
    diffusivity: float,
    walls: tuple[Wall, ...],
    dtype: np.dtype,
) -> np.ndarray:
    """(n_levels, 9): couplings along z, y, x and conductances of six walls, per level [1/min]."""
    width = np.array([voxel, voxel, voxel])
    rows = []
    for level in range(len(levels)):
        if level:
            width = np.where(levels[level - 1, :3] > 1, 2 * width, width)
        n = levels[level, :3]
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
