"""Workers on this machine: nobody else may use them, and a signal ends a scan in one line."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
import yaml
from dask.distributed import Client

from tests.scan.scans import SCENARIO, write
from tme_sim.scan import cluster
from tme_sim.scan.design import Scan
from tme_sim.scan.study import read_study

SEARCH = {
    "axes": None,
    "search": {"therapy.0.dose": {"low": "100 mg", "high": "900 mg"}},
    "objectives": {"given": "minimize"},
    "trials": 3,
}
PAGES = ("/", "/status", "/info/main/workers.html", "/health", "/metrics")


def listening(process):
    found = process.net_connections(kind="tcp")
    return [one.laddr for one in found if one.status == psutil.CONN_LISTEN]


def test_strangers_are_refused_and_no_page_is_served(tmp_path):
    study = read_study(write(tmp_path), Scan)
    with cluster.connect(study, workers=1, scheduler=None) as client:
        client.wait_for_workers(1)
        address = client.scheduler_info()["address"]
        processes = [psutil.Process(pid) for pid in (os.getpid(), *client.run(os.getpid).values())]
        ports = {place for process in processes for place in listening(process)}
        answers = {page(place, name) for place in ports for name in PAGES}
        with pytest.raises(OSError, match="in <TCP"):
            Client(address.replace("tls", "tcp"), timeout=3)

    assert address.startswith("tls://127.0.0.1:")
    assert {place.ip for place in ports} == {"127.0.0.1"}
    assert 8787 not in {place.port for place in ports}
    assert answers <= {404, None}


def page(place, name):
    """Status of a page, None where the port speaks no HTTP."""
    try:
        with urllib.request.urlopen(f"http://{place.ip}:{place.port}{name}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("scan", signal.SIGTERM),
        pytest.param("scan", signal.SIGINT, marks=pytest.mark.campaign),
        pytest.param("optimize", signal.SIGTERM, marks=pytest.mark.campaign),
    ],
)
def test_a_signal_ends_a_study_with_the_line_that_continues_it(tmp_path, kind, number):
    path = write(tmp_path, replicates=1, **(SEARCH if kind == "optimize" else {}))
    time_ = {**SCENARIO["time"], "duration": "60 d"}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**SCENARIO, "time": time_}))
    command = [sys.executable, "-m", "tme_sim.cli", kind, str(path), "--workers", "1"]
    with (tmp_path / "out").open("w+") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, start_new_session=True, cwd=Path.cwd()
        )
        while process.poll() is None and not list((tmp_path / "store" / "work").glob("*/run.h5")):
            time.sleep(0.2)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        code = process.wait(60)
        out.seek(0)
        lines = out.read().splitlines()

    assert code == 3
    assert lines[-1] == (
        f"tme-sim: interrupted; continue with: tme-sim {kind} {path} --resume --workers 1"
    )
    assert not [line for line in lines if "Traceback" in line or "distributed" in line]
