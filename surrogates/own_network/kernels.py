"""Find steady states of a network of monotone units, and the gradient of a loss through them.

The equations of a unit are those of `parameters`. At the steady state h = F(h, x), so that the
gradient of a loss L(h) needs no record of how it was reached (implicit differentiation):

    lambda = dL/dh + J^T lambda,   J = dF/dh,   dL/dw = lambda . dF/dw

Both equations are solved by sweeps that use each unit's new value at once (Gauss-Seidel), forwards
along the scaffold for h and backwards for lambda; both may start from the last solution. Values of
one source stand side by side, condition by condition, so that sums run over conditions.
"""

from typing import NamedTuple

import numpy as np

from surrogates.disk_cache import cached
from surrogates.network.kernels.unit import sigmoid, sigmoid_slope

_ONE = np.float32(1.0)
_inner = cached(error_model="numpy")
_sum = cached(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


class Edges(NamedTuple):
    """Edges by target, int32."""

    start: np.ndarray  # (n_units + 1,)
    parent: np.ndarray  # (n_edges,)
    gate: np.ndarray  # (n_edges,)


class Children(NamedTuple):
    """Edges that a source takes part in, as parent or gate, by source; int32."""

    start: np.ndarray  # (n_sources + 1,)
    edge: np.ndarray
    factor: np.ndarray  # the source that multiplies it there


class Scaffold(NamedTuple):
    """Who reads whom."""

    order: np.ndarray  # int32, units in the order of a sweep
    edges: Edges
    children: Children
    target: np.ndarray  # int32 (n_edges,)


class Search(NamedTuple):
    """A search ends with a sweep that changes no value by more, or after so many."""

    tolerance: float
    max_sweeps: int


class _Slopes(NamedTuple):
    """What the gradient goes through, a row per condition."""

    drive: np.ndarray  # dF / dy (n_units, hidden, n_rows)
    loss: np.ndarray  # dL / dy (n_units, hidden, n_rows)
    share: np.ndarray  # dF / dshare (n_units, groups, n_rows)


@_inner
def relax(x, scaffold, units, search):
    """Move the units to their steady state, in place.

    Args:
        x: sources (n_sources + 1, n_rows) float32: units, what is given, and a last row of ones.
        scaffold: who reads whom.
        units: weight (n_edges, hidden), bias (n_units, hidden), share (n_units, groups).
        search: when to stop.

    Returns:
        Largest change of the last sweep, and how many sweeps there were.
    """
    n_rows, hidden = x.shape[1], units.bias.shape[1]
    f, value = np.empty((hidden, n_rows), np.float32), np.empty(n_rows, np.float32)
    change, n_sweeps = np.float32(np.inf), 0
    while n_sweeps < search.max_sweeps and change > search.tolerance:
        change = np.float32(0.0)
        for unit in scaffold.order:
            _sum_parents(unit, x, scaffold.edges, units, f)
            _saturate(f)
            _mix(f, units.share[unit], value)
            row = x[unit]
            change = max(change, _largest(value, row))
            row[:] = value
        n_sweeps += 1
    return change, n_sweeps


@_inner
def adjoint(x, scaffold, units, pull, search, multiplier):
    """Solve lambda = pull + J^T lambda in place and return the gradients.

    Args:
        x: sources at the steady state, as in `relax`.
        scaffold: who reads whom.
        units: as in `relax`.
        pull: dL/dh (n_units, n_rows).
        search: for `multiplier`, relative to its largest value.
        multiplier: lambda (n_units, n_rows), a first guess; overwritten.

    Returns:
        Gradients of weight, bias, share and what is given (n_sources - n_units, n_rows), and the
        largest relative change of the last sweep.
    """
    slopes = _find_slopes(x, scaffold.edges, units, multiplier)
    change = _solve_adjoint(x, scaffold, units.weight, slopes, pull, search, multiplier)
    d_weight, d_bias, d_share = _gradients(x, scaffold.edges, units, slopes, multiplier)
    n_units = scaffold.edges.start.size - 1
    n_given, n_rows = scaffold.children.start.size - 1 - n_units, x.shape[1]
    d_given, part = np.zeros((n_given, n_rows), np.float32), np.empty(n_rows, np.float32)
    for k in range(n_given):
        _add_from_children(n_units + k, x, scaffold, units.weight, slopes.loss, part, d_given[k])
    return d_weight, d_bias, d_share, d_given, change


@_inner
def _find_slopes(x, edges, units, multiplier):
    n_units, hidden = units.bias.shape
    groups, n_rows = units.share.shape[1], x.shape[1]
    drive = np.empty((n_units, hidden, n_rows), np.float32)
    loss = np.empty((n_units, hidden, n_rows), np.float32)
    share = np.empty((n_units, groups, n_rows), np.float32)
    f = np.empty((hidden, n_rows), np.float32)
    for unit in range(n_units):
        _sum_parents(unit, x, edges, units, f)
        _slope(f, drive[unit])
        _saturate(f)
        _slope_of_mix(f, units.share[unit], drive[unit], share[unit])
        for k in range(hidden):
            for j in range(n_rows):
                loss[unit, k, j] = multiplier[unit, j] * drive[unit, k, j]
    return _Slopes(drive, loss, share)


@_inner
def _solve_adjoint(x, scaffold, weight, slopes, pull, search, multiplier):
    hidden, n_rows = weight.shape[1], x.shape[1]
    value, part = np.empty(n_rows, np.float32), np.empty(n_rows, np.float32)
    nothing = np.zeros(n_rows, np.float32)
    change, n_sweeps = np.float32(np.inf), 0
    while n_sweeps < search.max_sweeps and change > search.tolerance:
        change, largest = np.float32(0.0), np.float32(1e-30)
        for unit in scaffold.order[::-1]:
            value[:] = pull[unit]
            _add_from_children(unit, x, scaffold, weight, slopes.loss, part, value)
            row = multiplier[unit]
            change = max(change, _largest(value, row))
            largest = max(largest, _largest(value, nothing))
            row[:] = value
            for k in range(hidden):
                for j in range(n_rows):
                    slopes.loss[unit, k, j] = value[j] * slopes.drive[unit, k, j]
        change /= largest
        n_sweeps += 1
    return change


@_inner
def _add_from_children(source, x, scaffold, weight, slope, part, value):
    """Add to `value` what a source changes through the edges that it takes part in."""
    children = scaffold.children
    for c in range(children.start[source], children.start[source + 1]):
        e = children.edge[c]
        factor, target = x[children.factor[c]], scaffold.target[e]
        part[:] = np.float32(0.0)
        for k in range(weight.shape[1]):
            strength, row = weight[e, k], slope[target, k]
            for j in range(value.size):
                part[j] += strength * row[j]
        for j in range(value.size):
            value[j] += part[j] * factor[j]


@_inner
def _gradients(x, edges, units, slopes, multiplier):
    """Gradients of weight, bias and share."""
    d_weight, d_bias = np.empty_like(units.weight), np.empty_like(units.bias)
    d_share, ones = np.empty_like(units.share), x[x.shape[0] - 1]
    for unit in range(d_bias.shape[0]):
        for g in range(d_share.shape[1]):
            d_share[unit, g] = _product_sum(multiplier[unit], slopes.share[unit, g], ones)
        for k in range(d_bias.shape[1]):
            d_bias[unit, k] = _product_sum(slopes.loss[unit, k], ones, ones)
        for e in range(edges.start[unit], edges.start[unit + 1]):
            source, gate = x[edges.parent[e]], x[edges.gate[e]]
            for k in range(d_bias.shape[1]):
                d_weight[e, k] = _product_sum(slopes.loss[unit, k], source, gate)
    return d_weight, d_bias, d_share


@_sum
def _product_sum(a, b, c):
    total = np.float32(0.0)
    for j in range(a.size):
        total += a[j] * b[j] * c[j]
    return total


@_sum
def _largest(values, others):
    """Largest |value - other|."""
    most = np.float32(0.0)
    for j in range(values.size):
        distance = abs(values[j] - others[j])
        most = distance if distance > most else most
    return most


@_inner
def _sum_parents(unit, x, edges, units, y):
    """Arguments of a unit's sigmoids, (hidden, n_rows)."""
    for k in range(y.shape[0]):
        row, start = y[k], units.bias[unit, k]
        for j in range(row.size):
            row[j] = start
        for e in range(edges.start[unit], edges.start[unit + 1]):
            source, gate, strength = x[edges.parent[e]], x[edges.gate[e]], units.weight[e, k]
            for j in range(row.size):
                row[j] += strength * source[j] * gate[j]


@_inner
def _saturate(y):
    """Arguments to sigmoids, in place."""
    for k in range(y.shape[0]):
        row = y[k]
        for j in range(row.size):
            row[j] = sigmoid(row[j])


@_inner
def _slope(y, out):
    """Slopes of the sigmoids at their arguments."""
    for k in range(y.shape[0]):
        row, slope = y[k], out[k]
        for j in range(row.size):
            slope[j] = sigmoid_slope(row[j])


@_inner
def _mix(f, share, value):
    """F of a unit: shares of products of its sigmoids."""
    factors = f.shape[0] // share.size
    value[:] = np.float32(0.0)
    for g in range(share.size):
        part = share[g]
        for j in range(value.size):
            term = part
            for k in range(factors):
                term *= f[g * factors + k, j]
            value[j] += term


@_inner
def _slope_of_mix(f, share, slope, terms):
    """Turn slopes of sigmoids into slopes of F; `terms` become the products."""
    n_rows, factors = f.shape[1], f.shape[0] // share.size
    for g in range(share.size):
        base, part = g * factors, share[g]
        for j in range(n_rows):
            term = _ONE
            for k in range(base, base + factors):
                term *= f[k, j]
            terms[g, j] = term
        for k in range(base, base + factors):
            for j in range(n_rows):
                others = part
                for other in range(base, base + factors):
                    if other != k:
                        others *= f[other, j]
                slope[k, j] *= others
