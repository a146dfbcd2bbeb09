"""Sweep the seven-point operator of one multigrid level over the colours of its chessboard.

The operator is A e = s e + sum_j w_j (e - e_j) + g e: `s` the sink of a voxel [1/min], `w` the
diffusive coupling D / dx^2 along an axis, `g` the conductance of a wall. Kept is `d`, the
reciprocal of its diagonal s + sum_j w_j + g, and 0 in ghosts and in voxels whose concentration is
prescribed: these never take part. e, r and d are work arrays (see `levels`), `level` is a row of
the table of levels, `coef` one of the table of couplings, and `periodic` says which axes (z, y, x)
are periodic. Ghosts of closed axes stay 0, those of
periodic axes hold copies (`wrap`).
"""

from tme_sim.compute.chunks import kernel, reduction
from tme_sim.compute.compiling import inline
from tme_sim.compute.lanes import add_products
from tme_sim.compute.loops import barrier, is_first, part, strip
from tme_sim.fields.levels import (
    BLACK,
    CHUNK,
    CHUNKS,
    GX,
    GX_HIGH,
    GX_LOW,
    GY,
    GY_HIGH,
    GY_LOW,
    GZ,
    GZ_HIGH,
    GZ_LOW,
    KX,
    KY,
    KZ,
    NX,
    NY,
    NZ,
    PX,
    PY,
    RED,
    X,
    Y,
    Z,
)


@inline
def flat_index(level, z, y, x):
    """Flat index of a voxel in the padded grid; its parity is its colour."""
    return ((z + level[GZ]) * level[PY] + y + level[GY]) * level[PX] + x + level[GX]


@inline
def colour_range(chunk, level, colour):
    """First and last place + 1 of a chunk of one colour."""
    begin = (flat_index(level, 0, 0, 0) - colour + 1) // 2
    end = (flat_index(level, level[NZ] - 1, level[NY] - 1, level[NX] - 1) - colour) // 2 + 1
    lo = begin + chunk * CHUNK
    return lo, max(lo, min(lo + CHUNK, end))


@inline
def neighbours_along(e, level, colour, lo, hi, stride):
    """Both neighbours, along the axis of this odd stride, of places lo ... hi of a colour."""
    base = level[BLACK - colour]
    up, down = stride // 2 + colour, stride // 2 + 1 - colour
    return e[base + lo + up : base + hi + up], e[base + lo - down : base + hi - down]


@inline
def row_halves(level, z, y):
    """Where the voxels of even and of odd x of a row begin in a work array."""
    i = flat_index(level, z, y, 0)
    return level[RED + (i & 1)] + (i >> 1), level[BLACK - (i & 1)] + ((i + 1) >> 1)


@inline
def row_range(chunk, level):
    """First and last row + 1 of a chunk of rows."""
    per_chunk = max(1, 2 * CHUNK // level[NX])
    return chunk * per_chunk, min((chunk + 1) * per_chunk, level[NZ] * level[NY])


@inline
def colour_and_range(chunk, level):
    """Colour and span of a chunk where both colours are handled in one launch of twice as many."""
    colour = chunk // level[CHUNKS]
    lo, hi = colour_range(chunk - colour * level[CHUNKS], level, colour)
    return colour, lo, hi


@inline
def axis_coupling(i, n, k, low, high, periodic):
    """Couplings of a voxel along one axis added up, walls included."""
    total = k + k
    if not periodic:
        if i == 0:
            total += low - k
        if i == n - 1:
            total += high - k
    return total


@inline
def row_coupling(level, coef, periodic, z, y):
    """Couplings of a row's voxels along z and y added up."""
    along_z = axis_coupling(z, level[NZ], coef[KZ], coef[GZ_LOW], coef[GZ_HIGH], periodic[Z])
    return along_z + axis_coupling(y, level[NY], coef[KY], coef[GY_LOW], coef[GY_HIGH], periodic[Y])


@inline
def x_coupling(level, coef, periodic, x):
    """Couplings of a voxel along x added up."""
    return axis_coupling(x, level[NX], coef[KX], coef[GX_LOW], coef[GX_HIGH], periodic[X])


@kernel
def smooth_from_zero(chunk, e, r, d, level, colour):
    """Relax one colour where the other is 0."""
    lo, hi = colour_range(chunk, level, colour)
    base = level[RED + colour]
    out, rhs, inverse = e[base + lo : base + hi], r[base + lo : base + hi], d[base + lo : base + hi]
    for j in strip(hi - lo):
        out[j] = inverse[j] * rhs[j]


@kernel
def smooth(chunk, e, r, d, level, coef, colour):
    """Gauss-Seidel on one colour: e = d (r + the pull of the neighbours)."""
    lo, hi = colour_range(chunk, level, colour)
    base = level[RED + colour]
    out, rhs, inverse = e[base + lo : base + hi], r[base + lo : base + hi], d[base + lo : base + hi]
    kz, ky, kx = coef[KZ], coef[KY], coef[KX]
    x_up, x_down = neighbours_along(e, level, colour, lo, hi, 1)
    y_up, y_down = neighbours_along(e, level, colour, lo, hi, level[PX])
    if level[NZ] > 1:
        z_up, z_down = neighbours_along(e, level, colour, lo, hi, level[PX] * level[PY])
        for j in strip(hi - lo):
            pull = kx * (x_up[j] + x_down[j]) + ky * (y_up[j] + y_down[j])
            out[j] = inverse[j] * (rhs[j] + pull + kz * (z_up[j] + z_down[j]))
    else:
        for j in strip(hi - lo):
            pull = kx * (x_up[j] + x_down[j]) + ky * (y_up[j] + y_down[j])
            out[j] = inverse[j] * (rhs[j] + pull)


@reduction(1)
def apply(chunk, partial, out, e, d, level, coef):
    """out = A e; returns the inner product e . out."""
    colour, lo, hi = colour_and_range(chunk, level)
    base = level[RED + colour]
    here, inverse = e[base + lo : base + hi], d[base + lo : base + hi]
    product = out[base + lo : base + hi]
    kz, ky, kx = coef[KZ], coef[KY], coef[KX]
    x_up, x_down = neighbours_along(e, level, colour, lo, hi, 1)
    y_up, y_down = neighbours_along(e, level, colour, lo, hi, level[PX])
    if level[NZ] > 1:
        z_up, z_down = neighbours_along(e, level, colour, lo, hi, level[PX] * level[PY])
        for j in strip(hi - lo):
            pull = kx * (x_up[j] + x_down[j]) + ky * (y_up[j] + y_down[j])
            pull += kz * (z_up[j] + z_down[j])
            value = here[j] / inverse[j] - pull if inverse[j] > 0 else pull - pull
            product[j] = value
    else:
        for j in strip(hi - lo):
            pull = kx * (x_up[j] + x_down[j]) + ky * (y_up[j] + y_down[j])
            value = here[j] / inverse[j] - pull if inverse[j] > 0 else pull - pull
            product[j] = value
    partial[0, part(chunk)] = add_products(kx - kx, here, product)


@kernel
def restrict(chunk, e, r, d, level, coef, coarse):
    """r on the coarse level = the residual, summed over a voxel's children / their full number.

    After a sweep over both colours only the first, red, has a residual: what the black neighbours
    have changed since.
    """
    share = restriction_share(e, level)
    lo, hi = row_range(chunk, coarse)
    kz, ky, kx = coef[KZ], coef[KY], coef[KX]
    for i in range(lo, hi):
        z0, y0 = (i // coarse[NY]) * 2, (i % coarse[NY]) * 2
        halves = row_halves(coarse, i // coarse[NY], i % coarse[NY])
        for parity in range(2):
            count = (coarse[NX] + 1 - parity) // 2
            out = r[halves[parity] : halves[parity] + count]
            for k in strip(count):
                out[k] = 0
            for z in range(z0, min(z0 + 2, level[NZ])):
                for y in range(y0, min(y0 + 2, level[NY])):
                    first = flat_index(level, z, y, 2 * parity)
                    a = (first + 1) >> 1  # the red one of the two children along x
                    b = a + 2 * count
                    inverse = d[level[RED] + a : level[RED] + b]
                    x_up, x_down = neighbours_along(e, level, 0, a, b, 1)
                    y_up, y_down = neighbours_along(e, level, 0, a, b, level[PX])
                    if level[NZ] > 1:
                        z_up, z_down = neighbours_along(e, level, 0, a, b, level[PX] * level[PY])
                        for k in strip(count):
                            j = 2 * k
                            pull = kx * (x_up[j] + x_down[j]) + ky * (y_up[j] + y_down[j])
                            pull += kz * (z_up[j] + z_down[j])
                            out[k] += share * pull if inverse[j] > 0 else pull - pull
                    else:
                        for k in strip(count):
                            j = 2 * k
                            pull = kx * (x_up[j] + x_down[j]) + ky * (y_up[j] + y_down[j])
                            out[k] += share * pull if inverse[j] > 0 else pull - pull


@inline
def restriction_share(e, level):
    """One over the children of a coarse voxel."""
    children = (1 + (level[NZ] > 1)) * (1 + (level[NY] > 1)) * (1 + (level[NX] > 1))
    return e.dtype.type(1.0 / children)


@kernel
def prolong(chunk, e, d, level, coarse):
    """Red e += the coarse correction of the parent; black waits to be relaxed from red."""
    lo, hi = row_range(chunk, level)
    for i in range(lo, hi):
        z, y = i // level[NY], i % level[NY]
        even, odd = row_halves(coarse, z // 2, y // 2)
        n_even, n_odd = (coarse[NX] + 1) // 2, coarse[NX] // 2
        a = level[RED] + ((flat_index(level, z, y, 0) + 1) >> 1)
        out, inverse = e[a : a + n_even + n_odd], d[a : a + n_even + n_odd]
        parent_even, parent_odd = e[even : even + n_even], e[odd : odd + n_odd]
        zero = out.dtype.type(0)
        for k in strip(n_odd):
            out[2 * k] += parent_even[k] if inverse[2 * k] > 0 else zero
            out[2 * k + 1] += parent_odd[k] if inverse[2 * k + 1] > 0 else zero
        if is_first() and n_even > n_odd:
            out[2 * n_odd] += parent_even[n_odd] if inverse[2 * n_odd] > 0 else zero


@kernel
def coarsen_diagonal(chunk, d, level, coef, periodic, coarse, coarse_coef, rows):
    """Reciprocal diagonal of the next level: a sink acts no faster than its neighbours feed it.

    `rows` is scratch for every row of the coarse level.
    """
    share, one = restriction_share(d, level), d.dtype.type(1)
    nx, n_even, n_odd = coarse[NX], (coarse[NX] + 1) // 2, coarse[NX] // 2
    lo, hi = row_range(chunk, coarse)
    for i in range(lo, hi):
        zc, yc = i // coarse[NY], i % coarse[NY]
        row = rows[i * nx : (i + 1) * nx]
        for x in strip(nx):
            row[x] = 0
        for z in range(2 * zc, min(2 * zc + 2, level[NZ])):
            for y in range(2 * yc, min(2 * yc + 2, level[NY])):
                add_sinks(row, d, level, coef, periodic, z, y)
        across = row_coupling(coarse, coarse_coef, periodic, zc, yc)
        inner = across + coarse_coef[KX] + coarse_coef[KX]
        for x in strip(nx):
            row[x] = inner + share * row[x]
        barrier()
        if is_first():  # the voxels at both ends have other couplings than the rest
            row[0] += across + x_coupling(coarse, coarse_coef, periodic, 0) - inner
            if nx > 1:
                row[nx - 1] += across + x_coupling(coarse, coarse_coef, periodic, nx - 1) - inner
        barrier()
        even, odd = row_halves(coarse, zc, yc)
        first, second = d[even : even + n_even], d[odd : odd + n_odd]
        for k in strip(n_odd):
            first[k], second[k] = one / row[2 * k], one / row[2 * k + 1]
        if is_first() and n_even > n_odd:
            first[n_odd] = one / row[2 * n_odd]


@inline
def add_sinks(row, d, level, coef, periodic, z, y):
    """row += the sinks of the two children along x in one row of the fine level."""
    even, odd = row_halves(level, z, y)
    nx, n_odd, one = level[NX], level[NX] // 2, d.dtype.type(1)
    feed = coef[KZ] + coef[KZ] + coef[KY] + coef[KY] + coef[KX] + coef[KX]
    across = row_coupling(level, coef, periodic, z, y)
    inner = across + coef[KX] + coef[KX]
    first, second = d[even : even + (nx + 1) // 2], d[odd : odd + n_odd]
    for x in strip(n_odd):
        row[x] += fed_sink(first[x], inner, feed, one) + fed_sink(second[x], inner, feed, one)
    barrier()
    if is_first():
        if nx > 2 * n_odd:
            row[n_odd] += fed_sink(first[n_odd], inner, feed, one)
        for x in (0, nx - 1):
            inverse = second[x // 2] if x % 2 else first[x // 2]
            right = across + x_coupling(level, coef, periodic, x)
            row[x // 2] += fed_sink(inverse, right, feed, one)
            row[x // 2] -= fed_sink(inverse, inner, feed, one)
            if nx == 1:
                break
    barrier()


@inline
def fed_sink(inverse, coupling, feed, one):
    """feed s / (feed + s) of a sink s = 1 / inverse - coupling; `feed` where a voxel is fixed."""
    relative = max(one - coupling * inverse, one - one)
    return feed * relative / (feed * inverse + relative)


@kernel
def copy_ghosts(_chunk, e, level, periodic):
    """Copy the voxels at both ends of every periodic axis into the ghosts beyond the other end."""
    nz, ny, nx = level[NZ], level[NY], level[NX]
    for axis in range(3):
        n, rows, columns = nz, ny, nx
        if axis == 1:
            n, rows = ny, nz
        if axis == 2:
            n, rows, columns = nx, nz, ny
        if not periodic[axis] or n == 1:
            continue
        for i in strip(rows * columns):
            a, b = i // columns, i % columns
            for side in range(2):
                inner, ghost = (n - 1, -1) if side == 0 else (0, n)
                if axis == 0:
                    source, target = flat_index(level, inner, a, b), flat_index(level, ghost, a, b)
                elif axis == 1:
                    source, target = flat_index(level, a, inner, b), flat_index(level, a, ghost, b)
                else:
                    source, target = flat_index(level, a, b, inner), flat_index(level, a, b, ghost)
                e[level[RED + (target & 1)] + (target >> 1)] = e[
                    level[RED + (source & 1)] + (source >> 1)
                ]


@reduction(2)
def inner_products(chunk, partial, z, r, level):
    """The inner products r . z and z . z."""
    colour, lo, hi = colour_and_range(chunk, level)
    base = level[RED + colour]
    left, right = r[base + lo : base + hi], z[base + lo : base + hi]
    zero = z.dtype.type(0)
    partial[0, part(chunk)] = add_products(zero, left, right)
    partial[1, part(chunk)] = add_products(zero, right, right)


@kernel
def update_direction(chunk, p, beta, z, level):
    """p = z + beta p."""
    colour, lo, hi = colour_and_range(chunk, level)
    base = level[RED + colour]
    direction, new = p[base + lo : base + hi], z[base + lo : base + hi]
    for j in strip(hi - lo):
        direction[j] = new[j] + beta * direction[j]


@kernel
def update_residual(chunk, r, alpha, q, level):
    """r -= alpha q."""
    colour, lo, hi = colour_and_range(chunk, level)
    base = level[RED + colour]
    rest, product = r[base + lo : base + hi], q[base + lo : base + hi]
    for j in strip(hi - lo):
        rest[j] -= alpha * product[j]


@kernel
def update_solution(chunk, c, alpha, p, level):
    """c += alpha p, where c is an array (z, y, x)."""
    lo, hi = row_range(chunk, level)
    n_even, n_odd = (level[NX] + 1) // 2, level[NX] // 2
    for i in range(lo, hi):
        even, odd = row_halves(level, i // level[NY], i % level[NY])
        here, first, second = (
            c[i // level[NY], i % level[NY]],
            p[even : even + n_even],
            p[odd : odd + n_odd],
        )
        for k in strip(n_odd):
            here[2 * k] += alpha * first[k]
            here[2 * k + 1] += alpha * second[k]
        if is_first() and n_even > n_odd:
            here[2 * n_odd] += alpha * first[n_odd]


@reduction(1)
def load_combination(chunk, partial, r, a, x, b, y, level):
    """r = a x + b y, where x and y are arrays (z, y, x); returns sum r^2."""
    lo, hi = row_range(chunk, level)
    n_even, n_odd = (level[NX] + 1) // 2, level[NX] // 2
    total = 0.0
    for i in range(lo, hi):
        even, odd = row_halves(level, i // level[NY], i % level[NY])
        first, second = r[even : even + n_even], r[odd : odd + n_odd]
        left, right = x[i // level[NY], i % level[NY]], y[i // level[NY], i % level[NY]]
        for k in strip(n_odd):
            u = a * left[2 * k] + b * right[2 * k]
            v = a * left[2 * k + 1] + b * right[2 * k + 1]
            first[k], second[k] = u, v
        if is_first() and n_even > n_odd:
            first[n_odd] = a * left[2 * n_odd] + b * right[2 * n_odd]
        total = add_products(total, first, first)
        total = add_products(total, second, second)
    partial[0, part(chunk)] = total


@reduction(1)
def squared_norm(chunk, partial, c, level):
    """Sum c^2 of an array (z, y, x)."""
    lo, hi = row_range(chunk, level)
    total = 0.0
    for i in range(lo, hi):
        here = c[i // level[NY], i % level[NY]]
        total = add_products(total, here, here)
    partial[0, part(chunk)] = total


@kernel
def shift_diagonal(chunk, d, change, level):
    """Add `change` to the diagonal of the voxels that take part."""
    colour, lo, hi = colour_and_range(chunk, level)
    base = level[RED + colour]
    inverse, one = d[base + lo : base + hi], d.dtype.type(1)
    for j in strip(hi - lo):
        inverse[j] /= one + change * inverse[j]


@reduction(1)
def combine(chunk, partial, out, a, x, b, y, level):
    """out = a x + b y for arrays (z, y, x); returns sum out^2."""
    lo, hi = row_range(chunk, level)
    total = 0.0
    for i in range(lo, hi):
        left, right = x[i // level[NY], i % level[NY]], y[i // level[NY], i % level[NY]]
        mixed = out[i // level[NY], i % level[NY]]
        for k in strip(level[NX]):
            mixed[k] = a * left[k] + b * right[k]
        total = add_products(total, mixed, mixed)
    partial[0, part(chunk)] = total
