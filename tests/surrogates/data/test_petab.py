"""PEtab tables: read without a simulator, plates told apart, whole conditions held out."""

import numpy as np
import pytest

import surrogates
from surrogates.channels import NODES
from surrogates.data import petab
from tests.surrogates.data.data_folder import real

FIEDLER = petab.STUDIES[0]


@pytest.fixture
def tiny(tmp_path):
    """Two conditions, two gels, an observable without a node, one on a log scale."""
    folder = tmp_path / petab.FOLDER / FIEDLER.name
    folder.mkdir(parents=True)
    tables = {
        "experimentalCondition": "conditionId\tconditionName\tSorafenib\tUO126\n"
        "c1\t\t0\t0\nc2\t\t0\t30\n",
        "observables": "observableId\tobservableFormula\tobservableTransformation\n"
        "pErk\ts*pERK\tlog10\npMek\ts*pMEK\tlin\nRaf\tRAF\tlin\n",
        "measurementData": "observableId\tsimulationConditionId\tmeasurement\ttime\t"
        "observableParameters\n"
        "pErk\tc1\t10\t0\tgel1\npErk\tc1\t1000\t1\tgel1\n"
        "pErk\tc2\t7\t1\tgel2\npMek\tc2\t5\t0.5\tgel2\nRaf\tc1\t3\t1\tgel1\n",
    }
    for name, text in tables.items():
        (folder / f"{name}_{FIEDLER.name}.tsv").write_text(text)
    return tmp_path


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


def test_a_condition_is_held_out_whole(tiny):
    table = petab.load(tiny, FIEDLER)
    fold = petab.folds(table.group)
    assert fold[0] == fold[1]
    assert fold[2] == fold[3] != fold[0]


@pytest.mark.parametrize("study", [s for s in petab.STUDIES if s.dish], ids=lambda s: s.name)
def test_every_study_maps_its_conditions_to_inputs_and_genotypes_that_exist(study):
    folder = real(petab.FOLDER)
    table = petab.load(folder, study)
    assert len(table.y) > 50
    node = petab.predicted(surrogates.load("teacher"), study, table)
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
