"""PEtab studies: conditions are held out whole."""

import pytest

from surrogates.data import petab
from surrogates.evaluation.benchmarks import petab as benchmark
from tests.surrogates.data.small_tables import petab_tables

FIEDLER = petab.STUDIES[0]


@pytest.fixture
def tiny(tmp_path):
    return petab_tables(tmp_path)


def test_a_condition_is_held_out_whole(tiny):
    table = petab.load(tiny, FIEDLER)
    fold = benchmark.folds(table.group)
    assert fold[0] == fold[1]
    assert fold[2] == fold[3] != fold[0]
