"""Map space to voxels: a regular box of cubic voxels, arrays ordered (z, y, x)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tme_sim.compute.launch import launch

MAX_VOXELS = 2**31 - 1  # flat voxel indices are int32


@dataclass(frozen=True)
class Grid:
    """A box of cubic voxels with its low corner at the origin.

    Args:
        shape: voxels along (z, y, x); a 2D tissue is one voxel thick, (1, ny, nx).
        voxel: edge of a voxel [um].
    """

    shape: tuple[int, int, int]
    voxel: float = 20.0

    def __post_init__(self) -> None:
        shape = tuple(self.shape)
        if len(shape) != 3 or any(int(n) != n or n < 1 for n in shape):
            msg = f"a grid needs three positive whole numbers (nz, ny, nx), not {self.shape!r}"
            raise ValueError(msg)
        if int(np.prod(shape, dtype=np.int64)) > MAX_VOXELS:
            msg = f"a grid of shape {shape} has more than {MAX_VOXELS} voxels"
            raise ValueError(msg)
        if not (np.isfinite(self.voxel) and self.voxel > 0):
            msg = f"a voxel needs a positive edge [um], not {self.voxel!r}"
            raise ValueError(msg)
        object.__setattr__(self, "shape", tuple(int(n) for n in shape))
        object.__setattr__(self, "voxel", float(self.voxel))

    @property
    def dim(self) -> int:
        """2 for a tissue one voxel thick, else 3."""
        return 2 if self.shape[0] == 1 else 3

    @property
    def size(self) -> tuple[float, float, float]:
        """Edges of the box along (x, y, z) [um]."""
        nz, ny, nx = self.shape
        return nx * self.voxel, ny * self.voxel, nz * self.voxel

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        nz, ny, nx = self.shape
        return nz * ny * nx

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel [um^3]."""
        return self.voxel**3

    def voxel_of(self, positions: np.ndarray) -> np.ndarray:
        """Flat index (int32) of the voxel that holds each position (n, 3) [um, x y z order].

        Positions outside the box belong to the nearest voxel.
        """
        positions = np.ascontiguousarray(positions, dtype=np.float64)
        voxel = np.empty(len(positions), np.int32)
        nz, ny, nx = self.shape
        launch(_find_voxel, len(voxel), positions, self.voxel, nz, ny, nx, voxel)
        return voxel

    def centres(self, axis: str) -> np.ndarray:
        """Voxel centres along one axis, "x", "y" or "z" [um]."""
        n = self.shape["zyx".index(axis)]
        return (np.arange(n) + 0.5) * self.voxel


def _find_voxel(
    i: int, position: np.ndarray, edge: float, nz: int, ny: int, nx: int, voxel: np.ndarray
) -> None:
    x = min(max(math.floor(position[i, 0] / edge), 0), nx - 1)
    y = min(max(math.floor(position[i, 1] / edge), 0), ny - 1)
    z = min(max(math.floor(position[i, 2] / edge), 0), nz - 1)
    voxel[i] = (z * ny + y) * nx + x
