"""Step tiles of cells through the ensemble on the CPU: the kernels behind `network.cpu`.

A tile is up to TILE cells of one type, padded to a multiple of LANES by repeating its last cell,
with one row per source, so that every inner loop runs over lanes side by side. Lanes never mix,
and no sum or product is left to the compiler to order or to fuse (`network.kernels.arithmetic`):
the bits of a cell depend on nothing but itself.

What is left out is known to the bit: a type without competence is silent; a parent that is zero
in the whole tile (an absent drug, a mutation that nobody has) adds nothing; a drive of inputs
alone is the same in every sweep, and that of the tile before where those inputs are. Arguments are
described in `network.kernels.arrays`.
"""

import numpy as np

from surrogates.channels import OCCUPANCY, RAMP, SATURATING, transform_value
from surrogates.disk_cache import cached
from surrogates.network.kernels.arithmetic import fma, inner
from surrogates.network.kernels.arrays import Lanes, LiveParents, Marks, Rows, Terms
from surrogates.network.kernels.domain import check_box, measure_distance
from surrogates.network.kernels.drives import BLOCK, WIDEST, add_drive, add_rows, fill
from surrogates.network.kernels.heads import disagree, read_heads
from surrogates.network.parameters import FACTORS, GROUPS

TILE = 256  # fewer start-ups of inner loops; rows still stay in the second cache
LANES = 32  # four vectors of eight
STRIP = 4  # cells turned into lanes together
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_transform = inner(transform_value)


@cached(error_model="numpy", nogil=True)
def step_tiles(tiles, weights, domain, tables, timing, cells, decision):
    """Advance, read and judge the cells of some tiles; each tile writes its own cells."""
    n_nodes, n_rows = cells.state.shape[1], weights.varies.size
    space = _allocate_rows(weights, cells, decision)
    parents = _allocate_parents(weights)
    lanes = Lanes(np.empty(TILE, np.int64), np.empty(TILE, np.int32))
    marks = Marks(np.zeros(n_rows, np.bool_), np.empty(n_rows, np.bool_))
    type_before, width_before = -1, 0
    for t in range(tiles.first.size):
        cell_type, count = tiles.cell_type[t], tiles.n_cells[t]
        width = -(-count // LANES) * LANES
        rows = _cut_rows(space, width)
        for j in range(width):
            lanes.cell[j] = tiles.cell[tiles.first[t] + min(j, count - 1)]
        marks.fresh[:] = type_before != cell_type or width_before != width
        type_before, width_before = cell_type, width
        _load(lanes, cells, tables.transforms, _ones_row(weights), rows, marks.fresh)
        check_box(rows.raw, rows.source, n_nodes, domain, rows.judgement[0])
        _find_parents(cell_type, weights, rows.source, marks, parents)
        measure_distance(rows.source, n_nodes, marks.live, domain, rows.judgement[1:])
        _relax(cell_type, weights, parents, timing, rows, marks)
        read_heads(cell_type, weights, parents, tables.ranges, rows)
        disagree(tables.ranges, rows.output, rows.judgement[2])
        _store(lanes.cell, count, rows, domain, decision)


@inner
def _allocate_rows(weights, cells, decision):
    """Work space for the widest tile."""
    n_members = weights.head_share.shape[1] // GROUPS
    n_nodes, n_heads = cells.state.shape[1], decision.outputs.shape[1]
    return Rows(
        _allocate(weights.varies.size),
        _allocate(cells.inputs.shape[1]),
        _allocate(n_nodes),
        _allocate(FACTORS),
        _allocate(n_members),
        _allocate(n_members),
        _allocate(4 * n_members),
        _allocate(2 * n_heads),
        _allocate(3),
        _allocate(weights.residual.bias.size + 1),
    )


@inner
def _allocate(n_rows):
    return np.empty(n_rows * TILE, np.float32)


@inner
def _allocate_parents(weights):
    n_units = weights.n_parents.size
    return LiveParents(
        np.empty(n_units, np.int32),
        np.empty_like(weights.parent),
        np.empty(n_units, np.bool_),
        np.empty(n_units, np.int64),
        np.empty(weights.factor.size, np.float32),
    )


@inner
def _cut_rows(space, width):
    """Work space as contiguous rows of a tile's width."""
    return Rows(
        _cut(space.source, width),
        _cut(space.raw, width),
        _cut(space.drive, width),
        _cut(space.argument, width),
        _cut(space.member, width),
        _cut(space.term, width),
        _cut(space.carbon, width),
        _cut(space.output, width),
        _cut(space.judgement, width),
        _cut(space.residual, width),
    )


@inner
def _cut(space, width):
    n_rows = space.size // TILE
    return space[: n_rows * width].reshape(n_rows, width)


@inner
def _ones_row(weights):
    """The source that is one; products of gated parents follow."""
    return weights.varies.size - 1 - weights.product.shape[0]


@inner
def _load(lanes, cells, transforms, one, rows, fresh):
    """Raw inputs; then the sources: nodes, transformed inputs, genotype bits, ones.

    What is not `fresh` is still there from the tile before; it becomes fresh where it differs.
    """
    n_nodes, n_inputs = cells.state.shape[1], cells.inputs.shape[1]
    x, raw, kind = rows.source, rows.raw, transforms.kind
    fresh[:n_nodes] = True
    for low in range(0, x.shape[1], STRIP):
        _to_lanes(lanes.cell, low, cells.state, x)
        _compare(lanes.cell, low, cells.inputs, raw, fresh[n_nodes:])
        _to_lanes(lanes.cell, low, cells.inputs, raw)
    for k in range(n_inputs):
        if fresh[n_nodes + k]:
            _transform_row(raw[k], kind[k], transforms.a[k], transforms.b[k], x[n_nodes + k])
    first = n_nodes + n_inputs
    _load_genotype(lanes, cells.genotype, x[first:one], fresh[first:one])
    fill(x[one], _ONE)


@inner
def _load_genotype(lanes, genotype, x, fresh):
    """Bits of the cells as rows of zeros and ones."""
    bits, changed = lanes.genotype, fresh[0]
    for j in range(x.shape[1]):
        changed |= bits[j] != genotype[lanes.cell[j]]
        bits[j] = genotype[lanes.cell[j]]
    if changed:
        fresh[:] = True
        for k in range(x.shape[0]):
            row = x[k]
            for j in range(row.size):
                row[j] = np.float32((bits[j] >> k) & 1)


@inner
def _to_lanes(cell, low, table, out):
    """Columns of a strip of cells side by side."""
    p, q = table[cell[low]], table[cell[low + 1]]
    r, s = table[cell[low + 2]], table[cell[low + 3]]
    for k in range(table.shape[1]):
        strip = out[k, low : low + STRIP]
        strip[0], strip[1], strip[2], strip[3] = p[k], q[k], r[k], s[k]


@inner
def _compare(cell, low, table, rows, fresh):
    """Mark the rows that a strip of cells would change."""
    p, q = table[cell[low]], table[cell[low + 1]]
    r, s = table[cell[low + 2]], table[cell[low + 3]]
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
                out[j] = _transform(np.float64(raw[j]), OCCUPANCY, a, b)


@inner
def _find_parents(cell_type, weights, x, marks, parents):
    """Find of every unit the parents that are not zero in the whole tile.

    Only inputs, genotype bits and nodes without competence can be; they stay so in the tick. With
    other parents than in the tile before, everything is `fresh`.
    """
    live, fresh, competence = marks.live, marks.fresh, weights.competence
    n_nodes, one = competence.shape[1] - weights.head_share.shape[0], _ones_row(weights)
    changed = fresh[one]
    for k in range(x.shape[0]):
        if k > one:
            source, gate = weights.product[k - one - 1, 0], weights.product[k - one - 1, 1]
            found = live[source] and live[gate]
            fresh[k] |= fresh[source] or fresh[gate]
        elif k == one or (k < n_nodes and competence[cell_type, k] > _ZERO):
            found = True
        else:
            found = _any(x[k]) if fresh[k] else live[k]
        changed |= live[k] != found
        live[k] = found
    if changed:
        fresh[:] = True
        first = np.int64(0)  # a literal would be a type of its own, and compiled for besides
        for unit in range(weights.n_parents.size):
            if competence[cell_type, unit] > _ZERO:
                first = _gather_parents(unit, first, weights, live, parents)


@inner
def _any(row):
    found = False
    for j in range(row.size):
        found |= row[j] != _ZERO
    return found


@inner
def _gather_parents(unit, first, weights, live, parents):
    """Live parents, and their weights from `first` on; returns where the next unit's begin.

    None, or more than WIDEST, are filled up with weights of 0.
    """
    n, row = 0, parents.row[unit]
    known = weights.parent[unit, : weights.n_parents[unit]]
    parents.is_fixed[unit] = True
    for parent in known:
        if live[parent]:
            row[n] = parent
            parents.is_fixed[unit] &= not weights.varies[parent]
            n += 1
    n_live = n
    while n == 0 or (n > WIDEST and n % BLOCK > 0):
        row[n] = _ones_row(weights)
        n += 1
    parents.n_live[unit], parents.start[unit] = n, first
    for t in range(weights.factor.shape[1]):
        source = weights.factor[unit, t]
        target = parents.factor[first : first + FACTORS * (1 + n)]
        for f in range(FACTORS):  # copying a slice takes seconds to compile
            target[f] = source[f]
        target[FACTORS * (1 + n_live) :] = _ZERO
        to = FACTORS
        for k in range(known.size):
            if live[known[k]]:
                for f in range(FACTORS):
                    target[to + f] = source[FACTORS * (1 + k) + f]
                to += FACTORS
        first += target.size
    return first


@inner
def _relax(cell_type, weights, parents, timing, rows, marks):
    """Sweep the nodes of one tile, one after the other: h <- h + competence g F - g h.

    A residual moves F towards 0 or 1 where its gate is open.
    """
    x, y, residual = rows.source, rows.argument, weights.residual
    for sweep in range(timing.n_sweeps):
        _read_residual(residual, marks.live, x, rows.residual)
        for unit in range(timing.loss.size):
            competence, g = weights.competence[cell_type, unit], timing.loss[unit]
            node, drive = x[unit], rows.drive[unit]
            silent = competence == _ZERO
            if silent or _is_due(unit, sweep, parents, marks.fresh):
                fill(drive, _ZERO)
                if not silent:
                    terms, out = (
                        Terms(0, timing.share[cell_type, unit]),
                        rows.drive[unit : unit + 1],
                    )
                    add_drive(unit, weights.product, parents, terms, x, y, out)
            if residual.is_open[unit] and not silent:
                write = residual.write[unit]
                _move_with_residual(node, drive, g, competence * g, write, rows.residual)
            else:
                for j in range(node.size):
                    node[j] += fma(-g, node[j], drive[j])


@inner
def _is_due(unit, sweep, parents, fresh):
    """Whether a drive is not what it was: of nodes always, of inputs where one is `fresh`."""
    if not parents.is_fixed[unit]:
        return True
    found = False
    if sweep == 0:
        for k in range(parents.n_live[unit]):
            found |= fresh[parents.row[unit, k]]
    return found


@inner
def _read_residual(residual, live, x, rows):
    """What the residual reads from the live sources, in the first rows."""
    rank, n_sources = residual.read.shape
    if rank > 0:
        chosen, n = np.empty(n_sources, np.int64), 0
        for k in range(n_sources):
            if live[k]:
                chosen[n] = k
                n += 1
        for r in range(rank):
            row = rows[r]
            fill(row, residual.bias[r])
            add_rows(x, chosen[:n], residual.read[r], row)
            for j in range(row.size):
                row[j] /= _ONE + abs(row[j])


@inner
def _move_with_residual(node, drive, g, gain, write, rows):
    """h <- h + competence g (F (1 - |rho|) + max(rho, 0)) - g h; `gain` is competence g."""
    rho = rows[write.size]
    fill(rho, _ZERO)
    for r in range(write.size):
        row, weight = rows[r], write[r]
        for j in range(row.size):
            rho[j] = fma(weight, row[j], rho[j])
    for j in range(node.size):
        up = rho[j] if rho[j] > _ZERO else _ZERO
        node[j] += fma(-g, node[j], fma(drive[j], _ONE - abs(rho[j]), gain * up))


@inner
def _store(cell, count, rows, domain, decision):
    """Write the cells of a tile back.

    Lanes past the end write what their cell, the last one, gets anyway.
    """
    output, judgement, n_heads = rows.output, rows.judgement, decision.outputs.shape[1]
    for low in range(0, count, STRIP):
        _to_cells(cell, low, rows.source, decision.state)
        _to_cells(cell, low, output, decision.outputs)
        _to_cells(cell, low, output[n_heads:], decision.sigma)
    for j in range(count):
        decision.in_domain[cell[j]] = not (
            judgement[0, j] == _ZERO
            or judgement[1, j] > domain.distance
            or judgement[2, j] > domain.disagreement
        )


@inner
def _to_cells(cell, low, rows, table):
    """A strip of lanes into the columns of its cells."""
    p, q = table[cell[low]], table[cell[low + 1]]
    r, s = table[cell[low + 2]], table[cell[low + 3]]
    for k in range(table.shape[1]):
        strip = rows[k, low : low + STRIP]
        p[k], q[k], r[k], s[k] = strip[0], strip[1], strip[2], strip[3]
