"""Slow, obviously correct twin of the field solver: sparse matrices, direct solves, Newton."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import scipy.sparse.linalg as spla

FACES = ("z_low", "z_high", "y_low", "y_high", "x_low", "x_high")


@dataclass
class Problem:
    """dc/dt = A c + b - maximum c / (half + c) on the free voxels; fixed voxels keep `held`.

    `walls` maps a face to ("exchange", rate, bath), rate inf for a value on the face, or
    "periodic"; faces not named are closed. Arrays are (z, y, x).
    """

    shape: tuple[int, int, int]
    voxel: float
    diffusivity: float
    decay_rate: float = 0.0
    walls: dict = field(default_factory=dict)
    source: np.ndarray | float = 0.0
    uptake: np.ndarray | float = 0.0
    maximum: np.ndarray | float = 0.0
    half: float = 1.0
    permeability: np.ndarray | float = 0.0
    plasma: float = 0.0
    fixed: np.ndarray | None = None
    held: np.ndarray | float = 0.0
    settled: float = 1e-13  # relative change after which Newton ends

    def _flat(self, value):
        return np.broadcast_to(np.asarray(value, float), self.shape).ravel().copy()

    def assemble(self):
        """Matrix A and vector b, voxel by voxel, in plain loops."""
        k = self.diffusivity / self.voxel**2
        n = int(np.prod(self.shape))
        matrix = sp.lil_matrix((n, n))
        b = self._flat(self.source) + self._flat(self.permeability) * self.plasma
        diagonal = -(self.decay_rate + self._flat(self.uptake) + self._flat(self.permeability))
        for index in np.ndindex(*self.shape):
            i = np.ravel_multi_index(index, self.shape)
            matrix[i, i] += diagonal[i]
            for axis in range(3):
                for side in (0, 1):
                    self._couple(matrix, b, index, axis, side, k)
        return matrix.tocsr(), b

    def _couple(self, matrix, b, index, axis, side, k):
        i = np.ravel_multi_index(index, self.shape)
        other = list(index)
        other[axis] += 2 * side - 1
        wall = self.walls.get(FACES[2 * axis + side])
        if not 0 <= other[axis] < self.shape[axis]:
            if wall == "periodic":
                other[axis] %= self.shape[axis]
            else:
                if wall is not None:
                    _, rate, bath = wall
                    g = self.diffusivity / (self.voxel * (1 / rate + self.voxel / 2))
                    matrix[i, i] -= g
                    b[i] += g * bath
                return
        if self.shape[axis] > 1:
            j = np.ravel_multi_index(other, self.shape)
            matrix[i, i] -= k
            matrix[i, j] += k

    def euler(self, c0, h):
        """One backward Euler step of length h (inf: the steady state)."""
        a, b = self.assemble()
        rate = 0.0 if np.isinf(h) else 1.0 / h
        old = np.asarray(c0, float).ravel()
        c = old.copy()
        most = self._flat(self.maximum)
        for _ in range(100):
            slope = most * self.half / (self.half + c) ** 2
            residual = rate * (old - c) + a @ c + b - most * c / (self.half + c)
            jacobian = sp.diags(rate + slope) - a
            if self.fixed is not None:
                held = self.fixed.ravel()
                keep = sp.diags((~held).astype(float))
                jacobian = keep @ jacobian + sp.diags(held.astype(float))
                residual = np.where(held, self._flat(self.held) - c, residual)
            change = spla.spsolve(sp.csc_matrix(jacobian), residual)
            c = np.maximum(c + change, 0.0)
            if np.abs(change).max() <= self.settled * np.abs(c).max():
                return c.reshape(self.shape)
        msg = "the reference did not converge"
        raise AssertionError(msg)

    def exact(self, c0, t):
        """The solution at time t by the matrix exponential (linear, nothing fixed)."""
        a, b = self.assemble()
        n = b.size
        block = np.zeros((n + 1, n + 1))
        block[:n, :n], block[:n, n] = a.toarray(), b
        start = np.append(np.asarray(c0, float).ravel(), 1.0)
        return (scipy.linalg.expm(block * t) @ start)[:n].reshape(self.shape)
