"""Each check of ``.ci/gate`` fails on a file that breaks its rules, with the project's settings."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKS = ("ruff format --check", "ruff check", "mypy")
CLEAN = '''"""A module that breaks no rule."""


def double(x: float) -> float:
    """2 x."""
    return 2.0 * x
'''
PLANTED = {
    "ruff format --check": CLEAN.replace("2.0 * x", "2.0*x"),
    "ruff check": CLEAN.replace('"""2 x."""', "pass"),
    "mypy": CLEAN.replace("2.0 * x", "str(x)"),
}
missing = [tool for tool in ("ruff", "mypy") if importlib.util.find_spec(tool) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"{missing}: install the `dev` extra")


@pytest.fixture
def gate(tmp_path):
    """Run the gate of a small project that has this project's settings; what it said, and code."""
    for name in (".ci/gate", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for package in ("tme_sim", "surrogates"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text('"""A package."""\n')

    def run(text):
        (tmp_path / "tme_sim" / "planted.py").write_text(text)
        environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": ""}
        return subprocess.run(
            [tmp_path / ".ci" / "gate"], capture_output=True, text=True, env=environment
        )

    return run


def test_a_clean_project_passes_every_check(gate):
    result = gate(CLEAN)

    assert result.returncode == 0, result.stdout + result.stderr
    assert [line[2:] for line in result.stdout.splitlines() if line[:2] == "+ "] == list(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_a_planted_violation_stops_the_gate_at_its_check(gate, check):
    result = gate(PLANTED[check])

    assert result.returncode != 0
    assert "planted.py" in result.stdout
    begun = [line[2:] for line in result.stdout.splitlines() if line[:2] == "+ "]
    assert begun[-1] == check


def test_ci_passes_the_gate_before_anything_long():
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line]

    assert commands.index(".ci/gate") < next(i for i, c in enumerate(commands) if "bash -c" in c)
