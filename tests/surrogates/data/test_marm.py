"""The melanoma pERK measurements: what a file says, which rows are held out, what cells saw."""

import os
from pathlib import Path

import numpy as np
import pytest

from surrogates.channels import genotype_bits
from surrogates.data import marm
from surrogates.teacher.model import Teacher

COLUMNS = [f"{drug}_0{part}" for drug in marm.DRUGS for part in ("", "_preeq", "_presim")]
COLUMNS += [
    "time",
    "t_presim",
    "EGF_0",
    "EGFR_crispr",
    "NRAS_Q61mut",
    "pERK_IF_obs",
    "pERK_IF_obs_std",
    "pMEK_IF_obs",
    "pMEK_IF_obs_std",
]
D1 = (
    """pERK mean,Time(h),,,
EGF (ng/mL),0,0.0417,0.083,0.167,0.25,0.5,0.75,1,2,4,,EGF (ng/mL)
"""
    + "\n".join(
        f"{dose},.11," + ",".join(["0.5"] * 9) + ",,x" for dose in (0.001, 0.01, 0.1, 1, 10, 100)
    )
    + "\n"
)
D5 = """pERK mean after 15 mins,,
Time (h) of GF addition after Vemurafenib (1uM),0,0.5,
Time (h) after GF addition,0.25,0.25,
EGF,0.9,0.3,
HGF,1.4,0.7,
-,0.95,0.08,
,,
"pERK mean after 30 mins",,
Time (h) of GF addition after Vemurafenib (1uM),0.5,6,
Time (h) after GF addition,0.5,0.5,
EGF,0.1,0.4,
HGF,0.5,1.0,
-,0.09,0.17,
"""


def row(pERK, *, now=None, before=None, **more):
    cells = dict.fromkeys(COLUMNS, "0.0") | {
        "EGFR_crispr": "1.0",
        "pERK_IF_obs": str(pERK),
        "pMEK_IF_obs": "",
    }
    cells |= {f"{drug}_0": str(dose) for drug, dose in (now or {}).items()}
    cells |= {f"{drug}_0_preeq": str(dose) for drug, dose in (before or {}).items()}
    return cells | {name: str(value) for name, value in more.items()}


def store(path, rows):
    lines = [",".join(["", *COLUMNS])]
    lines += [
        ",".join([str(k), *(cells[name] for name in COLUMNS)]) for k, cells in enumerate(rows)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / marm.FOLDER
    home.mkdir()
    drug = {"Vemurafenib": 1.0}
    known = row(1.6, now=drug, before=drug, EGF_0=100, time=0.0833)
    store(
        home / f"{marm.STEM}.csv",
        [known, row(0.3, now=drug, EGF_0=100, time=0.25, t_presim=0.5), row("")],
    )
    pan = {"LY3009120": 0.1}
    new = row(0.5, now={"Dabrafenib": 0.01}, before={"Dabrafenib": 0.01}, EGFR_crispr=4.0)
    store(
        home / f"{marm.STEM}{marm.SINGLE}.csv",
        [known, new, new, row(1.8, now=pan, before=pan, EGF_0=100, time=0.0833)],
    )
    store(home / f"{marm.STEM}{marm.COMBINATION}.csv", [known | {"pERK_IF_obs": "0.95"}])
    (home / "D1.csv").write_text(D1, "utf-8")
    (home / "D5.csv").write_text(D5, "utf-8")
    return tmp_path


def test_a_row_becomes_a_condition(folder):
    rows = marm.read(folder / marm.FOLDER / f"{marm.STEM}.csv")
    assert len(rows) == 3
    np.testing.assert_array_equal(rows.time, [5.0, 15.0, 0.0])
    np.testing.assert_array_equal(rows.adapted, [0.0, 30.0, 0.0])
    np.testing.assert_array_equal(rows.before[:, 0], [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(rows.now[:, 0], [1.0, 1.0, 0.0])
    assert rows.plate.tolist() == [marm.MAIN, marm.COURSES, marm.MAIN]
    assert np.isnan(rows.pERK[2])
    assert (rows.genotype == genotype_bits(["BRAF_V600E"])).all()


def test_a_file_of_another_kind_is_refused_by_its_columns(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="pERK_IF_obs"):
        marm.read(tmp_path / "x.csv")


def test_ligand_courses_join_the_training_split(folder):
    rows = marm.training(folder)
    hgf = rows.take(rows.HGF > 0.0)
    np.testing.assert_array_equal(hgf.pERK, [1.4, 0.7, 0.5, 1.0])
    np.testing.assert_array_equal(hgf.adapted, [0.0, 30.0, 30.0, 360.0])
    np.testing.assert_array_equal(hgf.time, [15.0, 15.0, 30.0, 30.0])
    np.testing.assert_array_equal(hgf.now[:, 0], [0.0, 1.0, 1.0, 1.0])
    low = (rows.EGF > 0.0) & (rows.EGF < 100.0)
    assert low.sum() == 5 * 9
    assert (rows.EGF[:, None] == [0.001, 10.0]).any(axis=0).all()


def test_what_training_saw_is_never_held_out_and_repeats_count_once(folder):
    rows = marm.held_out(folder, marm.SINGLE)
    assert len(rows) == 1
    assert rows.EGFR[0] == 4.0
    assert not set(rows.protocols()) & set(marm.training(folder).protocols())


def test_shared_conditions_carry_what_training_measured(folder):
    rows, trained = marm.repeated(folder, marm.COMBINATION)
    np.testing.assert_array_equal(rows.pERK, [0.95])
    np.testing.assert_array_equal(trained, [1.6])


def test_competence_of_a_line_is_that_of_the_parent_at_one_fold_and_saturates():
    assert marm.egfr_competence(1.0, 0.4) == pytest.approx(0.4)
    assert 0.8 < marm.egfr_competence(9.2, 0.4) < 1.0
    assert marm.egfr_competence(0.025, 0.4) < 0.02


def test_cells_meet_the_drug_before_the_ligand(folder):
    rows = marm.read(folder / marm.FOLDER / f"{marm.STEM}.csv")
    steps = marm.treatments(rows)[1].steps
    assert [minute for minute, _ in steps] == [-1470.0, -30.0, 0.0]
    assert steps[0][1]["vemurafenib"] == 0.0
    assert steps[1][1]["vemurafenib"] == 1.0
    assert steps[2][1]["EGF"] == pytest.approx(100.0 / 6.2)


def test_a_line_without_receptor_does_not_answer_to_ligand(folder):
    rows = marm.read(folder / marm.FOLDER / f"{marm.STEM}.csv").take(np.array([0, 0]))
    rows.EGFR[1] = 0.025
    parent, without = marm.predict(Teacher(), rows)
    assert parent > 5.0 * without


@pytest.fixture(scope="module")
def measured():
    data = os.environ.get("TME_SIM_DATA")
    if not data or not (Path(data) / marm.FOLDER).is_dir():
        pytest.skip(f"TME_SIM_DATA names no folder that holds {marm.FOLDER}")
    return Path(data)


def test_held_out_conditions_are_those_left_after_repeats(measured):
    assert len(marm.held_out(measured, marm.SINGLE)) == 210
    assert len(marm.held_out(measured, marm.COMBINATION)) == 400
    assert np.isfinite(marm.training(measured).pERK).sum() == 668
