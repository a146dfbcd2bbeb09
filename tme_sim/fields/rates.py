"""What acts on a substrate in every voxel: the residual of a step, its slope, and its budget.

`walls` are the six concentrations outside. `level` is the finest row of the table of levels and
`coef` its couplings (see `stencil`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tme_sim.compute.chunks import driver, kernel, reduction
from tme_sim.compute.compiling import inline
from tme_sim.compute.lanes import add_products, add_row
from tme_sim.compute.loops import barrier, is_first, part, strip
from tme_sim.fields.levels import (
    CHUNK,
    GX_HIGH,
    GX_LOW,
    GY_HIGH,
    GY_LOW,
    GZ_HIGH,
    GZ_LOW,
    KX,
    KY,
    KZ,
    NX,
    NY,
    NZ,
    ROWS,
    X_HIGH,
    X_LOW,
    Y_HIGH,
    Y_LOW,
    Z_HIGH,
    Z_LOW,
    X,
    Y,
    Z,
    is_small,
)
from tme_sim.fields.stencil import row_coupling, row_halves, row_range, x_coupling

IN, OUT, DECAYED, TAKEN_UP, MASS, SLOPE = range(6)  # entries of a budget
N_ENTRIES = 6
# sums over the free voxels, and over the faces through which they meet fixed ones and the outside
PRODUCED, FROM_VESSELS, TO_VESSELS, CONTENT, UPTAKE, VOXEL_SLOPE = range(6)
INFLOW, OUTFLOW, FACE_SLOPE = range(3)
OUTER, INNER, COUPLING = range(3)  # columns of the table of such faces (see `edges_of`)
LARGEST_SHARE = 1e-6  # of a voxel's content that carried rounding may change


class Reactions(NamedTuple):
    """What acts on a substrate in every voxel; arrays are (z, y, x), of size 0 where absent.

    Attributes:
        decay: rate of decay [1/min].
        half_saturation: of the saturating uptake [unit].
        plasma: concentration in the vessels [unit].
        source: secretion [unit/min].
        uptake: first-order uptake [1/min].
        maximum: of the saturating uptake [unit/min].
        permeability: permeability x area of the vessels over the volume of a voxel [1/min].
        fixed: 1 in voxels whose concentration is prescribed.
        no_rate: a row of zeros, in place of an absent rate.
        no_mask: a row of zeros, in place of an absent mask.
    """

    decay: np.floating
    half_saturation: np.floating
    plasma: np.floating
    source: np.ndarray
    uptake: np.ndarray
    maximum: np.ndarray
    permeability: np.ndarray
    fixed: np.ndarray
    no_rate: np.ndarray
    no_mask: np.ndarray


@inline
def neighbours_on_axis(i, n, k, periodic):
    """Indices of both neighbours along an axis and their couplings; no neighbour couples with 0."""
    low, high, w_low, w_high = i - 1, i + 1, k, k
    if i == 0:
        low, w_low = (n - 1, k) if periodic else (0, k - k)
    if i == n - 1:
        high, w_high = (0, k) if periodic else (i, k - k)
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
def linearise(chunk, partial, c, c0, rate, level, coef, periodic, walls, r, d, rows, reactions):
    """r = the residual of the step at c, d = its reciprocal diagonal; returns sum c^2.

    `rows` is scratch for every row of the grid; all three are work arrays.
    """
    total = 0.0
    nx, n_even, n_odd = level[NX], (level[NX] + 1) // 2, level[NX] // 2
    lo, hi = row_range(chunk, level)
    for i in range(lo, hi):
        z, y = i // level[NY], i % level[NY]
        even, odd = row_halves(level, z, y)
        row, here = rows[i * nx : (i + 1) * nx], c[z, y]
        total = add_products(total, here, here)
        diffusive_outflow(z, y, c, coef, periodic, row)
        add_reactions(z, y, c, c0, rate, level, coef, walls, row, reactions)
        barrier()
        deinterleave(row, r[even : even + n_even], r[odd : odd + n_odd])
        barrier()
        invert_diagonal(z, y, c, rate, level, coef, periodic, row, reactions)
        barrier()
        deinterleave(row, d[even : even + n_even], d[odd : odd + n_odd])
    partial[0, part(chunk)] = total


@inline
def diffusive_outflow(z, y, c, coef, periodic, row):
    """row = what diffuses out of each voxel, as differences: exactly 0 where c is uniform."""
    nz, ny, nx = c.shape
    zl, zh, wzl, wzh = neighbours_on_axis(z, nz, coef[KZ], periodic[Z])
    yl, yh, wyl, wyh = neighbours_on_axis(y, ny, coef[KY], periodic[Y])
    here, below, above, front, back = c[z, y], c[zl, y], c[zh, y], c[z, yl], c[z, yh]
    kx = coef[KX]
    for i in strip(nx - 2):
        x = i + 1
        e = here[x]
        flux = wzl * (e - below[x]) + wzh * (e - above[x])
        flux += wyl * (e - front[x]) + wyh * (e - back[x])
        row[x] = flux + kx * ((e - here[i]) + (e - here[i + 2]))
    if is_first():
        for x in (0, nx - 1):
            e = here[x]
            xl, xh, wxl, wxh = neighbours_on_axis(x, nx, kx, periodic[X])
            flux = wzl * (e - below[x]) + wzh * (e - above[x])
            flux += wyl * (e - front[x]) + wyh * (e - back[x])
            row[x] = flux + wxl * (e - here[xl]) + wxh * (e - here[xh])


@inline
def add_reactions(z, y, c, c0, rate, level, coef, walls, row, reactions):
    """row = the residual, from what diffuses out; 0 in fixed voxels."""
    source, uptake, maximum = reactions.source, reactions.uptake, reactions.maximum
    permeability, fixed = reactions.permeability, reactions.fixed
    decay, half, plasma = reactions.decay, reactions.half_saturation, reactions.plasma
    here, old, nx = c[z, y], c0[z, y], level[NX]
    gz, from_z = wall_inflow(z, level[NZ], coef[GZ_LOW], coef[GZ_HIGH], walls[Z_LOW], walls[Z_HIGH])
    gy, from_y = wall_inflow(y, level[NY], coef[GY_LOW], coef[GY_HIGH], walls[Y_LOW], walls[Y_HIGH])
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
            gx, from_x = wall_inflow(
                x, nx, coef[GX_LOW], coef[GX_HIGH], walls[X_LOW], walls[X_HIGH]
            )
            row[x] += from_x - gx * here[x]
            if nx == 1:
                break
        if fixed.size:
            is_fixed = fixed[z, y]
            for x in range(nx):
                if is_fixed[x]:
                    row[x] = 0


@inline
def invert_diagonal(z, y, c, rate, level, coef, periodic, row, reactions):
    """row = the reciprocal diagonal of the residual's derivative; 0 in fixed voxels."""
    absent, half, one = reactions.no_rate, reactions.half_saturation, c.dtype.type(1)
    here, nx = c[z, y], level[NX]
    linear = reactions.uptake[z, y] if reactions.uptake.size else absent
    vessel = reactions.permeability[z, y] if reactions.permeability.size else absent
    most = reactions.maximum[z, y] if reactions.maximum.size else absent
    is_fixed = reactions.fixed[z, y] if reactions.fixed.size else reactions.no_mask
    across = rate + reactions.decay + row_coupling(level, coef, periodic, z, y)
    for x in strip(nx):
        slope = most[x] * half / ((half + here[x]) * (half + here[x]))
        row[x] = linear[x] + vessel[x] + slope
    inner = across + coef[KX] + coef[KX]
    barrier()
    if is_first():  # the voxels at both ends have other couplings than the rest
        row[0] += x_coupling(level, coef, periodic, 0) - coef[KX] - coef[KX]
        if nx > 1:
            row[nx - 1] += x_coupling(level, coef, periodic, nx - 1) - coef[KX] - coef[KX]
    barrier()
    for x in strip(nx):
        row[x] = (one - is_fixed[x]) / (inner + row[x])


@inline
def deinterleave(row, even, odd):
    """Take the voxels of even and of odd x apart."""
    for k in strip(odd.size):
        even[k], odd[k] = row[2 * k], row[2 * k + 1]
    if is_first() and even.size > odd.size:
        even[odd.size] = row[2 * odd.size]


@reduction(1)
def clip_negative(chunk, partial, c, level, rows):
    """Raise what is negative to 0; returns the sum of the squares of what was cut.

    `rows` is scratch for every row of the grid.
    """
    lo, hi = row_range(chunk, level)
    zero, total, nx = c.dtype.type(0), 0.0, level[NX]
    for i in range(lo, hi):
        here, cut = c[i // level[NY], i % level[NY]], rows[i * nx : (i + 1) * nx]
        for x in strip(nx):
            cut[x] = min(here[x], zero)
            here[x] -= cut[x]
        total = add_products(total, cut, cut)
    partial[0, part(chunk)] = total


@reduction(6)
def bulk_budget(chunk, partial, c, level, rows, reactions):
    """Sums over the free voxels: source, vessels in and out, c, its uptake, the uptake's slope.

    `rows` is scratch for every row of the grid.
    """
    source, uptake, maximum = reactions.source, reactions.uptake, reactions.maximum
    permeability, fixed = reactions.permeability, reactions.fixed
    half, plasma = reactions.half_saturation, reactions.plasma
    zero, nx = c.dtype.type(0), level[NX]
    produced = gained = lost = content = taken_up = slope = 0.0
    lo, hi = row_range(chunk, level)
    for i in range(lo, hi):
        z, y = i // level[NY], i % level[NY]
        here, is_fixed = c[z, y], fixed[z, y] if fixed.size else reactions.no_mask
        flow = rows[i * nx : (i + 1) * nx]
        for x in strip(nx):
            flow[x] = zero if is_fixed[x] else here[x]
        content = add_row(content, flow)
        if uptake.size:
            first_order = add_products(0.0, uptake[z, y], flow)
            taken_up += first_order
            slope += first_order
        if maximum.size:
            most = maximum[z, y]
            for x in strip(nx):
                flow[x] = zero if is_fixed[x] else most[x] * here[x] / (half + here[x])
            taken_up = add_row(taken_up, flow)
            for x in strip(nx):
                flow[x] *= half / (half + here[x])
            slope = add_row(slope, flow)
        if permeability.size:
            vessel = permeability[z, y]
            for x in strip(nx):
                flow[x] = zero if is_fixed[x] else vessel[x] * here[x]
            slope = add_row(slope, flow)
            for x in strip(nx):
                flow[x] = zero if is_fixed[x] else max(vessel[x] * (plasma - here[x]), zero)
            gained = add_row(gained, flow)
            for x in strip(nx):
                flow[x] = zero if is_fixed[x] else max(vessel[x] * (here[x] - plasma), zero)
            lost = add_row(lost, flow)
        if source.size:
            secretion = source[z, y]
            for x in strip(nx):
                flow[x] = zero if is_fixed[x] else secretion[x]
            produced = add_row(produced, flow)
    at = part(chunk)
    partial[PRODUCED, at], partial[FROM_VESSELS, at] = produced, gained
    partial[TO_VESSELS, at], partial[CONTENT, at] = lost, content
    partial[UPTAKE, at], partial[VOXEL_SLOPE, at] = taken_up, slope


def edges_of(
    shape: tuple[int, int, int], coef: np.ndarray, periodic: np.ndarray, fixed: np.ndarray | None
) -> np.ndarray:
    """(n, 3) int32: every face between a free voxel and a fixed one or the outside.

    Flat index of the fixed voxel (-1: outside), of the free voxel, and which of the nine
    couplings `coef` of the finest level joins them.
    """
    index = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
    free = np.ones(shape, bool) if fixed is None else ~fixed
    rows = [np.zeros((0, 3), np.int32)]
    for axis in range(3):
        for side in (0, 1):
            face = tuple(-side if a == axis else slice(None) for a in range(3))
            wall = GZ_LOW + 2 * axis + side
            if coef[wall] > 0.0:
                rows.append(_rows(-1, index[face][free[face]], wall))
            touching = (
                np.zeros(shape, bool)
                if fixed is None
                else free & np.roll(fixed, 2 * side - 1, axis)
            )
            if not periodic[axis]:
                touching[tuple(side - 1 if a == axis else slice(None) for a in range(3))] = False
            rows.append(_rows(np.roll(index, 2 * side - 1, axis)[touching], index[touching], axis))
    return np.concatenate(rows)


def _rows(outer: np.ndarray | int, inner: np.ndarray, coupling: int) -> np.ndarray:
    return np.stack(np.broadcast_arrays(outer, inner, coupling), axis=1).astype(np.int32)


CARRIES = 64  # columns that carry their own rounding in `scale`


@kernel
def scale_free_voxels(chunk, c, factor, level, carries, reactions):
    """c *= factor in the free voxels; rounding is carried on down the columns, so the sum is kept.

    Without the carry a factor within a few units of rounding from 1 would do nothing in float32.
    `carries` (n_chunks, CARRIES) is scratch.
    """
    fixed = reactions.fixed
    lo, hi = row_range(chunk, level)
    carry = carries[chunk]
    for k in strip(CARRIES):
        carry[k] = 0.0
    for i in range(lo, hi):
        row = c[i // level[NY], i % level[NY]]
        mask = fixed[i // level[NY], i % level[NY]] if fixed.size else reactions.no_mask
        for begin in range(0, level[NX], CARRIES):
            here, is_fixed = row[begin : begin + CARRIES], mask[begin : begin + CARRIES]
            for k in strip(here.size):
                share = carry[k] if abs(carry[k]) < LARGEST_SHARE * here[k] else 0.0
                wanted = here[k] * factor + share
                new = here[k] if is_fixed[k] else here.dtype.type(wanted)
                carry[k] += 0.0 if is_fixed[k] else wanted - share - new
                here[k] = new


@reduction(3)
def surface_budget(chunk, partial, c, edges, coef, walls):
    """What passes the walls and the faces of fixed voxels (see `edges_of`): in, out, slope."""
    flat = c.reshape(-1)
    gained = lost = slope = 0.0
    for i in strip(max(0, min(CHUNK, edges.shape[0] - chunk * CHUNK))):
        face = edges[chunk * CHUNK + i]
        outer, inner, coupling = face[OUTER], face[INNER], face[COUPLING]
        outside = walls[coupling - GZ_LOW] if outer < 0 else flat[outer]
        flow = coef[coupling] * (outside - flat[inner])
        gained += max(flow, flow - flow)
        lost -= min(flow, flow - flow)
        slope += coef[coupling] * flat[inner]
    at = part(chunk)
    partial[INFLOW, at], partial[OUTFLOW, at], partial[FACE_SLOPE, at] = gained, lost, slope


@driver(is_small)
def budget(levels, c, rate, reactions, edges, coef, walls, rows):
    """Rates [unit x voxels / min] in and out of the free voxels, their content, d(loss)/dlog c.

    `rows` is scratch for every row of the grid.
    """
    level, decay = levels[0], float(reactions.decay)
    bulk = bulk_budget(level[ROWS], c, level, rows, reactions)
    faces = surface_budget((edges.shape[0] + CHUNK - 1) // CHUNK, c, edges, coef[0], walls)
    result = np.zeros(N_ENTRIES)
    result[IN] = bulk[PRODUCED] + bulk[FROM_VESSELS] + faces[INFLOW]
    result[OUT] = bulk[TO_VESSELS] + faces[OUTFLOW]
    result[DECAYED] = decay * bulk[CONTENT]
    result[TAKEN_UP] = bulk[UPTAKE]
    result[MASS] = bulk[CONTENT]
    result[SLOPE] = (rate + decay) * bulk[CONTENT] + bulk[VOXEL_SLOPE] + faces[FACE_SLOPE]
    return result


@kernel
def accumulate_averages(chunk, weight, c, mean, realised, level, reactions):
    """Add weight x c to `mean` and weight x the saturating uptake to `realised`, if not empty."""
    half = reactions.half_saturation
    lo, hi = row_range(chunk, level)
    for i in range(lo, hi):
        z, y = i // level[NY], i % level[NY]
        here = c[z, y]
        if mean.size:
            row = mean[z, y]
            for x in strip(level[NX]):
                row[x] += weight * here[x]
        if realised.size:
            row, most = realised[z, y], reactions.maximum[z, y]
            for x in strip(level[NX]):
                row[x] += weight * most[x] * here[x] / (half + here[x])
