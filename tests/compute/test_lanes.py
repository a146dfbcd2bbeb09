"""Sums are taken in lanes, in an order that is written down and depends on the length alone."""

import numba as nb
import numpy as np
import pytest

from tme_sim.compute.lanes import LANES, add_products, add_row

LENGTHS = [0, 1, 2, 5, 15, LANES - 1, LANES, LANES + 1, 3 * LANES - 1, 1000]


@nb.njit
def sum_of(total, row):
    return add_row(total, row)


@nb.njit
def product_of(total, left, right):
    return add_products(total, left, right)


def in_lanes(total, terms):
    """The sum of the docstring of `lanes`, term by term."""
    lanes = np.zeros(LANES, type(total))
    width, begin = LANES, 0
    while width:
        while terms.size - begin >= width:
            lanes[:width] += terms[begin : begin + width]
            begin += width
        width //= 2
    while lanes.size > 1:
        lanes = lanes[: lanes.size // 2] + lanes[lanes.size // 2 :]
    return total + lanes[0]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n", LENGTHS)
def test_sums_have_the_order_of_the_lanes(n, kind):
    left, right = np.random.default_rng(n).normal(size=(2, n)).astype(kind)
    for total in {kind(0.5), np.float64(0.5)}:
        assert sum_of(total, left) == in_lanes(total, left)
        assert product_of(total, left, right) == in_lanes(total, left * right)


def test_terms_of_single_precision_are_summed_in_double_where_the_total_is():
    terms = np.random.default_rng(1).random(1000).astype(np.float32)
    exact = float(np.sum(terms, dtype="f8"))
    assert sum_of(0.0, terms) == pytest.approx(exact, rel=1e-15)
    assert sum_of(np.float32(0.0), terms) == pytest.approx(exact, rel=1e-6)
    assert sum_of(np.float32(0.0), terms) != sum_of(0.0, terms)
