"""Find steady states of a network of monotone units, and the gradient of a loss through them.

The equations of a unit are those of `parameters`. At the steady state h = F(h, x), so that the
gradient of a loss L(h) needs no record of how it was reached (implicit differentiation):

    lambda = dL/dh + J^T lambda,   J = dF/dh,   dL/dw = lambda . dF/dw

Both equations are solved by sweeps that use each unit's new value at once (Gauss-Seidel), forwards
along the scaffold for h and backwards for lambda; both may start from the last solution. Values of
one source stand side by side, condition by condition, so that sums run over conditions.
"""

import numpy as np
from numba import njit

_HALF, _ONE = np.float32(0.5), np.float32(1.0)
_inner = njit(error_model="numpy", cache=True)
_sum = njit(error_model="numpy", cache=True, fastmath={"reassoc", "contract", "nsz"})


@_inner
def relax(x, order, wiring, weight, bias, share, tolerance, max_sweeps):  # noqa: D417, PLR0913
    """Move the units to their steady state, in place.

    Args:
        x: sources (n_sources + 1, n_rows) float32: units, what is given, and a last row of ones.
        order: units in the order of the sweep, int32.
        wiring: start (n_units + 1,), parent and gate (n_edges,) int32: edges by target.
        weight: signed (n_edges, hidden); bias: (n_units, hidden); share: (n_units, groups).
        tolerance: a sweep that changes no value by more ends the search.
        max_sweeps: the search ends after so many.

    Returns:
        Largest change of the last sweep, and how many sweeps there were.
    """
    n_rows, hidden, groups = x.shape[1], bias.shape[1], share.shape[1]
    f, slope = np.empty((hidden, n_rows), np.float32), np.empty((hidden, n_rows), np.float32)
    value = np.empty(n_rows, np.float32)
    change, n_sweeps = np.float32(np.inf), 0
    while n_sweeps < max_sweeps and change > tolerance:
        change = np.float32(0.0)
        for unit in order:
            _hidden(unit, x, wiring, weight, bias, f, slope)
            _mix(f, share[unit], groups, value)
            row = x[unit]
            change = max(change, _largest(value, row))
            row[:] = value
        n_sweeps += 1
    return change, n_sweeps


@_inner
def adjoint(  # noqa: D417, PLR0913
    x,
    order,
    wiring,
    children,
    weight,
    bias,
    share,
    pull,
    tolerance,
    max_sweeps,
    multiplier,
):
    """Solve lambda = pull + J^T lambda in place and return the gradients.

    Args:
        x, order, wiring, weight, bias, share: as in `relax`, at the steady state.
        children: start (n_sources + 1,), edge and factor int32: the edges that a source takes part
            in, as parent or gate, and the source that multiplies it there.
        pull: dL/dh (n_units, n_rows).
        tolerance, max_sweeps: of the search for `multiplier`, relative to its largest value.
        multiplier: lambda (n_units, n_rows), a first guess; overwritten.

    Returns:
        Gradients of weight, bias, share and what is given (n_sources - n_units, n_rows), and the
        largest relative change of the last sweep.
    """
    n_units, hidden, groups = bias.shape[0], bias.shape[1], share.shape[1]
    n_rows, factors = x.shape[1], bias.shape[1] // share.shape[1]
    slope = np.empty((n_units, hidden, n_rows), np.float32)  # dF / dy
    delta = np.empty((n_units, hidden, n_rows), np.float32)  # dL / dy
    terms = np.empty((n_units, groups, n_rows), np.float32)  # dF / dshare
    target_of = np.empty(wiring[1].size, np.int32)
    f = np.empty((hidden, n_rows), np.float32)
    for unit in range(n_units):
        target_of[wiring[0][unit] : wiring[0][unit + 1]] = unit
        _hidden(unit, x, wiring, weight, bias, f, slope[unit])
        _slopes(f, share[unit], factors, slope[unit], terms[unit])
        for k in range(hidden):
            for j in range(n_rows):
                delta[unit, k, j] = multiplier[unit, j] * slope[unit, k, j]
    change = _solve_adjoint(
        x, order, children, target_of, weight, slope, pull, tolerance, max_sweeps, multiplier, delta
    )
    d_weight, d_bias = np.empty_like(weight), np.empty_like(bias)
    d_share, ones = np.empty_like(share), x[x.shape[0] - 1]
    for unit in range(n_units):
        for g in range(groups):
            d_share[unit, g] = _product_sum(multiplier[unit], terms[unit, g], ones)
        for k in range(hidden):
            d_bias[unit, k] = _product_sum(delta[unit, k], ones, ones)
        for e in range(wiring[0][unit], wiring[0][unit + 1]):
            source, gate = x[wiring[1][e]], x[wiring[2][e]]
            for k in range(hidden):
                d_weight[e, k] = _product_sum(delta[unit, k], source, gate)
    d_given = np.zeros((children[0].size - 1 - n_units, n_rows), np.float32)
    for k in range(d_given.shape[0]):
        _add_from_children(n_units + k, x, children, target_of, weight, delta, f[0], d_given[k])
    return d_weight, d_bias, d_share, d_given, change


@_inner
def _solve_adjoint(  # noqa: PLR0913
    x,
    order,
    children,
    target_of,
    weight,
    slope,
    pull,
    tolerance,
    max_sweeps,
    multiplier,
    delta,
):
    hidden, n_rows = weight.shape[1], x.shape[1]
    value, part = np.empty(n_rows, np.float32), np.empty(n_rows, np.float32)
    nothing = np.zeros(n_rows, np.float32)
    change, n_sweeps = np.float32(np.inf), 0
    while n_sweeps < max_sweeps and change > tolerance:
        change, largest = np.float32(0.0), np.float32(1e-30)
        for position in range(order.size - 1, -1, -1):
            unit = order[position]
            value[:] = pull[unit]
            _add_from_children(unit, x, children, target_of, weight, delta, part, value)
            row = multiplier[unit]
            change = max(change, _largest(value, row))
            largest = max(largest, _largest(value, nothing))
            row[:] = value
            for k in range(hidden):
                for j in range(n_rows):
                    delta[unit, k, j] = value[j] * slope[unit, k, j]
        change /= largest
        n_sweeps += 1
    return change


@_inner
def _add_from_children(source, x, children, target_of, weight, delta, part, value):  # noqa: PLR0913
    """Add to `value` what a source changes through the edges that it takes part in."""
    for c in range(children[0][source], children[0][source + 1]):
        e = children[1][c]
        factor, target = x[children[2][c]], target_of[e]
        part[:] = np.float32(0.0)
        for k in range(weight.shape[1]):
            strength, row = weight[e, k], delta[target, k]
            for j in range(value.size):
                part[j] += strength * row[j]
        for j in range(value.size):
            value[j] += part[j] * factor[j]


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
def _hidden(unit, x, wiring, weight, bias, f, slope):
    """Sigmoids of a unit and their slopes, (hidden, n_rows)."""
    n_rows = x.shape[1]
    for k in range(bias.shape[1]):
        y, s, start = f[k], slope[k], bias[unit, k]
        for j in range(n_rows):
            y[j] = start
        for e in range(wiring[0][unit], wiring[0][unit + 1]):
            source, gate, strength = x[wiring[1][e]], x[wiring[2][e]], weight[e, k]
            for j in range(n_rows):
                y[j] += strength * source[j] * gate[j]
        for j in range(n_rows):
            size = abs(y[j])
            v = y[j] * (_ONE + size)
            d = _ONE / (_ONE + abs(v))
            y[j] = _HALF + _HALF * v * d
            s[j] = (_HALF + size) * d * d


@_inner
def _mix(f, share, groups, value):
    """F of a unit: shares of products of its sigmoids."""
    factors = f.shape[0] // groups
    value[:] = np.float32(0.0)
    for g in range(groups):
        part = share[g]
        for j in range(value.size):
            term = part
            for k in range(factors):
                term *= f[g * factors + k, j]
            value[j] += term


@_inner
def _slopes(f, share, factors, slope, terms):
    """Turn slopes of sigmoids into slopes of F; `terms` become the products."""
    n_rows = f.shape[1]
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
