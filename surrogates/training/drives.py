"""Squared error of the drives over a batch, with its gradient, unit by unit.

Units share no weights and see given sources, so the loss falls apart into one small problem per
unit; writing its gradient out is thirty times faster than recording it operation by operation. The
torch function `drive_loss` hands the result to autograd, which goes on to the raw parameters; a
test compares both with the gradient that torch derives from `network.torch.MonotoneUnits`.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from surrogates.disk_cache import cached
from surrogates.network.kernels.unit import UnitArrays, sigmoid, sigmoid_slope
from surrogates.network.parameters import FACTORS, GROUPS, HIDDEN

LANES = 64  # rows side by side; batches are multiples of it
_ZERO, _ONE, _TWO = (np.float32(v) for v in (0.0, 1.0, 2.0))


class UnitTables(NamedTuple):
    """Who reads whom, and how."""

    parent: np.ndarray  # int32 (n_units, width), without -1: the last source is one
    gate: np.ndarray  # int32 (n_units, width)
    n_parents: np.ndarray  # int32 (n_units,)
    is_joint: np.ndarray  # bool (n_units,), one product of all sigmoids


class Batch(NamedTuple):
    """Rows of a batch, float32, n_rows a multiple of LANES; a row weighs factor x bootstrap."""

    sources: np.ndarray  # (n_sources + 1, n_rows), a last row of ones
    target: np.ndarray  # (n_units, n_rows)
    factor: np.ndarray  # (n_units, n_rows)
    bootstrap: np.ndarray  # (n_members, n_rows)


class _Sums(NamedTuple):
    """Gradients of one unit, lane by lane."""

    weight: np.ndarray  # (n_members, n_parents + 1, HIDDEN, LANES); the last parent is the bias
    share: np.ndarray  # (n_members, GROUPS, LANES)


class _DriveLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, bias: Tensor, share: Tensor, tables: UnitTables, batch: Batch
    ) -> Tensor:
        units, gradients, losses = _room(weight, bias, share)
        _batch_gradient(units, tables, batch, gradients, losses)
        ctx.save_for_backward(*(torch.from_numpy(g) for g in gradients))
        return torch.tensor(losses.sum(), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        return *(outer * g for g in ctx.saved_tensors), None, None


def drive_loss(
    weight: Tensor, bias: Tensor, share: Tensor, tables: UnitTables, batch: Batch
) -> Tensor:
    """Sum over members and units of sum_rows factor (F - target)^2.

    Args:
        weight: signed weights (n_members, n_units, width, HIDDEN).
        bias: (n_members, n_units, HIDDEN).
        share: (n_members, n_units, GROUPS).
        tables: who reads whom.
        batch: what is seen and wanted.
    """
    loss: Tensor = _DriveLoss.apply(weight, bias, share, tables, batch)
    return loss


def drive_errors(
    weight: Tensor, bias: Tensor, share: Tensor, tables: UnitTables, batch: Batch
) -> np.ndarray:
    """The terms of `drive_loss` (n_members, n_units), without a gradient."""
    units, gradients, losses = _room(weight, bias, share)
    _batch_gradient(units, tables, batch, gradients, losses)
    return losses


def _room(*acting: Tensor) -> tuple[UnitArrays, UnitArrays, np.ndarray]:
    """What acts as arrays; room for its gradients, and for the losses of members and units."""
    units = UnitArrays(*(np.ascontiguousarray(t.detach().numpy()) for t in acting))
    gradients = UnitArrays(*(np.zeros_like(a) for a in units))
    return units, gradients, np.zeros(units.bias.shape[:2])


@cached(error_model="numpy", parallel=True)
def _batch_gradient(units, tables, batch, gradients, losses):
    for unit in prange(units.bias.shape[1]):
        _unit_gradient(unit, units, tables, batch, gradients, losses)


@njit(error_model="numpy")
def _unit_gradient(unit, units, tables, batch, gradients, losses):
    """Gradient of one unit of every member; sums run lane by lane, so that they vectorise."""
    n_members, width, joint = units.bias.shape[0], tables.n_parents[unit], tables.is_joint[unit]
    z = np.empty((width + 1, LANES), np.float32)
    z[width] = _ONE  # the bias is the weight of a constant
    f, slope = np.empty((HIDDEN, LANES), np.float32), np.empty((HIDDEN, LANES), np.float32)
    pull = np.empty(LANES, np.float32)
    sums = _Sums(
        np.zeros((n_members, width + 1, HIDDEN, LANES), np.float32),
        np.zeros((n_members, GROUPS, LANES), np.float32),
    )
    for first in range(0, batch.sources.shape[1], LANES):
        _multiply_gates(batch.sources, first, tables.parent[unit], tables.gate[unit], width, z)
        for m in range(n_members):
            share = units.share[m, unit]
            hidden(z, width, units.weight[m, unit], units.bias[m, unit], f, slope)
            if joint:
                _product(f, share, pull)
            else:
                mix(f, share, pull)
            losses[m, unit] += _error(unit, m, batch, first, pull)
            if joint:
                _product_backward(z, f, slope, share, pull, sums.weight[m], sums.share[m])
            else:
                _backward(z, f, slope, share, pull, sums.weight[m], sums.share[m])
    _collect(unit, width, sums, gradients)


@njit(error_model="numpy")
def _multiply_gates(sources, first, parent, gate, width, z):
    """Effective parents of some rows of a batch."""
    for k in range(width):
        row = z[k]
        value = sources[parent[k], first : first + LANES]
        opened = sources[gate[k], first : first + LANES]
        for j in range(LANES):
            row[j] = value[j] * opened[j]


@njit(error_model="numpy")
def _collect(unit, width, sums, gradients):
    """Sums of the lanes."""
    for m in range(sums.weight.shape[0]):
        for h in range(HIDDEN):
            for k in range(width):
                gradients.weight[m, unit, k, h] = sums.weight[m, k, h].sum()
            gradients.bias[m, unit, h] = sums.weight[m, width, h].sum()
        for g in range(GROUPS):
            gradients.share[m, unit, g] = sums.share[m, g].sum()


@njit(error_model="numpy")
def hidden(z, width, w, b, f, slope):
    """Sigmoids of one unit and member, and their slopes, from the first `width` rows of z."""
    weigh(z, width, w, b, f)
    for h in range(HIDDEN):
        y, s = f[h], slope[h]
        for j in range(LANES):
            s[j] = sigmoid_slope(y[j])
            y[j] = sigmoid(y[j])


@njit(error_model="numpy")
def weigh(z, width, w, b, y):
    """Arguments of the sigmoids of one unit and member."""
    for h in range(HIDDEN):
        row, start = y[h], b[h]
        for j in range(LANES):
            row[j] = start
        for k in range(width):
            parent, strength = z[k], w[k, h]
            for j in range(LANES):
                row[j] += strength * parent[j]


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
def _error(unit, member, batch, first, pull):
    """Loss of the lanes; `pull` is F and becomes dloss/dF."""
    target = batch.target[unit, first : first + LANES]
    factor = batch.factor[unit, first : first + LANES]
    bootstrap = batch.bootstrap[member, first : first + LANES]
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
