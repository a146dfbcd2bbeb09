"""Viability of cell lines: tables read as they are meant, published baselines reproduced."""

import numpy as np
import pytest

import surrogates
from surrogates.data import viability
from tests.surrogates.data.small_tables import viability_tables


@pytest.fixture
def tiny(tmp_path):
    return viability_tables(tmp_path)


def test_rows_lines_doses_and_folds_belong_together(tiny):
    table = viability.load(tiny)
    assert [table.lines[k] for k in table.line] == ["A", "B", "A"]
    assert [list(viability.CHANNELS)[k] for k in table.drug] == [
        "Erlotinib",
        "PLX_{4720}",
        "PLX_{4720}",
    ]
    np.testing.assert_allclose(10.0**table.dose, [1.0, 0.1, 1.0])
    np.testing.assert_array_equal(table.fold, [1, 2, 1])
    np.testing.assert_array_equal(table.expression, [[1.5, 0.0], [-0.5, 2.0]])


def test_mutations_become_genotypes_and_other_braf_changes_do_not(tiny):
    table = viability.load(tiny)
    assert table.genotype == (("NRAS_Q61",), ("BRAF_V600E",))
    np.testing.assert_array_equal(table.flags, [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])


@pytest.mark.parametrize("name", ["tme-cell", "teacher"])
def test_the_models_know_that_brafi_spares_lines_without_braf_v600(name, monkeypatch):
    monkeypatch.setattr(viability, "VARIED", ("ERK",))
    monkeypatch.setattr(viability, "DOSES", np.array([1e-3, 1.0]))
    ratio = viability.response(surrogates.load(name), [(), ("BRAF_V600E",)]).log_ratio
    vemurafenib = sorted(set(viability.CHANNELS.values())).index("PLX4720")
    assert ratio[1, vemurafenib, 1] < -1.0
    assert ratio[0, vemurafenib, 1] > -0.3
