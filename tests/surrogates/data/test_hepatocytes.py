"""Hepatocytes: MIDAS tables, inhibitors as inputs or lost nodes, pairs held out whole."""

import numpy as np
import pytest

import surrogates
from surrogates.data import hepatocytes
from tests.surrogates.data.data_folder import real

LIGANDS, INHIBITORS = list(hepatocytes.LIGANDS), list(hepatocytes.INHIBITORS)
READOUTS = list(hepatocytes.READOUTS)


@pytest.fixture
def tiny(tmp_path):
    """A ligand with and without inhibitor; LPS and p38i, which nothing stands for; a zero."""
    treatments = [*LIGANDS, "lps", *INHIBITORS, "p38i"]
    done = [
        ("NOCYTO", "NOINHIB", 0, 8),
        ("TGFA", "ikki", 30, 64),
        ("lps", "NOINHIB", 30, 4),
        ("TGFA", "p38i", 30, 4),
        ("TGFA", "NOINHIB", 180, 0),
    ]
    header = [f"TR:{name}" for name in treatments] + ["DA:akt", "DV:akt"]
    lines = [
        ",".join(
            ["1" if name in (ligand, inhibitor) else " " for name in treatments]
            + [str(minute), str(value)]
        )
        for ligand, inhibitor, minute, value in done
    ]
    path = tmp_path / "cells.csv"
    path.write_text("\n".join([",".join(header), *lines]) + "\n")
    return path


def test_a_midas_table_is_read_and_what_has_no_counterpart_is_left_out(tiny):
    table = hepatocytes.load(tiny)
    np.testing.assert_allclose(table.y, [3.0, 6.0])
    assert [LIGANDS[k] for k in table.ligand] == ["NOCYTO", "TGFA"]
    assert [INHIBITORS[k] for k in table.inhibitor] == ["NOINHIB", "ikki"]
    assert [hepatocytes.TIMES[k] for k in table.time] == [0.0, 30.0]
    assert {READOUTS[k] for k in table.readout} == {"akt"}


@pytest.mark.parametrize("name", ["tme-cell", "teacher"])
def test_inhibitors_act_on_their_targets_only(name):
    nodes = hepatocytes.readings(surrogates.load(name), "epithelium", ())
    late = nodes[:, :, 1]
    tnf, egf = LIGANDS.index("TNFA"), LIGANDS.index("TGFA")
    none, ikk, mek = (INHIBITORS.index(i) for i in ("NOINHIB", "ikki", "MP2K2/MP2K1i"))
    ikba, erk = READOUTS.index("IKBA"), READOUTS.index("MK03/MK01")
    assert late[tnf, ikk, ikba] < 0.3 * late[tnf, none, ikba]
    assert late[egf, mek, erk] < 0.3 * late[egf, none, erk]
    assert late[tnf, mek, ikba] > 0.8 * late[tnf, none, ikba]


def test_both_kinds_of_cells_are_there_with_the_same_treatments():
    folder = real(hepatocytes.FOLDER) / hepatocytes.FOLDER
    tables = [hepatocytes.load(folder / name) for name in hepatocytes.CELLS]
    assert [len(set(t.readout)) for t in tables] == [13, 11]
    pairs = [set(t.groups(hepatocytes.SPLITS[0])) for t in tables]
    assert pairs[0] == pairs[1]
    assert len(pairs[0]) == len(LIGANDS) * len(INHIBITORS)
