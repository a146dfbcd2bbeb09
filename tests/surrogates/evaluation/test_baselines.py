"""Rivals see the training rows only, and find what is there to be found."""

import numpy as np

from surrogates.evaluation.baselines import condition_mean, rivals


def table(n=400):
    draw = np.random.default_rng(3)
    x = draw.normal(size=(n, 3))
    group = np.arange(n) % 10
    return x, x @ [1.0, -2.0, 0.0] + 0.05 * draw.normal(size=n), group


def test_ridge_finds_a_line_and_boosting_a_threshold_the_line_misses():
    x, line, group = table()
    threshold = np.where(np.abs(x[:, 0]) > 1.0, 1.0, 0.0)
    train, held = group < 7, group >= 7
    found = rivals(x, line, train, condition=[0] * len(x), group=group)
    assert np.corrcoef(found["ridge"][held], line[held])[0, 1] > 0.99
    found = rivals(x, threshold, train, condition=[0] * len(x), group=group)
    errors = {name: ((value - threshold)[held] ** 2).mean() for name, value in found.items()}
    assert errors["boosting"] < 0.3 * errors["ridge"]


def test_held_out_values_change_nothing():
    x, y, group = table()
    train = group < 7
    other = np.where(train, y, np.nan)
    one, two = (rivals(x, v, train, condition=list(group % 2), group=group) for v in (y, other))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_the_mean_is_that_of_the_same_condition_or_of_all_where_it_is_new():
    y = np.array([1.0, 3.0, 5.0, 100.0, 100.0])
    train = np.array([True, True, True, False, False])
    found = condition_mean(y, train, ["a", "a", "b", "a", "new"])
    np.testing.assert_allclose(found, [2.0, 2.0, 5.0, 2.0, 3.0])
