"""The promises of a run: the same to the bit however it came about, and nothing is lost."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap

import pytest

import tme_sim
from tests.model.small import small
from tme_sim import continuation
from tme_sim.compute import launch
from tme_sim.errors import InputError


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return tme_sim.simulate(small(), tmp_path_factory.mktemp("run") / "a.h5", threads=1)


def test_everything_happens_in_the_small_scenario(undisturbed):
    assert undisturbed.complete
    assert {"birth", "arrival"} <= set(undisturbed.lineage["event"])
    assert set(undisturbed.events["kind"]) >= {"dose"}
    assert undisturbed.metrics["tissue_vemurafenib"].iloc[-1] > 0.0


def test_the_same_seed_gives_the_same_digest(undisturbed, tmp_path):
    again = tme_sim.simulate(small(), tmp_path / "b.h5", threads=1)

    assert again.digest() == undisturbed.digest()


def test_another_seed_gives_another_digest(undisturbed, tmp_path):
    other = tme_sim.simulate(small({"seed": 6}), tmp_path / "b.h5", until="1 h")

    assert other.digest() != undisturbed.digest()


def test_two_threads_give_the_digest_of_one(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "PARALLEL_FROM", 1)  # else a small tissue never sees two threads

    parallel = tme_sim.simulate(small(), tmp_path / "b.h5", threads=2)

    assert parallel.digest() == undisturbed.digest()


def test_two_days_of_births_deaths_and_t_cells_are_the_same_on_two_threads(tmp_path, monkeypatch):
    time = {"time.duration": "2 d", "time.tick": "12 min", "time.frame_every": "1 d"}
    days = small({**time, "time.checkpoint_every": "1 d", "cells.cd8.supply": "5 per hour"})
    serial = tme_sim.simulate(days, tmp_path / "a.h5", threads=1)
    monkeypatch.setattr(launch, "PARALLEL_FROM", 1)

    parallel = tme_sim.simulate(days, tmp_path / "b.h5", threads=2)

    counts = serial.lineage["event"].value_counts()
    assert (counts[["birth", "death", "arrival", "cleared"]] > 20).all()
    assert parallel.digest() == serial.digest()


def test_an_interrupted_run_resumes_to_the_same_digest(undisturbed, tmp_path):
    path = tmp_path / "b.h5"

    def interrupt(model):
        if model.tick_index == 47:
            os.kill(os.getpid(), signal.SIGINT)

    first = tme_sim.simulate(small(), path, progress=interrupt)
    resumed = tme_sim.resume(path)

    assert not first.complete
    assert first.reason == "interrupted"
    assert resumed.complete
    assert resumed.digest() == undisturbed.digest()


def test_a_killed_run_is_readable_and_resumes_to_the_same_digest(undisturbed, tmp_path):
    path = tmp_path / "b.h5"
    script = f"""
        import os, signal, tme_sim
        from tests.model.small import small

        def die(model):
            if model.tick_index == 83:
                os.kill(os.getpid(), signal.SIGKILL)

        tme_sim.simulate(small(), {str(path)!r}, progress=die)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)

    assert killed.returncode == -signal.SIGKILL
    left = tme_sim.open_run(path)
    assert left.times.tolist() == [0.0, 180.0, 360.0]
    assert not left.complete
    assert tme_sim.resume(path).digest() == undisturbed.digest()


def test_a_branch_without_a_change_has_the_digest_of_its_parent(undisturbed, tmp_path):
    twin = tme_sim.branch(undisturbed.path, "7 h", output=tmp_path / "b.h5")

    assert twin.digest() == undisturbed.digest()


@pytest.mark.campaign
@pytest.mark.parametrize("tick", range(10, 120, 10))
def test_a_run_has_one_digest_wherever_it_is_split(undisturbed, tmp_path, tick):
    moment = f"{tick * 6} min"
    tme_sim.simulate(small(), tmp_path / "a.h5", until=moment)
    first = tme_sim.resume(tmp_path / "a.h5")
    twin = tme_sim.branch(undisturbed.path, moment, output=tmp_path / "b.h5")
    again = tme_sim.branch(twin.path, f"{tick * 6 + 30} min", output=tmp_path / "c.h5")
    assert first.digest() == twin.digest() == again.digest() == undisturbed.digest()


def test_a_branch_shares_the_past_and_no_more(undisturbed, tmp_path):
    less = tme_sim.branch(
        undisturbed.path, "6 h", overrides={"therapy.0.dose": "1 mg"}, output=tmp_path / "b.h5"
    )

    past = undisturbed.metrics["time"] <= 360.0
    assert less.metrics[past].equals(undisturbed.metrics[past])
    assert (
        less.metrics["plasma_vemurafenib"].iloc[-1]
        < (undisturbed.metrics["plasma_vemurafenib"].iloc[-1])
    )


def test_a_model_branches_in_memory_into_an_equal_future():
    model = tme_sim.TumorModel(small())
    model.run_for("3 h")
    other = model.branch()
    model.run_for("1 h")
    other.run_for("1 h")

    for name in ("id", "position", "nodes", "volume", "phase"):
        assert (model.population[name] == other.population[name]).all(), name


def test_a_pickled_model_has_an_equal_future():
    model = tme_sim.TumorModel(small())
    model.run_for("1 h")
    other = pickle.loads(pickle.dumps(model))
    model.run_for("1 h")
    other.run_for("1 h")

    assert (model.population["nodes"] == other.population["nodes"]).all()
    assert (model.env["oxygen"] == other.env["oxygen"]).all()


def test_a_finished_run_is_not_overwritten(undisturbed):
    before = undisturbed.path.read_bytes()

    with pytest.raises(InputError, match="--force"):
        tme_sim.simulate(small(), undisturbed.path)

    assert undisturbed.path.read_bytes() == before


def test_a_hook_stops_the_run_between_ticks(tmp_path):
    def stop(model):
        if model.tick_index == 5:
            model.stop("seen enough")

    run = tme_sim.simulate(small(), tmp_path / "b.h5", progress=stop)

    assert run.reason == "seen enough"
    assert run.metrics["time"].iloc[-1] == 30.0


def test_a_stop_condition_of_the_scenario_ends_the_run(tmp_path):
    run = tme_sim.simulate(small({"stop.burden_above": "60 cells"}), tmp_path / "b.h5")

    assert run.reason == "burden above 60 cells"


def test_importing_the_package_loads_nothing_slow():
    code = "import sys, tme_sim; print([m for m in ('torch', 'numba', 'mesa') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


def test_no_model_survives_its_last_reference():
    import gc
    import weakref

    model = tme_sim.TumorModel(small())
    gone = weakref.ref(model)
    del model
    gc.collect()

    assert gone() is None


def test_every_checkpoint_is_kept_for_branches(undisturbed):
    files = list(continuation.checkpoint_folder(undisturbed.path).iterdir())

    assert len(files) == 4
