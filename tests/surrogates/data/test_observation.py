"""The observation layer: exact on a line, blind to missing values, plate by plate."""

import numpy as np
import pytest

from surrogates.data import observation


def test_a_line_is_found_exactly_with_its_noise():
    node = np.linspace(0, 1, 9)[:, None]
    seen = observation.fit(node, 0.4 + 2.0 * node)
    np.testing.assert_allclose(seen.predict(np.array([[0.5]])), [[1.4]])
    np.testing.assert_allclose(seen.noise, 0.0, atol=1e-12)


def test_missing_values_are_left_out():
    node = np.array([[0.0], [0.5], [1.0]])
    seen = observation.fit(node, np.array([[1.0], [np.nan], [3.0]]))
    np.testing.assert_allclose(seen.predict(node)[:, 0], [1.0, 2.0, 3.0])


def test_every_plate_has_its_own_zero_and_unit():
    node = np.tile(np.linspace(0, 1, 5), 2)[:, None]
    plate = np.repeat([0, 1], 5)
    measured = np.where(plate[:, None] == 0, 1.0 + node, 5.0 + 3.0 * node)
    seen = observation.fit(node, measured, plate=plate)
    np.testing.assert_allclose(seen.predict(node, plate), measured)


def test_a_plate_without_measurements_takes_the_pooled_line():
    node = np.tile(np.linspace(0, 1, 5), 2)[:, None]
    plate = np.repeat([0, 1], 5)
    measured = np.where(plate[:, None] == 0, 1.0 + node, np.nan)
    seen = observation.fit(node, measured, plate=plate)
    for asked in (1, 7, -1):
        np.testing.assert_allclose(seen.predict(node[:1], np.array([asked])), [[1.0]])


def test_a_readout_that_falls_with_its_node_is_predicted_by_its_mean():
    node = np.linspace(0, 1, 5)[:, None]
    seen = observation.fit(node, 1.0 - node)
    np.testing.assert_allclose(seen.predict(node), 0.5)


def test_weights_decide_between_measurements_that_contradict_each_other():
    node, measured = np.array([[0.0], [1.0], [1.0]]), np.array([[0.0], [1.0], [9.0]])
    seen = observation.fit(node, measured, weight=np.array([[1.0], [1.0], [0.0]]))
    np.testing.assert_allclose(seen.predict(np.array([[1.0]])), 1.0)


def test_noise_is_what_is_left_on_the_training_split():
    draw = np.random.default_rng(1)
    node = draw.random((5000, 1))
    seen = observation.fit(node, node + draw.normal(0.0, 0.2, node.shape))
    np.testing.assert_allclose(seen.sd(1), 0.2, rtol=0.05)


def test_nothing_measured_gives_not_a_number_rather_than_a_guess():
    seen = observation.fit(np.zeros((2, 1)), np.full((2, 1), np.nan))
    assert np.isnan(seen.predict(np.zeros((1, 1)))).all()


def test_arrays_of_different_shape_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"\(3, 1\).*\(2, 1\)"):
        observation.fit(np.zeros((3, 1)), np.zeros((2, 1)))


def test_a_plate_on_which_the_node_hardly_moves_takes_the_common_scale_around_its_own_mean():
    node = np.array([[0.0], [0.5], [1.0], [0.500], [0.501]])
    measured = np.array([[1.0], [2.0], [3.0], [7.0], [9.0]])
    seen = observation.fit(node, measured, plate=np.array([0, 0, 0, 1, 1]))
    far = seen.predict(np.array([[1.0]]), np.array([1]))
    np.testing.assert_allclose(far, 8.0 + 2.0 * 0.5, rtol=0.01)


def test_a_node_that_never_moves_leaves_the_mean_of_its_plate():
    seen = observation.fit(
        np.full((4, 1), 0.3), np.array([[1.0], [3.0], [5.0], [5.0]]), plate=np.array([0, 0, 1, 1])
    )
    np.testing.assert_allclose(seen.predict(np.ones((2, 1)), np.array([0, 1]))[:, 0], [2.0, 5.0])
