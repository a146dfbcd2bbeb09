"""What acts on a substrate in every voxel: the residual of a step, its slope, and its budget.

`terms` is (constants, source, uptake, maximum, permeability, fixed): constants holds (decay rate,
half-saturation, plasma concentration); the others are arrays (z, y, x), of size 0 where absent;
`fixed` is 1 in voxels whose concentration is prescribed. `walls` are the six outside values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tme_sim.fields.compile import body, kernel
from tme_sim.fields.stencil import FIXED, apply_row, in_order, n_blocks, wall_conductance

IN, OUT, DECAYED, TAKEN_UP, MASS, SLOPE = range(6)  # entries of a budget
N_ENTRIES = 6
LARGEST_SHARE = 1e-6  # of a voxel's content that carried rounding may change


@kernel
def linearise(c, c0, rate, terms, coef, joined, walls, r, s):
    """r = the residual of the step at c, s = the diagonal of its derivative; returns sum c^2."""
    nz, ny, nx = c.shape
    constants, source, uptake, maximum, permeability, fixed = terms
    decay, half, plasma = constants[0], constants[1], constants[2]
    nothing, nowhere = np.zeros(nx, c.dtype), np.zeros(nx, np.uint8)
    blocks = n_blocks(c.shape)
    partial = np.zeros(blocks)
    for block in prange(blocks):
        total, product = np.zeros(nx), np.empty(nx, c.dtype)
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            z, y = i // ny, i % ny
            here, old, rhs, diagonal = c[z, y], c0[z, y], r[z, y], s[z, y]
            secretion = source[z, y] if source.size else nothing
            linear = uptake[z, y] if uptake.size else nothing
            most = maximum[z, y] if maximum.size else nothing
            vessel = permeability[z, y] if permeability.size else nothing
            held = fixed[z, y] if fixed.size else nowhere
            for x in range(nx):
                diagonal[x] = FIXED if held[x] else rate + decay + linear[x] + vessel[x]
            apply_row(z, y, c, s, coef, joined, product)
            inflow = wall_conductance(z, nz, coef[3] * walls[0], coef[4] * walls[1])
            inflow += wall_conductance(y, ny, coef[5] * walls[2], coef[6] * walls[3])
            for x in range(nx):
                total[x] += here[x] * here[x]
                part = most[x] / (half + here[x])
                gain = rate * old[x] + secretion[x] + vessel[x] * plasma + inflow
                rhs[x] = gain - part * here[x] - product[x]
                diagonal[x] += part * half / (half + here[x])
            rhs[0] += coef[7] * walls[4]
            rhs[nx - 1] += coef[8] * walls[5]
            for x in range(nx):
                if held[x]:
                    rhs[x] = 0
        partial[block] = in_order(total)
    return in_order(partial)


def clip(c):
    """Raise what is negative to 0; returns the sum of the squares of what was cut."""
    if c.min() >= 0:
        return 0.0
    cut = np.minimum(c, 0).astype(float)
    np.maximum(c, 0, out=c)
    return float((cut**2).sum())


@kernel
def bulk_budget(c, terms):
    """Sums over the free voxels: source, vessels in and out, c, its uptake, the uptake's slope."""
    nz, ny, nx = c.shape
    constants, source, uptake, maximum, permeability, fixed = terms
    half, plasma, zero = constants[1], constants[2], constants[0] - constants[0]
    nothing, nowhere = np.zeros(nx, c.dtype), np.zeros(nx, np.uint8)
    blocks = n_blocks(c.shape)
    partial = np.zeros((6, blocks))
    for block in prange(blocks):
        total = np.zeros((6, nx))
        produced, gained, lost = total[0], total[1], total[2]
        mass, taken, slope = total[3], total[4], total[5]
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            z, y = i // ny, i % ny
            here = c[z, y]
            secretion = source[z, y] if source.size else nothing
            linear = uptake[z, y] if uptake.size else nothing
            most = maximum[z, y] if maximum.size else nothing
            vessel = permeability[z, y] if permeability.size else nothing
            held = fixed[z, y] if fixed.size else nowhere
            for x in range(nx):
                content = zero if held[x] else here[x]
                flow = zero if held[x] else vessel[x] * (plasma - here[x])
                saturating = most[x] / (half + here[x])
                mass[x] += content
                produced[x] += zero if held[x] else secretion[x]
                gained[x] += max(flow, zero)
                lost[x] -= min(flow, zero)
                taken[x] += (linear[x] + saturating) * content
                saturating *= half / (half + here[x])
                slope[x] += (linear[x] + vessel[x] + saturating) * content
        for entry in range(6):
            partial[entry, block] = in_order(total[entry])
    result = np.empty(6)
    for entry in range(6):
        result[entry] = in_order(partial[entry])
    return result


@body
def surface_budget(c, edges, coef, walls, result):
    """Add to a budget what passes the walls and the faces of fixed voxels (see `edges_of`)."""
    flat = c.reshape(-1)
    for i in range(edges.shape[0]):
        outer, inner, coupling = edges[i, 0], edges[i, 1], edges[i, 2]
        outside = walls[coupling - 3] if outer < 0 else flat[outer]
        g, inside = float(coef[coupling]), float(flat[inner])
        flow = g * (float(outside) - inside)
        result[IN] += max(flow, 0.0)
        result[OUT] -= min(flow, 0.0)
        result[SLOPE] += g * inside


def edges_of(
    shape: tuple[int, int, int], coef: np.ndarray, joined: np.ndarray, held: np.ndarray | None
) -> np.ndarray:
    """(n, 3) int32: every face between a free voxel and a fixed one or the outside.

    Flat index of the fixed voxel (-1: outside), of the free voxel, and which of the nine
    couplings `coef` of the finest level joins them.
    """
    index = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
    free = np.ones(shape, bool) if held is None else ~held
    rows = [np.zeros((0, 3), np.int32)]
    for axis in range(3):
        for side in (0, 1):
            face = tuple(-side if a == axis else slice(None) for a in range(3))
            if coef[3 + 2 * axis + side] > 0.0:
                rows.append(_rows(-1, index[face][free[face]], 3 + 2 * axis + side))
            touching = (
                np.zeros(shape, bool) if held is None else free & np.roll(held, 2 * side - 1, axis)
            )
            if not joined[axis]:
                touching[tuple(side - 1 if a == axis else slice(None) for a in range(3))] = False
            rows.append(_rows(np.roll(index, 2 * side - 1, axis)[touching], index[touching], axis))
    return np.concatenate(rows)


def _rows(outer: Any, inner: np.ndarray, coupling: int) -> np.ndarray:
    return np.stack(np.broadcast_arrays(outer, inner, coupling), axis=1).astype(np.int32)


@kernel
def scale(c, factor, fixed):
    """c *= factor in the free voxels; rounding is carried on from row to row, so the sum is kept.

    Without the carry a factor within a few units of rounding from 1 would do nothing in float32.
    """
    nz, ny, nx = c.shape
    nowhere = np.zeros(nx, np.uint8)
    blocks = n_blocks(c.shape)
    for block in prange(blocks):
        carry = np.zeros(nx)
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            here = c[i // ny, i % ny]
            held = fixed[i // ny, i % ny] if fixed.size else nowhere
            for x in range(nx):
                share = carry[x] if abs(carry[x]) < LARGEST_SHARE * here[x] else 0.0
                wanted = here[x] * factor + share
                new = here[x] if held[x] else c.dtype.type(wanted)
                carry[x] += 0.0 if held[x] else wanted - share - new
                here[x] = new


def budget(c, rate, terms, edges, coef, walls):
    """Rates [unit x voxels / min] in and out of the free voxels, their content, d(loss)/dlog c."""
    bulk = bulk_budget(c, terms)
    result = np.zeros(N_ENTRIES)
    decay_rate = float(terms[0][0])
    result[IN] = bulk[0] + bulk[1]
    result[OUT] = bulk[2]
    result[DECAYED] = decay_rate * bulk[3]
    result[TAKEN_UP] = bulk[4]
    result[MASS] = bulk[3]
    result[SLOPE] = (rate + decay_rate) * bulk[3] + bulk[5]
    surface_budget(c, edges, coef, walls, result)
    return result


@kernel
def accumulate(weight, c, terms, mean, taken):
    """Add weight x c to `mean` and weight x the saturating uptake to `taken`, where kept."""
    nz, ny, nx = c.shape
    maximum, half = terms[3], terms[0][1]
    blocks = n_blocks(c.shape)
    for block in prange(blocks):
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            here = c[i // ny, i % ny]
            if mean.size:
                row = mean[i // ny, i % ny]
                for x in range(nx):
                    row[x] += weight * here[x]
            if taken.size:
                row, most = taken[i // ny, i % ny], maximum[i // ny, i % ny]
                for x in range(nx):
                    row[x] += weight * most[x] * here[x] / (half + here[x])
