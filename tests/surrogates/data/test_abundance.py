"""Abundances of lines: found where they act, silent where the model feels nothing."""

import numpy as np
import pytest

from surrogates.data import abundance


def lines(n_lines=40, n_rows=600, seed=5):
    draw = np.random.default_rng(seed)
    line = np.arange(n_rows) % n_lines
    return line, draw.normal(size=(n_lines, 3)), draw.normal(size=(n_rows, 2)), draw


def test_what_covariates_do_to_abundances_is_found():
    line, z, slope, draw = lines()
    truth = np.array([[0.5, 0.0, -0.3], [0.0, 0.8, 0.0]])
    features = abundance.products(slope, z[line])
    rest = features @ truth.ravel() + 0.01 * draw.normal(size=len(line))
    factors, error = abundance.fit(features, rest, line, [1e-6, 1.0])
    np.testing.assert_allclose(factors.reshape(2, 3), truth, atol=0.01)
    assert error < 1.5 * 0.01**2 * len(line)


def test_chance_is_not_taken_for_abundance():
    line, z, slope, draw = lines()
    features = abundance.products(slope, z[line])
    noise = draw.normal(size=len(line))
    free, _ = abundance.fit(features, noise, line, [1e-6])
    chosen, _ = abundance.fit(features, noise, line)
    assert np.abs(chosen).sum() < 0.3 * np.abs(free).sum()


def test_penalty_and_abundances_are_those_that_were_found_before_a_library_did_it():
    """Numbers of the grouped cross-validation by hand that stood here, same draws."""
    draw = np.random.default_rng(11)
    line = np.arange(600) % 40
    z, slope = draw.normal(size=(40, 3)), draw.normal(size=(600, 2))
    features = abundance.products(slope, z[line])
    truth = np.array([0.5, 0.0, -0.3, 0.0, 0.8, 0.0])
    rest = features @ truth + 1.5 * draw.normal(size=600)
    factors, error = abundance.fit(features, rest, line)
    before = [0.45130264, -0.08356351, -0.40143534, 0.02054753, 0.8049985, 0.03976635]
    np.testing.assert_allclose(factors, before, atol=1e-7)
    assert error == pytest.approx(1338.29, rel=5e-3)  # folds of lines are drawn otherwise


def test_a_model_that_feels_no_node_cannot_tell_lines_apart():
    line, z, slope, draw = lines()
    features = abundance.products(0.0 * slope, z[line])
    factors, _ = abundance.fit(features, draw.normal(size=len(line)), line)
    np.testing.assert_array_equal(factors, 0.0)


def test_axes_of_expression_are_those_of_the_training_lines():
    draw = np.random.default_rng(2)
    table, train = draw.normal(size=(30, 50)), np.arange(30) < 20
    other = table.copy()
    other[25] = 100.0
    one, two = (abundance.scores(t, train, 4) for t in (table, other))
    np.testing.assert_array_equal(np.delete(one, 25, 0), np.delete(two, 25, 0))
    np.testing.assert_allclose(one[train].std(axis=0), 1.0)
    np.testing.assert_allclose(one[train].mean(axis=0), 0.0, atol=1e-12)
