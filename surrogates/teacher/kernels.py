"""Integrate the teacher's equations for tiles of cells.

A tile holds TILE cells side by side, one row per source, so that the inner loops vectorise; the
arithmetic of a cell never depends on its neighbours in the tile. What inputs and genotype alone
decide is folded into two factors per unit before the first stage (`fold_inputs`). Stages are those
of the second-order exponential Runge-Kutta method (Cox & Matthews 2002, J Comput Phys 176:430)

    a  = h + (u(h) - h) (1 - e^{-d/tau})
    h' = a + (u(a) - u(h)) (1 - (1 - e^{-d/tau}) tau/d)

a convex combination of h, u(h) and u(a): states stay in [0, 1] for any step.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from surrogates.channels import dose_of_occupancy, transform_value
from surrogates.disk_cache import cached
from surrogates.phenotype import outputs_from_fractions

TILE = 32
ACTIVATES, REQUIRES, INHIBITS = 0, 1, 2
_ONE = np.float32(1.0)

_transform = njit(error_model="numpy")(transform_value)
_dose = njit(error_model="numpy")(dose_of_occupancy)


class _Rows(NamedTuple):
    """Work space of a tile, a row of TILE cells per source or unit."""

    x: np.ndarray  # float32 (n_sources, TILE)
    silent: np.ndarray  # float32 (n_units, TILE), left unactivated by inputs and genotype
    factor: np.ndarray  # float32 (n_units, TILE), their requirements and inhibitions
    competence: np.ndarray  # float32 (n_units, TILE)


@cached(error_model="numpy")
def hill(x, half, exponent):
    """Hill activation x^n / (K^n + x^n), in [0, 1]."""
    if x <= 0.0:
        return 0.0
    return 1.0 / (1.0 + (half / x) ** exponent)


@cached(error_model="numpy")
def fold_inputs(edges, n_nodes, sources, raw, silent, factor):
    """Fold the edges that inputs and genotype decide into two factors per unit of one cell.

    `silent` gathers prod(1 - s hill), the part left unactivated; `factor` gathers requirements and
    inhibitions. Doses act at their concentration, those at drug targets in units of the one of
    half effect, times the gate if there is one; unitless values as transformed and gated.
    """
    for e in range(edges.source.size):
        source, gate, target = edges.source[e], edges.gate[e], edges.target[e]
        opened = sources[gate] if gate >= 0 else _ONE
        if edges.is_dose[e]:
            act = opened * hill(raw[source - n_nodes], edges.half[e], edges.exponent[e])
        elif edges.is_occupancy[e]:
            dose = _dose(np.float64(raw[source - n_nodes]))
            act = opened * hill(dose, edges.half[e], edges.exponent[e])
        else:
            act = hill(opened * sources[source], edges.half[e], edges.exponent[e])
        share = edges.strength[e] * act
        if edges.role[e] == ACTIVATES:
            silent[target] *= _ONE - np.float32(share)
        elif edges.role[e] == REQUIRES:
            factor[target] *= np.float32(1.0 - edges.strength[e] + share)
        else:
            factor[target] *= np.float32(1.0 - share)


@njit(error_model="numpy")
def drive_tile(edges, first, last, rows, u):
    """Drives u of the units first..last for one tile; rows are units, lanes are cells.

    F = (1 - silent prod(1 - s act)) prod(1 - s + s act) prod(1 - s + s / (1 + (v/K)^n)) with
    act = v^n (1 + K^n) / (K^n + v^n), so that act(1) = 1, and v = x_source x_gate.
    """
    x = rows.x
    power, left, scale = (
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
        np.empty(TILE, np.float32),
    )
    for unit in range(first, last):
        out, rate = u[unit - first], rows.competence[unit]
        left[:], scale[:] = rows.silent[unit], rows.factor[unit]
        for e in range(edges.start[unit], edges.start[unit + 1]):
            source, gate, exponent = edges.source[e], edges.gate[e], edges.exponent[e]
            if gate >= 0:
                _raise_product(x[source], x[gate], exponent, power)
            else:
                _raise(x[source], exponent, power)
            _act(edges.role[e], edges.strength[e], edges.half_n[e], power, left, scale)
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
def _allocate(n_sources, n_units):
    return _Rows(
        np.empty((n_sources, TILE), np.float32),
        np.empty((n_units, TILE), np.float32),
        np.empty((n_units, TILE), np.float32),
        np.empty((n_units, TILE), np.float32),
    )


@njit(error_model="numpy")
def _load_tile(first, tables, cells, rows):
    """Fill one tile from the cells first..first + TILE; past the end the last cell is repeated."""
    n_units, n_nodes = tables.basal.size, cells.state.shape[1]
    sources = np.empty(rows.x.shape[0], np.float32)
    silent, factor = np.empty(n_units, np.float32), np.empty(n_units, np.float32)
    for j in range(TILE):
        i = min(first + j, cells.state.shape[0] - 1)
        _load_sources(i, tables, cells, sources)
        for unit in range(n_units):
            silent[unit], factor[unit] = _ONE - tables.basal[unit], _ONE
        fold_inputs(tables.static, n_nodes, sources, cells.inputs[i], silent, factor)
        for k in range(sources.size):
            rows.x[k, j] = sources[k]
        competence = tables.competence[cells.cell_type[i]]
        for unit in range(n_units):
            rows.silent[unit, j] = silent[unit]
            rows.factor[unit, j] = factor[unit]
            rows.competence[unit, j] = competence[unit] if unit < n_nodes else _ONE


@njit(error_model="numpy")
def _load_sources(i, tables, cells, sources):
    """Nodes, transformed inputs and genotype bits of one cell."""
    n_nodes, n_inputs = cells.state.shape[1], cells.inputs.shape[1]
    for k in range(n_nodes):
        sources[k] = cells.state[i, k]
    for k in range(n_inputs):
        value = np.float64(cells.inputs[i, k])
        sources[n_nodes + k] = _transform(value, tables.kind[k], tables.a[k], tables.b[k])
    for k in range(tables.n_genotypes):
        sources[n_nodes + n_inputs + k] = np.float32((cells.genotype[i] >> k) & 1)


@njit(error_model="numpy")
def _advance(model, n_steps, rows, u0, u1):
    """Move the nodes of one tile by n_steps equal steps."""
    x, gain, correction = rows.x, model.gain, model.correction
    for _ in range(n_steps):
        drive_tile(model.dynamic, 0, gain.size, rows, u0)
        for k in range(gain.size):
            node, target, weight = x[k], u0[k], gain[k]
            for j in range(TILE):
                node[j] += (target[j] - node[j]) * weight
        drive_tile(model.dynamic, 0, gain.size, rows, u1)
        for k in range(gain.size):
            node, before, after, weight = x[k], u0[k], u1[k], correction[k]
            for j in range(TILE):
                node[j] += (after[j] - before[j]) * weight


@cached(error_model="numpy", nogil=True)
def step_cells(first, last, model, cells, n_steps, out):
    """Advance the cells first..last tile by tile, then read their heads.

    Arguments are described in `teacher.parameters`. Threads share no cell.
    """
    n_nodes, n_units, inputs = out.state.shape[1], model.tables.basal.size, cells.inputs
    rows = _allocate(n_nodes + inputs.shape[1] + model.tables.n_genotypes, n_units)
    u0, u1 = np.empty((n_nodes, TILE), np.float32), np.empty((n_units, TILE), np.float32)
    for tile in range(first, last, TILE):
        _load_tile(tile, model.tables, cells, rows)
        _advance(model, n_steps, rows, u0, u1)
        drive_tile(model.dynamic, n_nodes, n_units, rows, u1)
        for j in range(min(TILE, last - tile)):
            i = tile + j
            fractions = out.fractions[i]
            for k in range(n_nodes):
                out.state[i, k] = rows.x[k, j]
            for k in range(n_units - n_nodes):
                fractions[k] = u1[k, j]
            competence = model.head_competence[cells.cell_type[i]]
            outputs_from_fractions(fractions, inputs[i], competence, model.ranges, out.outputs[i])


@cached(error_model="numpy")
def drive_cells(model, cells, out):
    """Drives (n, n_units) at the present state: node targets, then head fractions."""
    tables, n_units = model.tables, out.shape[1]
    n_sources = cells.state.shape[1] + cells.inputs.shape[1] + tables.n_genotypes
    rows = _allocate(n_sources, n_units)
    u = np.empty((n_units, TILE), np.float32)
    for first in range(0, out.shape[0], TILE):
        _load_tile(first, tables, cells, rows)
        drive_tile(model.dynamic, 0, n_units, rows, u)
        for j in range(min(TILE, out.shape[0] - first)):
            for k in range(n_units):
                out[first + j, k] = u[k, j]
