"""The same scan through a SLURM cluster on this machine, where there is one."""

import shutil

import pytest

from tests.scan.scans import write
from tme_sim.scan import scan

pytestmark = pytest.mark.skipif(shutil.which("sinfo") is None, reason="no SLURM (sinfo) here")

JOBS = {"memory": "2GB", "walltime": "00:20:00"}


def test_a_scan_through_slurm_gives_the_same_table(tmp_path):
    pytest.importorskip("dask_jobqueue")
    short = {"set": {"time.duration": "1 h"}}
    here = scan.run(scan.plan(write(tmp_path, store="here", **short)), workers=1)

    there = scan.run(
        scan.plan(write(tmp_path, store="there", cluster={"slurm": JOBS}, **short)), workers=1
    )

    assert there.equals(here)
