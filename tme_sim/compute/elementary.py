"""Elementary functions of arrays, as the C library has them.

numpy takes functions of its own where the processor has wide vectors (AVX-512, and AVX2 for some),
and these differ from the C library's in the last bit: what a run writes would depend on the
processor. Kernels call the C library too (`math.exp` and so on), so that an array and a kernel
agree.
"""

import math
from collections.abc import Callable
from typing import Any, cast

import numba as nb
import numpy as np

from surrogates.disk_cache import disk_cache


def _of_arrays(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """Compile a function of one number for arrays of any shape, when first used."""
    made: Any = nb.vectorize(function)
    made._dispatcher.cache = disk_cache(function)
    return cast("Callable[[Any], Any]", made)


@_of_arrays
def exp(x: float) -> float:
    """e to the power of x."""
    return math.exp(x)


@_of_arrays
def expm1(x: float) -> float:
    """e to the power of x, minus 1."""
    return math.expm1(x)


@_of_arrays
def log(x: float) -> float:
    """Natural logarithm of x."""
    return math.log(x)


@_of_arrays
def log1p(x: float) -> float:
    """Natural logarithm of 1 + x."""
    return math.log1p(x)


@_of_arrays
def cos(x: float) -> float:
    """Cosine of an angle [rad]."""
    return math.cos(x)


@_of_arrays
def sin(x: float) -> float:
    """Sine of an angle [rad]."""
    return math.sin(x)


@_of_arrays
def tanh(x: float) -> float:
    """Hyperbolic tangent of x."""
    return math.tanh(x)


@_of_arrays
def cbrt(x: float) -> float:
    """Cube root of x."""
    return float(np.cbrt(x))
