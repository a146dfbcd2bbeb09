"""Drives of the units of the network over a tile: sums of products of rational sigmoids.

A unit's terms add to rows of `out`, the same number of terms to each: one row for a node (all
members together), one per member for a head. `c` (n_terms, FACTORS (1 + n_parents)) holds the
biases of a term's factors, then the weights of each parent; `share` (n_terms,) is 1/8 of the
term's part in the mix. Whatever their number, parents are summed in order from the bias on: a
parent that is zero may be left out without changing a bit.
"""

from surrogates.network.kernels.arithmetic import fma, inner
from surrogates.network.kernels.unit import scaled_product
from surrogates.network.parameters import FACTORS

WIDEST = 5  # parents that are summed in registers
BLOCK = 3  # of more parents, this many are added at a time; unused places have weight 0


@inner
def add_drive(unit, product, parents, terms, x, argument, out):
    """Add terms of one unit to `out`, with its gated parents as they are now.

    `x`: sources, `product`: which of them their last rows multiply; `argument`: work space of three
    rows.
    """
    n, width = terms.share.size, FACTORS * (1 + parents.n_live[unit])
    first = parents.start[unit] + terms.first * width
    parent = parents.row[unit, : parents.n_live[unit]]
    _multiply_gates(product, parent, x)
    c = parents.factor[first : first + n * width].reshape(n, width)
    _add_terms(x, parent, c, terms.share, argument, out)


@inner
def _multiply_gates(product, parents, x):
    """Rows of those parents that are gated: their source times their gate."""
    first = x.shape[0] - product.shape[0]
    for parent in parents:
        if parent >= first:
            row = x[parent]
            source, gate = x[product[parent - first, 0]], x[product[parent - first, 1]]
            for j in range(row.size):
                row[j] = source[j] * gate[j]


@inner
def _add_terms(x, parent, c, share, y, out):
    """Add the terms of one unit with parents x[parent] to `out`; `y` is work space of 3 rows."""
    if parent.size == 1:
        _one_parent(x[parent[0]], c, share, out)
    elif parent.size == 2:
        _two_parents(x[parent[0]], x[parent[1]], c, share, out)
    elif parent.size == 3:
        _three_parents(x[parent[0]], x[parent[1]], x[parent[2]], c, share, out)
    elif parent.size == 4:
        _four_parents((x[parent[0]], x[parent[1]], x[parent[2]], x[parent[3]]), c, share, out)
    elif parent.size == 5:
        _five_parents(
            (x[parent[0]], x[parent[1]], x[parent[2]], x[parent[3]], x[parent[4]]), c, share, out
        )
    else:
        _many_parents(x, parent, c, share, y, out)


@inner
def _one_parent(p, c, share, out):
    n_terms = share.size // out.shape[0]
    for m in range(out.shape[0]):
        row = out[m]
        for t in range(m * n_terms, (m + 1) * n_terms):
            b0, b1, b2, p0, p1, p2 = c[t, 0], c[t, 1], c[t, 2], c[t, 3], c[t, 4], c[t, 5]
            s = share[t]
            for j in range(row.size):
                row[j] = fma(
                    s,
                    scaled_product(fma(p0, p[j], b0), fma(p1, p[j], b1), fma(p2, p[j], b2)),
                    row[j],
                )


@inner
def _two_parents(p, q, c, share, out):
    n_terms = share.size // out.shape[0]
    for m in range(out.shape[0]):
        row = out[m]
        for t in range(m * n_terms, (m + 1) * n_terms):
            b0, b1, b2, p0, p1, p2 = c[t, 0], c[t, 1], c[t, 2], c[t, 3], c[t, 4], c[t, 5]
            q0, q1, q2, s = c[t, 6], c[t, 7], c[t, 8], share[t]
            for j in range(row.size):
                row[j] = fma(
                    s,
                    scaled_product(
                        fma(q0, q[j], fma(p0, p[j], b0)),
                        fma(q1, q[j], fma(p1, p[j], b1)),
                        fma(q2, q[j], fma(p2, p[j], b2)),
                    ),
                    row[j],
                )


@inner
def _three_parents(p, q, r, c, share, out):
    n_terms = share.size // out.shape[0]
    for m in range(out.shape[0]):
        row = out[m]
        for t in range(m * n_terms, (m + 1) * n_terms):
            b0, b1, b2, p0, p1, p2 = c[t, 0], c[t, 1], c[t, 2], c[t, 3], c[t, 4], c[t, 5]
            q0, q1, q2, r0, r1, r2 = c[t, 6], c[t, 7], c[t, 8], c[t, 9], c[t, 10], c[t, 11]
            s = share[t]
            for j in range(row.size):
                row[j] = fma(
                    s,
                    scaled_product(
                        fma(r0, r[j], fma(q0, q[j], fma(p0, p[j], b0))),
                        fma(r1, r[j], fma(q1, q[j], fma(p1, p[j], b1))),
                        fma(r2, r[j], fma(q2, q[j], fma(p2, p[j], b2))),
                    ),
                    row[j],
                )


@inner
def _four_parents(rows, c, share, out):
    p, q, r, u = rows
    n_terms = share.size // out.shape[0]
    for m in range(out.shape[0]):
        row = out[m]
        for t in range(m * n_terms, (m + 1) * n_terms):
            b0, b1, b2, p0, p1, p2 = c[t, 0], c[t, 1], c[t, 2], c[t, 3], c[t, 4], c[t, 5]
            q0, q1, q2, r0, r1, r2 = c[t, 6], c[t, 7], c[t, 8], c[t, 9], c[t, 10], c[t, 11]
            u0, u1, u2, s = c[t, 12], c[t, 13], c[t, 14], share[t]
            for j in range(row.size):
                row[j] = fma(
                    s,
                    scaled_product(
                        fma(u0, u[j], fma(r0, r[j], fma(q0, q[j], fma(p0, p[j], b0)))),
                        fma(u1, u[j], fma(r1, r[j], fma(q1, q[j], fma(p1, p[j], b1)))),
                        fma(u2, u[j], fma(r2, r[j], fma(q2, q[j], fma(p2, p[j], b2)))),
                    ),
                    row[j],
                )


@inner
def _five_parents(rows, c, share, out):
    p, q, r, u, v = rows
    n_terms = share.size // out.shape[0]
    for m in range(out.shape[0]):
        row = out[m]
        for t in range(m * n_terms, (m + 1) * n_terms):
            b0, b1, b2, p0, p1, p2 = c[t, 0], c[t, 1], c[t, 2], c[t, 3], c[t, 4], c[t, 5]
            q0, q1, q2, r0, r1, r2 = c[t, 6], c[t, 7], c[t, 8], c[t, 9], c[t, 10], c[t, 11]
            u0, u1, u2, v0, v1, v2 = c[t, 12], c[t, 13], c[t, 14], c[t, 15], c[t, 16], c[t, 17]
            s = share[t]
            for j in range(row.size):
                row[j] = fma(
                    s,
                    scaled_product(
                        fma(
                            v0, v[j], fma(u0, u[j], fma(r0, r[j], fma(q0, q[j], fma(p0, p[j], b0))))
                        ),
                        fma(
                            v1, v[j], fma(u1, u[j], fma(r1, r[j], fma(q1, q[j], fma(p1, p[j], b1))))
                        ),
                        fma(
                            v2, v[j], fma(u2, u[j], fma(r2, r[j], fma(q2, q[j], fma(p2, p[j], b2))))
                        ),
                    ),
                    row[j],
                )


@inner
def _many_parents(x, parent, c, share, y, out):
    y0, y1, y2 = y[0], y[1], y[2]
    n_terms = share.size // out.shape[0]
    for m in range(out.shape[0]):
        row = out[m]
        for t in range(m * n_terms, (m + 1) * n_terms):
            _first_block(x[parent[0]], x[parent[1]], x[parent[2]], c, t, (y0, y1, y2))
            for k in range(BLOCK, parent.size, BLOCK):
                rows = (x[parent[k]], x[parent[k + 1]], x[parent[k + 2]])
                _next_block(rows, c, t, FACTORS * (k + 1), (y0, y1, y2))
            s = share[t]
            for j in range(row.size):
                row[j] = fma(s, scaled_product(y0[j], y1[j], y2[j]), row[j])


@inner
def _first_block(p, q, r, c, t, y):
    y0, y1, y2 = y
    b0, b1, b2, p0, p1, p2 = c[t, 0], c[t, 1], c[t, 2], c[t, 3], c[t, 4], c[t, 5]
    q0, q1, q2, r0, r1, r2 = c[t, 6], c[t, 7], c[t, 8], c[t, 9], c[t, 10], c[t, 11]
    for j in range(p.size):
        y0[j] = fma(r0, r[j], fma(q0, q[j], fma(p0, p[j], b0)))
        y1[j] = fma(r1, r[j], fma(q1, q[j], fma(p1, p[j], b1)))
        y2[j] = fma(r2, r[j], fma(q2, q[j], fma(p2, p[j], b2)))


@inner
def _next_block(rows, c, t, k, y):
    p, q, r = rows
    y0, y1, y2 = y
    p0, p1, p2, q0, q1 = c[t, k], c[t, k + 1], c[t, k + 2], c[t, k + 3], c[t, k + 4]
    q2, r0, r1, r2 = c[t, k + 5], c[t, k + 6], c[t, k + 7], c[t, k + 8]
    for j in range(p.size):
        y0[j] = fma(r0, r[j], fma(q0, q[j], fma(p0, p[j], y0[j])))
        y1[j] = fma(r1, r[j], fma(q1, q[j], fma(p1, p[j], y1[j])))
        y2[j] = fma(r2, r[j], fma(q2, q[j], fma(p2, p[j], y2[j])))


@inner
def add_rows(rows, chosen, weights, out):
    """Add the chosen rows to `out`, each times its weight, in their order; four in one pass."""
    n = chosen.size - chosen.size % 4
    for k in range(0, n, 4):
        a, b, c, d = (
            rows[chosen[k]],
            rows[chosen[k + 1]],
            rows[chosen[k + 2]],
            rows[chosen[k + 3]],
        )
        wa, wb, wc, wd = (
            weights[chosen[k]],
            weights[chosen[k + 1]],
            weights[chosen[k + 2]],
            weights[chosen[k + 3]],
        )
        for j in range(out.size):
            out[j] = fma(wd, d[j], fma(wc, c[j], fma(wb, b[j], fma(wa, a[j], out[j]))))
    for k in chosen[n:]:
        row, weight = rows[k], weights[k]
        for j in range(out.size):
            out[j] = fma(weight, row[j], out[j])


@inner
def fill(row, value):
    """One value into all lanes."""
    for j in range(row.size):
        row[j] = value
