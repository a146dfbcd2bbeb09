"""Recording: nothing is lost, and an interrupted run ends with the digest of an undisturbed one."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.output.stand_in import StandIn, advance, changing, record
from tme_sim.output.layout import INTERRUPTED, RunFileError
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import open_run


def interrupted_at(path, tick, extra_ticks, end=100):
    """A run checkpointed at ``tick``, lost ``extra_ticks`` later, and resumed to ``end``."""
    model = StandIn()
    recorder = Recorder(path, model)
    recorder.frame(model)
    advance(model, recorder, tick)
    saved = {"recorder": recorder.state(), "model": model.state()}
    advance(model, recorder, extra_ticks)
    recorder.close()
    again = model.restored(saved["model"])
    recorder = Recorder(path, again, resume_from=saved["recorder"])
    advance(again, recorder, end - tick)
    recorder.finish(again, "duration")


def test_two_equal_runs_have_one_digest_and_another_seed_another(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        record(tmp_path / name, StandIn(seed=seed), ticks=30)
    a, b, c = (open_run(tmp_path / name).digest() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(("tick", "extra"), [(20, 0), (20, 13), (25, 30), (0, 5), (99, 1)])
def test_a_run_resumed_from_a_checkpoint_has_the_digest_of_an_undisturbed_one(
    tmp_path, tick, extra
):
    record(tmp_path / "whole.h5")
    interrupted_at(tmp_path / "resumed.h5", tick, extra)
    whole, resumed = open_run(tmp_path / "whole.h5"), open_run(tmp_path / "resumed.h5")
    assert resumed.digest() == whole.digest()
    assert resumed.metrics.equals(whole.metrics)


def test_the_digest_sees_a_single_changed_bit(tmp_path):
    path = tmp_path / "run.h5"
    record(path, ticks=20)
    before = open_run(path).digest()
    with changing(path) as file:
        volume = file["cells/volume"][3]
        file["cells/volume"][3] = np.nextafter(volume, np.float32(1e9))
    assert open_run(path).digest() != before


def test_the_digest_does_not_see_wall_times_or_provenance(tmp_path):
    path = tmp_path / "run.h5"
    record(path, ticks=20)
    before = open_run(path).digest()
    with changing(path) as file:
        file["timers"].attrs["fields"] = 99.0
        file["provenance"].attrs["python"] = "4.0"
    assert open_run(path).digest() == before


def test_the_digest_does_not_depend_on_chunks(tmp_path, monkeypatch):
    record(tmp_path / "a.h5", ticks=20)
    monkeypatch.setattr("tme_sim.output.layout.MIN_CHUNK_ROWS", 64)
    record(tmp_path / "b.h5", ticks=20)
    assert open_run(tmp_path / "a.h5").digest() == open_run(tmp_path / "b.h5").digest()


def test_an_interrupted_run_is_readable_and_not_complete(tmp_path):
    record(tmp_path / "run.h5", ticks=20, reason=INTERRUPTED)
    run = open_run(tmp_path / "run.h5")
    assert (run.complete, run.reason) == (False, INTERRUPTED)
    assert len(run.metrics) == 21


def test_a_file_shorter_than_its_checkpoint_is_refused(tmp_path):
    model = StandIn()
    recorder = Recorder(tmp_path / "long.h5", model)
    advance(model, recorder, 20)
    state = recorder.state()
    recorder.close()
    record(tmp_path / "short.h5", ticks=10)
    with pytest.raises(RunFileError, match="less than its checkpoint"):
        Recorder(tmp_path / "short.h5", model, resume_from=state)


def test_a_branch_with_another_drug_has_it_from_there_on(tmp_path):
    model = StandIn()
    path = tmp_path / "run.h5"
    recorder = Recorder(path, model)
    recorder.frame(model)
    advance(model, recorder, 20)
    state = recorder.state()
    recorder.close()
    model.therapy.plasma = lambda: {"vemurafenib": 1.0, "trametinib": 2.0}
    model.scenario.substrates["trametinib"] = model.scenario.substrates["vemurafenib"]
    model.scenario.output.fields = ("oxygen", "vemurafenib", "trametinib")
    model.env["trametinib"] = model.env["vemurafenib"] + 1
    recorder = Recorder(path, model, resume_from=state)
    advance(model, recorder, 10)
    recorder.finish(model, "duration")
    run = open_run(path)
    plasma = run.metrics["plasma_trametinib"]
    assert plasma[:21].isna().all()
    assert (plasma[21:] == 2.0).all()
    assert np.isnan(run.field("trametinib", 0)).all()
    assert np.isfinite(run.field("trametinib", model.time)).all()


WRITER = """
import sys
from tests.output.stand_in import StandIn, advance
from tme_sim.output.recorder import Recorder
model = StandIn(400)
recorder = Recorder(sys.argv[1], model)
recorder.frame(model)
print("ready", flush=True)
advance(model, recorder, 100000, frame_every=1)
"""


def writer(path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("delay", [0.05, 0.13, 0.29])
def test_a_killed_run_opens_up_to_its_last_whole_frame(tmp_path, delay):
    process = writer(tmp_path / "killed.h5")
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run = open_run(tmp_path / "killed.h5")
    n_frames = len(run.times)
    assert not run.complete
    record(tmp_path / "whole.h5", StandIn(400), ticks=n_frames - 1, frame_every=1)
    whole = open_run(tmp_path / "whole.h5")
    assert run.digest() == whole.digest()


def test_a_file_that_is_being_written_says_so(tmp_path):
    process = writer(tmp_path / "running.h5")
    try:
        with pytest.raises(RunFileError, match="still writing"):
            open_run(tmp_path / "running.h5")
    finally:
        process.kill()
        process.wait()
