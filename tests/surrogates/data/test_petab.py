"""PEtab tables: read without a simulator, plates told apart, whole conditions held out."""

import numpy as np
import pytest

import surrogates
from surrogates.channels import NODES
from surrogates.data import petab
from tests.surrogates.data.data_folder import real
from tests.surrogates.data.small_tables import petab_tables

FIEDLER = petab.STUDIES[0]


@pytest.fixture
def tiny(tmp_path):
    return petab_tables(tmp_path)


def test_measurements_keep_their_time_node_plate_and_condition(tiny):
    table = petab.load(tiny, FIEDLER)
    np.testing.assert_allclose(table.time, [0.0, 60.0, 60.0, 30.0])
    assert [NODES[k] for k in table.node] == ["ERK", "ERK", "ERK", "MEK"]
    assert len(set(table.plate)) == 3
    assert table.plate[0] == table.plate[1]
    assert table.n_without == 1
    np.testing.assert_array_equal(table.doses, [[0, 0], [0, 30]])


def test_a_plate_is_in_its_own_unit_and_logs_are_taken(tiny):
    table = petab.load(tiny, FIEDLER)
    np.testing.assert_allclose(table.y, [-1.0, 1.0, 0.0, 0.0])


@pytest.mark.parametrize("study", [s for s in petab.STUDIES if s.dish], ids=lambda s: s.name)
def test_every_study_maps_its_conditions_to_inputs_and_genotypes_that_exist(study):
    folder = real(petab.FOLDER)
    table = petab.load(folder, study)
    assert len(table.y) > 50
    node = petab.predict(surrogates.load("teacher"), study, table)
    assert np.isfinite(node).all()
    assert node.min() >= 0.0
    assert node.max() <= 1.0


def test_observables_of_unphosphorylated_smad_are_seen_upside_down():
    smad = petab.STUDIES[2].node
    assert smad("S23IP_ppS2_time_course") == ("SMAD23", 1.0)
    assert smad("S23IP_S3_time_course") == ("SMAD23", -1.0)
    assert smad("Smad7_gene_expression_OE") == ("SMAD7", 1.0)
    assert smad("S23IP_tS2_time_course") is None


def test_cetuximab_takes_the_place_of_egf():
    dish = petab.STUDIES[1].dish
    row = {"EGF_level": 30.0, "CET_level": 0.0, "METinh_level": 0.0, "MKN1": 1, "full_medium": 0}
    free, blocked = (dict(dish(row | {"CET_level": c}).steps[1][1])["EGF"] for c in (0.0, 50.0))
    assert blocked < 0.01 * free
