"""Scans: one table, shared pasts with the digests of runs alone, nothing computed twice."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

import tme_sim
from tests.scan.scans import Here, write
from tme_sim import simulation
from tme_sim.errors import InputError
from tme_sim.scan import execute, scan
from tme_sim.scan.sharing import plan_alone

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


def run_it(path, *, share=True, resume=False):
    return scan.run(scan.plan(path, share=share), resume=resume)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a finished scan, its table, and the keys that were computed."""
    folder, client = tmp_path_factory.mktemp("finished"), Here()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "connect", lambda *_a, **_o: _Entered(client))
        patch.setattr("dask.distributed.wait", lambda *_a, **_o: None)
        table = run_it(write(folder))
    return folder, table, set(client.submitted)


class _Entered:
    def __init__(self, value):
        self.value = value

    def __enter__(self):
        return self.value

    def __exit__(self, *_error):
        return None


def copied(finished, folder):
    shutil.copytree(finished[0] / "store", folder / "store")


def test_every_arm_and_seed_is_a_row_with_its_outcomes(finished):
    folder, table, _ = finished

    assert list(table["therapy.0.dose"]) == ["240 mg"] * 2 + ["960 mg"] * 2
    assert list(table["seed"]) == [5, 6, 5, 6]
    assert list(table["given"]) == [480.0, 480.0, 1920.0, 1920.0]
    assert (table["burden_end"] > 0).all()
    stored = pd.read_parquet(folder / "store" / "results.parquet")
    assert stored.equals(table.drop(columns="key"))


def test_tables_and_figures_lie_in_the_store(finished):
    store = finished[0] / "store"
    names = ("results", "courses", "bands", "responses", "paired", "survival")

    assert all((store / f"{name}{end}").is_file() for name in names for end in (".csv", ".parquet"))
    drawn = {path.stem for path in (store / "figures").glob("*.png")}
    assert drawn == {"burden", "spider", "waterfall", "survival_ttp", "paired"}
    courses = pd.read_parquet(store / "courses.parquet")
    assert courses.groupby(["arm", "seed"])["day"].max().to_numpy() == pytest.approx(4 / 24)


def test_arms_of_one_seed_share_their_luck(finished):
    _, table, _ = finished
    low, high = table["burden_end"][:2].to_numpy(), table["burden_end"][2:].to_numpy()
    paired = pd.read_parquet(finished[0] / "store" / "paired.parquet").set_index("outcome")

    # the constant cell model knows no drug: arms of a seed are the same to the cell
    assert (low == high).all()
    assert paired.loc["burden_end", ["difference", "low", "high"]].tolist() == [0.0, 0.0, 0.0]
    assert paired.loc["given", "difference"] == 1440.0


def test_runs_with_a_shared_past_have_the_digests_of_runs_alone(tmp_path, here):
    arms = {"axes": None, "arms": OTHER_DRUGS, "replicates": 1}
    shared = run_it(write(tmp_path, **arms))
    n_pieces = len(here.submitted)
    alone = run_it(write(tmp_path, **arms, store="alone"), share=False)

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


def test_runs_planned_one_by_one_share_the_days_before_therapy(tmp_path):
    runs = scan.plan(write(tmp_path, replicates=1)).runs

    plans = [plan_alone(scenario) for _, scenario in runs]

    assert [task.is_run for tasks in plans for task in tasks] == [False, True] * 2
    assert plans[0][0].key == plans[1][0].key
    assert plans[0][0].end == 10


def test_a_segment_that_records_another_field_is_another(tmp_path):
    keys = set()
    for fields in (["oxygen"], ["oxygen", "vemurafenib"]):
        tasks = scan.plan(write(tmp_path, set={"output.fields": fields}, replicates=1)).tasks
        keys |= {task.key for task in tasks if not task.is_run}

    assert len(keys) == 2


def test_a_policy_whose_code_changed_is_run_again(tmp_path):
    rule = {"policy": "rules.py:p", "visit_every": "1 h"}
    path = write(tmp_path, set={"therapy.0.adaptive": rule})
    rules = tmp_path / "rules.py"
    keys = set()
    for share in (1.0, 0.5):
        rules.write_text(f"def p(visits, share):\n    return {share}\n")
        keys |= {task.key for task in scan.plan(path).tasks if task.is_run}

    assert len(keys) == 8


def test_an_axis_value_added_computes_only_what_is_new(finished, tmp_path, here):
    copied(finished, tmp_path)
    more = write(tmp_path, axes={"therapy.0.dose": ["240 mg", "480 mg", "960 mg"]})

    table = run_it(more, resume=True)

    assert len(table) == 6
    assert len(here.submitted) == 2
    assert not finished[2] & set(here.submitted)


def test_a_scan_through_dask_gives_the_same_table_and_tells_how_far_it_is(
    finished, tmp_path, monkeypatch
):
    states = []
    with Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as dask:
        monkeypatch.setattr(scan, "connect", lambda *_a, **_o: _Entered(dask))
        monkeypatch.setattr(scan.figures, "draw_all", lambda *_a, **_o: [])
        table = scan.run(scan.plan(write(tmp_path)), progress=states.append)

    assert table.equals(finished[1])
    assert (states[-1].done, states[-1].failed, states[-1].left) == (4, 0, [])
    left = [len(state.left) for state in states]
    assert left == sorted(left, reverse=True)


@pytest.mark.usefixtures("here")
def test_a_failed_run_is_a_row_with_its_message(finished, tmp_path, monkeypatch):
    real = tme_sim.TumorModel.step

    def fails_at_seed_6(model):
        if model.scenario.seed == 6 and model.tick_index == 15:
            msg = "out of luck"
            raise RuntimeError(msg)
        real(model)

    monkeypatch.setattr(tme_sim.TumorModel, "step", fails_at_seed_6)
    table = run_it(write(tmp_path))
    monkeypatch.setattr(tme_sim.TumorModel, "step", real)
    mended = run_it(tmp_path / "scan.yaml", resume=True)

    assert list(table["status"]) == ["done", "failed", "done", "failed"]
    told = r"the tick at 3 h failed: .*test_scan\.py:\d+: RuntimeError: out of luck; "
    assert re.search(told, table["message"][1])
    assert mended.equals(finished[1])


@pytest.mark.usefixtures("here")
def test_a_full_disk_ends_the_scan_and_is_no_failed_run(tmp_path, monkeypatch):
    planned, real = scan.plan(write(tmp_path)), simulation.simulate

    def fails(*_arguments, **_settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "run.h5")

    monkeypatch.setattr(simulation, "simulate", fails)
    with pytest.raises(OSError, match=r"No space left.*run\.h5"):
        scan.run(planned)
    assert [planned.store.row(key) for key in planned.keys] == [None] * len(planned.keys)

    monkeypatch.setattr(simulation, "simulate", real)
    assert set(scan.run(planned, resume=True)["status"]) == {"done"}


@pytest.mark.parametrize("damage", ["", "[]", "null", "{", '{"row": {}}', None])
def test_a_damaged_row_is_made_again(finished, tmp_path, here, damage):
    copied(finished, tmp_path)
    row = next((tmp_path / "store" / "runs").iterdir()) / "row.json"
    text = row.read_text("utf-8")
    flipped = text.replace('"burden_end": ', '"burden_end": 1', 1)
    row.write_text(flipped if damage is None else damage, "utf-8")

    table = run_it(write(tmp_path), resume=True)

    assert here.submitted == [row.parent.name]
    assert table.equals(finished[1])


@pytest.mark.parametrize("name", ["run.h5", "run.h5.checkpoints", "row.json"])
def test_a_damaged_segment_is_made_again(finished, tmp_path, here, name):
    copied(finished, tmp_path)
    shutil.rmtree(tmp_path / "store" / "runs")
    for path in (tmp_path / "store" / "segments").glob(f"*/{name}"):
        for file in [path] if path.is_file() else path.iterdir():
            content = bytearray(file.read_bytes())
            middle = len(content) // 2
            content[middle : middle + 4000] = bytes(4000)
            file.write_bytes(content)

    table = run_it(write(tmp_path), resume=True)

    assert len(here.submitted) >= 4
    assert table.equals(finished[1])


@pytest.mark.usefixtures("here")
def test_arms_of_an_axis_and_of_names_stay_apart(tmp_path):
    arms = {"low": {"therapy.0.dose": "100 mg"}, "high": {"therapy.0.dose": "900 mg"}}
    rates = {"surrogate.rates.tumor.g1s_rate": ["0.01 /h", "0.3 /h"]}
    table = run_it(write(tmp_path, axes=rates, arms=arms, set={"time.duration": "3 h"}))
    store = tmp_path / "store"

    assert list(table["arms"]) == ["low", "low", "high", "high"] * 2
    assert table["arm"].nunique() == 4
    curves = pd.read_csv(store / "survival.csv")
    assert curves["arm"].nunique() == 4
    assert (curves.loc[curves["day"] == 0.0, "at_risk"] == 2).all()
    assert (pd.read_csv(store / "paired.csv")["outcome"] == "burden_end").sum() == 3


@pytest.mark.usefixtures("here")
def test_runs_that_stop_in_their_shared_past_are_what_they_would_be_alone(tmp_path):
    stop = {"set": {"stop": {"burden_above": "1 cells"}}, "replicates": 1}
    shared = run_it(write(tmp_path, **stop))
    alone = run_it(write(tmp_path, **stop, store="alone"), share=False)

    assert list(shared["status"]) == ["done", "done"]
    assert list(shared["digest"]) == list(alone["digest"])


@pytest.mark.usefixtures("here")
def test_a_table_of_cells_that_is_edited_is_seen_by_the_next_scan(tmp_path):
    table = tmp_path / "cells.csv"
    cells = {"cells.tumor": {"type": "tumor", "placement": {"file": str(table)}}}
    path = write(tmp_path, axes=None, replicates=1, set={"time.duration": "12 min", **cells})
    ends = []
    for n in (2, 4):
        table.write_text("x,y\n" + "".join(f"{60 + 40 * k},60\n" for k in range(n)))
        ends.append(run_it(path, resume=True)["burden_end"].iloc[0])

    assert ends == [2.0, 4.0]


@pytest.mark.usefixtures("here")
def test_a_file_that_is_edited_while_a_scan_runs_is_told(tmp_path):
    table = tmp_path / "cells.csv"
    cells = {"cells.tumor": {"type": "tumor", "placement": {"file": str(table)}}}
    table.write_text("x,y\n60,60\n")
    path = write(tmp_path, axes=None, replicates=1, set={"time.duration": "12 min", **cells})
    planned = scan.plan(path)
    table.write_text("x,y\n60,60\n100,60\n")

    found = scan.run(planned)

    assert list(found["status"]) == ["failed"]
    assert "was changed while the scan ran" in found["message"][0]


@pytest.mark.usefixtures("here")
def test_the_best_of_runs_that_all_failed_is_none(tmp_path, monkeypatch):
    def fails(_model):
        msg = "out of luck"
        raise RuntimeError(msg)

    monkeypatch.setattr(tme_sim.TumorModel, "step", fails)
    table = run_it(write(tmp_path, keep="best", best={"outcome": "burden_end"}))

    assert set(table["status"]) == {"failed"}


def test_an_existing_store_is_not_used_without_resume(finished):
    with pytest.raises(InputError, match="--resume"):
        run_it(finished[0] / "scan.yaml")


@pytest.mark.usefixtures("here")
def test_keep_decides_which_run_files_stay(tmp_path):
    best = {"outcome": "burden_end", "direction": "minimize"}
    for keep, files in (("none", 0), ("all", 2), ("best", 1)):
        more = {"best": best} if keep == "best" else {}
        path = write(
            tmp_path, axes=None, keep=keep, store=keep, set={"time.duration": "1 h"}, **more
        )
        run_it(path)
        assert len(list((tmp_path / keep / "runs").glob("*/run.h5"))) == files


@pytest.mark.usefixtures("here")
def test_another_outcome_is_measured_in_the_files_that_were_kept(tmp_path, monkeypatch):
    short = {"axes": None, "keep": "all", "set": {"time.duration": "1 h"}}
    before = run_it(write(tmp_path, **short))
    monkeypatch.setattr(simulation, "simulate", None)  # simulating again would fail

    after = run_it(write(tmp_path, **short, outcomes={"least": {"nadir": {}}}), resume=True)

    assert list(after["message"]) == ["", ""]
    assert list(after["status"]) == ["done", "done"]
    assert (after["least"] <= before["burden_end"]).all()
    assert list(after["digest"]) == list(before["digest"])


def test_a_run_that_another_process_has_is_waited_for(tmp_path, here):
    planned = scan.plan(write(tmp_path, axes=None, replicates=1, set={"time.duration": "1 h"}))
    planned.store.create()
    held = threading.Event()

    def hold():
        with planned.store.claim(planned.tasks[0].key):
            held.set()
            time.sleep(1.5)

    other = threading.Thread(target=hold)
    other.start()
    held.wait()

    table = scan.run(planned, resume=True)

    other.join()
    assert list(table["status"]) == ["done"]
    assert len(here.submitted) >= 2  # refused at first


KILLED = """
import contextlib, os, signal
from tests.scan.scans import Here
import tme_sim
from tme_sim.scan import scan
steps, real = [0], tme_sim.TumorModel.step
def step(model):
    steps[0] += 1
    if steps[0] == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    real(model)
tme_sim.TumorModel.step = step
scan.connect = lambda *_a, **_o: contextlib.nullcontext(Here())
scan.run(scan.plan({path!r}))
"""


@pytest.mark.usefixtures("here")
def test_a_killed_scan_resumes_to_the_same_tables_and_repeats_nothing(finished, tmp_path):
    path = write(tmp_path)
    killed = KILLED.format(at=36, path=str(path))  # in the second segment
    process = subprocess.run([sys.executable, "-c", killed], check=False)
    rows = list((tmp_path / "store" / "runs").glob("*/row.json"))
    when = [row.stat().st_mtime_ns for row in rows]
    steps = np.zeros(1, int)
    with pytest.MonkeyPatch.context() as patch:
        real = tme_sim.TumorModel.step
        patch.setattr(tme_sim.TumorModel, "step", lambda model: (steps.__iadd__(1), real(model))[1])
        table = run_it(path, resume=True)

    assert process.returncode == -signal.SIGKILL
    assert len(rows) == 2
    assert [row.stat().st_mtime_ns for row in rows] == when
    assert steps[0] == 60 - 30 - 5  # one checkpoint, an hour of five ticks, lay behind it
    assert table.equals(finished[1])
    for name in ("results", "courses", "bands", "responses", "paired", "survival"):
        stored = (tmp_path / "store" / f"{name}.parquet").read_bytes()
        assert stored == (finished[0] / "store" / f"{name}.parquet").read_bytes()


def test_a_run_whose_workers_die_again_and_again_is_a_failed_row(tmp_path):
    planned = scan.plan(write(tmp_path, axes=None, replicates=1))
    planned.store.create()

    answer = execute._lost(planned.tasks[0], planned.terms)

    assert answer == "failed"
    assert "died" in scan.results(planned)["message"][0]
