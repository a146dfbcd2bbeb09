"""Read the output heads of a tile of cells: their mean over the members, and its spread.

Rows are heads, lanes are cells. The formulas are those of `phenotype.outputs_from_fractions`;
arguments that several kernels share are described in `network.kernels.tiles`.
"""

import math

import numpy as np

from surrogates.metabolism import GLUCOSE_HALF, OXYGEN_HALF, lactate_flux, realised
from surrogates.network.kernels.arithmetic import fma
from surrogates.network.kernels.drives import add_drive, fill, inner
from surrogates.phenotype import LINEAR, LOG

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_PER_LN2, _HALF = np.float32(1.0 / math.log(2.0)), np.float32(0.5)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # their sum is ln 2
_C3, _C4, _C5, _C6, _C7 = (np.float32(1.0 / math.factorial(k)) for k in range(3, 8))


@inner
def read_heads(kind, packed, wiring, ranges, work, seen):
    """Outputs of the members' mean fraction in the first rows of `seen`, their sigma in the rest.

    The formulas are those of `phenotype.outputs_from_fractions`. Sigma is the standard deviation
    over members: of a linear output that of its fraction, scaled; of the others worked out.
    """
    x, raw, y, members, carbon, term = work
    scale, low, high, log_ratio, columns = ranges
    n_heads = scale.size
    for head in range(n_heads):
        value, spread = seen[head], seen[n_heads + head]
        competence = _fractions(head, kind, packed, wiring, (x, y, members, term))
        _mean(members, value)
        for k in range(4):
            if head == columns[k]:
                _keep(members, k, carbon)
        if scale[head] == LOG:
            for m in range(members.shape[0]):
                _exponential(members[m], low[head] * competence, log_ratio[head], y[1])
            _mean(members, y[0])
            _deviation(members, y[0], spread)
            _exponential(value, low[head] * competence, log_ratio[head], y[1])
        elif scale[head] == LINEAR:
            width = (high[head] - low[head]) * competence
            _deviation(members, value, spread)
            _linear(value, low[head], width, value)
            _linear(spread, _ZERO, width, spread)
    _flux(packed[6][kind, -n_heads:], ranges, (raw, y, members, carbon), seen)


@inner
def _fractions(head, kind, packed, wiring, rows):
    """Every member's fraction of one head, (n_members, lanes); returns the head's competence."""
    x, y, members, term = rows
    unit = packed[6].shape[1] - packed[5].shape[0] + head
    _clear(members)
    if packed[6][kind, unit] > _ZERO:
        share = packed[5][head]
        if packed[8][head]:
            n = members.shape[0]
            add_drive(unit, packed, wiring, (0, share[:n]), (x, y), members)
            for first in range(n, share.size, n):
                _clear(term)
                add_drive(unit, packed, wiring, (first, share[first : first + n]), (x, y), term)
                _scale(members, term)
        else:
            add_drive(unit, packed, wiring, (0, share), (x, y), members)
    return packed[6][kind, unit]


@inner
def _clear(rows):
    for k in range(rows.shape[0]):
        fill(rows[k], _ZERO)


@inner
def _scale(rows, factors):
    for k in range(rows.shape[0]):
        row, factor = rows[k], factors[k]
        for j in range(row.size):
            row[j] *= factor[j]


@inner
def _mean(rows, out):
    fill(out, _ZERO)
    for m in range(rows.shape[0]):
        row = rows[m]
        for j in range(out.size):
            out[j] += row[j]
    n = np.float32(rows.shape[0])
    for j in range(out.size):
        out[j] /= n


@inner
def _deviation(rows, mean, out):
    fill(out, _ZERO)
    for m in range(rows.shape[0]):
        row = rows[m]
        for j in range(out.size):
            out[j] = fma(row[j] - mean[j], row[j] - mean[j], out[j])
    n = np.float32(rows.shape[0])
    for j in range(out.size):
        out[j] = math.sqrt(out[j] / n)


@inner
def _keep(members, k, carbon):
    n_members = members.shape[0]
    for m in range(n_members):
        row, kept = members[m], carbon[k * n_members + m]
        for j in range(row.size):
            kept[j] = row[j]


@inner
def _exponential(row, low, log_ratio, power):
    """Fractions to low ((high / low)^f - 1), in place; `power` is work space.

    e^x = 2^n e^r with n the integer nearest to x / ln 2, whose power is written as the bits of a
    float, and a Taylor sum for |r| <= ln 2 / 2: within 2e-7 of e^x, and eight lanes at once.
    """
    bits = power.view(np.int32)
    for j in range(row.size):
        bits[j] = (np.int32(fma(log_ratio * row[j], _PER_LN2, _HALF)) + 127) << 23
    for j in range(row.size):
        x = log_ratio * row[j]
        n = np.float32(np.int32(fma(x, _PER_LN2, _HALF)))
        r = fma(-n, _LN2_LOW, fma(-n, _LN2_HIGH, x))
        series = fma(r, fma(r, fma(r, _C7, _C6), _C5), _C4)
        series = fma(r, fma(r, fma(r, fma(r, series, _C3), _HALF), _ONE), _ONE)
        row[j] = low * fma(series, power[j], -_ONE)


@inner
def _linear(row, low, width, out):
    for j in range(row.size):
        out[j] = fma(width, row[j], low)


@inner
def _flux(competence, ranges, work, seen):
    """Lactate of the mean and its spread over members, by the flux layer."""
    raw, y, members, carbon = work
    _, low, high, _, columns = ranges
    n_members, lactate = members.shape[0], columns[3]
    value, spread = seen[lactate], seen[low.size + lactate]
    _lactate(
        raw,
        columns,
        (seen[columns[0]], seen[columns[1]], seen[columns[2]], value),
        competence[lactate],
        value,
    )
    for m in range(n_members):
        for k in range(3):
            row, head = carbon[k * n_members + m], columns[k]
            _linear(row, low[head], (high[head] - low[head]) * competence[head], row)
        _lactate(
            raw,
            columns,
            (
                carbon[m],
                carbon[n_members + m],
                carbon[2 * n_members + m],
                carbon[3 * n_members + m],
            ),
            competence[lactate],
            members[m],
        )
    _mean(members, y[0])
    _deviation(members, y[0], spread)


@inner
def _lactate(raw, columns, rows, competence, out):
    """Lactate of lanes from growth, capacities and the share of pyruvate that a cell would."""
    growth, oxygen, glucose, share = rows
    oxygen_outside, glucose_outside = raw[columns[4]], raw[columns[5]]
    for j in range(out.size):
        out[j] = lactate_flux(
            realised(glucose[j], glucose_outside[j], GLUCOSE_HALF),
            realised(oxygen[j], oxygen_outside[j], OXYGEN_HALF),
            growth[j],
            share[j] * competence,
        )


@inner
def disagree(seen, ranges, out):
    """Largest sigma of the outputs, each over its range."""
    low, high = ranges[1], ranges[2]
    fill(out, _ZERO)
    for head in range(low.size):
        spread, scale = seen[low.size + head], _ONE / (high[head] - low[head])
        for j in range(out.size):
            share = spread[j] * scale
            out[j] = share if share > out[j] else out[j]
