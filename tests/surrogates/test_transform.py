"""Raw inputs become numbers in [0, 1]: one formula, its slow twin, and its twin on tensors."""

import numpy as np
import pytest

from surrogates import channels
from surrogates.channels import INPUT_CHANNELS, INPUTS, basal_inputs
from surrogates.transform import transform_inputs
from tests.reference.teacher import transformed


@pytest.fixture(scope="module")
def raw():
    """Rising levels of every input, from below zero to beyond its range."""
    low, high = (np.array([getattr(c, end) for c in INPUT_CHANNELS]) for end in ("low", "high"))
    share = np.linspace(-0.1, 1.5, 60)[:, None]
    return (low + np.sign(share) * np.abs(share) ** 3 * (high - low)).astype(np.float32)


def test_transforms_rise_and_stay_between_0_and_1(raw):
    x = transform_inputs(raw.astype(np.float64))
    assert x.min() >= 0.0
    assert x.max() <= 1.0
    assert np.all(np.diff(x, axis=0) >= 0.0)
    assert np.all(x[-1] > x[0])


def test_arrays_are_transformed_as_the_formula_says(raw):
    kind, a, b = channels.TRANSFORM_KIND, channels.TRANSFORM_A, channels.TRANSFORM_B
    formula = np.vectorize(channels.transform_value, otypes=[float])(raw.astype(float), kind, a, b)
    np.testing.assert_allclose(transform_inputs(raw.astype(float)), formula, rtol=1e-12)
    assert transform_inputs(raw).dtype == np.float32


def test_the_formula_is_that_of_the_slow_twin(raw):
    possible = np.maximum(raw, 0.0)
    found = transform_inputs(possible)
    for k, name in enumerate(INPUTS):
        slow = [transformed(name, float(value)) for value in possible[:, k]]
        np.testing.assert_allclose(found[:, k], slow, atol=1e-6)


def test_tensors_are_transformed_alike(raw):
    torch = pytest.importorskip("torch")
    from surrogates.network.torch import Sources

    tensors = Sources().transform(torch.from_numpy(raw)).numpy()
    np.testing.assert_allclose(tensors, transform_inputs(raw), atol=2e-6)


def test_half_saturation_is_where_the_channel_says():
    raw = basal_inputs().astype(np.float64)
    raw[0, INPUTS.index("HGF")] = 0.2
    assert transform_inputs(raw)[0, INPUTS.index("HGF")] == pytest.approx(0.5)
