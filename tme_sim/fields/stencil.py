"""Sweep the seven-point operator of one multigrid level, row by row.

The operator is A e = s e + sum_j w_j (e - e_j) + g e: `s` the diagonal of a voxel [1/min], `w` the
diffusive coupling D / dx^2 along an axis, `g` the conductance of a wall. A voxel whose `s` reaches
FIXED does not take part: its e is 0.

`coef` holds (kz, ky, kx, gz_low, gz_high, gy_low, gy_high, gx_low, gx_high) of the level and
`joined` says which axes are periodic. Every kernel loops over blocks of rows, the same blocks for
any number of threads, and a block writes only its own rows.
"""

import numpy as np
from numba import prange

from tme_sim.fields.compile import body, kernel

FIXED = np.float32(1e18)  # diagonal of a voxel whose concentration is prescribed
VOXELS_PER_BLOCK = 4096
MAX_BLOCKS = 64


@body
def n_blocks(shape):
    """Blocks of rows a level is cut into: a function of its shape alone."""
    rows = shape[0] * shape[1]
    blocks = (rows * shape[2]) // VOXELS_PER_BLOCK
    return max(1, min(blocks, MAX_BLOCKS, rows))


@body
def sides(i, n, joined, k):
    """Indices of both neighbours along an axis and their couplings; no neighbour couples with 0."""
    low, high = i - 1, i + 1
    w_low = w_high = k
    if i == 0:
        low = n - 1 if joined else 0
        w_low = k if joined else k - k
    if i == n - 1:
        high = 0 if joined else i
        w_high = k if joined else k - k
    return low, high, w_low, w_high


@body
def wall_conductance(i, n, g_low, g_high):
    """Conductance of the walls a voxel touches along one axis."""
    g = g_low - g_low
    if i == 0:
        g += g_low
    if i == n - 1:
        g += g_high
    return g


@body
def is_seam(z, y, shape, joined):
    """Whether a row touches one of its own colour across an odd periodic axis."""
    odd_z = joined[0] and shape[0] % 2 == 1 and z == shape[0] - 1
    return odd_z or (joined[1] and shape[1] % 2 == 1 and y == shape[1] - 1)


@body
def relax_row(z, y, parity, e, r, s, coef, joined, row):
    """Gauss-Seidel on the voxels of one colour in one row."""
    nz, ny, nx = e.shape
    zl, zh, wzl, wzh = sides(z, nz, joined[0], coef[0])
    yl, yh, wyl, wyh = sides(y, ny, joined[1], coef[1])
    below, above, front, back, here = e[zl, y], e[zh, y], e[z, yl], e[z, yh], e[z, y]
    rhs, diagonal, kx = r[z, y], s[z, y], coef[2]
    across = wzl + wzh + wyl + wyh
    across += wall_conductance(z, nz, coef[3], coef[4]) + wall_conductance(y, ny, coef[5], coef[6])
    for x in range(1, nx - 1):
        pull = wzl * below[x] + wzh * above[x] + wyl * front[x] + wyh * back[x]
        pull += kx * (here[x - 1] + here[x + 1])
        row[x] = (rhs[x] + pull) / (diagonal[x] + across + kx + kx)
    for x in (0, nx - 1):
        xl, xh, wxl, wxh = sides(x, nx, joined[2], kx)
        pull = wzl * below[x] + wzh * above[x] + wyl * front[x] + wyh * back[x]
        pull += wxl * here[xl] + wxh * here[xh]
        g = wall_conductance(x, nx, coef[7], coef[8])
        row[x] = (rhs[x] + pull) / (diagonal[x] + across + wxl + wxh + g)
    for x in range((parity + z + y) % 2, nx, 2):
        here[x] = row[x]


@body
def relax_block(block, blocks, parity, e, r, s, coef, joined):
    """Relax one colour in a block of rows, but for rows on a seam."""
    nz, ny, nx = e.shape
    row = np.empty(nx, e.dtype)
    for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
        z, y = i // ny, i % ny
        if not is_seam(z, y, e.shape, joined):
            relax_row(z, y, parity, e, r, s, coef, joined, row)


@body
def relax_seams(parity, e, r, s, coef, joined):
    """Relax one colour in the rows that neighbour their own colour, one row after the other."""
    if not (joined[0] or joined[1]):
        return
    nz, ny, nx = e.shape
    row = np.empty(nx, e.dtype)
    for i in range(nz * ny):
        if is_seam(i // ny, i % ny, e.shape, joined):
            relax_row(i // ny, i % ny, parity, e, r, s, coef, joined, row)


@kernel
def relax(e, r, s, coef, joined):
    """One sweep of red-black Gauss-Seidel on A e = r, colour 1 first."""
    blocks = n_blocks(e.shape)
    for parity in range(1, -1, -1):
        for block in prange(blocks):
            relax_block(block, blocks, parity, e, r, s, coef, joined)
        relax_seams(parity, e, r, s, coef, joined)


@kernel
def start(e, r, s, coef, joined):
    """One sweep of red-black Gauss-Seidel on A e = r from e = 0, colour 0 first."""
    nz, ny, _ = e.shape
    blocks = n_blocks(e.shape)
    for block in prange(blocks):
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            start_row(i // ny, i % ny, e, r, s, coef, joined)
    for parity in range(1, 2):
        for block in prange(blocks):
            relax_block(block, blocks, parity, e, r, s, coef, joined)
        relax_seams(parity, e, r, s, coef, joined)


@body
def start_row(z, y, e, r, s, coef, joined):
    """Voxels of colour 0 see only themselves; the others wait at 0."""
    nz, ny, nx = e.shape
    _, _, wzl, wzh = sides(z, nz, joined[0], coef[0])
    _, _, wyl, wyh = sides(y, ny, joined[1], coef[1])
    g = wall_conductance(z, nz, coef[3], coef[4]) + wall_conductance(y, ny, coef[5], coef[6])
    across = wzl + wzh + wyl + wyh + g + coef[2] + coef[2]
    here, rhs, diagonal = e[z, y], r[z, y], s[z, y]
    for x in range(nx):
        here[x] = rhs[x] / (diagonal[x] + across)
    for x in (0, nx - 1):
        _, _, wxl, wxh = sides(x, nx, joined[2], coef[2])
        g = wall_conductance(x, nx, coef[7], coef[8]) + wxl + wxh - coef[2] - coef[2]
        here[x] = rhs[x] / (diagonal[x] + across + g)
    for x in range((1 + z + y) % 2, nx, 2):
        here[x] = 0


@body
def apply_row(z, y, e, s, coef, joined, out):
    """out = A e along one row, as differences, so that a uniform e gives exactly s e."""
    nz, ny, nx = e.shape
    zl, zh, wzl, wzh = sides(z, nz, joined[0], coef[0])
    yl, yh, wyl, wyh = sides(y, ny, joined[1], coef[1])
    below, above, front, back, here = e[zl, y], e[zh, y], e[z, yl], e[z, yh], e[z, y]
    diagonal, kx = s[z, y], coef[2]
    g = wall_conductance(z, nz, coef[3], coef[4]) + wall_conductance(y, ny, coef[5], coef[6])
    for x in range(1, nx - 1):
        c = here[x]
        flux = wzl * (c - below[x]) + wzh * (c - above[x])
        flux += wyl * (c - front[x]) + wyh * (c - back[x])
        flux += kx * ((c - here[x - 1]) + (c - here[x + 1]))
        out[x] = (diagonal[x] + g) * c + flux
    for x in (0, nx - 1):
        c = here[x]
        xl, xh, wxl, wxh = sides(x, nx, joined[2], kx)
        flux = wzl * (c - below[x]) + wzh * (c - above[x])
        flux += wyl * (c - front[x]) + wyh * (c - back[x])
        flux += wxl * (c - here[xl]) + wxh * (c - here[xh])
        out[x] = (diagonal[x] + g + wall_conductance(x, nx, coef[7], coef[8])) * c + flux
    for x in range(nx):
        if diagonal[x] >= FIXED:
            out[x] = here[x] - here[x]


@kernel
def apply(e, s, coef, joined, out):
    """out = A e; returns the inner product e . A e."""
    nz, ny, nx = e.shape
    blocks = n_blocks(e.shape)
    partial = np.zeros(blocks)
    for block in prange(blocks):
        total = np.zeros(nx)
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            here, product = e[i // ny, i % ny], out[i // ny, i % ny]
            apply_row(i // ny, i % ny, e, s, coef, joined, product)
            for x in range(nx):
                total[x] += here[x] * product[x]
        partial[block] = in_order(total)
    return in_order(partial)


@body
def in_order(values):
    """Sum from first to last."""
    total = 0.0
    for value in values:
        total += value
    return total


@kernel
def restrict(e, r, s, coef, joined, coarse):
    """coarse = the residual r - A e, summed over the children of a voxel / their full number."""
    nz, ny, nx = e.shape
    cz, cy = coarse.shape[:2]
    share = e.dtype.type(1.0 / ((1 + (nz > 1)) * (1 + (ny > 1)) * (1 + (nx > 1))))
    blocks = n_blocks(coarse.shape)
    for block in prange(blocks):
        row, total = np.empty(nx, e.dtype), np.empty(nx, e.dtype)
        for i in range(block * cz * cy // blocks, (block + 1) * cz * cy // blocks):
            z0, y0 = (i // cy) * 2, (i % cy) * 2
            total[:] = 0
            for z in range(z0, min(z0 + 2, nz)):
                for y in range(y0, min(y0 + 2, ny)):
                    apply_row(z, y, e, s, coef, joined, row)
                    rhs = r[z, y]
                    for x in range(nx):
                        total[x] += rhs[x] - row[x]
            gather(total, share, coarse[i // cy, i % cy])


@body
def gather(fine, share, coarse):
    """coarse = share x the sum of the two children along x."""
    nx = fine.size
    if nx == 1:
        coarse[0] = share * fine[0]
        return
    for x in range(nx // 2):
        coarse[x] = share * (fine[2 * x] + fine[2 * x + 1])
    if nx % 2 == 1:
        coarse[nx // 2] = share * fine[nx - 1]


@kernel
def coarsen(s, coef, coarse):
    """Diagonal of the next level: a sink acts no faster than its neighbours can feed it."""
    nz, ny, nx = s.shape
    cz, cy = coarse.shape[:2]
    share = s.dtype.type(1.0 / ((1 + (nz > 1)) * (1 + (ny > 1)) * (1 + (nx > 1))))
    feed = coef[0] + coef[0] + coef[1] + coef[1] + coef[2] + coef[2]
    one = s.dtype.type(1)
    blocks = n_blocks(coarse.shape)
    for block in prange(blocks):
        total = np.empty(nx, s.dtype)
        for i in range(block * cz * cy // blocks, (block + 1) * cz * cy // blocks):
            z0, y0 = (i // cy) * 2, (i % cy) * 2
            total[:] = 0
            for z in range(z0, min(z0 + 2, nz)):
                for y in range(y0, min(y0 + 2, ny)):
                    diagonal = s[z, y]
                    for x in range(nx):
                        total[x] += diagonal[x] / (one + diagonal[x] / feed)
            gather(total, share, coarse[i // cy, i % cy])


@kernel
def prolong(e, s, coarse):
    """e += the coarse correction of the voxel's parent, where the voxel is free."""
    nz, ny, nx = e.shape
    blocks = n_blocks(e.shape)
    for block in prange(blocks):
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            here, diagonal = e[i // ny, i % ny], s[i // ny, i % ny]
            parent = coarse[i // ny // 2, i % ny // 2]
            for x in range(nx):
                if diagonal[x] < FIXED:
                    here[x] += parent[x // 2]


@kernel
def dots(r, z):
    """The inner products r . z and z . z."""
    nz, ny, nx = r.shape
    blocks = n_blocks(r.shape)
    partial = np.zeros((2, blocks))
    for block in prange(blocks):
        total = np.zeros((2, nx))
        rz, zz = total[0], total[1]
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            left, right = r[i // ny, i % ny], z[i // ny, i % ny]
            for x in range(nx):
                rz[x] += left[x] * right[x]
                zz[x] += right[x] * right[x]
        partial[0, block] = in_order(rz)
        partial[1, block] = in_order(zz)
    return in_order(partial[0]), in_order(partial[1])


@kernel
def combine(out, a, x, b, y):
    """out = a x + b y; returns sum out^2."""
    nz, ny, nx = out.shape
    blocks = n_blocks(out.shape)
    partial = np.zeros(blocks)
    for block in prange(blocks):
        total = np.zeros(nx)
        for i in range(block * nz * ny // blocks, (block + 1) * nz * ny // blocks):
            left, right, mixed = x[i // ny, i % ny], y[i // ny, i % ny], out[i // ny, i % ny]
            for k in range(nx):
                mixed[k] = a * left[k] + b * right[k]
                total[k] += mixed[k] * mixed[k]
        partial[block] = in_order(total)
    return in_order(partial)
