"""Solve one implicit step of one substrate by Newton, conjugate gradients and multigrid.

For a step of length h from c0 the unknown c obeys, voxel by voxel,

    (c - c0) / h = D lap c - (decay + uptake) c - Vmax c / (K + c) + source + p (plasma - c)

with the values at walls and in fixed voxels inside the solve. `rate` is 1/h, 0 for the steady
state. Each Newton pass linearises the saturating uptake, whose slope only strengthens the
diagonal; as the uptake is concave in c, the passes approach the solution from below without
overshoot (Ortega & Rheinboldt 1970, ch. 13), and c >= 0 may be enforced in between. The linear
system is symmetric and solved by conjugate gradients, preconditioned with one V(1,1) cycle. The
preconditioned residual estimates the error of c itself and ends the iteration.

`terms` is the tuple of what acts on a substrate (see `rates.py`).
"""

import numpy as np

from tme_sim.fields.compile import driver
from tme_sim.fields.rates import clip, linearise
from tme_sim.fields.stencil import (
    FIXED, advance, apply, coarsen, dots, prolong, relax, restrict, start, turn,
)

MAX_NEWTON = 40
MAX_CYCLES = 60  # per Newton pass
NEWTON_SETTLED = 0.1  # correction over sqrt(tolerance) after which the next would be negligible
DIAGONALLY_DOMINANT = 0.5  # coupling over diagonal below which no coarser level is needed
CONTRACTION = 0.5  # assumed of the first cycle, before one has been measured


@driver
def cycle(levels, n_levels, coef, joined, s, r, e):
    """e = the V-cycle's approximation of the solution of A e = r on the finest level."""
    for level in range(n_levels - 1):
        nz, ny, nx, a, b = levels[level]
        mz, my, mx, c, d = levels[level + 1]
        ee = e[a:b].reshape((nz, ny, nx))
        rr = r[a:b].reshape((nz, ny, nx))
        ss = s[a:b].reshape((nz, ny, nx))
        start(0, ee, rr, ss, coef[level], joined)
        relax(1, ee, rr, ss, coef[level], joined)
        restrict(ee, rr, ss, coef[level], joined, r[c:d].reshape((mz, my, mx)))
    nz, ny, nx, a, b = levels[n_levels - 1]
    ee = e[a:b].reshape((nz, ny, nx))
    rr = r[a:b].reshape((nz, ny, nx))
    ss = s[a:b].reshape((nz, ny, nx))
    start(0, ee, rr, ss, coef[n_levels - 1], joined)
    for _ in range(2 if n_levels > 1 else 1):
        relax(1, ee, rr, ss, coef[n_levels - 1], joined)
        relax(0, ee, rr, ss, coef[n_levels - 1], joined)
    for level in range(n_levels - 2, -1, -1):
        nz, ny, nx, a, b = levels[level]
        mz, my, mx, c, d = levels[level + 1]
        ee = e[a:b].reshape((nz, ny, nx))
        rr = r[a:b].reshape((nz, ny, nx))
        ss = s[a:b].reshape((nz, ny, nx))
        prolong(e[c:d].reshape((mz, my, mx)), ss, ee)
        relax(1, ee, rr, ss, coef[level], joined)
        relax(0, ee, rr, ss, coef[level], joined)


@driver
def depth(levels, coef, floor):
    """Levels worth visiting when no diagonal is below `floor` [1/min]."""
    for level in range(len(levels)):
        coupling = 2 * (coef[level, 0] + coef[level, 1] + coef[level, 2])
        if coupling < DIAGONALLY_DOMINANT * floor:
            return level + 1
    return len(levels)


@driver
def solve_linear(levels, n_levels, coef, joined, work, c, tolerance, history):
    """c += A^-1 r by conjugate gradients; returns the cycles used and the last error estimate.

    Errors are relative to the norm of c; each cycle's estimate joins `history`.
    """
    s, r, e, p, q = work
    nz, ny, nx, a, b = levels[0]
    shape = (nz, ny, nx)
    rr, zz, ss = r[a:b].reshape(shape), e[a:b].reshape(shape), s[a:b].reshape(shape)
    pp, qq = p.reshape(shape), q.reshape(shape)
    rho_old, error_old, contraction = 0.0, 0.0, CONTRACTION
    for step in range(MAX_CYCLES):
        cycle(levels, n_levels, coef, joined, s, r, e)
        rho, norm2 = dots(rr, zz)
        if not norm2 > 0.0 or not rho > 0.0:
            history[step] = np.sqrt(norm2)
            return step + 1, np.sqrt(norm2)
        turn(pp, zz, c.dtype.type(rho / rho_old if step > 0 else 0.0))
        curvature = apply(pp, ss, coef[0], joined, qq)
        alpha = c.dtype.type(rho / curvature)
        error = abs(alpha) * np.sqrt(norm2 / advance(alpha, pp, qq, c, rr))
        history[step] = error
        if not np.isfinite(error):
            return step + 1, error
        if step > 0:
            contraction = min(CONTRACTION, error / error_old)
        if error * contraction <= tolerance:
            return step + 1, error * contraction
        rho_old, error_old = rho, error
    return MAX_CYCLES, error


@driver
def solve(levels, coef, joined, walls, work, terms, rate, c0, c, tolerance, history):
    """Solve for c, starting from the guess in c; returns cycles, error estimate, converged.

    `history` keeps the error estimates of the last Newton pass, -1 where there are none.
    """
    s, r, e, p, q = work
    nz, ny, nx, a, b = levels[0]
    shape = (nz, ny, nx)
    rr, ss = r[a:b].reshape(shape), s[a:b].reshape(shape)
    saturating = terms[3].size > 0
    n_levels = depth(levels, coef, rate + terms[0][0])
    cycles, error = 0, 1.0
    for newton in range(MAX_NEWTON):
        linearise(c, c0, c.dtype.type(rate), terms, coef[0], joined, walls, rr, ss)
        for level in range(n_levels - 1):
            my, mx = levels[level, 1], levels[level, 2]
            fine = s[levels[level, 3]:levels[level, 4]].reshape((levels[level, 0], my, mx))
            my, mx = levels[level + 1, 1], levels[level + 1, 2]
            coarse = s[levels[level + 1, 3]:levels[level + 1, 4]].reshape(
                (levels[level + 1, 0], my, mx))
            coarsen(fine, coef[level], coarse)
        history[:] = -1.0
        n, error = solve_linear(
            levels, n_levels, coef, joined, work, c, tolerance, history)
        cycles += n
        if not error <= tolerance:
            return cycles, error, False
        cut, size = clip(c)
        settled = not saturating or history[0] <= NEWTON_SETTLED * np.sqrt(tolerance)
        if settled and cut <= tolerance**2 * size:
            return cycles, error, True
    return cycles, error, False
