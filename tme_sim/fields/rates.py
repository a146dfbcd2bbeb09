"""What acts on a substrate in every voxel: the residual of a step, its slope, and its budget.

`terms` is (constants, source, uptake, maximum, permeability, fixed, nothing, nowhere): constants
holds (decay rate, half-saturation, plasma concentration); source to fixed are arrays (z, y, x), of
size 0 where absent; `fixed` is 1 in voxels whose concentration is prescribed; the last two are
rows of zeros that stand for what is absent. `walls` are the six outside values. `level` is the
finest row of the table of levels and `coef` its couplings (see `stencil`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tme_sim.compute.chunks import barrier, driver, inline, is_first, kernel, part, reduction, strip
from tme_sim.compute.lanes import add_products, add_row
from tme_sim.fields.levels import CHUNK, NX, NY, NZ, ROWS, is_small
from tme_sim.fields.stencil import row_coupling, row_halves, rows_of, x_coupling

IN, OUT, DECAYED, TAKEN_UP, MASS, SLOPE = range(6)  # entries of a budget
N_ENTRIES = 6
LARGEST_SHARE = 1e-6  # of a voxel's content that carried rounding may change


@inline
def sides(i, n, k, joined):
    """Indices of both neighbours along an axis and their couplings; no neighbour couples with 0."""
    low, high, w_low, w_high = i - 1, i + 1, k, k
    if i == 0:
        low, w_low = (n - 1, k) if joined else (0, k - k)
    if i == n - 1:
        high, w_high = (0, k) if joined else (i, k - k)
    return low, high, w_low, w_high


@inline
def wall_inflow(i, n, g_low, g_high, low, high):
    """Conductance and inflow at zero concentration of the walls a voxel touches along one axis."""
    g = inflow = g_low - g_low
    if i == 0:
        g += g_low
        inflow += g_low * low
    if i == n - 1:
        g += g_high
        inflow += g_high * high
    return g, inflow


@reduction(1)
def linearise(chunk, partial, c, c0, rate, level, coef, joined, walls, r, d, rows, *terms):
    """r = the residual of the step at c, d = its reciprocal diagonal; returns sum c^2.

    `rows` is scratch for every row of the grid; all three are work arrays.
    """
    total = 0.0
    nx, n_even, n_odd = level[NX], (level[NX] + 1) // 2, level[NX] // 2
    lo, hi = rows_of(chunk, level)
    for i in range(lo, hi):
        z, y = i // level[NY], i % level[NY]
        even, odd = row_halves(level, z, y)
        row, here = rows[i * nx : (i + 1) * nx], c[z, y]
        total = add_products(total, here, here)
        diffuse(z, y, c, coef, joined, row)
        add_reactions(z, y, c, c0, rate, level, coef, walls, row, terms)
        barrier()
        split(row, r[even : even + n_even], r[odd : odd + n_odd])
        barrier()
        invert(z, y, c, rate, level, coef, joined, row, terms)
        barrier()
        split(row, d[even : even + n_even], d[odd : odd + n_odd])
    partial[0, part(chunk)] = total


@inline
def diffuse(z, y, c, coef, joined, row):
    """row = what diffuses out of each voxel, as differences: exactly 0 where c is uniform."""
    nz, ny, nx = c.shape
    zl, zh, wzl, wzh = sides(z, nz, coef[0], joined[0])
    yl, yh, wyl, wyh = sides(y, ny, coef[1], joined[1])
    here, below, above, front, back = c[z, y], c[zl, y], c[zh, y], c[z, yl], c[z, yh]
    kx = coef[2]
    for i in strip(nx - 2):
        x = i + 1
        e = here[x]
        flux = wzl * (e - below[x]) + wzh * (e - above[x])
        flux += wyl * (e - front[x]) + wyh * (e - back[x])
        row[x] = flux + kx * ((e - here[i]) + (e - here[i + 2]))
    if is_first():
        for x in (0, nx - 1):
            e = here[x]
            xl, xh, wxl, wxh = sides(x, nx, kx, joined[2])
            flux = wzl * (e - below[x]) + wzh * (e - above[x])
            flux += wyl * (e - front[x]) + wyh * (e - back[x])
            row[x] = flux + wxl * (e - here[xl]) + wxh * (e - here[xh])


@inline
def add_reactions(z, y, c, c0, rate, level, coef, walls, row, terms):
    """row = the residual, from what diffuses out; 0 in fixed voxels."""
    numbers, source, uptake, maximum, permeability, fixed, _, _ = terms
    decay, half, plasma = numbers[0], numbers[1], numbers[2]
    here, old, nx = c[z, y], c0[z, y], level[NX]
    gz, from_z = wall_inflow(z, level[NZ], coef[3], coef[4], walls[0], walls[1])
    gy, from_y = wall_inflow(y, level[NY], coef[5], coef[6], walls[2], walls[3])
    g, inflow = gz + gy, from_z + from_y
    barrier()
    for x in strip(nx):
        row[x] = rate * (old[x] - here[x]) + inflow - (decay + g) * here[x] - row[x]
    if source.size:
        gain = source[z, y]
        for x in strip(nx):
            row[x] += gain[x]
    if uptake.size:
        linear = uptake[z, y]
        for x in strip(nx):
            row[x] -= linear[x] * here[x]
    if maximum.size:
        most = maximum[z, y]
        for x in strip(nx):
            row[x] -= most[x] * here[x] / (half + here[x])
    if permeability.size:
        vessel = permeability[z, y]
        for x in strip(nx):
            row[x] += vessel[x] * (plasma - here[x])
    barrier()
    if is_first():
        for x in (0, nx - 1):
            gx, from_x = wall_inflow(x, nx, coef[7], coef[8], walls[4], walls[5])
            row[x] += from_x - gx * here[x]
            if nx == 1:
                break
        if fixed.size:
            held = fixed[z, y]
            for x in range(nx):
                if held[x]:
                    row[x] = 0


@inline
def invert(z, y, c, rate, level, coef, joined, row, terms):
    """row = the reciprocal diagonal of the residual's derivative; 0 in fixed voxels."""
    numbers, _, uptake, maximum, permeability, fixed, nothing, nowhere = terms
    decay, half, one = numbers[0], numbers[1], c.dtype.type(1)
    here, nx = c[z, y], level[NX]
    linear = uptake[z, y] if uptake.size else nothing
    vessel = permeability[z, y] if permeability.size else nothing
    most = maximum[z, y] if maximum.size else nothing
    held = fixed[z, y] if fixed.size else nowhere
    across = rate + decay + row_coupling(level, coef, joined, z, y)
    for x in strip(nx):
        slope = most[x] * half / ((half + here[x]) * (half + here[x]))
        row[x] = linear[x] + vessel[x] + slope
    inner = across + coef[2] + coef[2]
    barrier()
    if is_first():  # the voxels at both ends have other couplings than the rest
        row[0] += x_coupling(level, coef, joined, 0) - coef[2] - coef[2]
        if nx > 1:
            row[nx - 1] += x_coupling(level, coef, joined, nx - 1) - coef[2] - coef[2]
    barrier()
    for x in strip(nx):
        row[x] = (one - held[x]) / (inner + row[x])


@inline
def split(row, even, odd):
    """Take the voxels of even and of odd x apart."""
    for k in strip(odd.size):
        even[k], odd[k] = row[2 * k], row[2 * k + 1]
    if is_first() and even.size > odd.size:
        even[odd.size] = row[2 * odd.size]


@reduction(1)
def clip(chunk, partial, c, level, rows):
    """Raise what is negative to 0; returns the sum of the squares of what was cut.

    `rows` is scratch for every row of the grid.
    """
    lo, hi = rows_of(chunk, level)
    zero, total, nx = c.dtype.type(0), 0.0, level[NX]
    for i in range(lo, hi):
        here, cut = c[i // level[NY], i % level[NY]], rows[i * nx : (i + 1) * nx]
        for x in strip(nx):
            cut[x] = min(here[x], zero)
            here[x] -= cut[x]
        total = add_products(total, cut, cut)
    partial[0, part(chunk)] = total


@reduction(6)
def bulk_budget(chunk, partial, c, level, rows, *terms):
    """Sums over the free voxels: source, vessels in and out, c, its uptake, the uptake's slope.

    `rows` is scratch for every row of the grid.
    """
    numbers, source, uptake, maximum, permeability, fixed, _, nowhere = terms
    half, plasma, zero, nx = numbers[1], numbers[2], numbers[0] - numbers[0], level[NX]
    produced = gained = lost = mass = taken = slope = 0.0
    lo, hi = rows_of(chunk, level)
    for i in range(lo, hi):
        z, y = i // level[NY], i % level[NY]
        here, held = c[z, y], fixed[z, y] if fixed.size else nowhere
        flow = rows[i * nx : (i + 1) * nx]
        for x in strip(nx):
            flow[x] = zero if held[x] else here[x]
        mass = add_row(mass, flow)
        if uptake.size:
            first_order = add_products(0.0, uptake[z, y], flow)
            taken += first_order
            slope += first_order
        if maximum.size:
            most = maximum[z, y]
            for x in strip(nx):
                flow[x] = zero if held[x] else most[x] * here[x] / (half + here[x])
            taken = add_row(taken, flow)
            for x in strip(nx):
                flow[x] *= half / (half + here[x])
            slope = add_row(slope, flow)
        if permeability.size:
            vessel = permeability[z, y]
            for x in strip(nx):
                flow[x] = zero if held[x] else vessel[x] * here[x]
            slope = add_row(slope, flow)
            for x in strip(nx):
                flow[x] = zero if held[x] else max(vessel[x] * (plasma - here[x]), zero)
            gained = add_row(gained, flow)
            for x in strip(nx):
                flow[x] = zero if held[x] else max(vessel[x] * (here[x] - plasma), zero)
            lost = add_row(lost, flow)
        if source.size:
            secretion = source[z, y]
            for x in strip(nx):
                flow[x] = zero if held[x] else secretion[x]
            produced = add_row(produced, flow)
    at = part(chunk)
    partial[0, at], partial[1, at], partial[2, at] = produced, gained, lost
    partial[3, at], partial[4, at], partial[5, at] = mass, taken, slope


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


CARRIES = 64  # columns that carry their own rounding in `scale`


@kernel
def scale(chunk, c, factor, level, carries, fixed, nowhere):
    """c *= factor in the free voxels; rounding is carried on down the columns, so the sum is kept.

    Without the carry a factor within a few units of rounding from 1 would do nothing in float32.
    `carries` (n_chunks, CARRIES) is scratch.
    """
    lo, hi = rows_of(chunk, level)
    carry = carries[chunk]
    for k in strip(CARRIES):
        carry[k] = 0.0
    for i in range(lo, hi):
        row = c[i // level[NY], i % level[NY]]
        mask = fixed[i // level[NY], i % level[NY]] if fixed.size else nowhere
        for begin in range(0, level[NX], CARRIES):
            here, held = row[begin : begin + CARRIES], mask[begin : begin + CARRIES]
            for k in strip(here.size):
                share = carry[k] if abs(carry[k]) < LARGEST_SHARE * here[k] else 0.0
                wanted = here[k] * factor + share
                new = here[k] if held[k] else here.dtype.type(wanted)
                carry[k] += 0.0 if held[k] else wanted - share - new
                here[k] = new


@reduction(3)
def surface_budget(chunk, partial, c, edges, coef, walls):
    """What passes the walls and the faces of fixed voxels (see `edges_of`): in, out, slope."""
    flat = c.reshape(-1)
    gained = lost = slope = 0.0
    for i in strip(max(0, min(CHUNK, edges.shape[0] - chunk * CHUNK))):
        face = edges[chunk * CHUNK + i]
        outer, inner, coupling = face[0], face[1], face[2]
        outside = walls[coupling - 3] if outer < 0 else flat[outer]
        flow = coef[coupling] * (outside - flat[inner])
        gained += max(flow, flow - flow)
        lost -= min(flow, flow - flow)
        slope += coef[coupling] * flat[inner]
    at = part(chunk)
    partial[0, at], partial[1, at], partial[2, at] = gained, lost, slope


@driver(is_small)
def budget(levels, c, rate, terms, edges, coef, walls, rows):
    """Rates [unit x voxels / min] in and out of the free voxels, their content, d(loss)/dlog c.

    `rows` is scratch for every row of the grid.
    """
    level, numbers = levels[0], terms[0]
    bulk = bulk_budget(level[ROWS], c, level, rows, *terms)
    faces = surface_budget((edges.shape[0] + CHUNK - 1) // CHUNK, c, edges, coef[0], walls)
    result = np.zeros(N_ENTRIES)
    result[IN] = bulk[0] + bulk[1] + faces[0]
    result[OUT] = bulk[2] + faces[1]
    result[DECAYED] = numbers[0] * bulk[3]
    result[TAKEN_UP] = bulk[4]
    result[MASS] = bulk[3]
    result[SLOPE] = (rate + numbers[0]) * bulk[3] + bulk[5] + faces[2]
    return result


@kernel
def accumulate(chunk, weight, c, mean, taken, level, numbers, maximum):
    """Add weight x c to `mean` and weight x the saturating uptake to `taken`, where kept."""
    half = numbers[1]
    lo, hi = rows_of(chunk, level)
    for i in range(lo, hi):
        z, y = i // level[NY], i % level[NY]
        here = c[z, y]
        if mean.size:
            row = mean[z, y]
            for x in strip(level[NX]):
                row[x] += weight * here[x]
        if taken.size:
            row, most = taken[z, y], maximum[z, y]
            for x in strip(level[NX]):
                row[x] += weight * most[x] * here[x] / (half + here[x])
