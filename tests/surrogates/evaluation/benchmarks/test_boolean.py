"""Boolean models compared by sign: which effects count, and what a cell model shows."""

import numpy as np
import pytest

import surrogates
from surrogates.data import boolean
from surrogates.evaluation.benchmarks import boolean as benchmark

pytest.importorskip("cmaboss_dn", reason="extra `boolean`")


def test_small_effects_and_those_of_a_node_on_itself_do_not_count():
    wanted = np.array([[-0.9, 0.2], [0.05, -0.9], [0.3, -0.02]])
    np.testing.assert_array_equal(benchmark.large_effects(wanted), [[0, 1], [0, 0], [1, 0]])


def test_the_cell_models_know_that_lost_mek_silences_erk_and_lost_pten_frees_akt():
    study = boolean.STUDIES[0]
    effects = benchmark.cell_effects(surrogates.load("teacher"), study)
    names = list(study.node)
    assert effects[names.index("MEK_b1"), names.index("ERK_b1")] < -0.01
    assert effects[names.index("PTEN"), names.index("AKT")] > 0.01
