"""Killed at any moment, a run and a scan go on to the result that they would have had."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.output.test_failing_commands import ONE_THREAD
from tests.output.test_failing_disk import ROOT

KILLS = int(os.environ.get("KILLS", "1000"))


@pytest.mark.campaign
def test_a_thousand_kills_lose_nothing(tmp_path):
    log = Path(os.environ.get("KILLS_LOG", tmp_path / "kills.log"))
    result = subprocess.run(
        [sys.executable, "-m", "tests.output.kills", str(log), str(KILLS)],
        env=os.environ | ONE_THREAD | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    lines = log.read_text().splitlines()
    print(f"{len(lines)} kills of {len(set(line.split()[0] for line in lines))} cases")
    assert len(lines) >= KILLS
    assert [line for line in lines if not line.endswith(" same")] == []
