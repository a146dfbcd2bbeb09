"""Splits of the drug pairs: three in ten at random, and drugs held out whole."""

import numpy as np

from surrogates.evaluation.benchmarks import cellbox


def test_no_condition_of_a_held_out_drug_is_in_training():
    x = np.random.default_rng(0).integers(0, 2, (20, 3)).astype(float)
    for k, (name, held) in enumerate(cellbox.drug_splits(x, ("a", "b", "c")).items()):
        assert name == "abc"[k]
        assert not np.delete(x, held, axis=0)[:, k].any()
        assert x[held, k].all()


def test_random_splits_hold_out_three_in_ten_and_repeat():
    first, second = cellbox.random_splits(89), cellbox.random_splits(89)
    assert len(first) == 50
    for name, held in first.items():
        assert len(set(held)) == 27
        np.testing.assert_array_equal(held, second[name])
