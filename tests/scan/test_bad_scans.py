"""A bad scan is refused before its first run, with line and nearest name; nothing is written."""

import errno
import os

import pytest

from tests.scan.scans import write
from tme_sim import cli
from tme_sim.scan import scan
from tme_sim.scenario import ScenarioError

END = {"end": {"burden": {}}}
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
    "outcome like a column": ({"outcomes": {"seed": {"burden": {}}}}, "another column 'seed'"),
    "outcome like an axis": (
        {"outcomes": {"therapy.0.dose": {"burden": {}}}},
        "scan.yaml:10: outcomes.therapy.0.dose: the tables have another column 'therapy.0.dose'",
    ),
    "outcome like an event": (
        {"outcomes": {"a": {"nadir": {}}, "a_event": {"burden": {}}}},
        "another column 'a_event'",
    ),
    "outcome like a path": ({"outcomes": {"a/b": {"burden": {}}}}, "no '/'"),
    "axis like a column": ({"axes": {"status": {"a": {}}}}, "'status' is a column"),
    "factor": ({"outcomes": {"x": {"time_to_progression": {"factor": 1}}}}, "above 1"),
    "before": ({"outcomes": {"x": {"burden": {"at": "-1 d"}}}}, "before the run"),
    "cells": ({"outcomes": {"x": {"mechanisms": {"cells": 0}}}}, "from 1 on"),
    "best of several": (
        {"outcomes": {"x": {"mechanisms": {}}}, "keep": "best", "best": {"outcome": "x"}},
        "several shares",
    ),
    "arm over an axis": (
        {"arms": {"as is": {}, "one": {"therapy": []}}},
        "therapy: would change therapy.0.dose (",
    ),
    "axis over an axis": (
        {"axes": {"therapy.0.dose": ["1 mg"], "plan": {"a": {"therapy.0.dose": "2 mg"}}}},
        "therapy.0.dose: would change therapy.0.dose",
    ),
    "axis below an axis": (
        {"axes": {"therapy.0": [{"drug": "trametinib"}], "therapy.0.dose": ["1 mg"]}},
        "therapy.0.dose: would change therapy.0 (",
    ),
    "range below a range": (
        {
            "axes": None,
            "zip": {"cells.tumor": [{"type": "tumor"}], "cells.tumor.count": [3]},
        },
        "cells.tumor.count: would change cells.tumor (",
    ),
    "seed and seeds": (
        {"axes": {"seed": [1, 2]}, "seeds": [3], "replicates": None},
        "`seeds` is given too",
    ),
    "no sbatch": ({"cluster": {"slurm": {"memory": "1GB"}}}, "scan.yaml:"),
    "range": (
        {"sample": {"method": "sobol", "n": 2, "ranges": {"seed": {"low": 3, "high": 1}}}},
        "must be below",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_scan_is_refused_with_one_message(case, tmp_path, capsys, monkeypatch):
    sections, message = BAD[case]
    monkeypatch.setenv("PATH", str(tmp_path))  # where no sbatch is

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


def test_values_below_a_plan_that_stands_before_them_are_those_that_are_run(tmp_path):
    plans = {"a": {"therapy": [{"drug": "trametinib", "dose": "2 mg", "start": "1 h"}]}}
    path = write(tmp_path, axes={"plan": plans, "therapy.0.dose": ["1 mg", "3 mg"]}, outcomes=END)

    runs = scan.plan(path).runs

    assert [arm.values["therapy.0.dose"] for arm, _ in runs] == ["1 mg"] * 2 + ["3 mg"] * 2
    assert [s.therapy[0].dose for _, s in runs] == [1.0] * 2 + [3.0] * 2


def test_an_axis_is_put_over_what_is_set_for_all_arms(tmp_path):
    both = {"therapy.0.dose": "5 mg", "therapy": [{"drug": "trametinib", "dose": "2 mg"}]}
    path = write(tmp_path, axes={"therapy.0.dose": ["3 mg"]}, set=both, outcomes=END)

    assert {s.therapy[0].dose for _, s in scan.plan(path).runs} == {3.0}


def test_without_shared_memory_a_scan_is_refused_before_its_first_run(
    tmp_path, capsys, monkeypatch
):
    def missing(_context):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr("multiprocessing.context.BaseContext.Lock", missing)

    assert cli.main(["scan", str(write(tmp_path))]) == 2
    assert "/dev/shm" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


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
        scan.plan(path)
    assert str(error.value).startswith(f"{path}:")


def test_a_store_whose_name_no_folder_can_have_is_refused(tmp_path):
    study = scan.plan(write(tmp_path, store="x" * 300)).study
    with pytest.raises(ScenarioError, match=r"store: .*cannot be a store: File name too long"):
        scan.check_store(study, resume=False)
