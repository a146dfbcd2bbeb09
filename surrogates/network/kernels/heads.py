"""Read the output heads of a tile of cells: their mean over the members, and its spread.

Rows are heads, lanes are cells. The formulas are those of `phenotype.outputs_from_fractions`;
arguments that several kernels share are described in `network.kernels.arrays`.
"""

import math

import numpy as np

from surrogates.metabolism import GLUCOSE_HALF, OXYGEN_HALF, lactate_flux, realised
from surrogates.network.kernels.arithmetic import fma, inner
from surrogates.network.kernels.arrays import Terms
from surrogates.network.kernels.drives import add_drive, fill
from surrogates.phenotype import LINEAR, LOG

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_PER_LN2, _HALF = np.float32(1.0 / math.log(2.0)), np.float32(0.5)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # their sum is ln 2
_C3, _C4, _C5, _C6, _C7 = (np.float32(1.0 / math.factorial(k)) for k in range(3, 8))
_GROWTH, _OXYGEN, _GLUCOSE, _LACTATE = range(4)  # places in `rows.carbon`, times n_members


@inner
def read_heads(cell_type, weights, parents, ranges, rows):
    """Outputs of the members' mean fraction in the first rows of `output`, their sigma in the rest.

    Sigma is the standard deviation over members: of a linear output that of its fraction, scaled;
    of the others worked out.
    """
    low, high, log_ratio = ranges.low, ranges.high, ranges.log_ratio
    members, mean, power = rows.member, rows.argument[0], rows.argument[1]
    for head in range(low.size):
        value, spread = rows.output[head], rows.output[low.size + head]
        competence = _read_fractions(head, cell_type, weights, parents, rows)
        _average(members, value)
        _store_carbon(head, members, ranges.columns, rows.carbon)
        if ranges.scale[head] == LOG:
            for m in range(members.shape[0]):
                _exponentiate(members[m], low[head] * competence, log_ratio[head], power)
            _average(members, mean)
            _deviate(members, mean, spread)
            _exponentiate(value, low[head] * competence, log_ratio[head], power)
        elif ranges.scale[head] == LINEAR:
            width = (high[head] - low[head]) * competence
            _deviate(members, value, spread)
            _scale(value, low[head], width, value)
            _scale(spread, _ZERO, width, spread)
    _read_lactate(weights.competence[cell_type, -low.size :], ranges, rows)


@inner
def _read_fractions(head, cell_type, weights, parents, rows):
    """Every member's fraction of one head, (n_members, lanes); returns the head's competence."""
    members, factors, share = rows.member, rows.term, weights.head_share[head]
    x, y, product = rows.source, rows.argument, weights.product
    unit = weights.competence.shape[1] - weights.head_share.shape[0] + head
    competence = weights.competence[cell_type, unit]
    _clear(members)
    if competence > _ZERO:
        if weights.is_joint[head]:
            n = members.shape[0]
            add_drive(unit, product, parents, Terms(0, share[:n]), x, y, members)
            for first in range(n, share.size, n):
                _clear(factors)
                terms = Terms(first, share[first : first + n])
                add_drive(unit, product, parents, terms, x, y, factors)
                _multiply(members, factors)
        else:
            add_drive(unit, product, parents, Terms(0, share), x, y, members)
    return competence


@inner
def _clear(rows):
    for k in range(rows.shape[0]):
        fill(rows[k], _ZERO)


@inner
def _multiply(rows, factors):
    for k in range(rows.shape[0]):
        row, factor = rows[k], factors[k]
        for j in range(row.size):
            row[j] *= factor[j]


@inner
def _average(rows, out):
    fill(out, _ZERO)
    for m in range(rows.shape[0]):
        row = rows[m]
        for j in range(out.size):
            out[j] += row[j]
    n = np.float32(rows.shape[0])
    for j in range(out.size):
        out[j] /= n


@inner
def _deviate(rows, mean, out):
    """Standard deviation of rows about their mean."""
    fill(out, _ZERO)
    for m in range(rows.shape[0]):
        row = rows[m]
        for j in range(out.size):
            out[j] = fma(row[j] - mean[j], row[j] - mean[j], out[j])
    n = np.float32(rows.shape[0])
    for j in range(out.size):
        out[j] = math.sqrt(out[j] / n)


@inner
def _store_carbon(head, members, columns, carbon):
    """Copy fractions that the flux of lactate needs before they become outputs."""
    if head == columns.growth:
        _copy(members, carbon, _GROWTH)
    elif head == columns.oxygen:
        _copy(members, carbon, _OXYGEN)
    elif head == columns.glucose:
        _copy(members, carbon, _GLUCOSE)
    elif head == columns.lactate:
        _copy(members, carbon, _LACTATE)


@inner
def _copy(members, carbon, place):
    n_members = members.shape[0]
    for m in range(n_members):
        row, copy = members[m], carbon[place * n_members + m]
        for j in range(row.size):
            copy[j] = row[j]


@inner
def _exponentiate(row, low, log_ratio, power):
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
def _scale(row, low, width, out):
    for j in range(row.size):
        out[j] = fma(width, row[j], low)


@inner
def _read_lactate(competence, ranges, rows):
    """Lactate of the mean and its spread over members, by the flux layer."""
    low, columns, carbon, output = ranges.low, ranges.columns, rows.carbon, rows.output
    value, n_members = output[columns.lactate], rows.member.shape[0]
    share = competence[columns.lactate]
    growth, oxygen, glucose = (
        output[columns.growth],
        output[columns.oxygen],
        output[columns.glucose],
    )
    _secrete(rows.raw, columns, (growth, oxygen, glucose), value, share, value)
    for m in range(n_members):
        growth, oxygen = carbon[_GROWTH * n_members + m], carbon[_OXYGEN * n_members + m]
        glucose, fraction = carbon[_GLUCOSE * n_members + m], carbon[_LACTATE * n_members + m]
        _scale_head(columns.growth, competence, ranges, growth)
        _scale_head(columns.oxygen, competence, ranges, oxygen)
        _scale_head(columns.glucose, competence, ranges, glucose)
        _secrete(rows.raw, columns, (growth, oxygen, glucose), fraction, share, rows.member[m])
    _average(rows.member, rows.argument[0])
    _deviate(rows.member, rows.argument[0], output[low.size + columns.lactate])


@inner
def _scale_head(head, competence, ranges, row):
    low = ranges.low[head]
    _scale(row, low, (ranges.high[head] - low) * competence[head], row)


@inner
def _secrete(raw, columns, capacities, fraction, competence, out):
    """Lactate of lanes from growth, capacities and the share of pyruvate that a cell would."""
    growth, oxygen, glucose = capacities
    oxygen_outside, glucose_outside = raw[columns.oxygen_input], raw[columns.glucose_input]
    for j in range(out.size):
        out[j] = lactate_flux(
            realised(glucose[j], glucose_outside[j], GLUCOSE_HALF),
            realised(oxygen[j], oxygen_outside[j], OXYGEN_HALF),
            growth[j],
            fraction[j] * competence,
        )


@inner
def disagree(ranges, output, out):
    """Largest sigma of the outputs, each over its range."""
    low, high = ranges.low, ranges.high
    fill(out, _ZERO)
    for head in range(low.size):
        spread, scale = output[low.size + head], _ONE / (high[head] - low[head])
        for j in range(out.size):
            share = spread[j] * scale
            out[j] = share if share > out[j] else out[j]
