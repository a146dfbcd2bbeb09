"""Scans in full: kills at random moments, lost workers, two processes, plans, shared pasts, pairs.

Timings need two free cores. Figures measured go to ``outputs/validation/scans.txt``.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

import tme_sim
from tests.scan.scans import SCENARIO, write
from tme_sim import simulation
from tme_sim.scan import cost, scan
from tme_sim.scenario import load_scenario

pytestmark = pytest.mark.validation

TOLD = Path(__file__).parents[2] / "outputs" / "validation" / "scans.txt"
QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"
COMMAND = [sys.executable, "-m", "tme_sim.cli", "scan"]
KILLS, SCAN_KILLS = 50, 5
TABLES = ("results", "courses", "bands", "responses", "paired", "survival")
TISSUE = {  # a seventh of the quickstart
    "domain.size": ["400 um", "400 um"],
    "cells.tumor.count": 120,
    "cells.tumor.placement.disk.radius": "105 um",
    "cells.fibroblast.count": 20,
    "cells.fibroblast.placement.ring": {"inner": "110 um", "outer": "160 um"},
}


def say(line):
    TOLD.parent.mkdir(parents=True, exist_ok=True)
    with TOLD.open("a") as file:
        file.write(line + "\n")
    print(line)


@pytest.fixture
def real(tmp_path):
    """Function that writes a scan of the quickstart with the network, small enough for a test."""

    def make(**sections):
        data = {
            "format": 1,
            "scenario": str(QUICKSTART),
            "store": str(tmp_path / sections.pop("store", "store")),
            "outcomes": {"burden_end": {"burden": {}}},
            **sections,
        }
        data["set"] = {**TISSUE, **data.get("set", {})}
        path = tmp_path / f"{Path(data['store']).name}.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False))
        return path

    return make


RUN = """
import sys, tme_sim
from tme_sim import simulation
path, scenario = sys.argv[1:]
try:
    simulation.resume(path, threads=1)
except tme_sim.errors.InputError:
    simulation.simulate(tme_sim.load_scenario(scenario), path, threads=1, force=True)
"""


def test_a_run_killed_fifty_times_reads_to_its_last_frame_and_ends_the_same(tmp_path):
    scenario = {**SCENARIO, "time": {**SCENARIO["time"], "duration": "3 d"}}
    scenario["time"] |= {"frame_every": "1 h", "checkpoint_every": "2 h"}
    file, path = tmp_path / "a.yaml", tmp_path / "killed.h5"
    file.write_text(yaml.safe_dump(scenario))
    whole = simulation.simulate(load_scenario(file), tmp_path / "whole.h5", threads=1)
    lot, kills, last = random.Random(1), 0, 0
    while kills < KILLS:
        process = subprocess.Popen([sys.executable, "-c", RUN, str(path), str(file)])
        _wait(path.exists, process)
        _wait(lambda p=process: _writes(path, p), process)
        time.sleep(lot.uniform(0.0, 0.6))
        if process.poll() is not None:
            path.unlink()  # it got to its end: from the beginning again
            continue
        process.kill()
        process.wait()
        kills += 1
        run = tme_sim.open_run(path)
        frames = len(run.times)
        for k in range(max(frames - 2, 0), frames):
            run.frame(k, ("id", "volume"))
        last = max(last, frames)
    subprocess.run([sys.executable, "-c", RUN, str(path), str(file)], check=True)

    assert tme_sim.open_run(path).digest() == whole.digest()
    say(f"run killed {kills} times, up to frame {last} of {len(whole.times)}: same digest")


def _writes(path, process):
    """Whether the file has just been written to: the simulation is past its start."""
    before = path.stat().st_mtime_ns
    time.sleep(0.05)
    return process.poll() is not None or path.stat().st_mtime_ns != before


def _wait(condition, process, seconds=300.0):
    """Until a condition holds or a process has ended."""
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_scan_killed_five_times_ends_with_the_same_tables(tmp_path):
    slow = {"set": {"time.duration": "2 d", "therapy.0.start": "1 d", "time.tick": "12 min"}}
    calm = write(tmp_path, replicates=3, store="calm", **slow)
    subprocess.run([*COMMAND, str(calm), "--workers", "2"], check=True)
    path = write(tmp_path, name="wild.yaml", replicates=3, store="store", **slow)
    lot, seen = random.Random(2), {}
    for _ in range(SCAN_KILLS):
        process = subprocess.Popen([*COMMAND, str(path), "--workers", "2", "--resume"])
        _wait(lambda: (tmp_path / "store" / "locks").exists(), process)
        time.sleep(lot.uniform(2.0, 9.0))
        process.kill()
        process.wait()
        seen |= {r: r.stat().st_mtime_ns for r in (tmp_path / "store/runs").glob("*/row.json")
                 if r not in seen}  # fmt: skip
    subprocess.run([*COMMAND, str(path), "--workers", "2", "--resume"], check=True)

    assert seen
    assert all(row.stat().st_mtime_ns == when for row, when in seen.items())
    for name in TABLES:
        stored = (tmp_path / "store" / f"{name}.parquet").read_bytes()
        assert stored == (tmp_path / "calm" / f"{name}.parquet").read_bytes()
    say(f"scan killed {SCAN_KILLS} times with {len(seen)} runs finished before: same tables")


def test_a_lost_worker_costs_only_its_unfinished_run(real):
    path = real(axes={"therapy.0.dose": ["240 mg", "960 mg"]}, replicates=2,
                set={"time.duration": "2 d", "therapy.0.start": "1 d"})  # fmt: skip
    process = subprocess.Popen([*COMMAND, str(path), "--workers", "2"])
    store = path.with_suffix("")
    _wait(lambda: len(list((store / "runs").glob("*/row.json"))) >= 1, process)
    before = {row: row.stat().st_mtime_ns for row in (store / "runs").glob("*/row.json")}
    children = psutil.Process(process.pid).children()
    workers = [child for child in children if "spawn_main" in str(child.cmdline())]
    workers[0].send_signal(signal.SIGKILL)

    assert process.wait() == 0
    assert len(before) < 4
    assert all(row.stat().st_mtime_ns == when for row, when in before.items())
    table = pd.read_parquet(store / "results.parquet")
    assert list(table["status"]) == ["done"] * 4
    say(f"worker killed with {len(before)} runs finished: they were not repeated, all 4 done")


def test_two_processes_on_one_store_share_the_work(real):
    sections = {"axes": {"therapy.0.dose": ["240 mg", "960 mg"]}, "replicates": 2}
    sections["set"] = {"time.duration": "2 d", "therapy.0.start": "1 d"}
    path, alone = real(**sections), real(**sections, store="alone")
    subprocess.run([*COMMAND, str(alone), "--workers", "1"], check=True)
    both = [subprocess.Popen([*COMMAND, str(path), "--workers", "1", "--resume"]) for _ in "ab"]

    assert [process.wait() for process in both] == [0, 0]
    stored, expected = (p.with_suffix("") / "results.parquet" for p in (path, alone))
    assert stored.read_bytes() == expected.read_bytes()
    assert not list((path.with_suffix("") / "work").iterdir())


def test_a_shared_past_takes_what_its_plan_said_and_at_most_62_percent(real):
    sections = {
        "axes": {"therapy.0.dose": [f"{80 * k} mg" for k in range(1, 13)]},
        "replicates": 2,
        "set": {"time.duration": "2 d", "therapy.0.start": "1 d"},
    }
    plans = {s: scan.plan(real(**sections, store=f"share_{s}"), share=s) for s in (True, False)}
    began = time.perf_counter()
    each = plans[True].forecast(2).cost
    before, after = np.diff(each.ticks[[0, 120, 240]])
    say(f"12 arms x 2 seeds, planned in {time.perf_counter() - began:.0f} s: {each.text()}; "
        f"days before therapy {before:.2f} s, after {after:.2f} s")  # fmt: skip
    told, took, digests = {}, {}, {}
    for share, planned in plans.items():
        told[share] = cost.Forecast(each, planned.tasks, 2).seconds
        began, clock = time.perf_counter(), time.time()
        digests[share] = list(scan.run(planned, workers=2)["digest"])
        took[share] = time.perf_counter() - began
        rows = (planned.store.folder / "runs").glob("*/row.json")
        ends = sorted(row.stat().st_mtime - clock for row in rows)
        gain = took[share] / told[share]
        say(f"  shared: {share}, {took[share]:.1f} s, plan {told[share]:.1f} s ({gain:.2f}); "
            f"first run done after {ends[0]:.1f} s, last after {ends[-1]:.1f} s")  # fmt: skip
    ratio = took[True] / took[False]
    say(f"  shared / alone {ratio:.2f}; load {os.getloadavg()[0]:.1f}")

    assert digests[True] == digests[False]
    assert took[True] == pytest.approx(told[True], rel=0.1)
    assert ratio <= 0.62


def test_two_workers_have_at_least_1_8_times_the_throughput_of_one(real):
    took = {}
    for workers in (1, 2):
        path = real(store=f"with_{workers}", replicates=12, set={"time.duration": "2 d"})
        planned = scan.plan(path)
        start = time.perf_counter()
        with scan.connect(planned.study, workers=workers, scheduler=None) as client:
            client.wait_for_workers(workers)
            ready = time.perf_counter()
            planned.store.create()
            scan.execute(planned.tasks, client, planned.terms)
        took[workers] = time.perf_counter() - ready
        told = f"12 runs in {took[workers]:.1f} s after {ready - start:.1f} s to start"
        say(f"{workers} workers: {told}")
    gain = took[1] / took[2]
    say(f"two workers against one: {gain:.2f}; load {os.getloadavg()[0]:.1f}")

    assert gain >= 1.8


def test_a_paired_interval_is_at_most_0_6_of_the_unpaired_one(real):
    path = real(
        axes={"therapy.0.dose": ["720 mg", "960 mg"]},
        seeds=list(range(1, 21)),
        set={"time.duration": "6 d", "therapy.0.start": "1 d"},
        outcomes={f"day_{d}": {"burden": {"at": f"{d} d"}} for d in (2, 4, 6)},
    )
    scan.run(scan.plan(path), workers=2)

    table = pd.read_parquet(path.with_suffix("") / "paired.parquet").set_index("outcome")

    for name, row in table.iterrows():
        told = f"width {row['width_ratio']:.2f}, variance {row['variance_reduction']:.1f}"
        say(f"720 and 960 mg, 20 seeds, {name}: {row['difference']:.1f} cells, paired {told}")
    assert (table.loc[["day_2", "day_4"], "width_ratio"] <= 0.6).all()
    late = table.loc["day_6", "width_ratio"]
    assert json.loads((path.with_suffix("") / "manifest.json").read_text())["reference"]
    if late > 0.6:
        pytest.xfail(f"{late:.2f} five days after the branch: by then paired tissues have parted")
