"""``tme-sim run``: a bad scenario in one message, a good one in a few lines and files."""

import pytest

from tme_sim import cli

BAD = {
    "a misspelt key": ("count: 80", "cuont: 80", "did you mean 'count'"),
    "a missing unit": ("12 h", "12", "has no unit"),
    "a wrong dimension": ("20 mmHg", "20 um", "[length]"),
    "a negative count": ("count: 80", "count: -80", "-80"),
    "an unknown drug": ("drug: vemurafenib", "drug: vemurafenob", "did you mean 'vemurafenib'"),
    "no YAML": ("format: 1", "format: [1", "small.yaml"),
    "a domain of too many vessels": ("300 um\n  - 300 um", "9 m\n  - 9 m", "at most 100,000"),
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
