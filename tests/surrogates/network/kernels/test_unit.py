"""The unit's equation: one number at a time, in one division for three, and on tensors."""

import numpy as np
import pytest
import torch
from numba import njit

from surrogates.network.kernels import arithmetic, unit
from surrogates.network.torch import rational_sigmoid

SIZES = np.geomspace(1e-3, 30.0, 200, dtype=np.float32)
ARGUMENTS = np.concatenate([-SIZES[::-1], np.zeros(1, np.float32), SIZES])


@njit
def evaluate(arguments, values, slopes):
    for j in range(arguments.size):
        values[j] = unit.sigmoid(arguments[j])
        slopes[j] = unit.sigmoid_slope(arguments[j])


@njit
def multiply(a, b, c, products):
    for j in range(a.size):
        products[j] = unit.scaled_product(a[j], b[j], c[j])


@njit
def fuse(a, b, c, results):
    for j in range(a.size):
        results[j] = arithmetic.fma(a[j], b[j], c[j])


def test_values_and_slopes_are_those_of_the_form_on_tensors():
    y = torch.from_numpy(ARGUMENTS).requires_grad_()
    wanted = rational_sigmoid(y)
    wanted.sum().backward()
    values, slopes = np.empty_like(ARGUMENTS), np.empty_like(ARGUMENTS)
    evaluate(ARGUMENTS, values, slopes)
    np.testing.assert_allclose(values, wanted.detach().numpy(), atol=1e-7)
    np.testing.assert_allclose(slopes, y.grad.numpy(), rtol=1e-3, atol=1e-7)  # torch's cancel


def test_a_product_in_one_division_is_the_product_of_three():
    a, b, c = (np.random.default_rng(k).permutation(ARGUMENTS) for k in range(3))
    products, factors = np.empty_like(a), np.empty_like(a)
    multiply(a, b, c, products)
    wanted = np.full(a.size, 8.0)
    for arguments in (a, b, c):
        evaluate(arguments, factors, np.empty_like(a))
        wanted *= factors
    np.testing.assert_allclose(products, wanted, rtol=2e-3, atol=1e-6)  # factors near 0 cancel


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fused_sum_of_products_is_rounded_once(dtype):
    small = np.finfo(dtype).eps
    a = np.array([1.0 + small, 1.0 - small], dtype)
    results = np.empty_like(a)
    fuse(a, a, -np.ones(2, dtype), results)
    exact = np.array([2.0 * small + small * small, -2.0 * small + small * small], dtype)
    np.testing.assert_array_equal(results, exact)
