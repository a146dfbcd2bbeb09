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

from tme_sim.compute.chunks import to_device
from tme_sim.fields.levels import RED, ROWS, is_small, level_table
from tme_sim.fields.multigrid import coarsen_diagonals, conjugate_gradients
from tme_sim.fields.rates import CARRIES, Reactions, clip_negative, linearise

MAX_NEWTON = 40
MAX_CYCLES = 60  # per Newton pass
NEWTON_SETTLED = 0.1  # correction over sqrt(tolerance) after which the next would be negligible
DIAGONALLY_DOMINANT = 0.5  # coupling over diagonal below which no coarser level is needed
ROUNDING = 4.0  # units of rounding by which a diagonal, kept as its reciprocal, may be off


class NotConvergedError(RuntimeError):
    """A solve that stopped short of its tolerance; `history` has the error of every cycle."""

    def __init__(self, history: list[float]) -> None:
        super().__init__(f"error by cycle: {' '.join(f'{error:.2e}' for error in history)}")
        self.history = history


class Workspace:
    """Arrays that all substrates of a grid share while one of them is solved.

    e, r, d and p are work arrays in the layout of `levels`: correction and preconditioned residual,
    residual, reciprocal diagonal (all levels), and search direction (finest level). On CUDA the
    arrays lie in device memory; the table of levels stays on the host.
    """

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype, device: str = "cpu") -> None:
        self.levels, length = level_table(shape)
        finest = int(self.levels[1, RED]) if len(self.levels) > 1 else length
        self.to_device = to_device(device)
        self.rate = 0.0  # 1 / length of the step that d stands for [1/min]
        self.e, self.r, self.d = (self.to_device(np.zeros(length, dtype)) for _ in range(3))
        self.p = self.to_device(np.zeros(finest, dtype))
        self.full, self.half, self.end = (self.to_device(np.zeros(shape, dtype)) for _ in range(3))
        self.before = np.empty(shape, dtype)  # the field, kept while a step may still fail
        self.carries = self.to_device(np.zeros((int(self.levels[0, ROWS]), CARRIES)))
        self.no_rate = self.to_device(np.zeros(shape[2], dtype))
        self.no_mask = self.to_device(np.zeros(shape[2], np.uint8))

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
        periodic: whether each axis (z, y, x) is periodic.
        walls: concentrations outside the six faces.
        edges: pairs of a fixed and a free voxel that touch.
        reactions: what acts in the voxels.
    """

    coef: np.ndarray
    periodic: np.ndarray
    walls: np.ndarray
    edges: np.ndarray
    reactions: Reactions


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
    levels, coef, periodic = work.levels, system.coef, system.periodic
    reactions = system.reactions
    e, r, d, p, history = work.e, work.r, work.d, work.p, effort.history
    level, saturating = levels[0], reactions.maximum.size > 0
    slowest = rate + float(reactions.decay)
    n_levels, rounding = depth(coef, slowest), _rounding(coef, slowest)
    args = c.dtype.type(rate), level, coef[0], periodic, system.walls, r, d, p
    size2, work.rate = 0.0, rate
    for _ in range(MAX_NEWTON):
        size2 = max(size2, linearise(level[ROWS], c, c0, *args, reactions)[0])
        coarsen_diagonals(levels, d, coef, periodic, n_levels, p)
        e[:] = 0  # another substrate may have left copies in the ghosts
        p[:] = 0  # was scratch until here
        n = conjugate_gradients(
            levels, c, e, r, d, p, coef, periodic, n_levels, tolerance, size2, history
        )
        if n < 0:
            raise NotConvergedError(history[:-n].tolist())
        effort.cycles += n
        effort.error = max(effort.error, history[n])
        cut2 = clip_negative(level[ROWS], c, level, p)[0]
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
