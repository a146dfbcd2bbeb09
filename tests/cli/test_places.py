"""Names and places: paths of any letters work, what cannot be written is refused at once."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.output.stand_in import changing, record
from tme_sim import cli, simulation

ODD = "a b%20'\"<script>alert(1)<=x ü"
ROOT = Path(cli.__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run file in a folder of an odd name."""
    folder = tmp_path_factory.mktemp("places") / ODD
    folder.mkdir()
    record(folder / "=r(1).h5", ticks=60)
    return folder / "=r(1).h5"


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (["info", "{run}"], None),
        (["report", "{run}"], "=r(1).png"),
        (["report", "{run}", "-o", "{folder}/new/=f.pdf"], "new/=f.pdf"),
        (["replay", "{run}", "--html", "{folder}/new/p.html"], "new/p.html"),
        (
            ["replay", "{run}", "--movie", "{folder}/other/m.gif", "--size", "320x320"],
            "other/m.gif",
        ),
        (
            ["lineage", "{run}", "--csv", "{folder}/x/l.csv", "--muller", "{folder}/m.png"],
            "x/l.csv",
        ),
        (["export", "{run}", "--to", "csv"], "=r(1)-csv/cells.csv"),
    ],
)
def test_folders_and_files_have_any_name(run, command, made, capsys):
    command = [part.format(run=run, folder=run.parent) for part in command]
    assert cli.main(command) == 0, capsys.readouterr().err
    assert made is None or (run.parent / made).is_file()
    assert not list(run.parent.rglob(".*partial*"))


def test_the_page_holds_names_as_text(run, tmp_path):
    page = tmp_path / "p.html"
    assert cli.main(["replay", str(run), "--html", str(page)]) == 0
    assert "<script>alert" not in page.read_text("utf-8")


def never(*_args, **_more):
    pytest.fail("a model was built")


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("/proc/x.h5", "/proc/x.h5: cannot be written"),
        ("file/x.h5", "x.h5: cannot be written"),
        ("folder", "is a directory"),
        ("n" * 300 + ".h5", "at most 243 bytes, not 303"),
        ("n" * 250, "at most 243 bytes, not 250"),
        ("small.yaml", "exists and is no run file"),
    ],
)
def test_where_no_run_can_be_is_said_before_the_model_is_built(
    output, words, scenario, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(simulation, "TumorModel", never)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    text = scenario.read_text()
    assert cli.main(["run", str(scenario), "-o", output, "--force"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error) < 300
    assert scenario.read_text() == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "small.yaml"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["replay", "{run}", "--port", "-1"], "'-1' is no port"),
        (["replay", "{run}", "--port", "70000"], "is no port; 0 (any) to 65535"),
        (["run", "x.yaml", "--port", "x" * 5000], "is no port"),
        (["replay", "{run}", "--movie", "m.gif", "--size", "99999999x99999999"], "--size"),
        (["replay", "{run}", "--movie", "m.gif", "--size", "99999x500"], "from 320 to 7680 pixels"),
        (["replay", "{run}", "--movie", "m.gif", "--size", "9" * 5000 + "x9"], "--size"),
        (["lineage", "{run}", "--muller", "x.foo"], "not '.foo'"),
        (["lineage", "{run}", "--tree", "x"], "not ''"),
        (["report", "{run}", "-o", "x.foo"], "not '.foo'"),
        (["explain", "{run}", "-o", "x.foo"], "not '.foo'"),
        (["explain", "{run}", "--threshold", "nan"], "--threshold nan"),
        (["export", "{run}", "--to", "csv", "-o", "{run}/x"], "cannot be written"),
        (["examples", "--copy", "{run}/x"], "cannot be written"),
        (["schema", "-o", "{run}/x"], "cannot be written"),
        (["info", "{run}/x"], "does not exist"),
    ],
)
def test_arguments_that_cannot_be_are_refused_in_one_message(run, command, words, capsys):
    try:
        code = cli.main([part.format(run=run) for part in command])
    except SystemExit as end:  # of the parser
        code = end.code
    error = capsys.readouterr().err
    assert code in (1, 2)
    assert words in error
    assert len(error) < 1000
    assert "Traceback" not in error
    assert not Path("x.foo").exists()


def test_info_prints_no_commands_to_the_terminal(run, tmp_path, capsys):
    path = tmp_path / "r.h5"
    path.write_bytes(run.read_bytes())
    with changing(path) as file:
        file["scenario"].attrs["name"] = "a\x1b]0;owned\x07"
        file.attrs["stop_reason"] = "\x1b[2J"
    assert cli.main(["info", str(path)]) == 0
    assert cli.main(["info", str(tmp_path / "\x1b[31m.h5")]) == 2
    told = capsys.readouterr()
    assert r"a\x1b]0;owned\x07, seed" in told.out
    assert "\x1b" not in told.out + told.err


@pytest.mark.parametrize("coding", ["ascii", "latin-1"])
def test_what_a_stream_has_no_letter_for_is_written_out(run, coding):
    done = subprocess.run(
        [sys.executable, "-m", "tme_sim.cli", "info", str(run)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": coding, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "ü".encode(coding, "backslashreplace") in done.stdout


def test_the_next_command_that_is_printed_is_one(scenario, tmp_path, capsys):
    path = tmp_path / "it's a run.h5"
    assert cli.main(["run", str(scenario), "-o", str(path), "--until", "6 min"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    for command in re.split(r"    ", line.removeprefix("next: ")):
        assert shlex.split(command)[-1] == str(path)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit(7)", "SystemExit: 7"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise KeyError('x')", "KeyError"),
        (
            "def rule(visits, share): return visits.nothing",
            "rules.py:1: the policy failed: AttributeError",
        ),
        (
            "def rule(visits, share): raise SystemExit(7)",
            "rules.py:1: .* SystemExit: 7",
        ),
    ],
)
def test_a_policy_that_fails_is_told_with_its_fault(code, words, scenario, tmp_path, capsys):
    (tmp_path / "rules.py").write_text(code)
    adaptive = 'adaptive: {policy: "rules.py:rule", visit_every: 1 h}'
    text = scenario.read_text().replace("every: 6 h", f"every: 6 h\n  {adaptive}", 1)
    assert adaptive in text
    scenario.write_text(text)
    assert cli.main(["run", str(scenario), "--until", "4 h", "-o", "r.h5", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert re.search(words, error)
    assert "Traceback" not in error
