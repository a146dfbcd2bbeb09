"""Free rollouts of the ensemble over tiles of cells, and their adjoint: the kernels of `rollout`.

A sweep updates node i from the newest values x of its parents, all members on one state,

    h_i <- competence_i sum_m g_mi F_mi(x) + (1 - sum_m g_mi) h_i,   g_mi = (1 - e_mi) / n_members

and the adjoint goes through the same updates backwards: from dL/dh_i after the update come

    dL/dF_mi = competence_i g_mi dL/dh_i,    dL/dh_i before it = (1 - sum_m g_mi) dL/dh_i,

and through F the gradients of the weights and of every parent, which is the value after the sweep
for nodes further up in the table and the value before it for the others. Forward values are kept,
what lies between is worked out again. Recording these operations one by one in torch gives the same
numbers (a test compares them) about a hundred times slower.
"""

import numpy as np
from numba import njit

from surrogates.network.parameters import FACTORS, GROUPS, HIDDEN
from surrogates.training.drives import LANES, hidden, mix

_summing = njit(
    error_model="numpy",
    fastmath={"contract", "reassoc"},
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)
_HALF, _ONE, _ZERO = np.float32(0.5), np.float32(1.0), np.float32(0.0)
_inner = njit(
    error_model="numpy", fastmath={"contract"}, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@njit(error_model="numpy", cache=True, nogil=True)
def roll_tile(acting, tables, course, states):
    """Fill `states` (n_sweeps + 1, n_nodes, LANES), whose first entry is given.

    `acting`: weight, bias, share as in `gradient.drive_loss`; `tables`: parent, gate, n_parents,
    used (bool per node); `course`: fixed sources (n_segments, n_fixed, LANES), competence
    (n_nodes, LANES), segment and pace of every sweep (n_sweeps,), gain (n_paces, n_members,
    n_nodes).
    """
    fixed, competence, segment, pace, gain = course
    n_nodes, n_members = states.shape[1], gain.shape[1]
    x, z, f, _ = _room(n_nodes, fixed.shape[1], tables[0].shape[1])
    value = np.empty(LANES, np.float32)
    _copy(states[0], x, 0)
    for sweep in range(segment.size):
        _copy(fixed[segment[sweep]], x, n_nodes)
        for node in range(n_nodes):
            loss, drive = _ZERO, states[sweep + 1, node]
            _clear(drive)
            width = _parents(node, tables, x, z)
            for m in range(n_members):
                g = gain[pace[sweep], m, node]
                loss += g
                if tables[3][node]:
                    _sigmoids(z, width, acting[0][m, node], acting[1][m, node], f)
                    mix(f, acting[2][m, node], value)
                    _add(drive, g, value)
            for j in range(LANES):
                x[node, j] += competence[node, j] * drive[j] - loss * x[node, j]
                drive[j] = x[node, j]


@njit(error_model="numpy", cache=True, nogil=True)
def pull_tile(acting, tables, course, states, reads, pull, d_acting):
    """Add the gradient of a loss to `d_acting`; `pull` is dL/dstate at the reads.

    `reads` (n_reads,) are rising numbers of sweeps done, `pull` (n_reads, n_nodes, LANES).
    """
    fixed, competence, segment, pace, gain = course
    n_nodes, n_members = states.shape[1], gain.shape[1]
    x, z, f, slope = _room(n_nodes, fixed.shape[1], tables[0].shape[1])
    adjoint, d_z = np.zeros((n_nodes, LANES), np.float32), np.empty_like(z)
    force, delta = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    read = reads.size - 1
    for sweep in range(segment.size - 1, -1, -1):
        if read >= 0 and reads[read] == sweep + 1:
            for node in range(n_nodes):
                _add(adjoint[node], _ONE, pull[read, node])
            read -= 1
        _copy(states[sweep + 1], x, 0)
        _copy(fixed[segment[sweep]], x, n_nodes)
        for node in range(n_nodes - 1, -1, -1):
            _copy(states[sweep, node : node + 1], x, node)
            loss = _ZERO
            width = _parents(node, tables, x, z)
            for k in range(width):
                _clear(d_z[k])
            for m in range(n_members):
                g = gain[pace[sweep], m, node]
                loss += g
                if tables[3][node]:
                    for j in range(LANES):
                        force[j] = g * competence[node, j] * adjoint[node, j]
                    w, share = acting[0][m, node], acting[2][m, node]
                    hidden(z, width, w, acting[1][m, node], f, slope)
                    _back(
                        z,
                        width,
                        w,
                        share,
                        (f, slope, force, delta),
                        d_z,
                        (d_acting[0][m, node], d_acting[1][m, node], d_acting[2][m, node]),
                    )
            for j in range(LANES):
                adjoint[node, j] *= _ONE - loss
            if tables[3][node]:
                _hand_on(node, width, tables, x, d_z, adjoint)


@_inner
def _copy(rows, x, first):
    for k in range(rows.shape[0]):
        source, target = rows[k], x[first + k]
        for j in range(LANES):
            target[j] = source[j]


@_inner
def _clear(row):
    for j in range(LANES):
        row[j] = _ZERO


@_inner
def _room(n_nodes, n_fixed, widest):
    """Work space: sources, products of parents and gates, sigmoids, slopes."""
    return (
        np.empty((n_nodes + n_fixed, LANES), np.float32),
        np.empty((widest, LANES), np.float32),
        np.empty((HIDDEN, LANES), np.float32),
        np.empty((HIDDEN, LANES), np.float32),
    )


@_inner
def _parents(node, tables, x, z):
    """Effective parents of a node in the first rows of `z`; returns how many."""
    parent, gate, n_parents, _ = tables
    for k in range(n_parents[node]):
        source, opened, product = x[parent[node, k]], x[gate[node, k]], z[k]
        for j in range(LANES):
            product[j] = source[j] * opened[j]
    return n_parents[node]


@_inner
def _sigmoids(z, width, w, b, f):
    for h in range(HIDDEN):
        y = f[h]
        _weigh(z, width, w, b, h, y)
        for j in range(LANES):
            v = y[j] * (_ONE + abs(y[j]))
            y[j] = _HALF + _HALF * v / (_ONE + abs(v))


@_inner
def _weigh(z, width, w, b, h, y):
    start = b[h]
    for j in range(LANES):
        y[j] = start
    for k in range(width):
        row, strength = z[k], w[k, h]
        for j in range(LANES):
            y[j] += strength * row[j]


@_inner
def _add(row, factor, other):
    for j in range(LANES):
        row[j] += factor * other[j]


@_inner
def _back(z, width, w, share, values, d_z, d_acting):
    """Gradients of one unit and member from `force`, dL/dF."""
    f, slope, force, delta = values
    for g in range(GROUPS):
        base, part = g * FACTORS, share[g]
        a, b, c = f[base], f[base + 1], f[base + 2]
        for j in range(LANES):
            delta[j] = a[j] * b[j] * c[j]
        d_acting[2][g] += _dot(force, delta)
        for k in range(FACTORS):
            h = base + k
            one, two, s = f[base + (k + 1) % FACTORS], f[base + (k + 2) % FACTORS], slope[h]
            for j in range(LANES):
                delta[j] = force[j] * part * one[j] * two[j] * s[j]
            d_acting[1][h] += _sum(delta)
            for p in range(width):
                d_acting[0][p, h] += _dot(delta, z[p])
                _add(d_z[p], w[p, h], delta)


@_summing
def _dot(a, b):
    total = _ZERO
    for j in range(LANES):
        total += a[j] * b[j]
    return total


@_summing
def _sum(a):
    total = _ZERO
    for j in range(LANES):
        total += a[j]
    return total


@_inner
def _hand_on(node, width, tables, x, d_z, adjoint):
    """Gradients of effective parents to the nodes among their sources and gates."""
    n_nodes = adjoint.shape[0]
    for k in range(width):
        source, opened, row = tables[0][node, k], tables[1][node, k], d_z[k]
        if source < n_nodes:
            for j in range(LANES):
                adjoint[source, j] += row[j] * x[opened, j]
        if opened < n_nodes:
            for j in range(LANES):
                adjoint[opened, j] += row[j] * x[source, j]


__all__ = ["LANES", "pull_tile", "roll_tile"]
