"""Transform raw inputs of many cells to [0, 1]; the formula is `channels.transform_value`."""

import numpy as np
from numba import njit

from surrogates.channels import TRANSFORM_A, TRANSFORM_B, TRANSFORM_KIND, transform_value
from surrogates.disk_cache import cached

_value = njit(error_model="numpy")(transform_value)


def transform_inputs(raw: np.ndarray) -> np.ndarray:
    """Transformed inputs (n, n_inputs) in [0, 1] of raw ones, in the same type."""
    out = np.empty_like(raw)
    _transform(raw, TRANSFORM_KIND, TRANSFORM_A, TRANSFORM_B, out)
    return out


@cached(error_model="numpy")
def _transform(
    raw: np.ndarray, kind: np.ndarray, a: np.ndarray, b: np.ndarray, out: np.ndarray
) -> None:
    for i in range(raw.shape[0]):
        for k in range(raw.shape[1]):
            out[i, k] = _value(np.float64(raw[i, k]), kind[k], a[k], b[k])


__all__ = ["transform_inputs"]
