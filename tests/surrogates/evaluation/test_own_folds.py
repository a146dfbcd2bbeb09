"""Folds of a network of its own: fitted once, then read."""

import numpy as np

from surrogates.data import ligand_tf
from surrogates.evaluation.folds import FoldCache
from surrogates.evaluation.own_folds import run_folds
from surrogates.own_network.fit import Settings
from tests.surrogates.data.small_tables import ligand_tables

QUICK = Settings(n_members=2, steps=60)


def test_folds_are_kept_and_read_again(tmp_path, monkeypatch):
    table, folds = ligand_tf.load(ligand_tables(tmp_path))
    cache = FoldCache(tmp_path / "cache", "x", [])
    first = run_folds(table, folds, QUICK, cache, lambda _what, _share: None)
    monkeypatch.setattr("surrogates.evaluation.own_folds.fit", None)  # a second fit would fail
    second = run_folds(table, folds, QUICK, cache, lambda _what, _share: None)
    for a, b in zip(first, second, strict=True):
        assert set(a.predicted) == {"network", "mean", "ridge", "boosting"}
        np.testing.assert_array_equal(a.predicted["network"], b.predicted["network"])
        np.testing.assert_array_equal(a.truth, table.measured[folds[a.name]])
