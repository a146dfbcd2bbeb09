"""Drivers of the linear solver: the V-cycle over all levels, and conjugate gradients around it."""

from __future__ import annotations

import math

from tme_sim.compute.chunks import driver
from tme_sim.fields.levels import BLACK, CHUNKS, RED, ROWS, is_small
from tme_sim.fields.stencil import (
    apply,
    coarsen_diagonal,
    copy_ghosts,
    inner_products,
    prolong,
    restrict,
    smooth,
    smooth_from_zero,
    update_direction,
    update_residual,
    update_solution,
)

CONTRACTION = 0.5  # assumed of the first cycle, before one has been measured


@driver(is_small)
def coarsen_diagonals(levels, d, coef, periodic, n_levels, rows):
    """Reciprocal diagonals of all levels from the finest; `rows` is scratch."""
    for i in range(n_levels - 1):
        coarse = levels[i + 1]
        coarsen_diagonal(coarse[ROWS], d, levels[i], coef[i], periodic, coarse, coef[i + 1], rows)


@driver(is_small)
def conjugate_gradients(levels, c, e, r, d, p, coef, periodic, n_levels, tolerance, size2, history):
    """c += A^-1 r by conjugate gradients; returns the cycles taken, minus them on failure.

    `history` gets the error before each cycle and the one left; errors are estimates relative to
    `size2` ** 0.5, or to the first correction if that is larger.
    """
    level = levels[0]
    both, real = 2 * level[CHUNKS], c.dtype.type
    any_periodic = periodic[0] or periodic[1] or periodic[2]
    rho_old, contraction = 1.0, CONTRACTION
    for n in range(history.size - 1):
        v_cycle(levels, e, r, d, coef, periodic, n_levels)
        products = inner_products(both, e, r, level)
        rho, norm2 = products[0], products[1]
        if norm2 == 0.0:
            history[n] = history[n + 1] = 0.0
            return n + 1
        if n == 0:
            size2 = max(size2, norm2)
        history[n] = math.sqrt(norm2 / size2)
        update_direction(both, p, real(rho / rho_old if n > 0 else 0.0), e, level)
        if any_periodic:
            copy_ghosts(1, p, level, periodic)
        alpha = rho / apply(both, e, p, d, level, coef[0])[0]
        if not (rho > 0.0 and alpha > 0.0 and math.isfinite(history[n])):
            return -n - 1
        update_solution(level[ROWS], c, real(alpha), p, level)
        if n > 0:
            contraction = min(CONTRACTION, history[n] / history[n - 1])
        history[n + 1] = history[n] * contraction
        if history[n + 1] <= tolerance:
            return n + 1
        update_residual(both, r, real(alpha), e, level)
        rho_old = rho
    return 1 - history.size


@driver(is_small)
def v_cycle(levels, e, r, d, coef, periodic, n_levels):
    """e = the V-cycle's approximation of the solution of A e = r on the finest level."""
    any_periodic = periodic[0] or periodic[1] or periodic[2]
    last = n_levels - 1
    for i in range(n_levels):
        level = levels[i]
        if any_periodic:  # ghosts of an odd axis are read before they have been written
            e[level[RED] : level[BLACK] + level[BLACK] - level[RED]] = 0
        smooth_from_zero(level[CHUNKS], e, r, d, level, 0)
        if any_periodic:
            copy_ghosts(1, e, level, periodic)
        smooth(level[CHUNKS], e, r, d, level, coef[i], 1)
        if any_periodic:
            copy_ghosts(1, e, level, periodic)
        if i < last:
            coarse = levels[i + 1]
            restrict(coarse[ROWS], e, r, d, level, coef[i], coarse)
    for i in range(last, -1, -1):
        level = levels[i]
        if i < last:
            prolong(level[ROWS], e, d, level, levels[i + 1])
            if any_periodic:
                copy_ghosts(1, e, level, periodic)
            smooth(level[CHUNKS], e, r, d, level, coef[i], 1)
            if any_periodic:
                copy_ghosts(1, e, level, periodic)
        smooth(level[CHUNKS], e, r, d, level, coef[i], 0)
