"""Step tiles of cells through the ensemble on the CPU: the kernels behind `network.cpu`.

A tile is up to TILE cells of one type, padded to a multiple of LANES by repeating its last cell,
with one row per source, so that every inner loop runs over lanes side by side. Lanes never mix
and every loop is a whole number of vectors long: the bits of a cell depend on nothing but itself.

What is left out is known to the bit: a type without competence is silent; a parent that is zero
in the whole tile (an absent drug, a mutation that nobody has) adds nothing; a drive of inputs
alone is the same in every sweep, and that of the tile before where those inputs are.
"""

import numpy as np
from numba import njit

from surrogates.channels import LOG, RAMP, SATURATING, transform_value
from surrogates.network.domain import distance_tile, inside_tile
from surrogates.network.kernels.arithmetic import fma
from surrogates.network.kernels.drives import BLOCK, WIDEST, add_drive, add_rows, fill, inner
from surrogates.network.kernels.heads import disagree, read_heads
from surrogates.network.parameters import FACTORS, GROUPS

TILE = 256  # fewer start-ups of inner loops; rows still stay in the second cache
LANES = 32  # four vectors of eight
STRIP = 4  # cells turned into lanes together
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_transform = inner(transform_value)


@njit(error_model="numpy", cache=True, nogil=True)
def step_tiles(tiles, packed, domain, tables, timing, arrays, results):
    """Advance, read and judge the cells of some tiles; each tile writes its own cells.

    `tiles`: rows of all cells by type, then first, number and type of each tile's cells;
    `packed`, `tables`, `timing`: see `network.cpu`; `arrays`: state, inputs, genotype; `results`:
    state, outputs, sigma, in_domain.
    """
    order, first, count, cell_type = tiles
    n_nodes, n_inputs, n_heads = arrays[0].shape[1], arrays[1].shape[1], results[1].shape[1]
    n_rows, n_members = packed[3].size, packed[5].shape[1] // GROUPS
    one = n_rows - 1 - packed[2].shape[0]
    room = (
        _room(n_rows),
        _room(n_inputs),
        _room(n_nodes),
        _room(FACTORS),
        _room(n_members),
        _room(4 * n_members),
        _room(2 * n_heads),
        _room(3),
        _room(packed[7][1].size + 1),
        _room(n_members),
    )
    n_units = packed[0].size
    wiring = (
        np.empty(n_units, np.int32),
        np.empty_like(packed[1]),
        np.empty(n_units, np.bool_),
        np.empty(n_units, np.int64),
        np.empty(packed[4].size, np.float32),
    )
    live, fresh = np.zeros(n_rows, np.bool_), np.empty(n_rows, np.bool_)
    lane, bits, before = np.empty(TILE, np.int64), np.empty(TILE, np.int32), (0, 0)
    for t in range(first.size):
        kind, width = cell_type[t], -(-count[t] // LANES) * LANES
        x, raw, drive, y = (
            _rows(room[0], width),
            _rows(room[1], width),
            _rows(room[2], width),
            _rows(room[3], width),
        )
        members, carbon, seen, judged = (
            _rows(room[4], width),
            _rows(room[5], width),
            _rows(room[6], width),
            _rows(room[7], width),
        )
        beside, term = _rows(room[8], width), _rows(room[9], width)
        for j in range(width):
            lane[j] = order[first[t] + min(j, count[t] - 1)]
        fresh[:] = before[0] != kind or before[1] != width
        before = (kind, width)
        _load(lane, arrays, tables[0], (x[:one], raw, bits), fresh)
        fill(x[one], _ONE)
        inside_tile(raw, x, n_nodes, domain, judged[0])
        _wire(kind, packed, x, (live, fresh), wiring)
        distance_tile(x, n_nodes, live, domain, judged[1:])
        _relax(kind, packed, wiring, timing, (x, drive, y, beside), (live, fresh))
        read_heads(kind, packed, wiring, tables[1], (x, raw, y, members, carbon, term), seen)
        disagree(seen, tables[1], judged[2])
        _store(lane, count[t], (x, seen, judged), domain, results)


@inner
def _room(n_rows):
    return np.empty(n_rows * TILE, np.float32)


@inner
def _rows(room, width):
    """Work space as contiguous rows of a tile's width."""
    n_rows = room.size // TILE
    return room[: n_rows * width].reshape(n_rows, width)


@inner
def _load(lane, arrays, transforms, rows, fresh):
    """Raw inputs; then the sources: nodes, transformed inputs, genotype bits.

    What is not `fresh` is still there from the tile before; it becomes fresh where it differs.
    """
    state, inputs, genotype = arrays
    x, raw, bits = rows
    kind, a, b = transforms
    n_nodes, n_inputs = state.shape[1], inputs.shape[1]
    fresh[:n_nodes] = True
    for low in range(0, x.shape[1], STRIP):
        _to_lanes(lane, low, state, x)
        _compare(lane, low, inputs, raw, fresh[n_nodes:])
        _to_lanes(lane, low, inputs, raw)
    for k in range(n_inputs):
        if fresh[n_nodes + k]:
            _transform_row(raw[k], kind[k], a[k], b[k], x[n_nodes + k])
    first = n_nodes + n_inputs
    changed = fresh[first]
    for j in range(x.shape[1]):
        changed |= bits[j] != genotype[lane[j]]
        bits[j] = genotype[lane[j]]
    if changed:
        fresh[first : x.shape[0]] = True
        for k in range(x.shape[0] - first):
            row = x[first + k]
            for j in range(row.size):
                row[j] = np.float32((bits[j] >> k) & 1)


@inner
def _to_lanes(lane, low, table, out):
    """Columns of a strip of cells side by side."""
    p, q = table[lane[low]], table[lane[low + 1]]
    r, s = table[lane[low + 2]], table[lane[low + 3]]
    for k in range(table.shape[1]):
        strip = out[k, low : low + STRIP]
        strip[0], strip[1], strip[2], strip[3] = p[k], q[k], r[k], s[k]


@inner
def _compare(lane, low, table, rows, fresh):
    """Mark the rows that a strip of cells would change."""
    p, q = table[lane[low]], table[lane[low + 1]]
    r, s = table[lane[low + 2]], table[lane[low + 3]]
    for k in range(table.shape[1]):
        strip = rows[k, low : low + STRIP]
        fresh[k] |= (
            (strip[0] != p[k]) | (strip[1] != q[k]) | (strip[2] != r[k]) | (strip[3] != s[k])
        )


@inner
def _transform_row(raw, kind, a, b, out):
    """`channels.transform_value` of lanes; no logarithm of a drug that is not there."""
    if kind == SATURATING:
        for j in range(out.size):
            out[j] = _transform(np.float64(raw[j]), SATURATING, a, b)
    elif kind == RAMP:
        for j in range(out.size):
            out[j] = _transform(np.float64(raw[j]), RAMP, a, b)
    else:
        for j in range(out.size):
            out[j] = _ZERO
            if raw[j] != _ZERO:
                out[j] = _transform(np.float64(raw[j]), LOG, a, b)


@inner
def _wire(kind, packed, x, marks, wiring):
    """Keep of every unit the parents that are not zero in the whole tile.

    Only inputs, genotype bits and nodes without competence can be; they stay so in the tick. With
    other parents than in the tile before, everything is `fresh`.
    """
    live, fresh = marks
    n_nodes, one = packed[6].shape[1] - packed[5].shape[0], x.shape[0] - 1 - packed[2].shape[0]
    changed = fresh[one]
    for k in range(x.shape[0]):
        if k > one:
            source, gate = packed[2][k - one - 1, 0], packed[2][k - one - 1, 1]
            found = live[source] and live[gate]
            fresh[k] |= fresh[source] or fresh[gate]
        elif k == one or (k < n_nodes and packed[6][kind, k] > _ZERO):
            found = True
        else:
            found = _any(x[k]) if fresh[k] else live[k]
        changed |= live[k] != found
        live[k] = found
    if changed:
        fresh[:] = True
        first = 0
        for unit in range(packed[0].size):
            if packed[6][kind, unit] > _ZERO:
                first = _wire_unit(unit, first, packed, live, one, wiring)


@inner
def _any(row):
    found = False
    for j in range(row.size):
        found |= row[j] != _ZERO
    return found


@inner
def _wire_unit(unit, first, packed, live, one, wiring):
    """Live parents, and from `first` on their weights; returns where the next unit's begin.

    None, or more than WIDEST, are filled up with weights of 0.
    """
    n_parents, parent, _, moving, factor, _, _, _, _ = packed
    n_kept, kept, fixed, start, weight = wiring
    n, fixed[unit] = 0, True
    for k in range(n_parents[unit]):
        row = parent[unit, k]
        if live[row]:
            kept[unit, n] = row
            fixed[unit] &= not moving[row]
            n += 1
    n_live = n
    while n == 0 or (n > WIDEST and n % BLOCK > 0):
        kept[unit, n] = one
        n += 1
    n_kept[unit], start[unit] = n, first
    for t in range(factor.shape[1]):
        source, target = factor[unit, t], weight[first : first + FACTORS * (1 + n)]
        target[:FACTORS], target[FACTORS * (1 + n_live) :] = source[:FACTORS], _ZERO
        to = FACTORS
        for k in range(n_parents[unit]):
            if live[parent[unit, k]]:
                for f in range(FACTORS):
                    target[to + f] = source[FACTORS * (1 + k) + f]
                to += FACTORS
        first += target.size
    return first


@inner
def _relax(kind, packed, wiring, timing, rows, marks):
    """Sweep the nodes of one tile, one after the other: h <- h + competence g F - g h.

    A residual moves F towards 0 or 1 where its gate is open.
    """
    x, drive, y, beside = rows
    live, fresh = marks
    competence, fixed, residual = packed[6], wiring[2], packed[7]
    share, loss, n_sweeps = timing
    for sweep in range(n_sweeps):
        _saturate(residual, live, x, beside)
        for unit in range(loss.size):
            silent = competence[kind, unit] == _ZERO
            if silent or not fixed[unit] or (sweep == 0 and _due(unit, wiring, fresh)):
                fill(drive[unit], _ZERO)
                if not silent:
                    out = drive[unit : unit + 1]
                    add_drive(unit, packed, wiring, (0, share[kind, unit]), (x, y), out)
            node, row, g = x[unit], drive[unit], loss[unit]
            if residual[3][unit] and not silent:
                rise = competence[kind, unit] * g
                _advance_beside(node, row, g, rise, (residual[2][unit], beside))
            else:
                for j in range(row.size):
                    node[j] += fma(-g, node[j], row[j])


@inner
def _saturate(residual, live, x, beside):
    """What the residual reads, from the live sources: the first rows of `beside`."""
    read, bias = residual[0], residual[1]
    if bias.size > 0:
        chosen, n = np.empty(read.shape[1], np.int64), 0
        for k in range(read.shape[1]):
            if live[k]:
                chosen[n] = k
                n += 1
        for r in range(bias.size):
            row = beside[r]
            fill(row, bias[r])
            add_rows(x, chosen[:n], read[r], row)
            for j in range(row.size):
                row[j] /= _ONE + abs(row[j])


@inner
def _advance_beside(node, drive, g, rise, residual):
    """h <- h + competence g (F (1 - |rho|) + max(rho, 0)) - g h; `rise` is competence g."""
    write, rows = residual
    rho = rows[write.size]
    fill(rho, _ZERO)
    for r in range(write.size):
        row, weight = rows[r], write[r]
        for j in range(row.size):
            rho[j] = fma(weight, row[j], rho[j])
    for j in range(node.size):
        up = rho[j] if rho[j] > _ZERO else _ZERO
        node[j] += fma(-g, node[j], fma(drive[j], _ONE - abs(rho[j]), rise * up))


@inner
def _due(unit, wiring, fresh):
    """Whether a parent is not as it was."""
    found = False
    for k in range(wiring[0][unit]):
        found |= fresh[wiring[1][unit, k]]
    return found


@inner
def _store(lane, count, rows, domain, results):
    """Write the cells of a tile back; `rows`: sources, outputs and sigma, judgements.

    Lanes past the end write what their cell, the last one, gets anyway.
    """
    x, seen, judged = rows
    state, outputs, sigma, known = results
    for low in range(0, count, STRIP):
        _to_cells(lane, low, x, state)
        _to_cells(lane, low, seen, outputs)
        _to_cells(lane, low, seen[outputs.shape[1] :], sigma)
    for j in range(count):
        known[lane[j]] = not (
            judged[0, j] == _ZERO or judged[1, j] > domain[4] or judged[2, j] > domain[5]
        )


@inner
def _to_cells(lane, low, rows, table):
    """A strip of lanes into the columns of its cells."""
    p, q = table[lane[low]], table[lane[low + 1]]
    r, s = table[lane[low + 2]], table[lane[low + 3]]
    for k in range(table.shape[1]):
        strip = rows[k, low : low + STRIP]
        p[k], q[k], r[k], s[k] = strip[0], strip[1], strip[2], strip[3]
