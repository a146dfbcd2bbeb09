"""Whatever operation on the disk fails under a command: it says so, and doing it again succeeds."""

import os
import subprocess
import sys

import pytest

from tests.output.test_failing_disk import KINDS, ROOT, shim  # noqa: F401 - a fixture

COMMANDS = ("run", "branch", "export", "scan")
GOOD = ("done", "done again")
ONE_THREAD = {  # a process of several may not be forked
    "NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
}  # fmt: skip
STEP = int(os.environ.get("FAULT_STEP", "1"))  # every n-th operation


@pytest.mark.campaign
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_of_a_command_may_fail(shim, tmp_path, command, kind):  # noqa: F811
    arguments = [command, str(tmp_path), "1", str(STEP), kind]
    result = subprocess.run(
        [sys.executable, "-m", "tests.output.failing_commands", *arguments],
        env=os.environ | ONE_THREAD | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    outcomes = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    print(f"{command} {kind}: {len(outcomes)} operations")
    assert {n: what for n, what in outcomes.items() if what not in GOOD} == {}
    assert "done again" in outcomes.values()
