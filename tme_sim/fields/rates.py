"""What acts on a substrate in every voxel: the residual of a step, its slope, and its budget.

`terms` is (constants, source, uptake, maximum, permeability, fixed): constants holds (decay rate,
half-saturation, plasma concentration); the others are arrays (z, y, x), of size 0 where absent;
`fixed` is 1 in voxels whose concentration is prescribed. `walls` are the six outside values.
"""

import numpy as np
from numba import prange

from tme_sim.fields.compile import body, driver, kernel
from tme_sim.fields.stencil import FIXED, apply_row, in_order, n_blocks, wall_conductance

IN, OUT, DECAYED, TAKEN_UP, MASS, SLOPE = range(6)  # entries of a budget
N_ENTRIES = 6
SMALLEST_SHARE = 1e-6  # of a voxel's content, that carried rounding may change


@body
def linear_row(z, y, rate, terms, c0, rhs, diagonal):
    """Diagonal and right-hand side of everything that is linear in c, without the walls."""
    constants, source, uptake, _, permeability, fixed = terms
    nx = rhs.size
    base, plasma = rate + constants[0], constants[2]
    old = c0[z, y]
    for x in range(nx):
        diagonal[x] = base
        rhs[x] = rate * old[x]
    if source.size:
        secreted = source[z, y]
        for x in range(nx):
            rhs[x] += secreted[x]
    if uptake.size:
        taken = uptake[z, y]
        for x in range(nx):
            diagonal[x] += taken[x]
    if permeability.size:
        vessel = permeability[z, y]
        for x in range(nx):
            diagonal[x] += vessel[x]
            rhs[x] += vessel[x] * plasma
    if fixed.size:
        held = fixed[z, y]
        for x in range(nx):
            if held[x]:
                diagonal[x] = FIXED


@body
def add_walls_row(z, y, shape, coef, walls, rhs):
    """rhs += what flows in from outside the walls."""
    nz, ny, nx = shape
    inflow = wall_conductance(z, nz, coef[3] * walls[0], coef[4] * walls[1])
    inflow += wall_conductance(y, ny, coef[5] * walls[2], coef[6] * walls[3])
    for x in range(nx):
        rhs[x] += inflow
    rhs[0] += coef[7] * walls[4]
    rhs[nx - 1] += coef[8] * walls[5]


@kernel
def linearise(c, c0, rate, terms, coef, joined, walls, r, s):
    """r = the residual of the step at c, s = the diagonal of its derivative."""
    nz, ny, nx = c.shape
    maximum, half = terms[3], terms[0][1]
    blocks = n_blocks(c.shape)
    for block in prange(blocks):
        product = np.empty(nx, c.dtype)
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            z, y = i // ny, i % ny
            here, rhs, diagonal = c[z, y], r[z, y], s[z, y]
            linear_row(z, y, rate, terms, c0, rhs, diagonal)
            add_walls_row(z, y, c.shape, coef, walls, rhs)
            apply_row(z, y, c, s, coef, joined, product)
            for x in range(nx):
                rhs[x] -= product[x]
            if maximum.size:
                most = maximum[z, y]
                for x in range(nx):
                    part = most[x] / (half + here[x])
                    rhs[x] -= part * here[x]
                    diagonal[x] += part * half / (half + here[x])
            for x in range(nx):
                if diagonal[x] >= FIXED:
                    rhs[x] = 0


@kernel
def clip(c):
    """Raise what is negative to 0; returns the sums of cut^2 and of c^2."""
    nz, ny, nx = c.shape
    blocks = n_blocks(c.shape)
    partial = np.zeros((2, blocks))
    for block in prange(blocks):
        total = np.zeros((2, nx))
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            here = c[i // ny, i % ny]
            for x in range(nx):
                cut = min(here[x], np.float32(0))
                here[x] -= cut
                total[0, x] += cut * cut
                total[1, x] += here[x] * here[x]
        partial[0, block] = in_order(total[0])
        partial[1, block] = in_order(total[1])
    return in_order(partial[0]), in_order(partial[1])


@kernel
def bulk_budget(c, terms):
    """Sums over the free voxels: source, vessel inflow and outflow, c, uptake, slope of uptake."""
    nz, ny, nx = c.shape
    constants, source, uptake, maximum, permeability, fixed = terms
    half, plasma = constants[1], constants[2]
    blocks = n_blocks(c.shape)
    partial = np.zeros((7, blocks))
    for block in prange(blocks):
        total, mass = np.zeros((7, nx)), np.empty(nx)
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            z, y = i // ny, i % ny
            here, free = c[z, y], np.ones(nx)
            if fixed.size:
                held = fixed[z, y]
                for x in range(nx):
                    free[x] = 1.0 - held[x]
            for x in range(nx):
                mass[x] = free[x] * here[x]
                total[3, x] += mass[x]
            if source.size:
                secreted = source[z, y]
                for x in range(nx):
                    total[0, x] += free[x] * secreted[x]
            if permeability.size:
                vessel = permeability[z, y]
                for x in range(nx):
                    flow = free[x] * vessel[x] * (float(plasma) - here[x])
                    total[1, x] += max(flow, 0.0)
                    total[2, x] += max(-flow, 0.0)
                    total[6, x] += vessel[x] * mass[x]
            if uptake.size:
                taken = uptake[z, y]
                for x in range(nx):
                    total[4, x] += taken[x] * mass[x]
                    total[6, x] += taken[x] * mass[x]
            if maximum.size:
                most = maximum[z, y]
                for x in range(nx):
                    part = most[x] / (float(half) + here[x])
                    total[5, x] += part * mass[x]
                    total[6, x] += part * mass[x] * half / (float(half) + here[x])
        for entry in range(7):
            partial[entry, block] = in_order(total[entry])
    result = np.empty(7)
    for entry in range(7):
        result[entry] = in_order(partial[entry])
    return result


@body
def surface_budget(c, fixed, edges, coef, walls, result):
    """Add to a budget what passes the walls and the faces of fixed voxels."""
    nz, ny, nx = c.shape
    for face in range(6):
        g, value = float(coef[3 + face]), float(walls[face])
        if g == 0.0:
            continue
        axis, last = face // 2, c.shape[face // 2] - 1
        for a in range(1 if axis == 0 else nz):
            for b in range(1 if axis == 1 else ny):
                for d in range(1 if axis == 2 else nx):
                    z = last * (face % 2) if axis == 0 else a
                    y = last * (face % 2) if axis == 1 else b
                    x = last * (face % 2) if axis == 2 else d
                    if fixed.size == 0 or fixed[z, y, x] == 0:
                        add_flux(g, value, c[z, y, x], result)
    flat = c.reshape(-1)
    for i in range(edges.shape[0]):
        held, free, axis = edges[i]
        add_flux(float(coef[axis]), float(flat[held]), float(flat[free]), result)


@body
def add_flux(g, outside, inside, result):
    """One face's inflow or outflow [unit/min], and its share of the slope."""
    flow = g * (outside - inside)
    if flow > 0.0:
        result[IN] += flow
    else:
        result[OUT] -= flow
    result[SLOPE] += g * inside


@kernel
def scale(c, factor, fixed):
    """c *= factor in the free voxels, carrying the rounding on so that the sum is exact."""
    nz, ny, nx = c.shape
    blocks = n_blocks(c.shape)
    for block in prange(blocks):
        carry = 0.0
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            here = c[i // ny, i % ny]
            for x in range(nx):
                if fixed.size == 0 or fixed[i // ny, i % ny, x] == 0:
                    old = here[x]
                    wanted = float(old) * factor
                    here[x] = wanted + carry if abs(carry) < SMALLEST_SHARE * old else wanted
                    carry += wanted - float(here[x])


@driver
def budget(c, rate, terms, edges, coef, walls):
    """Rates [unit x voxels / min] in and out of the free voxels, their content, d(loss)/dlog c."""
    bulk = bulk_budget(c, terms)
    result = np.zeros(N_ENTRIES)
    result[IN] = bulk[0] + bulk[1]
    result[OUT] = bulk[2]
    result[DECAYED] = terms[0][0] * bulk[3]
    result[TAKEN_UP] = bulk[4] + bulk[5]
    result[MASS] = bulk[3]
    result[SLOPE] = (rate + terms[0][0]) * bulk[3] + bulk[6]
    surface_budget(c, terms[5], edges, coef, walls, result)
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
