"""Advance one substrate in time, with substeps as long as the error allows.

A substep of length h is one backward Euler step. Where its error matters, two steps of h/2 follow
and the extrapolation 2 c(h/2, h/2) - c(h) is kept: second order and L-stable; for a mode that
decays at rate x/h it multiplies by 2/(1 + x/2)^2 - 1/(1 + x), never further than 0.04 from
exp(-x) (extrapolated Euler, Hairer & Wanner 1996, IV.9). A substrate at its quasi-steady state so
costs one solve. Errors are judged relative to the norm of the field.
"""

import numpy as np
from numba import prange

from tme_sim.fields.compile import driver, kernel
from tme_sim.fields.rates import (
    DECAYED, IN, MASS, OUT, SLOPE, TAKEN_UP, accumulate, budget, scale,
)
from tme_sim.fields.solver import solve
from tme_sim.fields.stencil import apply, in_order, n_blocks

SHORTEST = 1.0 / 4096  # substep over the step asked for
MAX_CLOSURES = 4
SAFETY, SHRINK, GROW = 0.9, 0.1, 4.0


@kernel
def subtract(a, b, out):
    """out = a - b; returns sum (a - b)^2 and sum a^2."""
    nz, ny, nx = a.shape
    blocks = n_blocks(a.shape)
    partial = np.zeros((2, blocks))
    for block in prange(blocks):
        total = np.zeros((2, nx))
        dd, aa = total[0], total[1]
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            left, right, rest = a[i // ny, i % ny], b[i // ny, i % ny], out[i // ny, i % ny]
            for x in range(nx):
                rest[x] = left[x] - right[x]
                dd[x] += rest[x] * rest[x]
                aa[x] += left[x] * left[x]
        partial[0, block] = in_order(dd)
        partial[1, block] = in_order(aa)
    return in_order(partial[0]), in_order(partial[1])


@kernel
def mix(a, weight, b, out):
    """out = a + weight (b - a), not below 0; returns the sum of what was negative."""
    nz, ny, nx = a.shape
    blocks = n_blocks(a.shape)
    partial = np.zeros(blocks)
    for block in prange(blocks):
        total = np.zeros(nx)
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            left, right, mixed = a[i // ny, i % ny], b[i // ny, i % ny], out[i // ny, i % ny]
            for x in range(nx):
                value = left[x] + weight * (right[x] - left[x])
                cut = min(value, value - value)
                mixed[x] = value - cut
                total[x] -= cut
        partial[block] = in_order(total)
    return in_order(partial)


@driver
def euler(problem, terms, h, c0, mass0, c, tolerance, closure, history):
    """One backward Euler step from c0 into c, which holds the guess; its budget closes.

    Returns whether the solve converged, the cycles, the error estimate and the budget.
    """
    levels, coef, joined, walls, work, edges = problem
    rate = 1.0 / h
    cycles, error, converged = solve(
        levels, coef, joined, walls, work, terms, rate, c0, c, tolerance, history)
    terms_of = budget(c, rate, terms, edges, coef[0], walls)
    for _ in range(MAX_CLOSURES):
        stored = rate * (terms_of[MASS] - mass0)
        gained = terms_of[IN] - terms_of[OUT] - terms_of[DECAYED] - terms_of[TAKEN_UP]
        largest = max(terms_of[IN], terms_of[OUT], terms_of[DECAYED], terms_of[TAKEN_UP])
        largest = max(largest, abs(stored), closure * rate * mass0)
        if abs(gained - stored) <= closure * largest or terms_of[SLOPE] <= 0.0:
            break
        scale(c, 1.0 + (gained - stored) / terms_of[SLOPE], terms[5])
        terms_of = budget(c, rate, terms, edges, coef[0], walls)
    return converged, cycles, error, terms_of


@driver
def euler_error(x):
    """Error of backward Euler over the change it makes, per time constant, at decay x = h rate.

    The change is x / (1 + x), the error 1 / (1 + x) - exp(-x); below x = 1 errors of 1/x steps
    add up before the mode has decayed.
    """
    if x < 1e-3:
        return 0.5
    return (1.0 - (1.0 + x) * np.exp(-x)) / (x * min(1.0, x))


@driver
def march(problem, terms, c, spare, dt, h, substeps, tolerances, mean, taken, amounts, history):
    """Advance c by dt; `amounts` receives what went in, out, decayed, was taken up, was stored.

    `h` is the substep to try first, `substeps` a fixed number of second-order ones (0: chosen by
    the error). Returns converged, substeps, cycles, solver error, time error, next h.
    """
    levels, coef, joined, walls, work, edges = problem
    tolerance, solve_tolerance, closure = tolerances
    full, half, end = spare
    s, _, _, p, q = work
    shape = c.shape
    ss, pp, qq = s[:c.size].reshape(shape), p.reshape(shape), q.reshape(shape)
    mass = budget(c, 0.0, terms, edges, coef[0], walls)[MASS]
    first_mass, done, count, cycles, worst, error = mass, 0.0, 0, 0, 0.0, 0.0
    if substeps > 0:
        h = dt / substeps
    while done < dt * (1.0 - 1e-9):
        left = dt - done
        if h > 0.99 * left:
            h = left
        elif h > 0.5 * left:
            h = 0.5 * left
        full[:] = c
        ok, n, solved, whole = euler(
            problem, terms, h, c, mass, full, solve_tolerance, closure, history)
        cycles += n
        worst = max(worst, solved)
        if not ok:
            return False, count, cycles, solved, error, h
        change, size = subtract(full, c, pp)
        x = h * apply(pp, ss, coef[0], joined, qq) / max(change, 1e-300) - 1.0
        x = max(x, 0.0)
        relative = np.sqrt(change / max(size, 1e-300))
        estimate = relative * euler_error(x)
        if substeps == 0 and estimate <= tolerance:
            c[:] = full
            done, count, mass, error = done + h, count + 1, whole[MASS], error + estimate
            amounts[:4] += h * whole[:4]
            accumulate(c.dtype.type(h / dt), full, terms, mean, taken)
            h = h * GROW
            continue
        mix(full, c.dtype.type(0.5 / (1.0 + 0.5 * x)), c, half)
        ok, n, solved, first = euler(
            problem, terms, 0.5 * h, c, mass, half, solve_tolerance, closure, history)
        cycles += n
        worst = max(worst, solved)
        if not ok:
            return False, count, cycles, solved, error, h
        mix(full, c.dtype.type(-0.5 * x / (1.0 + 0.5 * x)), half, end)
        ok, n, solved, second = euler(
            problem, terms, 0.5 * h, half, first[MASS], end, solve_tolerance, closure, history)
        cycles += n
        worst = max(worst, solved)
        if not ok:
            return False, count, cycles, solved, error, h
        change, size = subtract(end, full, pp)
        estimate = np.sqrt(change / max(size, 1e-300))
        factor = min(GROW, max(SHRINK, SAFETY * np.sqrt(tolerance / max(estimate, 1e-300))))
        if substeps == 0 and estimate > tolerance and h > SHORTEST * dt:
            h = h * min(factor, 0.5)
            continue
        cut = mix(end, c.dtype.type(-1.0), full, c)
        weight = 1.0
        if cut > tolerance * (second[MASS] + cut):
            c[:] = end
            weight = 0.0
        flow = (1.0 + weight) * 0.5 * h * (first + second) - weight * h * whole
        amounts[:4] += flow[:4]
        wanted = mass + flow[IN] - flow[OUT] - flow[DECAYED] - flow[TAKEN_UP]
        mass = budget(c, 0.0, terms, edges, coef[0], walls)[MASS]
        if mass > 0.0 and wanted > 0.0:
            scale(c, wanted / mass, terms[5])
            mass = budget(c, 0.0, terms, edges, coef[0], walls)[MASS]
        share = (1.0 + weight) * 0.5 * h / dt
        accumulate(c.dtype.type(share), half, terms, mean, taken)
        accumulate(c.dtype.type(share), end, terms, mean, taken)
        if weight > 0.0:
            accumulate(c.dtype.type(-h / dt), full, terms, mean, taken)
        done, count, error = done + h, count + 1, error + estimate
        if substeps == 0:
            h = h * factor
    amounts[4] = mass - first_mass
    return True, count, cycles, worst, error, h
