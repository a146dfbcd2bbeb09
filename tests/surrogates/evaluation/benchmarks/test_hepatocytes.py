"""Hepatocytes: what a split holds out stays together."""

import numpy as np
import pytest

from surrogates.data import hepatocytes
from surrogates.evaluation.benchmarks import hepatocytes as benchmark

LIGANDS, INHIBITORS = list(hepatocytes.LIGANDS), list(hepatocytes.INHIBITORS)
READOUTS = list(hepatocytes.READOUTS)


@pytest.mark.parametrize("split", hepatocytes.SPLITS)
def test_what_a_split_holds_out_stays_together(split):
    grid = np.array([(i, j) for i in range(len(LIGANDS)) for j in range(len(INHIBITORS))] * 2)
    zero = np.zeros(len(grid), int)
    table = hepatocytes.Table(zero.astype(float), grid[:, 0], grid[:, 1], zero, zero)
    fold, group = benchmark.folds(table, split), table.groups(split)
    assert all(len(set(fold[group == g])) == 1 for g in group)
    assert len(set(fold)) >= 5
