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

from typing import NamedTuple

import numpy as np
from numba import njit

from surrogates.disk_cache import cached
from surrogates.network.kernels.arithmetic import inner
from surrogates.network.kernels.unit import sigmoid
from surrogates.network.parameters import FACTORS, GROUPS, HIDDEN
from surrogates.training.drives import LANES, hidden, mix, weigh

_ONE, _ZERO = np.float32(1.0), np.float32(0.0)
_summing = njit(error_model="numpy", fastmath={"contract", "reassoc"})


class NodeTables(NamedTuple):
    """Who reads whom among the nodes."""

    parent: np.ndarray  # int32 (n_nodes, width), without -1: the last source is one
    gate: np.ndarray  # int32 (n_nodes, width)
    n_parents: np.ndarray  # int32 (n_nodes,)
    is_used: np.ndarray  # bool (n_nodes,), others only fall towards 0


class TileCourse(NamedTuple):
    """What the cells of a tile meet."""

    fixed: np.ndarray  # (n_segments, n_fixed, LANES), sources that are no nodes
    competence: np.ndarray  # (n_nodes, LANES)
    segment: np.ndarray  # int (n_sweeps,)
    pace: np.ndarray  # int (n_sweeps,), which gain
    gain: np.ndarray  # (n_paces, n_members, n_nodes)


class _Rows(NamedTuple):
    """Work space."""

    x: np.ndarray  # (n_nodes + n_fixed, LANES), sources
    z: np.ndarray  # (widest, LANES), effective parents
    f: np.ndarray  # (HIDDEN, LANES), sigmoids
    slope: np.ndarray  # (HIDDEN, LANES)
    value: np.ndarray  # (LANES,), F or dL/dF
    delta: np.ndarray  # (LANES,)
    d_z: np.ndarray  # (widest, LANES), dL/dz


@cached(error_model="numpy", nogil=True)
def roll_tile(units, tables, course, states):
    """Fill `states` (n_sweeps + 1, n_nodes, LANES), whose first entry is given."""
    n_nodes, gain = states.shape[1], course.gain
    rows = _allocate(n_nodes, course, tables)
    x, f, value = rows.x, rows.f, rows.value
    _copy(states[0], x, 0)
    for sweep in range(course.segment.size):
        _copy(course.fixed[course.segment[sweep]], x, n_nodes)
        for node in range(n_nodes):
            loss, drive = _ZERO, states[sweep + 1, node]
            _clear(drive)
            width = _multiply_gates(node, tables, x, rows.z)
            for m in range(gain.shape[1]):
                g = gain[course.pace[sweep], m, node]
                loss += g
                if tables.is_used[node]:
                    weigh(rows.z, width, units.weight[m, node], units.bias[m, node], f)
                    _saturate(f)
                    mix(f, units.share[m, node], value)
                    _add(drive, g, value)
            for j in range(LANES):
                x[node, j] += course.competence[node, j] * drive[j] - loss * x[node, j]
                drive[j] = x[node, j]


@cached(error_model="numpy", nogil=True)
def pull_tile(units, tables, course, states, reads, pull, gradients):
    """Add the gradient of a loss to `gradients`; `pull` is dL/dstate at the reads.

    `reads` (n_reads,) are rising numbers of sweeps done, `pull` (n_reads, n_nodes, LANES).
    """
    n_nodes = states.shape[1]
    rows = _allocate(n_nodes, course, tables)
    adjoint = np.zeros((n_nodes, LANES), np.float32)
    read = reads.size - 1
    for sweep in range(course.segment.size - 1, -1, -1):
        if read >= 0 and reads[read] == sweep + 1:
            for node in range(n_nodes):
                _add(adjoint[node], _ONE, pull[read, node])
            read -= 1
        _copy(states[sweep + 1], rows.x, 0)
        _copy(course.fixed[course.segment[sweep]], rows.x, n_nodes)
        for node in range(n_nodes - 1, -1, -1):
            _copy(states[sweep, node : node + 1], rows.x, node)
            gain = course.gain[course.pace[sweep], :, node]
            _pull_node(node, gain, units, tables, course.competence[node], rows, adjoint, gradients)


@inner
def _pull_node(node, gain, units, tables, competence, rows, adjoint, gradients):  # noqa: PLR0913
    """Take one update of one node back."""
    loss, row = _ZERO, adjoint[node]
    width = _multiply_gates(node, tables, rows.x, rows.z)
    for k in range(width):
        _clear(rows.d_z[k])
    for m in range(gain.size):
        g = gain[m]
        loss += g
        if tables.is_used[node]:
            for j in range(LANES):
                rows.value[j] = g * competence[j] * row[j]
            _pull_member(m, node, width, units, rows, gradients)
    for j in range(LANES):
        row[j] *= _ONE - loss
    if tables.is_used[node]:
        _pull_sources(node, width, tables, rows.x, rows.d_z, adjoint)


@inner
def _copy(rows, x, first):
    for k in range(rows.shape[0]):
        source, target = rows[k], x[first + k]
        for j in range(LANES):
            target[j] = source[j]


@inner
def _clear(row):
    for j in range(LANES):
        row[j] = _ZERO


@inner
def _allocate(n_nodes, course, tables):
    widest = tables.parent.shape[1]
    return _Rows(
        np.empty((n_nodes + course.fixed.shape[1], LANES), np.float32),
        np.empty((widest, LANES), np.float32),
        np.empty((HIDDEN, LANES), np.float32),
        np.empty((HIDDEN, LANES), np.float32),
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float32),
        np.empty((widest, LANES), np.float32),
    )


@inner
def _multiply_gates(node, tables, x, z):
    """Effective parents of a node in the first rows of `z`; returns how many."""
    for k in range(tables.n_parents[node]):
        source, opened, product = x[tables.parent[node, k]], x[tables.gate[node, k]], z[k]
        for j in range(LANES):
            product[j] = source[j] * opened[j]
    return tables.n_parents[node]


@inner
def _saturate(y):
    """Arguments to sigmoids, in place."""
    for h in range(HIDDEN):
        row = y[h]
        for j in range(LANES):
            row[j] = sigmoid(row[j])


@inner
def _add(row, factor, other):
    for j in range(LANES):
        row[j] += factor * other[j]


@inner
def _pull_member(m, node, width, units, rows, gradients):
    """Gradients of one unit and member from dL/dF in `rows.value`."""
    f, force, delta, z = rows.f, rows.value, rows.delta, rows.z
    w, share = units.weight[m, node], units.share[m, node]
    d_weight, d_bias = gradients.weight[m, node], gradients.bias[m, node]
    hidden(z, width, w, units.bias[m, node], f, rows.slope)
    for g in range(GROUPS):
        base, part = g * FACTORS, share[g]
        a, b, c = f[base], f[base + 1], f[base + 2]
        for j in range(LANES):
            delta[j] = a[j] * b[j] * c[j]
        gradients.share[m, node, g] += _dot(force, delta)
        for k in range(FACTORS):
            h = base + k
            one, two = f[base + (k + 1) % FACTORS], f[base + (k + 2) % FACTORS]
            slope = rows.slope[h]
            for j in range(LANES):
                delta[j] = force[j] * part * one[j] * two[j] * slope[j]
            d_bias[h] += _sum(delta)
            for p in range(width):
                d_weight[p, h] += _dot(delta, z[p])
                _add(rows.d_z[p], w[p, h], delta)


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


@inner
def _pull_sources(node, width, tables, x, d_z, adjoint):
    """Gradients of effective parents to the nodes among their sources and gates."""
    n_nodes = adjoint.shape[0]
    for k in range(width):
        source, opened, row = tables.parent[node, k], tables.gate[node, k], d_z[k]
        if source < n_nodes:
            for j in range(LANES):
                adjoint[source, j] += row[j] * x[opened, j]
        if opened < n_nodes:
            for j in range(LANES):
                adjoint[opened, j] += row[j] * x[source, j]


__all__ = ["LANES", "NodeTables", "TileCourse", "pull_tile", "roll_tile"]
