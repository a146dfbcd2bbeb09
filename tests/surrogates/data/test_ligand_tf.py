"""Ligands to transcription factors: tables and published folds."""

import pytest

from surrogates.data import ligand_tf
from surrogates.prior.graph import check
from tests.surrogates.data.data_folder import real
from tests.surrogates.data.small_tables import ligand_tables


def test_the_ligand_tables_are_read_with_their_published_folds(tmp_path):
    folder = ligand_tables(tmp_path)
    table, folds = ligand_tf.load(folder)
    assert table.inputs.shape == table.measured.shape == (12, 2)
    assert table.network.inputs == ("L1", "L2")
    assert table.network.outputs == ("T1", "T2")
    assert {name: held.tolist() for name, held in folds.items()} == {"0": [0, 1], "1": [5, 7]}
    with (folder / "CVligandScreen-conditions.tsv").open("a") as file:
        file.write("1\tc99\n")
    with pytest.raises(ValueError, match="'c99' was not measured"):
        ligand_tf.load(folder)


def test_the_published_tables_have_the_published_sizes():
    table, folds = ligand_tf.load(real(ligand_tf.FOLDER) / ligand_tf.FOLDER)
    assert table.inputs.shape == (103, 60)
    assert table.measured.shape == (103, 74)
    assert table.network.n_nodes == 1202  # and 60 ligands
    assert int(table.network.n_parents.sum()) == 6594  # three pairs have two rows
    assert len(folds) == 28
    assert check(table.network) == []
