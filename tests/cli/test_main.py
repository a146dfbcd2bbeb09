"""The parser, and how commands end."""

import pytest

from tme_sim.cli import main as run_command
from tme_sim.cli.main import COMMANDS
from tme_sim.errors import InputError
from tme_sim.release import VERSION

COMMAND = "schema"  # needs no arguments


def ends_with(monkeypatch, error):
    def run(_options):
        raise error

    monkeypatch.setattr(COMMANDS[COMMAND], "run", run)
    return run_command([COMMAND])


def test_the_help_names_every_command_with_its_summary(capsys):
    with pytest.raises(SystemExit) as end:
        run_command(["--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0
    assert all(f"{name} {command.SUMMARY}" in text for name, command in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_begins_with_its_usage(name, capsys):
    with pytest.raises(SystemExit) as end:
        run_command([name, "--help"])

    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: tme-sim {name} ")


def test_an_unknown_command_is_bad_input(capsys):
    with pytest.raises(SystemExit) as end:
        run_command(["simulate"])

    assert end.value.code == 2
    assert "invalid choice: 'simulate'" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        run_command(["--version"])

    assert capsys.readouterr().out == f"tme-sim {VERSION}\n"


def test_bad_input_ends_with_its_message_and_2(monkeypatch, capsys):
    assert ends_with(monkeypatch, InputError("no such thing")) == 2
    assert capsys.readouterr().err == "tme-sim: no such thing\n"


def test_an_interruption_ends_with_3(monkeypatch, capsys):
    assert ends_with(monkeypatch, KeyboardInterrupt()) == 3
    assert capsys.readouterr().err == "tme-sim: interrupted\n"


def test_an_error_of_our_own_is_not_hidden(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        ends_with(monkeypatch, ZeroDivisionError())
