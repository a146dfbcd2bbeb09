"""Integrate the teacher's equations for tiles of cells.

A tile holds TILE cells side by side, one row per source, so that the inner loops vectorise; the
arithmetic of a cell never depends on its neighbours in the tile. What inputs and genotype alone
decide is folded into two factors per unit before the first stage (`fold_inputs`). Stages are those
of the second-order exponential Runge-Kutta method (Cox & Matthews 2002, J Comput Phys 176:430)

    a  = h + (u(h) - h) (1 - e^{-d/tau})
    h' = a + (u(a) - u(h)) (1 - (1 - e^{-d/tau}) tau/d)

a convex combination of h, u(h) and u(a): states stay in [0, 1] for any step.
"""

import numpy as np
from numba import njit

from surrogates.channels import transform_value
from surrogates.phenotype import outputs_from_fractions

TILE = 32
ACTIVATES, REQUIRES, INHIBITS = 0, 1, 2
_ONE = np.float32(1.0)

_transform = njit(cache=True, error_model="numpy")(transform_value)


@njit(cache=True, error_model="numpy")
def hill(x, half, exponent):
    """Hill activation x^n / (K^n + x^n), in [0, 1]."""
    if x <= 0.0:
        return 0.0
    return 1.0 / (1.0 + (half / x) ** exponent)


@njit(cache=True, error_model="numpy")
def fold_inputs(edges, n_nodes, sources, raw, silent, factor):
    """Fold the edges that inputs and genotype decide into two factors per unit of one cell.

    `silent` gathers prod(1 - s hill), the part left unactivated; `factor` gathers requirements and
    inhibitions. Doses act at their concentration, times the gate if there is one; unitless values
    as transformed and gated.
    """
    source, gate, target, role, strength, half, exponent, use_raw = edges
    for e in range(source.size):
        s = source[e]
        opened = sources[gate[e]] if gate[e] >= 0 else _ONE
        if use_raw[e]:
            act = opened * hill(raw[s - n_nodes], half[e], exponent[e])
        else:
            act = hill(opened * sources[s], half[e], exponent[e])
        share = strength[e] * act
        if role[e] == ACTIVATES:
            silent[target[e]] *= _ONE - np.float32(share)
        elif role[e] == REQUIRES:
            factor[target[e]] *= np.float32(1.0 - strength[e] + share)
        else:
            factor[target[e]] *= np.float32(1.0 - share)


@njit(error_model="numpy")
def drive_tile(edges, units, work, u):
    """Drives u of the units first..last for one tile; rows are units, lanes are cells.

    F = (1 - silent prod(1 - s act)) prod(1 - s + s act) prod(1 - s + s / (1 + (v/K)^n)) with
    act = v^n (1 + K^n) / (K^n + v^n), so that act(1) = 1, and v = x_source x_gate.
    """
    start, source, gate, role, strength, half_n, exponent = edges
    x, silent, factor, competence = work
    power, left, scale = (
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
    )
    for unit in range(units[0], units[1]):
        closed, scaled, out, rate = silent[unit], factor[unit], u[unit - units[0]], competence[unit]
        for j in range(TILE):
            left[j], scale[j] = closed[j], scaled[j]
        for e in range(start[unit], start[unit + 1]):
            if gate[e] >= 0:
                _raise_product(x[source[e]], x[gate[e]], exponent[e], power)
            else:
                _raise(x[source[e]], exponent[e], power)
            _act(role[e], strength[e], half_n[e], power, left, scale)
        for j in range(TILE):
            out[j] = (_ONE - left[j]) * scale[j] * rate[j]


@njit(error_model="numpy")
def _raise(value, exponent, power):
    """Write value^exponent, lane by lane."""
    for j in range(TILE):
        power[j] = value[j]
    for _ in range(exponent - 1):
        for j in range(TILE):
            power[j] *= value[j]


@njit(error_model="numpy")
def _raise_product(value, gate, exponent, power):
    """Write (value gate)^exponent, lane by lane."""
    for j in range(TILE):
        power[j] = value[j] * gate[j]
    for _ in range(exponent - 1):
        for j in range(TILE):
            power[j] *= value[j] * gate[j]


@njit(error_model="numpy")
def _act(role, strength, half_n, power, left, scale):
    """Let one edge act on what is left silent, or on the factor, of its unit."""
    full = strength * (_ONE + half_n)
    rest = _ONE - strength
    if role == ACTIVATES:
        for j in range(TILE):
            left[j] *= _ONE - full * power[j] / (half_n + power[j])
    elif role == REQUIRES:
        for j in range(TILE):
            scale[j] *= rest + full * power[j] / (half_n + power[j])
    else:
        for j in range(TILE):
            scale[j] *= _ONE - strength * power[j] / (half_n + power[j])


@njit(error_model="numpy")
def _room(n_sources, n_units):
    """Sources, silent parts, factors and competences of one tile."""
    return (
        np.empty((n_sources, TILE), np.float32),
        np.empty((n_units, TILE), np.float32),
        np.empty((n_units, TILE), np.float32),
        np.empty((n_units, TILE), np.float32),
    )


@njit(error_model="numpy")
def _load_tile(first, tables, arrays, work):
    """Fill one tile from the cells first..first + TILE; past the end the last cell is repeated."""
    static, basal, competence, kind, a, b, n_genotypes = tables
    state, inputs, genotype, cell_type = arrays
    x, silent, factor, rate = work
    n_nodes, n_inputs = state.shape[1], inputs.shape[1]
    row = np.empty(x.shape[0], np.float32)
    silent_row, factor_row = np.empty(basal.size, np.float32), np.empty(basal.size, np.float32)
    for j in range(TILE):
        i = min(first + j, state.shape[0] - 1)
        for k in range(n_nodes):
            row[k] = state[i, k]
        for k in range(n_inputs):
            row[n_nodes + k] = _transform(np.float64(inputs[i, k]), kind[k], a[k], b[k])
        for k in range(n_genotypes):
            row[n_nodes + n_inputs + k] = np.float32((genotype[i] >> k) & 1)
        for unit in range(basal.size):
            silent_row[unit] = _ONE - basal[unit]
            factor_row[unit] = _ONE
        fold_inputs(static, n_nodes, row, inputs[i], silent_row, factor_row)
        for k in range(row.size):
            x[k, j] = row[k]
        for unit in range(basal.size):
            silent[unit, j] = silent_row[unit]
            factor[unit, j] = factor_row[unit]
            rate[unit, j] = competence[cell_type[i], unit] if unit < n_nodes else _ONE


@njit(error_model="numpy")
def _advance(edges, n_steps, gain, correction, work, u0, u1):
    """Move the nodes of one tile by n_steps equal steps."""
    x, nodes = work[0], (0, gain.size)
    for _ in range(n_steps):
        drive_tile(edges, nodes, work, u0)
        for k in range(gain.size):
            node, target, weight = x[k], u0[k], gain[k]
            for j in range(TILE):
                node[j] += (target[j] - node[j]) * weight
        drive_tile(edges, nodes, work, u1)
        for k in range(gain.size):
            node, before, after, weight = x[k], u0[k], u1[k], correction[k]
            for j in range(TILE):
                node[j] += (after[j] - before[j]) * weight


@njit(error_model="numpy", cache=True, nogil=True)
def step_cells(rows, model, arrays, n_steps, out):
    """Advance the cells rows[0]..rows[1] tile by tile, then read their heads.

    `out` has room for state, fractions and outputs. Threads share no cell.
    """
    out_state, out_fractions, out_outputs = out
    tables, edges, gain, correction, head_competence, ranges = model
    inputs, cell_type = arrays[1], arrays[3]
    n_nodes, n_units = out_state.shape[1], tables[1].size
    work = _room(n_nodes + inputs.shape[1] + tables[6], n_units)
    u0, u1 = np.empty((n_nodes, TILE), np.float32), np.empty((n_units, TILE), np.float32)
    for tile in range(rows[0], rows[1], TILE):
        _load_tile(tile, tables, arrays, work)
        _advance(edges, n_steps, gain, correction, work, u0, u1)
        drive_tile(edges, (n_nodes, n_units), work, u1)
        for j in range(min(TILE, rows[1] - tile)):
            i = tile + j
            for k in range(n_nodes):
                out_state[i, k] = work[0][k, j]
            for k in range(n_units - n_nodes):
                out_fractions[i, k] = u1[k, j]
            outputs_from_fractions(
                out_fractions[i], inputs[i], head_competence[cell_type[i]], ranges, out_outputs[i]
            )


@njit(error_model="numpy", cache=True)
def drive_cells(model, arrays, out):
    """Drives (n, n_units) at the present state: node targets, then head fractions."""
    tables, edges = model[0], model[1]
    n, n_units = out.shape
    work = _room(arrays[0].shape[1] + arrays[1].shape[1] + tables[6], n_units)
    u = np.empty((n_units, TILE), np.float32)
    for first in range(0, n, TILE):
        _load_tile(first, tables, arrays, work)
        drive_tile(edges, (0, n_units), work, u)
        for j in range(min(TILE, n - first)):
            for k in range(n_units):
                out[first + j, k] = u[k, j]
