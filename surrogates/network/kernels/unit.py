"""The equation of a unit, one number at a time: what every kernel that needs it calls.

    f(y) = 1/2 + 1/2 v / (1 + |v|),   v = y (1 + |y|),   f'(y) = (1/2 + |y|) / (1 + |v|)^2

`network.torch.rational_sigmoid` is its twin on tensors; units and their mix: `network.parameters`.
"""

from typing import NamedTuple

import numpy as np

from surrogates.network.kernels.arithmetic import fma, inner


class UnitArrays(NamedTuple):
    """What acts of units, float32; leading axes are members and units where there are several."""

    weight: np.ndarray  # (..., n_parents, hidden), signed
    bias: np.ndarray  # (..., hidden)
    share: np.ndarray  # (..., groups) of the mix


_HALF, _ONE = np.float32(0.5), np.float32(1.0)


@inner
def sigmoid(y):
    """Increasing from 0 to 1 with tails 1 / (2 y^2)."""
    v = y * (_ONE + abs(y))
    return _HALF + _HALF * v * (_ONE / (_ONE + abs(v)))


@inner
def sigmoid_slope(y):
    """Derivative of `sigmoid`."""
    size = abs(y)
    d = _ONE / (_ONE + abs(y * (_ONE + size)))
    return (_HALF + size) * d * d


@inner
def scaled_product(y0, y1, y2):
    """Eight times the product of three sigmoids (w + v) / (2 w), w = 1 + |v|, in one division."""
    a0, a1, a2 = _ONE + abs(y0), _ONE + abs(y1), _ONE + abs(y2)
    w0, w1, w2 = fma(y0, y0, a0), fma(y1, y1, a1), fma(y2, y2, a2)
    return fma(y0, a0, w0) * fma(y1, a1, w1) * fma(y2, a2, w2) / (w0 * w1 * w2)
