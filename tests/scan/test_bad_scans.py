"""A bad scan is refused before its first run, with line and nearest name; nothing is written."""

import pytest

from tests.scan.scans import write
from tme_sim import cli
from tme_sim.scan.scan import check_store, plan
from tme_sim.scenario import ScenarioError

TABLE = "therapy.0.dose,seed\n240 mg,1\n,2\n"
BAD = {
    "axis": ({"axes": {"therapy.0.doze": ["1 mg"]}}, "did you mean 'dose'?"),
    "value": ({"axes": {"therapy.0.dose": ["240 um"]}}, "[mass] is needed"),
    "outcome": ({"outcomes": {"x": {"burdn": {}}}}, "did you mean 'burden'?"),
    "parameter": ({"outcomes": {"x": {"burden": {"when": "1 d"}}}}, "when"),
    "function": ({"outcomes": {"x": {"function": {"path": "nowhere:f"}}}}, "nowhere"),
    "key": ({"axis": {}}, "did you mean 'axes'?"),
    "no scenario": ({"scenario": "smal.yaml"}, "no such file"),
    "unequal lists": ({"zip": {"seed": [1, 2], "therapy.0.dose": ["1 mg"]}}, "equally long"),
    "no table": ({"table": "arms.csv"}, "no such file"),
    "range": (
        {"sample": {"method": "sobol", "n": 2, "ranges": {"seed": {"low": 3, "high": 1}}}},
        "must be below",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_scan_is_refused_with_one_message(case, tmp_path, capsys):
    sections, message = BAD[case]

    code = cli.main(["scan", str(write(tmp_path, **sections))])

    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "store").exists()


def test_a_table_with_an_unknown_column_or_a_hole_names_its_place(tmp_path, capsys):
    path = write(tmp_path, axes=None, table="arms.csv")
    (tmp_path / "arms.csv").write_text(TABLE.replace("dose", "dos"))
    assert cli.main(["scan", str(path)]) == 2
    assert "arms.csv:1: column 1, 'therapy.0.dos': unknown; did you mean 'dose'?" in (
        capsys.readouterr().err
    )

    (tmp_path / "arms.csv").write_text(TABLE)
    assert cli.main(["scan", str(path)]) == 2
    assert "arms.csv:3: therapy.0.dose: no value" in capsys.readouterr().err


def test_a_store_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file, no folder")

    code = cli.main(["scan", str(write(tmp_path, store="taken"))])

    assert code == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_plan_writes_nothing(tmp_path, capsys):
    path = write(tmp_path, set={"time.duration": "3 h"})

    assert cli.main(["scan", str(path), "--plan", "--workers", "1"]) == 0

    assert "2 shared segments: 40 ticks instead of 60" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scan.yaml", "small.yaml"]


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"outcomes": {"given": {"cumulative_dose": {"drug": ["a"]}}}}, "is given in no run"),
        ({"outcomes": {"own": {"function": {"path": ".x:y"}}}}, "function:"),
        ({"replicates": 2**70}, "replicates: found"),
    ],
)
def test_absurd_values_are_refused_at_their_line(tmp_path, sections, told):
    path = write(tmp_path, **sections)
    with pytest.raises(ScenarioError, match=told) as error:
        plan(path)
    assert str(error.value).startswith(f"{path}:")


def test_a_store_whose_name_no_folder_can_have_is_refused(tmp_path):
    study = plan(write(tmp_path, store="x" * 300)).study
    with pytest.raises(ScenarioError, match=r"store: .*cannot be a store: File name too long"):
        check_store(study, resume=False)
