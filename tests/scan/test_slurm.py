"""The same scan through a SLURM cluster of one machine, where one answers.

``.ci/slurm`` makes such a cluster from Debian's packages for as long as a command runs:
``.ci/slurm python -m pytest -n 0 tests/scan/test_slurm.py``.
"""

import os
import shutil
import subprocess

import pytest

from tests.scan.scans import SCAN, write
from tme_sim.scan import scan

ANSWERS = shutil.which("sinfo") is not None and (
    subprocess.run(["sinfo"], capture_output=True, check=False).returncode == 0
)
pytestmark = pytest.mark.skipif(not ANSWERS, reason="no SLURM (sinfo) that answers here")

JOBS = {"memory": "2GB", "walltime": "00:20:00"}


def job(_run):
    """Outcome: number of the SLURM job that made a run; 0 outside of one."""
    return int(os.environ.get("SLURM_JOB_ID", 0))


def test_a_scan_through_slurm_gives_the_same_table(tmp_path):
    pytest.importorskip("dask_jobqueue")
    outcomes = {**SCAN["outcomes"], "job": {"function": {"path": f"{__name__}:job"}}}
    asked = {"set": {"time.duration": "1 h"}, "outcomes": outcomes}
    here = scan.run(scan.plan(write(tmp_path, store="here", **asked)), workers=1)

    path = write(tmp_path, store="there", cluster={"slurm": JOBS}, **asked)
    there = scan.run(scan.plan(path), workers=1)

    assert (here.pop("job") == 0).all()
    assert (there.pop("job") > 0).all()
    assert there.equals(here)
