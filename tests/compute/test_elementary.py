"""Elementary functions of arrays are the C library's, whatever numpy has for this processor."""

import math

import numpy as np
import pytest

from tme_sim.compute import elementary

NAMES = ["exp", "expm1", "log", "log1p", "cos", "sin", "tanh", "cbrt"]


@pytest.mark.parametrize("name", NAMES)
def test_an_array_has_the_bits_of_the_c_library(name):
    values = np.random.default_rng(3).uniform(1e-3, 4.0, 5000)
    one = getattr(math, name)
    expected = np.array([one(value) for value in values])
    assert np.array_equal(getattr(elementary, name)(values), expected)
    np.testing.assert_allclose(expected, getattr(np, name)(values), rtol=1e-15, atol=1e-16)
