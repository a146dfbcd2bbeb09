"""Squared error of the drives over a batch, with its gradient, unit by unit.

Units share no weights and see given sources, so the loss falls apart into one small problem per
unit; writing its gradient out is thirty times faster than recording it operation by operation. The
torch function `drive_loss` hands the result to autograd, which goes on to the raw parameters; a
test compares both with the gradient that torch derives from `network.torch.MonotoneUnits`.
"""

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from surrogates.network.parameters import FACTORS, GROUPS, HIDDEN

LANES = 64  # rows side by side; batches are multiples of it
_ZERO, _HALF, _ONE, _TWO = (np.float32(v) for v in (0.0, 0.5, 1.0, 2.0))


class _DriveLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight: Tensor, bias: Tensor, share: Tensor, tables: tuple, batch: tuple):
        arrays = tuple(np.ascontiguousarray(t.detach().numpy()) for t in (weight, bias, share))
        gradients = tuple(np.zeros_like(a) for a in arrays)
        losses = np.zeros(arrays[1].shape[:2])
        _batch_gradient(*arrays, *tables, *batch, *gradients, losses)
        ctx.save_for_backward(*(torch.from_numpy(g) for g in gradients))
        return torch.tensor(losses.sum(), dtype=torch.float32)

    @staticmethod
    def backward(ctx, outer: Tensor):
        return *(outer * g for g in ctx.saved_tensors), None, None


def drive_loss(weight: Tensor, bias: Tensor, share: Tensor, tables: tuple, batch: tuple) -> Tensor:
    """Sum over members and units of sum_rows factor (F - target)^2.

    Args:
        weight: signed weights (n_members, n_units, width, HIDDEN).
        bias: (n_members, n_units, HIDDEN).
        share: (n_members, n_units, GROUPS).
        tables: parent, gate int32 (n_units, width) without -1, n_parents int32 (n_units,), joint
            bool (n_units,).
        batch: sources (n_sources + 1, n_rows) with a last row of ones, target and factor
            (n_units, n_rows), bootstrap (n_members, n_rows), all float32, n_rows a multiple of
            LANES; the weight of a row is factor x bootstrap.
    """
    return _DriveLoss.apply(weight, bias, share, tables, batch)


def drive_errors(weight: Tensor, bias: Tensor, share: Tensor, tables: tuple, batch: tuple):
    """The terms of `drive_loss` (n_members, n_units), without a gradient."""
    arrays = tuple(np.ascontiguousarray(t.detach().numpy()) for t in (weight, bias, share))
    losses = np.zeros(arrays[1].shape[:2])
    _batch_gradient(*arrays, *tables, *batch, *(np.zeros_like(a) for a in arrays), losses)
    return losses


@njit(error_model="numpy", cache=True, parallel=True)
def _batch_gradient(  # noqa: PLR0913
    weight,
    bias,
    share,
    parent,
    gate,
    n_parents,
    joint,
    sources,
    target,
    factor,
    bootstrap,
    d_weight,
    d_bias,
    d_share,
    losses,
):
    for unit in prange(bias.shape[1]):
        _unit_gradient(
            unit,
            weight,
            bias,
            share,
            parent,
            gate,
            n_parents[unit],
            joint[unit],
            sources,
            target[unit],
            factor[unit],
            bootstrap,
            d_weight,
            d_bias,
            d_share,
            losses,
        )


@njit(error_model="numpy")
def _unit_gradient(  # noqa: PLR0913
    unit,
    weight,
    bias,
    share,
    parent,
    gate,
    width,
    joint,
    sources,
    target,
    factor,
    bootstrap,
    d_weight,
    d_bias,
    d_share,
    losses,
):
    """Gradient of one unit of every member; sums run lane by lane, so that they vectorise."""
    n_members = bias.shape[0]
    z = np.empty((width + 1, LANES), np.float32)
    z[width] = _ONE  # the bias is the weight of a constant
    f, slope = np.empty((HIDDEN, LANES), np.float32), np.empty((HIDDEN, LANES), np.float32)
    pull = np.empty(LANES, np.float32)
    sums = np.zeros((n_members, width + 1, HIDDEN, LANES), np.float32)
    mixed = np.zeros((n_members, GROUPS, LANES), np.float32)
    for first in range(0, sources.shape[1], LANES):
        for k in range(width):
            row = z[k]
            value = sources[parent[unit, k], first : first + LANES]
            product = sources[gate[unit, k], first : first + LANES]
            for j in range(LANES):
                row[j] = value[j] * product[j]
        for m in range(n_members):
            hidden(z, width, weight[m, unit], bias[m, unit], f, slope)
            if joint:
                _product(f, share[m, unit], pull)
            else:
                mix(f, share[m, unit], pull)
            losses[m, unit] += _error(
                target[first : first + LANES],
                factor[first : first + LANES],
                bootstrap[m, first : first + LANES],
                pull,
            )
            if joint:
                _product_backward(z, f, slope, share[m, unit], pull, sums[m], mixed[m])
            else:
                _backward(z, f, slope, share[m, unit], pull, sums[m], mixed[m])
    for m in range(n_members):
        for h in range(HIDDEN):
            for k in range(width):
                d_weight[m, unit, k, h] = sums[m, k, h].sum()
            d_bias[m, unit, h] = sums[m, width, h].sum()
        for g in range(GROUPS):
            d_share[m, unit, g] = mixed[m, g].sum()


@njit(error_model="numpy")
def hidden(z, width, w, b, f, slope):
    """Sigmoids of one unit and member, and their slopes, from the first `width` rows of z."""
    for h in range(HIDDEN):
        y, s = f[h], slope[h]
        start = b[h]
        for j in range(LANES):
            y[j] = start
        for k in range(width):
            row, strength = z[k], w[k, h]
            for j in range(LANES):
                y[j] += strength * row[j]
        for j in range(LANES):
            size = abs(y[j])
            v = y[j] * (_ONE + size)
            d = _ONE / (_ONE + abs(v))
            y[j] = _HALF + _HALF * v * d
            s[j] = (_HALF + size) * d * d


@njit(error_model="numpy")
def mix(f, share, out):
    """F of one unit and member from its sigmoids."""
    for j in range(LANES):
        out[j] = _ZERO
    for g in range(GROUPS):
        a, b, c, part = f[g * FACTORS], f[g * FACTORS + 1], f[g * FACTORS + 2], share[g]
        for j in range(LANES):
            out[j] += part * a[j] * b[j] * c[j]


@njit(error_model="numpy")
def _product(f, share, out):
    """F of a joint head."""
    total = share.sum()
    for j in range(LANES):
        out[j] = total
    for h in range(HIDDEN):
        row = f[h]
        for j in range(LANES):
            out[j] *= row[j]


@njit(error_model="numpy")
def _error(target, factor, bootstrap, pull):
    """Loss of the lanes; `pull` is F and becomes dloss/dF."""
    loss = 0.0
    for j in range(LANES):
        error = pull[j] - target[j]
        pull[j] = factor[j] * bootstrap[j] * error
        loss += pull[j] * error
        pull[j] *= _TWO
    return loss


@njit(error_model="numpy")
def _backward(z, f, slope, share, pull, sums, mixed):
    """Add the gradients of weights, bias (last row of sums) and shares, lane by lane."""
    delta = np.empty(LANES, np.float32)
    for g in range(GROUPS):
        base, part, mix = g * FACTORS, share[g], mixed[g]
        a, b, c = f[base], f[base + 1], f[base + 2]
        for j in range(LANES):
            mix[j] += pull[j] * a[j] * b[j] * c[j]
        for k in range(FACTORS):
            one, two = f[base + (k + 1) % FACTORS], f[base + (k + 2) % FACTORS]
            s = slope[base + k]
            for j in range(LANES):
                delta[j] = pull[j] * part * one[j] * two[j] * s[j]
            for p in range(z.shape[0]):
                row, total = z[p], sums[p, base + k]
                for j in range(LANES):
                    total[j] += delta[j] * row[j]


@njit(error_model="numpy")
def _product_backward(z, f, slope, share, pull, sums, mixed):
    """The same of a joint head: dF/df_h is the product of the other sigmoids."""
    total = share.sum()
    delta, others = np.empty(LANES, np.float32), np.empty((HIDDEN, LANES), np.float32)
    for j in range(LANES):
        delta[j] = _ONE
    for h in range(HIDDEN):  # of those before h
        for j in range(LANES):
            others[h, j] = delta[j]
            delta[j] *= f[h, j]
    for g in range(GROUPS):
        for j in range(LANES):
            mixed[g, j] += pull[j] * delta[j]
    for j in range(LANES):
        delta[j] = _ONE
    for h in range(HIDDEN - 1, -1, -1):  # times those after it
        for j in range(LANES):
            others[h, j] *= delta[j]
            delta[j] *= f[h, j]
    for h in range(HIDDEN):
        for j in range(LANES):
            delta[j] = pull[j] * total * others[h, j] * slope[h, j]
        for p in range(z.shape[0]):
            row, added = z[p], sums[p, h]
            for j in range(LANES):
                added[j] += delta[j] * row[j]
