"""Scans: one table, shared pasts with the digests of runs alone, nothing computed twice."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

import tme_sim
from tests.scan.scans import write
from tme_sim import simulation
from tme_sim.scan import execute, scan

OTHER_DRUGS = {
    "none": {"therapy": []},
    "early": {"therapy.0.start": "1 h"},
    "late": {},
    "two": {
        "therapy": [
            {"drug": "trametinib", "dose": "2 mg", "start": "3 h"},
            {"drug": "vemurafenib", "dose": "960 mg", "every": "1 h", "start": "2 h"},
        ]
    },
}


class Here:
    """Stands for a Dask client: tasks are done at once, in this process."""

    class Future:
        status = "finished"

        def __init__(self, value):
            self.value = value

        def done(self):
            return True

        def result(self):
            return self.value

    def __init__(self):
        self.submitted = []

    def submit(self, function, job, *rest, pure):
        assert not pure
        *middle, parent = rest
        self.submitted.append(job["key"])
        value = parent.value if isinstance(parent, Here.Future) else parent
        return Here.Future(function(job, *middle, value))

    def processing(self):
        return {}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    client = Here()

    @contextlib.contextmanager
    def cluster(*_args, **_options):
        yield client

    monkeypatch.setattr(scan, "connect", cluster)
    monkeypatch.setattr("dask.distributed.wait", lambda *_a, **_k: None)
    return client


def run_it(path, *, share=True, resume=False):
    return scan.run(scan.plan(path, share=share), resume=resume)


def test_every_arm_and_seed_is_a_row_with_its_outcomes(tmp_path):
    table = run_it(write(tmp_path))

    assert list(table["therapy.0.dose"]) == ["240 mg"] * 2 + ["960 mg"] * 2
    assert list(table["seed"]) == [5, 6, 5, 6]
    assert list(table["given"]) == [480.0, 480.0, 1920.0, 1920.0]
    assert (table["burden_end"] > 0).all()
    stored = pd.read_parquet(tmp_path / "store" / "results.parquet")
    assert stored.equals(table.drop(columns="key"))


def test_runs_with_a_shared_past_have_the_digests_of_runs_alone(tmp_path, here):
    shared = run_it(write(tmp_path, axes=None, arms=OTHER_DRUGS, replicates=1))
    n_pieces = len(here.submitted)
    alone = run_it(
        write(tmp_path, axes=None, arms=OTHER_DRUGS, replicates=1, store="alone"), share=False
    )

    assert n_pieces > len(shared)
    assert list(shared["status"]) == ["done"] * 4
    assert list(shared["digest"]) == list(alone["digest"])
    assert shared["digest"].nunique() == 4


def test_arms_share_until_their_first_dose_and_seeds_do_not(tmp_path):
    tasks = scan.plan(write(tmp_path)).tasks

    segments = [task for task in tasks if not task.is_run]
    assert [task.end for task in segments] == [10, 10]
    assert sum(task.end - task.start for task in tasks) == 2 * 10 + 4 * 10


def test_what_acts_from_the_start_is_not_shared(tmp_path):
    tasks = scan.plan(write(tmp_path, axes={"cells.tumor.count": [60, 80]})).tasks

    assert all(task.is_run and task.parent is None for task in tasks)


def test_an_axis_value_added_computes_only_what_is_new(tmp_path, here):
    run_it(write(tmp_path))
    before = set(here.submitted)
    more = write(tmp_path, axes={"therapy.0.dose": ["240 mg", "480 mg", "960 mg"]})
    here.submitted.clear()

    table = run_it(more, resume=True)

    assert len(table) == 6
    assert len(here.submitted) == 2
    assert not before & set(here.submitted)


def test_a_failed_run_is_a_row_with_its_message(tmp_path, monkeypatch):
    real = execute._simulate

    def fails_at_seed_6(store, job, path):
        if job["scenario"]["seed"] == 6 and job["is_run"]:
            msg = "out of luck"
            raise RuntimeError(msg)
        return real(store, job, path)

    monkeypatch.setattr(execute, "_simulate", fails_at_seed_6)
    table = run_it(write(tmp_path))
    monkeypatch.setattr(execute, "_simulate", real)
    mended = run_it(tmp_path / "scan.yaml", resume=True)

    assert list(table["status"]) == ["done", "failed", "done", "failed"]
    assert table["message"][1] == "RuntimeError: out of luck"
    assert list(mended["status"]) == ["done"] * 4


def test_an_existing_store_is_not_used_without_resume(tmp_path):
    run_it(write(tmp_path, axes=None, replicates=1))

    with pytest.raises(tme_sim.scenario.ScenarioError.__base__, match="--resume"):
        run_it(tmp_path / "scan.yaml")


def test_arms_of_one_seed_share_their_luck(tmp_path):
    table = run_it(write(tmp_path))
    low, high = table["burden_end"][:2].to_numpy(), table["burden_end"][2:].to_numpy()

    # the constant cell model knows no drug: arms of a seed are the same to the cell
    assert (low == high).all()


def test_keep_decides_which_run_files_stay(tmp_path):
    best = {"outcome": "burden_end", "direction": "minimize"}
    for keep, files in (("none", 0), ("all", 2), ("best", 1)):
        more = {"best": best} if keep == "best" else {}
        run_it(write(tmp_path, axes=None, keep=keep, store=keep, **more))
        assert len(list((tmp_path / keep / "runs").glob("*/run.h5"))) == files


COMMAND = [sys.executable, "-m", "tme_sim.cli", "scan"]


def test_a_killed_scan_resumes_to_the_same_table_and_repeats_nothing(tmp_path):
    path = write(tmp_path)
    run_it(path)
    expected = (tmp_path / "store" / "results.parquet").read_bytes()
    again = write(tmp_path, store="killed")
    process = subprocess.Popen([*COMMAND, str(again), "--workers", "1"], start_new_session=True)
    runs = tmp_path / "killed" / "runs"
    _until(lambda: any(runs.glob("*/row.json")), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = {row: row.stat().st_mtime_ns for row in runs.glob("*/row.json")}

    _until(lambda: _resumed(again), None)

    assert (tmp_path / "killed" / "results.parquet").read_bytes() == expected
    assert finished
    assert all(row.stat().st_mtime_ns == when for row, when in finished.items())


def _resumed(path):
    run_it(path, resume=True)
    return True


def _until(condition, process, seconds=120.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        assert process is None or process.poll() is None
        time.sleep(0.05)


KILLED = """
import os, signal, sys, tme_sim
def die(model):
    if model.tick_index == {tick}:
        os.kill(os.getpid(), signal.SIGKILL)
tme_sim.simulate(tme_sim.load_scenario({scenario!r}), {path!r}, progress=die, threads=1)
"""


def test_a_run_killed_in_a_worker_is_continued_from_its_checkpoint(tmp_path, monkeypatch):
    path = write(tmp_path, axes=None, replicates=1)
    planned = scan.plan(path)
    planned.store.create()
    (task,) = planned.tasks
    work = planned.store.work(task.key) / "run.h5"
    script = KILLED.format(tick=12, scenario=str(tmp_path / "small.yaml"), path=str(work))
    subprocess.run([sys.executable, "-c", script], check=False)
    whole = simulation.simulate(tme_sim.load_scenario(tmp_path / "small.yaml"), tmp_path / "a.h5")
    monkeypatch.setattr(simulation, "simulate", None)  # starting anew would fail

    table = scan.run(planned, resume=True)

    assert list(table["digest"]) == [whole.digest()]
