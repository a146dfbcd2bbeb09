"""Commands that run many simulations: what they need before they begin."""

import sys

import pytest

from tme_sim import cli

COMMANDS = ("scan", "optimize", "sensitivity")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_number_of_workers_that_cannot_work_is_refused(command, capsys):
    assert cli.main([command, "study.yaml", "--workers", "0"]) == 2
    assert "--workers 0: at least 1 is needed" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_library_that_is_missing_is_named_with_its_extra(command, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("tme_sim.scan")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("tme_sim.scan", raising=False)
    monkeypatch.setitem(sys.modules, "filelock", None)

    assert cli.main([command, "study.yaml"]) == 2
    message = capsys.readouterr().err
    assert "filelock" in message
    assert "pip install 'tme-sim[scan]'" in message
