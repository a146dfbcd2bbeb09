"""Solve one implicit step of one substrate by Newton, conjugate gradients and multigrid.

For a step of length h from c0 the unknown c obeys, voxel by voxel,

    (c - c0) / h = D lap c - (decay + uptake) c - Vmax c / (K + c) + source + p (plasma - c)

with the values at walls and in fixed voxels inside the solve. `rate` is 1/h, 0 for the steady
state. Each Newton pass linearises the saturating uptake, whose slope only strengthens the
diagonal; as the uptake is concave in c, the passes approach the solution from below without
overshoot (Ortega & Rheinboldt 1970, ch. 13), and c >= 0 may be enforced in between. The linear
system is symmetric and solved by conjugate gradients, preconditioned with one V(1,1) cycle. The
preconditioned residual estimates the error of c itself and ends the iteration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tme_sim.fields.compile import driver
from tme_sim.fields.levels import level_shapes
from tme_sim.fields.rates import clip, linearise
from tme_sim.fields.stencil import apply, coarsen, combine, dots, prolong, relax, restrict, start

MAX_NEWTON = 40
MAX_CYCLES = 60  # per Newton pass
NEWTON_SETTLED = 0.1  # correction over sqrt(tolerance) after which the next would be negligible
DIAGONALLY_DOMINANT = 0.5  # coupling over diagonal below which no coarser level is needed
CONTRACTION = 0.5  # assumed of the first cycle, before one has been measured


class NotConvergedError(RuntimeError):
    """A solve that stopped short of its tolerance; `history` has the error of every cycle."""

    def __init__(self, history: list[float]):
        super().__init__(f"error by cycle: {' '.join(f'{error:.2e}' for error in history)}")
        self.history = history


class Workspace:
    """Arrays that all substrates of a grid share while one of them is solved."""

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype):
        self.levels = level_shapes(shape)
        n_all = int(self.levels[-1, 4])
        self.diagonal, self.residual, self.correction = (np.zeros(n_all, dtype) for _ in range(3))
        self.diagonals = [self._view(self.diagonal, level) for level in self.levels]
        self.r = self._view(self.residual, self.levels[0])
        self.z = self._view(self.correction, self.levels[0])
        self.p, self.q, self.full, self.half, self.end = (np.zeros(shape, dtype) for _ in range(5))

    @staticmethod
    def _view(flat: np.ndarray, level: np.ndarray) -> np.ndarray:
        return flat[level[3] : level[4]].reshape(level[:3])


@dataclass
class System:
    """One substrate's equations on a grid: couplings, walls, and what acts in the voxels.

    Attributes:
        coef: couplings of every level (see `levels.couplings`).
        joined: whether each axis (z, y, x) is periodic.
        walls: concentrations outside the six faces.
        edges: pairs of a fixed and a free voxel that touch.
        terms: what acts in the voxels (see `rates`).
    """

    coef: np.ndarray
    joined: np.ndarray
    walls: np.ndarray
    edges: np.ndarray
    terms: tuple[np.ndarray, ...]


@dataclass
class Effort:
    """Cycles spent so far and the largest error a solve was left with."""

    cycles: int = 0
    error: float = 0.0


def solve(
    system: System,
    work: Workspace,
    c0: np.ndarray,
    c: np.ndarray,
    *,
    rate: float,
    tolerance: float,
    effort: Effort,
) -> None:
    """Solve the step from c0 for c, which holds the guess; raises where it does not converge."""
    saturating = system.terms[3].size > 0
    n_levels = depth(system.coef, rate + float(system.terms[0][0]))
    size2 = 0.0
    for _ in range(MAX_NEWTON):
        now2 = linearise(
            c,
            c0,
            c.dtype.type(rate),
            system.terms,
            system.coef[0],
            system.joined,
            system.walls,
            work.r,
            work.diagonals[0],
        )
        size2 = max(size2, now2)
        for level in range(n_levels - 1):
            coarsen(work.diagonals[level], system.coef[level], work.diagonals[level + 1])
        history = _solve_linear(system, work, c, n_levels, tolerance, size2)
        effort.cycles += len(history) - 1
        effort.error = max(effort.error, history[-1])
        cut2 = clip(c)
        settled = not saturating or history[0] <= NEWTON_SETTLED * math.sqrt(tolerance)
        if settled and cut2 <= tolerance**2 * size2:
            return
    raise NotConvergedError(history)


def depth(coef: np.ndarray, floor: float) -> int:
    """Levels worth visiting where no diagonal is below `floor` [1/min]."""
    dominant = np.flatnonzero(2.0 * coef[:, :3].sum(axis=1) < DIAGONALLY_DOMINANT * floor)
    return int(dominant[0]) + 1 if dominant.size else len(coef)


def _solve_linear(
    system: System, work: Workspace, c: np.ndarray, n_levels: int, tolerance: float, size2: float
) -> list[float]:
    """c += A^-1 r by conjugate gradients; returns the error before each cycle, and the last.

    Errors are estimates relative to the norm of c, or to `size2` ** 0.5 if that is larger.
    """
    coef, joined, real = system.coef, system.joined, c.dtype.type
    history: list[float] = []
    rho_old, contraction = 1.0, CONTRACTION
    for _ in range(MAX_CYCLES):
        cycle(work.correction, work.residual, work.diagonal, work.levels, n_levels, coef, joined)
        rho, norm2 = dots(work.r, work.z)
        if norm2 == 0.0:
            return [*history, 0.0, 0.0]
        beta = rho / rho_old if history else 0.0
        combine(work.p, real(1), work.z, real(beta), work.p)
        alpha = rho / apply(work.p, work.diagonals[0], coef[0], joined, work.q)
        size2 = max(size2, combine(c, real(1), c, real(alpha), work.p))
        combine(work.r, real(1), work.r, real(-alpha), work.q)
        history.append(math.sqrt(norm2 / size2) if size2 > 0.0 else math.inf)
        if not (rho > 0.0 and alpha > 0.0 and math.isfinite(history[-1])):
            raise NotConvergedError(history)
        if len(history) > 1:
            contraction = min(CONTRACTION, history[-1] / history[-2])
        if history[-1] * contraction <= tolerance:
            return [*history, history[-1] * contraction]
        rho_old = rho
    raise NotConvergedError(history)


@driver
def cycle(e, r, s, levels, n_levels, coef, joined):
    """e = the V-cycle's approximation of the solution of A e = r on the finest level."""
    for level in range(n_levels - 1):
        nz, ny, nx, a, b = levels[level]
        mz, my, mx, c, d = levels[level + 1]
        ee = e[a:b].reshape((nz, ny, nx))
        rr = r[a:b].reshape((nz, ny, nx))
        ss = s[a:b].reshape((nz, ny, nx))
        start(ee, rr, ss, coef[level], joined)
        restrict(ee, rr, ss, coef[level], joined, r[c:d].reshape((mz, my, mx)))
    for level in range(n_levels - 1, -1, -1):
        nz, ny, nx, a, b = levels[level]
        ee = e[a:b].reshape((nz, ny, nx))
        rr = r[a:b].reshape((nz, ny, nx))
        ss = s[a:b].reshape((nz, ny, nx))
        if level == n_levels - 1:
            start(ee, rr, ss, coef[level], joined)
        else:
            mz, my, mx, c, d = levels[level + 1]
            prolong(ee, ss, e[c:d].reshape((mz, my, mx)))
        relax(ee, rr, ss, coef[level], joined)
