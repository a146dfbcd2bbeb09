"""Whatever operation on the disk fails: the run says so, and continues to the same result."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KINDS = ("k", "t", "eENOSPC", "eEIO", "pENOSPC")  # see faults.c
GOOD = ("done", "resumed", "nothing is left")


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a C compiler is needed")
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(HERE / "faults.c"), "-ldl"],
        check=True,
    )
    return library


def sweep(shim, folder, kind, *, first, step):
    """Outcome by the number of the operation that failed."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.output.failing_disk", folder, str(first), str(step), kind],
        env=os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return dict(line.split(maxsplit=1) for line in result.stdout.splitlines())


def check(outcomes):
    assert {n: what for n, what in outcomes.items() if what not in GOOD} == {}
    assert "resumed" in outcomes.values()


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_operation_costs_no_result(shim, tmp_path, kind):
    outcomes = sweep(shim, tmp_path, kind, first=3, step=47)
    assert len(outcomes) > 10
    check(outcomes)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_may_fail(shim, tmp_path, kind):
    check(sweep(shim, tmp_path, kind, first=1, step=1))
