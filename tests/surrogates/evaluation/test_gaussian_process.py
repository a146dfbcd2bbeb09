"""The Gaussian process beside a model: exact in small, found in made-up data, sees no held-out."""

import numpy as np
import pytest

from surrogates.evaluation.gaussian_process import _Table, fit_kernel_part


def subjects(n=60, n_treatments=10, seed=4):
    """Subjects with three covariates, a smooth and an even kernel of treatments."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, 3))
    place = np.arange(n_treatments)
    return draw, x, np.minimum.outer(place, place).astype(float), np.eye(n_treatments)


def test_three_measurements_of_two_subjects_are_as_the_dense_covariance_says():
    first, second = np.array([[1.0, 0.4], [0.4, 1.0]]), np.array([[1.0, 0.5], [0.5, 1.0]])
    measured = np.array([[0.3, -0.2], [0.7, np.nan]])
    missing = np.isnan(measured)
    table = _Table(
        np.where(missing, 0.0, measured), missing, np.array([first, np.eye(2)]), second[None]
    )
    log = np.log([0.8, 0.2, 1.5, 0.4])
    table.fill(log)
    whole = np.kron(0.8 * first + 0.2 * np.eye(2), 1.5 * second) + 0.4 * np.eye(4)
    known = ~missing.ravel()
    weights = np.linalg.solve(whole[np.ix_(known, known)], measured.ravel()[known])
    np.testing.assert_allclose(table.whitened(log).ravel(), [*weights, 0.0], atol=1e-4)
    np.testing.assert_allclose(table.filled[1, 1], whole[3, known] @ weights, atol=1e-4)
    quadratic = measured.ravel()[known] @ weights
    assert table.cost(log) == pytest.approx(
        0.5 * (quadratic + np.linalg.slogdet(whole)[1]), abs=1e-6
    )


def test_what_covariates_do_is_found_for_subjects_without_a_measurement():
    draw, x, smooth, even = subjects()
    effect = draw.normal(size=(3, 10)).cumsum(axis=1) * 0.3
    left = x @ effect + 0.3 * draw.normal(size=(60, 10))
    train = np.arange(60) < 45
    left[:5, 3] = np.nan
    found = fit_kernel_part(left, train, [x @ x.T], [smooth, even])
    truth = (x @ effect)[~train]
    assert np.corrcoef(found.predicted[~train].ravel(), truth.ravel())[0, 1] > 0.97
    uneven = found.noise + found.treatments[1] * found.subjects[-1]
    assert uneven == pytest.approx(0.09, rel=0.2)


def test_what_is_a_subjects_own_is_not_taken_for_its_covariates():
    draw, x, smooth, _ = subjects()
    own = draw.normal(size=(60, 10)).cumsum(axis=1)
    left = own + 0.3 * draw.normal(size=own.shape)
    found = fit_kernel_part(left, np.ones(60, bool), [x @ x.T], [smooth])
    assert found.predicted.var() < 0.1 * own.var()
    assert found.subjects[-1] > 10.0 * found.subjects[0]


def test_what_held_out_subjects_show_is_not_read():
    draw, x, smooth, even = subjects()
    left, train = draw.normal(size=(60, 10)), np.arange(60) < 40
    other = left.copy()
    other[~train] = np.nan
    one, two = (fit_kernel_part(table, train, [x @ x.T], [smooth, even]) for table in (left, other))
    np.testing.assert_array_equal(one.predicted, two.predicted)


def test_the_unit_of_a_kernel_makes_no_difference():
    draw, x, smooth, _ = subjects(30)
    left, train = x @ draw.normal(size=(3, 10)), np.arange(30) < 20
    one, two = (fit_kernel_part(left, train, [c * x @ x.T], [smooth]) for c in (1.0, 100.0))
    np.testing.assert_allclose(one.predicted, two.predicted, atol=1e-6)


def test_a_kernel_that_does_not_fit_the_table_is_refused():
    draw, x, smooth, _ = subjects()
    left, train = draw.normal(size=(60, 10)), np.ones(60, bool)
    with pytest.raises(ValueError, match=r"subjects has shape \(60, 3\); needed is \(60, 60\)"):
        fit_kernel_part(left, train, [x], [smooth])
    with pytest.raises(ValueError, match="treatments has no variance"):
        fit_kernel_part(left, train, [x @ x.T], [0.0 * smooth])
