"""Evaluate the trained ensemble on the CPU, all members on one shared state.

Cells are taken in tiles of TILE lanes, one row per source, so that the inner loops vectorise over
cells; the arithmetic of a lane never depends on its neighbours, and the last tile is padded: the
result of a cell is the same to the bit for every batch and number of threads. Only the scaffold's
edges are touched. Equations: `parameters`; torch says the same in `cell_model`.
"""

import functools
import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import get_num_threads, njit

from surrogates.channels import TRANSFORM_A, TRANSFORM_B, TRANSFORM_KIND, transform_value
from surrogates.metabolism import GLUCOSE_HALF, OXYGEN_HALF, lactate_flux, realised
from surrogates.network import Network
from surrogates.parameters import HIDDEN, Effective
from surrogates.phenotype import HEAD_COMPETENCE, LOG, RANGES, outputs_from_fractions
from surrogates.uncertainty import Domain, distance_tile, outside_box

TILE = 64
PARALLEL_FROM = 8  # tiles; below, a second thread costs more than it gives
_ZERO, _EIGHTH, _ONE = np.float32(0.0), np.float32(0.125), np.float32(1.0)
_inner = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
# tables travel as arguments: code cached on disk keeps the values of global arrays
_TABLES = (TRANSFORM_KIND, TRANSFORM_A, TRANSFORM_B,
           np.ascontiguousarray(HEAD_COMPETENCE, np.float32), *RANGES)

_transform = njit(cache=True, error_model="numpy")(transform_value)


@dataclass(frozen=True, eq=False)
class Packed:
    """Weights in the order the kernel reads them.

    A unit's edges are padded to 1, 2 or a multiple of 4 with edges of weight 0 from the row of
    ones, so that few loops with fixed numbers of parents serve all units.
    """

    first: np.ndarray  # int32 (n_units + 1,), first edge of a unit
    parent: np.ndarray  # int32 (n_edges,)
    gate: np.ndarray  # int32 (n_edges,), -1 where there is none
    weight: np.ndarray  # float32 (n_members, n_edges, HIDDEN)
    bias: np.ndarray  # float32 (n_members, n_units, HIDDEN)
    share: np.ndarray  # float32 (n_members, n_units, GROUPS)
    competence: np.ndarray  # float32 (n_types, n_units)

    def tuple(self) -> tuple:
        """The arrays as the kernel takes them."""
        return (self.first, self.parent, self.gate, self.weight, self.bias, self.share,
                self.competence)


def pack(network: Network, effective: Effective) -> Packed:
    """Lay out the edges unit by unit."""
    parent, gate, weight, first = [], [], [], [0]
    nothing = np.zeros_like(effective.weight[:, 0, 0])
    for unit, count in enumerate(network.n_parents):
        width = count if count in (1, 2) else -(-max(int(count), 1) // 4) * 4
        for k in range(width):
            real = k < count
            parent.append(network.parent[unit, k] if real else network.n_sources)
            gate.append(network.gate[unit, k] if real else -1)
            weight.append(effective.weight[:, unit, k] if real else nothing)
        first.append(len(parent))
    indices = (np.array(rows, np.int32) for rows in (first, parent, gate))
    values = (np.stack(weight, axis=1), effective.bias, effective.share, network.competence)
    return Packed(*indices, *(np.ascontiguousarray(v, np.float32) for v in values))


class CpuNetwork:
    """The ensemble on numpy arrays; writes into the arrays it is given."""

    def __init__(self, network: Network, effective: Effective, domain: Domain) -> None:
        self._packed = pack(network, effective).tuple()
        self._domain = domain.tuple()
        self._tau = effective.tau.astype(np.float64)

    def run(self, arrays: tuple, n_sweeps: int, length: float, results: tuple) -> None:
        """Advance `arrays` (state, inputs, genotype, type) by `n_sweeps` of `length` [min].

        `results`: state, outputs, sigma, in_domain.
        """
        self.run_with(arrays, n_sweeps, length, results, tau=self._tau)

    def run_with(self, arrays, n_sweeps, length, results, *, tau: np.ndarray) -> None:
        """As `run`, with other time constants (n_members, n_nodes)."""
        keep = np.exp(-length / tau)
        gain = ((1.0 - keep) / len(keep)).astype(np.float32)
        # what is kept and what is gained must add up to one in float32 too, or states creep
        rest = (1.0 - gain.astype(np.float64).sum(axis=0)).astype(np.float32)
        n_tiles = -(-len(arrays[0]) // TILE)
        call = (self._packed, self._domain, _TABLES, (gain, rest, n_sweeps), arrays, results)
        n_threads = get_num_threads() if n_tiles >= PARALLEL_FROM else 1
        if n_threads == 1:
            _step_tiles(0, n_tiles, *call)
            return
        cuts = [n_tiles * k // n_threads for k in range(n_threads + 1)]
        jobs = [_pool(n_threads).submit(_step_tiles, low, high, *call)
                for low, high in itertools.pairwise(cuts)]
        for job in jobs:
            job.result()


@functools.cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    """Threads that step tiles; the kernel holds no interpreter lock.

    Threads of our own rather than numba's: one compiled kernel serves both cases, which halves the
    time of a cold start.
    """
    return ThreadPoolExecutor(n_threads, thread_name_prefix="cells")


os.register_at_fork(after_in_child=_pool.cache_clear)


@_inner
def _drive(unit, packed, work, members):
    """F of one unit for all members and lanes: `members` (n_members, TILE)."""
    first, parent, gate, weight, bias, share, _ = packed
    x, z, y = work[0], work[3], work[4]
    low, high = first[unit], first[unit + 1]
    width = high - low
    for m in range(members.shape[0]):
        w, b, s = weight[m, low:high], bias[m, unit], share[m, unit]
        if width == 1:
            _one_parent(_parent(0, low, parent, gate, x, z), w, b, s, members[m])
        elif width == 2:
            _two_parents(_parent(0, low, parent, gate, x, z), _parent(1, low, parent, gate, x, z),
                         w, b, s, members[m])
        else:
            for h in range(HIDDEN):
                start = b[h]
                for j in range(h * TILE, (h + 1) * TILE):
                    y[j] = start
            for k in range(0, width, 4):
                _four_parents(_parent(0, low + k, parent, gate, x, z),
                              _parent(1, low + k, parent, gate, x, z),
                              _parent(2, low + k, parent, gate, x, z),
                              _parent(3, low + k, parent, gate, x, z), w[k:k + 4], y)
            _mix_rows(y, s, members[m])


@_inner
def _parent(k, low, parent, gate, x, z):
    """Lanes of the unit's parent k: its source, times its gate where it has one."""
    source = x[parent[low + k]]
    if gate[low + k] < 0:
        return source
    factor, row = x[gate[low + k]], z[k]
    for j in range(TILE):
        row[j] = source[j] * factor[j]
    return row


@_inner
def _term(y0, y1, y2):
    """Eight times the product of three sigmoids (1 + v + |v|) / (2 + 2 |v|), in one division."""
    v0 = y0 * (_ONE + abs(y0))
    v1 = y1 * (_ONE + abs(y1))
    v2 = y2 * (_ONE + abs(y2))
    w0, w1, w2 = _ONE + abs(v0), _ONE + abs(v1), _ONE + abs(v2)
    return (w0 + v0) * (w1 + v1) * (w2 + v2) / (w0 * w1 * w2)


@_inner
def _one_parent(z, w, b, share, out):
    w0, w1, w2, w3, w4 = w[0, 0], w[0, 1], w[0, 2], w[0, 3], w[0, 4]
    w5, w6, w7, w8 = w[0, 5], w[0, 6], w[0, 7], w[0, 8]
    b0, b1, b2, b3, b4, b5, b6, b7, b8 = b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8]
    s0, s1, s2 = _EIGHTH * share[0], _EIGHTH * share[1], _EIGHTH * share[2]
    for j in range(TILE):
        x = z[j]
        out[j] = (s0 * _term(b0 + w0 * x, b1 + w1 * x, b2 + w2 * x)
                  + s1 * _term(b3 + w3 * x, b4 + w4 * x, b5 + w5 * x)
                  + s2 * _term(b6 + w6 * x, b7 + w7 * x, b8 + w8 * x))


@_inner
def _two_parents(z0, z1, w, b, share, out):
    w0, w1, w2, w3, w4 = w[0, 0], w[0, 1], w[0, 2], w[0, 3], w[0, 4]
    w5, w6, w7, w8 = w[0, 5], w[0, 6], w[0, 7], w[0, 8]
    u0, u1, u2, u3, u4 = w[1, 0], w[1, 1], w[1, 2], w[1, 3], w[1, 4]
    u5, u6, u7, u8 = w[1, 5], w[1, 6], w[1, 7], w[1, 8]
    b0, b1, b2, b3, b4, b5, b6, b7, b8 = b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8]
    s0, s1, s2 = _EIGHTH * share[0], _EIGHTH * share[1], _EIGHTH * share[2]
    for j in range(TILE):
        x, y = z0[j], z1[j]
        out[j] = (s0 * _term(b0 + w0 * x + u0 * y, b1 + w1 * x + u1 * y, b2 + w2 * x + u2 * y)
                  + s1 * _term(b3 + w3 * x + u3 * y, b4 + w4 * x + u4 * y, b5 + w5 * x + u5 * y)
                  + s2 * _term(b6 + w6 * x + u6 * y, b7 + w7 * x + u7 * y, b8 + w8 * x + u8 * y))


@_inner
def _four_parents(z0, z1, z2, z3, w, y):
    for h in range(HIDDEN):
        row = y[h * TILE : (h + 1) * TILE]
        a, b, c, d = w[0, h], w[1, h], w[2, h], w[3, h]
        for j in range(TILE):
            row[j] += a * z0[j] + b * z1[j] + c * z2[j] + d * z3[j]


@_inner
def _mix_rows(y, share, out):
    """The mix of HIDDEN rows of lanes laid end to end."""
    for j in range(TILE):
        out[j] = _ZERO
    for g in range(share.size):
        part = _EIGHTH * share[g]
        rows = y[3 * g * TILE : (3 * g + 3) * TILE]
        for j in range(TILE):
            out[j] += part * _term(rows[j], rows[j + TILE], rows[j + 2 * TILE])


@_inner
def _relax(packed, timing, work):
    """Sweep the nodes of one tile, all at once per sweep."""
    x, rate, alive, _, _, members, update = work
    gain, rest, n_sweeps = timing
    for _ in range(n_sweeps):
        for unit in range(rest.size):
            row, competence = update[unit], rate[unit]
            for j in range(TILE):
                row[j] = _ZERO
            if not alive[unit]:
                continue
            _drive(unit, packed, work, members)
            for m in range(members.shape[0]):
                part, g = members[m], gain[m, unit]
                for j in range(TILE):
                    row[j] += g * part[j]
            for j in range(TILE):
                row[j] *= competence[j]
        for unit in range(rest.size):
            node, row, r = x[unit], update[unit], rest[unit]
            for j in range(TILE):
                node[j] = row[j] + r * node[j]


@_inner
def _load(first, tile, competence, tables, arrays, work):
    """Sources and competences of the lanes; lanes past the end repeat the last cell."""
    state, inputs, genotype, cell_type = arrays
    x, rate, alive, _, _, _, _ = work
    kind, a, b = tables[0], tables[1], tables[2]
    n_nodes, n_inputs = state.shape[1], inputs.shape[1]
    one = x.shape[0] - 1
    for unit in range(alive.size):
        alive[unit] = False
    for j in range(TILE):
        i = min(first + j, state.shape[0] - 1)
        tile[j] = i
        for k in range(n_nodes):
            x[k, j] = state[i, k]
        for k in range(n_inputs):
            x[n_nodes + k, j] = _transform(np.float64(inputs[i, k]), kind[k], a[k], b[k])
        for k in range(one - n_nodes - n_inputs):
            x[n_nodes + n_inputs + k, j] = np.float32((genotype[i] >> k) & 1)
        x[one, j] = _ONE
        for unit in range(alive.size):
            c = competence[cell_type[i], unit]
            rate[unit, j] = c
            alive[unit] |= c > _ZERO


@_inner
def _read_heads(packed, work, fractions):
    """Fractions (n_members + 1, n_heads, TILE) of every member, then of their mean."""
    _, _, alive, _, _, members, update = work
    n_members, n_nodes = members.shape[0], update.shape[0]
    for head in range(fractions.shape[1]):
        mean = fractions[n_members, head]
        for j in range(TILE):
            mean[j] = _ZERO
        if not alive[n_nodes + head]:
            for m in range(n_members):
                silent = fractions[m, head]
                for j in range(TILE):
                    silent[j] = _ZERO
            continue
        _drive(n_nodes + head, packed, work, members)
        for m in range(n_members):
            part, kept = members[m], fractions[m, head]
            for j in range(TILE):
                kept[j] = part[j]
                mean[j] += part[j]
        for j in range(TILE):
            mean[j] /= np.float32(n_members)


@_inner
def _deviations(fractions, out):
    """Standard deviation over members of every head's fraction, (n_heads, TILE)."""
    n_members = fractions.shape[0] - 1
    for head in range(out.shape[0]):
        row, mean = out[head], fractions[n_members, head]
        for j in range(TILE):
            row[j] = _ZERO
        for m in range(n_members):
            part = fractions[m, head]
            for j in range(TILE):
                row[j] += (part[j] - mean[j]) * (part[j] - mean[j])
        for j in range(TILE):
            row[j] = math.sqrt(row[j] / np.float32(n_members))


@_inner
def _spread(lane, inputs, competence, ranges, fractions, deviation, sigma):
    """Standard deviation over members of every physical output; the largest one over its range.

    A linear output spreads as its fraction does; a logarithmic one and the lactate flux, which
    hangs on three other outputs, are worked out per member.
    """
    scale, low, high, log_ratio, columns = ranges
    n_members = fractions.shape[0] - 1
    lactate = columns[3]
    largest = _ZERO
    for head in range(sigma.size):
        if head == lactate or scale[head] == LOG:
            total, square = 0.0, 0.0
            for m in range(n_members):
                if head == lactate:
                    value = _lactate(lane, inputs, competence, ranges, fractions[m])
                else:
                    value = math.exp(log_ratio[head] * fractions[m, head, lane])
                    value *= low[head] * competence[head]
                total += value
                square += value * value
            mean = total / n_members
            sigma[head] = math.sqrt(max(square / n_members - mean * mean, 0.0))
        else:
            width = (high[head] - low[head]) * competence[head]
            sigma[head] = width * deviation[head, lane]
        largest = max(largest, sigma[head] / (high[head] - low[head]))
    return largest


@_inner
def _lactate(lane, inputs, competence, ranges, fractions):
    """Lactate secretion of one member, as `outputs_from_fractions` has it."""
    _, low, high, _, columns = ranges
    growth, oxygen, glucose, lactate = columns[0], columns[1], columns[2], columns[3]
    return lactate_flux(
        realised(_linear(glucose, lane, competence, low, high, fractions), inputs[columns[5]],
                 GLUCOSE_HALF),
        realised(_linear(oxygen, lane, competence, low, high, fractions), inputs[columns[4]],
                 OXYGEN_HALF),
        _linear(growth, lane, competence, low, high, fractions),
        fractions[lactate, lane] * competence[lactate],
    )


@_inner
def _linear(head, lane, competence, low, high, fractions):
    return low[head] + (high[head] - low[head]) * fractions[head, lane] * competence[head]


@_inner
def _tile(first, packed, domain, tables, timing, arrays, results):
    """Advance, read and judge the cells first..first + TILE."""
    inputs, cell_type = arrays[1], arrays[3]
    out_state, out_outputs, out_sigma, out_known = results
    n_members, n_nodes = timing[0].shape
    n_heads, n_units = out_outputs.shape[1], packed[5].shape[1]
    n_sources = n_nodes + domain[2].size
    work = (np.empty((n_sources + 1, TILE), np.float32), np.empty((n_units, TILE), np.float32),
            np.empty(n_units, np.bool_), np.empty((4, TILE), np.float32),
            np.empty(HIDDEN * TILE, np.float32), np.empty((n_members, TILE), np.float32),
            np.empty((n_nodes, TILE), np.float32))
    fractions = np.empty((n_members + 1, n_heads, TILE), np.float32)
    mean, deviation = np.empty(n_heads, np.float32), np.empty((n_heads, TILE), np.float32)
    distance, tile = np.empty(TILE, np.float32), np.empty(TILE, np.int64)
    _load(first, tile, packed[6], tables, arrays, work)
    distance_tile(work[0], n_nodes, domain, distance)
    _relax(packed, timing, work)
    _read_heads(packed, work, fractions)
    _deviations(fractions, deviation)
    for j in range(min(TILE, inputs.shape[0] - first)):
        i = tile[j]
        competence, ranges = tables[3][cell_type[i]], tables[4:]
        for k in range(n_nodes):
            out_state[i, k] = work[0][k, j]
        for head in range(n_heads):
            mean[head] = fractions[n_members, head, j]
        outputs_from_fractions(mean, inputs[i], competence, ranges, out_outputs[i])
        spread = _spread(j, inputs[i], competence, ranges, fractions, deviation, out_sigma[i])
        out_known[i] = not (outside_box(inputs[i], domain) or distance[j] > domain[4]
                            or spread > domain[5])


@njit(error_model="numpy", cache=True, nogil=True)
def _step_tiles(low, high, packed, domain, tables, timing, arrays, results):  # noqa: PLR0913
    """Tiles low..high, each writing its own cells."""
    for tile in range(low, high):
        _tile(tile * TILE, packed, domain, tables, timing, arrays, results)
