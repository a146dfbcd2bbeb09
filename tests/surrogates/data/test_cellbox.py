"""Drug pairs on melanoma cells: tables are read and checked."""

import numpy as np
import pytest

from surrogates.data import cellbox
from tests.surrogates.data.data_folder import real


def test_the_drug_tables_are_read_and_checked(tmp_path):
    names = [f"n{k}" for k in range(3)] + [f"d{k}" for k in range(12)]
    applied = np.zeros((4, 15))
    applied[:, 3] = [-1, -2, 0, 0]
    applied[:, 4] = [0, 0, 0, -0.5]
    (tmp_path / "node_Index.csv").write_text("\n".join(names))
    np.savetxt(tmp_path / "expr.csv", np.ones((4, 15)), delimiter=",")
    np.savetxt(tmp_path / "pert.csv", applied, delimiter=",")
    table, drugs, activity = cellbox.load(tmp_path)
    assert drugs == tuple(names[3:])
    assert table.network.n_parents.tolist() == [14, 14, 14]  # 12 drugs and two other nodes
    np.testing.assert_allclose(table.inputs[:, 0], np.tanh(2) * np.array([0.5, 1, 0, 0]))
    np.testing.assert_allclose(table.inputs[:, 1], np.tanh([0, 0, 0, 0.5]))
    np.testing.assert_allclose(activity[:, 0], np.tanh([1, 2, 0, 0]))
    np.testing.assert_array_equal(table.inputs[:, 2:], 0.0)  # drugs that were never applied
    applied[0, 0] = 1.0
    np.savetxt(tmp_path / "pert.csv", applied, delimiter=",")
    with pytest.raises(ValueError, match="applied to a node that is no drug's"):
        cellbox.load(tmp_path)


def test_the_published_tables_have_the_published_sizes():
    table, _, _ = cellbox.load(real(cellbox.FOLDER) / cellbox.FOLDER)
    assert table.inputs.shape == (89, 12)
    assert table.measured.shape == (89, 87)
