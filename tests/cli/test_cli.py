"""The command line: exit codes, messages, files."""

import json

import pytest
import yaml

from tests.model.small import SMALL
from tme_sim import cli


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text("# A small tumor.\n" + yaml.safe_dump(SMALL, sort_keys=False))
    return path


BAD = {
    "a misspelt key": ("count: 80", "cuont: 80", "did you mean 'count'"),
    "a missing unit": ("12 h", "12", "has no unit"),
    "a wrong dimension": ("20 mmHg", "20 um", "[length]"),
    "a negative count": ("count: 80", "count: -80", "-80"),
    "an unknown drug": ("drug: vemurafenib", "drug: vemurafenob", "did you mean 'vemurafenib'"),
    "no YAML": ("format: 1", "format: [1", "small.yaml"),
    "a domain that does not fit in memory": ("300 um\n  - 300 um", "9 m\n  - 9 m", "TB of memory"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_message_and_writes_nothing(case, scenario, tmp_path, capsys):
    found, instead, message = BAD[case]
    text = scenario.read_text()
    assert found in text
    scenario.write_text(text.replace(found, instead, 1))

    code = cli.main(["run", str(scenario)])

    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def test_a_directory_in_place_of_a_file_is_refused(tmp_path, capsys):
    assert cli.main(["run", str(tmp_path)]) == 2
    assert "directory" in capsys.readouterr().err


def test_a_bad_override_names_the_nearest_key(scenario, capsys):
    assert cli.main(["run", str(scenario), "--set", "cells.tumor.cuont=5"]) == 2
    assert "count" in capsys.readouterr().err


def test_run_says_what_happened_in_five_lines_and_what_next(scenario, tmp_path, capsys):
    code = cli.main(["run", str(scenario), "--until", "3 h", "--set", "seed=8"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines] == [
        "cells",
        "clones",
        "burden",
        "trust",
        "files",
        "next:",
    ]
    assert (tmp_path / "outputs" / "small-8.h5").exists()
    assert (tmp_path / "outputs" / "small-8.png").exists()


def test_info_and_report_read_the_run_again(scenario, tmp_path, capsys):
    run = tmp_path / "a.h5"
    assert cli.main(["run", str(scenario), "-o", str(run), "--until", "1 h", "--quiet"]) == 0
    assert capsys.readouterr().out == ""

    assert cli.main(["info", str(run)]) == 0
    assert "digest" in capsys.readouterr().out
    assert cli.main(["report", str(run), "-o", str(tmp_path / "a.pdf")]) == 0
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_branch_writes_a_run_of_its_own(scenario, tmp_path, capsys):
    run = tmp_path / "a.h5"
    cli.main(["run", str(scenario), "-o", str(run), "--until", "6 h", "--quiet"])

    code = cli.main(["branch", str(run), "--at", "3 h", "--set", "therapy.0.dose=10 mg"])

    assert code == 0
    assert "burden" in capsys.readouterr().out


def test_validate_says_what_the_scenario_implies(scenario, capsys):
    assert cli.main(["validate", str(scenario)]) == 0

    text = capsys.readouterr().out
    for word in ("oxygen", "vemurafenib", "double in", "memory"):
        assert word in text


def test_schema_is_json_schema(capsys):
    assert cli.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["cells"]


def test_examples_are_listed_and_copied(tmp_path, capsys):
    assert cli.main(["examples", "--copy", str(tmp_path / "mine")]) == 0
    assert "quickstart.yaml" in capsys.readouterr().out
    assert (tmp_path / "mine" / "quickstart.yaml").exists()


def test_a_foreign_file_is_no_run(tmp_path, capsys):
    foreign = tmp_path / "a.h5"
    foreign.write_text("not a run")

    assert cli.main(["info", str(foreign)]) == 2
    assert "no run file" in capsys.readouterr().err


def test_evaluate_on_a_folder_that_is_not_there_says_what_it_expects(tmp_path, capsys):
    assert cli.main(["surrogate", "evaluate", "tme-cell", "--data", str(tmp_path / "no")]) == 2
    message = capsys.readouterr().err
    assert "is not a folder" in message
    assert "breast_cytof" in message
