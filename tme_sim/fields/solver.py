"""Solve one implicit step of one substrate by Newton, conjugate gradients and multigrid.

For a step of length h from c0 the unknown c obeys, voxel by voxel,

    (c - c0) / h = D lap c - (decay + uptake) c - Vmax c / (K + c) + source + p (plasma - c)

with the values at walls and in fixed voxels inside the solve. `rate` is 1/h, 0 for the steady
state. Each Newton pass linearises the saturating uptake, whose slope only strengthens the
diagonal; as the uptake is concave in c, the passes approach the solution from below without
overshoot (Ortega & Rheinboldt 1970, ch. 13), and c >= 0 may be enforced in between. The linear
system is symmetric and solved by conjugate gradients, preconditioned with one V(1,1) cycle whose
sweeps are red-black Gauss-Seidel, red first on the way down and last on the way up. The
preconditioned residual estimates the error of c itself and ends the iteration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tme_sim.compute.chunks import driver, to_device
from tme_sim.fields.levels import BLACK, CHUNKS, RED, ROWS, is_small, level_table
from tme_sim.fields.rates import CARRIES, clip, linearise
from tme_sim.fields.stencil import (
    advance,
    apply,
    coarsen,
    dots,
    lower,
    prolong,
    relax,
    restrict,
    start,
    turn,
    wrap,
)

MAX_NEWTON = 40
MAX_CYCLES = 60  # per Newton pass
NEWTON_SETTLED = 0.1  # correction over sqrt(tolerance) after which the next would be negligible
DIAGONALLY_DOMINANT = 0.5  # coupling over diagonal below which no coarser level is needed
CONTRACTION = 0.5  # assumed of the first cycle, before one has been measured
ROUNDING = 4.0  # units of rounding by which a diagonal, kept as its reciprocal, may be off


class NotConvergedError(RuntimeError):
    """A solve that stopped short of its tolerance; `history` has the error of every cycle."""

    def __init__(self, history: list[float]):
        super().__init__(f"error by cycle: {' '.join(f'{error:.2e}' for error in history)}")
        self.history = history


class Workspace:
    """Arrays that all substrates of a grid share while one of them is solved.

    e, r, d and p are work arrays in the layout of `levels`: correction and preconditioned residual,
    residual, reciprocal diagonal (all levels), and search direction (finest level). On CUDA the
    arrays lie in device memory; the table of levels stays on the host.
    """

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype, device: str = "cpu"):
        self.levels, length = level_table(shape)
        finest = int(self.levels[1, RED]) if len(self.levels) > 1 else length
        self.on = to_device(device)
        self.rate = 0.0  # 1 / length of the step that d stands for [1/min]
        self.e, self.r, self.d = (self.on(np.zeros(length, dtype)) for _ in range(3))
        self.p = self.on(np.zeros(finest, dtype))
        self.full, self.half, self.end = (self.on(np.zeros(shape, dtype)) for _ in range(3))
        self.before = np.empty(shape, dtype)  # the field, kept while a step may still fail
        self.carries = self.on(np.zeros((int(self.levels[0, ROWS]), CARRIES)))
        self.nothing = self.on(np.zeros(shape[2], dtype))
        self.nowhere = self.on(np.zeros(shape[2], np.uint8))

    @property
    def solved_by_one_thread(self) -> bool:
        """Whether the grid is too small for kernels to use threads."""
        return is_small(self.levels) and isinstance(self.e, np.ndarray)

    @property
    def nbytes(self) -> int:
        """Size of all arrays together [B]."""
        return sum(getattr(array, "nbytes", 0) for array in vars(self).values())


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
    """Cycles spent so far, the largest error a solve was left with, and the last one's history."""

    cycles: int = 0
    error: float = 0.0
    history: np.ndarray = field(default_factory=lambda: np.zeros(MAX_CYCLES + 1))


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
    levels, coef, joined, terms = work.levels, system.coef, system.joined, system.terms
    e, r, d, p, history = work.e, work.r, work.d, work.p, effort.history
    level, saturating = levels[0], terms[3].size > 0
    slowest = rate + float(terms[0][0])
    n_levels, rounding = depth(coef, slowest), _rounding(coef, slowest)
    args = c.dtype.type(rate), level, coef[0], joined, system.walls, r, d, p
    size2, work.rate = 0.0, rate
    for _ in range(MAX_NEWTON):
        size2 = max(size2, linearise(level[ROWS], c, c0, *args, *terms)[0])
        coarsen_all(levels, d, coef, joined, n_levels, p)
        e[:] = 0  # another substrate may have left copies in the ghosts
        p[:] = 0  # was scratch until here
        n = solve_linear(levels, c, e, r, d, p, coef, joined, n_levels, tolerance, size2, history)
        if n < 0:
            raise NotConvergedError(history[:-n].tolist())
        effort.cycles += n
        effort.error = max(effort.error, history[n])
        cut2 = clip(level[ROWS], c, level, p)[0]
        settled = history[0] * rounding <= tolerance
        if saturating:
            settled = settled and history[0] <= NEWTON_SETTLED * math.sqrt(tolerance)
        if settled and cut2 <= tolerance**2 * size2:
            return
    raise NotConvergedError(history[: n + 1].tolist())


def _rounding(coef: np.ndarray, slowest: float) -> float:
    """Share of a correction that the rounding of the diagonals may leave undone.

    Kept as reciprocals, they feel a rate of `slowest` [1/min] beside their couplings that much.
    """
    if slowest <= 0.0:
        return 1.0
    coupling = 1.0 + 2.0 * float(coef[0, :3].sum()) / slowest
    return min(1.0, ROUNDING * float(np.finfo(coef.dtype).eps) * coupling)


def depth(coef: np.ndarray, floor: float) -> int:
    """Levels worth visiting where no diagonal is below `floor` [1/min]."""
    dominant = np.flatnonzero(2.0 * coef[:, :3].sum(axis=1) < DIAGONALLY_DOMINANT * floor)
    return int(dominant[0]) + 1 if dominant.size else len(coef)


@driver(is_small)
def coarsen_all(levels, d, coef, joined, n_levels, rows):
    """Reciprocal diagonals of all levels from the finest; `rows` is scratch."""
    for i in range(n_levels - 1):
        coarse = levels[i + 1]
        coarsen(coarse[ROWS], d, levels[i], coef[i], joined, coarse, coef[i + 1], rows)


@driver(is_small)
def solve_linear(levels, c, e, r, d, p, coef, joined, n_levels, tolerance, size2, history):
    """c += A^-1 r by conjugate gradients; returns the cycles taken, minus them on failure.

    `history` gets the error before each cycle and the one left; errors are estimates relative to
    `size2` ** 0.5, or to the first correction if that is larger.
    """
    level = levels[0]
    both, real = 2 * level[CHUNKS], c.dtype.type
    periodic = joined[0] or joined[1] or joined[2]
    rho_old, contraction = 1.0, CONTRACTION
    for n in range(history.size - 1):
        cycle(levels, e, r, d, coef, joined, n_levels)
        products = dots(both, e, r, level)
        rho, norm2 = products[0], products[1]
        if norm2 == 0.0:
            history[n] = history[n + 1] = 0.0
            return n + 1
        if n == 0:
            size2 = max(size2, norm2)
        history[n] = math.sqrt(norm2 / size2)
        turn(both, p, real(rho / rho_old if n > 0 else 0.0), e, level)
        if periodic:
            wrap(1, p, level, joined)
        alpha = rho / apply(both, e, p, d, level, coef[0])[0]
        if not (rho > 0.0 and alpha > 0.0 and math.isfinite(history[n])):
            return -n - 1
        advance(level[ROWS], c, real(alpha), p, level)
        if n > 0:
            contraction = min(CONTRACTION, history[n] / history[n - 1])
        history[n + 1] = history[n] * contraction
        if history[n + 1] <= tolerance:
            return n + 1
        lower(both, r, real(alpha), e, level)
        rho_old = rho
    return 1 - history.size


@driver(is_small)
def cycle(levels, e, r, d, coef, joined, n_levels):
    """e = the V-cycle's approximation of the solution of A e = r on the finest level."""
    periodic = joined[0] or joined[1] or joined[2]
    last = n_levels - 1
    for i in range(n_levels):
        level = levels[i]
        if periodic:  # ghosts of an odd axis are read before they have been written
            e[level[RED] : level[BLACK] + level[BLACK] - level[RED]] = 0
        start(level[CHUNKS], e, r, d, level, 0)
        if periodic:
            wrap(1, e, level, joined)
        relax(level[CHUNKS], e, r, d, level, coef[i], 1)
        if periodic:
            wrap(1, e, level, joined)
        if i < last:
            coarse = levels[i + 1]
            restrict(coarse[ROWS], e, r, d, level, coef[i], coarse)
    for i in range(last, -1, -1):
        level = levels[i]
        if i < last:
            prolong(level[ROWS], e, d, level, levels[i + 1])
            if periodic:
                wrap(1, e, level, joined)
            relax(level[CHUNKS], e, r, d, level, coef[i], 1)
            if periodic:
                wrap(1, e, level, joined)
        relax(level[CHUNKS], e, r, d, level, coef[i], 0)
