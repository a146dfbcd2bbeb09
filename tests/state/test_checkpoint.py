"""Checkpoints: bits come back, a kill or damage at any moment leaves a readable one."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import tme_sim
from tme_sim.errors import InputError
from tme_sim.state import checkpoint

NAN = np.array([0x7FF80000DEADBEEF], np.uint64).view(np.float64)
STATE = {
    "population": {
        "id": np.array([1, 2**62 + 1]),
        "mask": np.array([True, False]),
        "nodes": np.zeros((2, 0), np.float32),
        "position": np.array([[0.1, -0.0, np.inf]]),
    },
    "time": 0.1 + 0.2,
    "tick": 2**70,
    "worst": float("-inf"),
    "nothing": None,
    "lineage": [(1.5, 2**62, "birth"), (np.float32(0.1), np.int64(7), "death")],
    "text": "µm — Ünïcode",
    "by_row": {3: "a", 4: []},
    "flags": [True, False],
    "nan": NAN,
    "names": np.array(["EGF", "HGF"]),
}


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        return all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


def test_everything_comes_back_to_the_bit(tmp_path):
    checkpoint.save(tmp_path / "new" / "folder", 12, STATE)
    tick, state = checkpoint.load(tmp_path / "new" / "folder")
    assert tick == 12
    assert same(state, STATE)


def test_the_newest_not_after_a_tick_is_loaded(tmp_path):
    for tick in (0, 240, 480):
        checkpoint.save(tmp_path, tick, {"tick": tick})
    assert checkpoint.ticks(tmp_path) == [0, 240, 480]
    assert checkpoint.load(tmp_path)[1] == {"tick": 480}
    assert checkpoint.load(tmp_path, at_most=479)[1] == {"tick": 240}
    with pytest.raises(InputError, match="no readable checkpoint at or before tick -1"):
        checkpoint.load(tmp_path, at_most=-1)


def test_old_ones_go_only_down_to_two(tmp_path):
    for tick in range(5):
        checkpoint.save(tmp_path, tick, {}, keep=1)
    assert checkpoint.ticks(tmp_path) == [3, 4]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "garbage"])
def test_a_damaged_newest_file_falls_back_on_the_one_before(tmp_path, damage):
    checkpoint.save(tmp_path, 1, {"x": np.arange(1000)})
    newest = checkpoint.save(tmp_path, 2, {"x": np.arange(1000) + 1})
    content = bytearray(newest.read_bytes())
    content[2000] ^= 1
    damaged = {"cut": content[:3000], "flip": content, "empty": b"", "garbage": b"\0" * 5000}
    newest.write_bytes(damaged[damage])
    with pytest.warns(UserWarning, match="cannot be read"):
        tick, state = checkpoint.load(tmp_path)
    assert tick == 1
    assert np.array_equal(state["x"], np.arange(1000))


def test_no_checkpoint_is_one_clear_message(tmp_path):
    with pytest.raises(InputError, match="holds no readable checkpoint"):
        checkpoint.load(tmp_path / "absent")


def test_what_cannot_be_kept_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match=r"state\.a\[1\] is a object"):
        checkpoint.save(tmp_path, 1, {"a": [1, object()]})
    with pytest.raises(TypeError, match=r"state\.b is an array of objects"):
        checkpoint.save(tmp_path, 1, {"b": np.array([None])})
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys, numpy as np
from tme_sim.state import checkpoint
for tick in range(100_000):
    checkpoint.save(sys.argv[1], tick, {"x": np.full(200_000, tick)}, keep=2)
    print(tick, flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.007, 0.012])
def test_a_kill_in_the_middle_leaves_the_last_one_that_was_announced(tmp_path, delay):
    root = str(Path(tme_sim.__file__).parents[1])
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )
    for _ in range(3):
        writer.stdout.readline()
    time.sleep(delay)
    writer.send_signal(signal.SIGKILL)
    announced = [int(line) for line in writer.stdout.read().split()]
    writer.wait()
    with warnings.catch_warnings(action="error"):
        tick, state = checkpoint.load(tmp_path)
    assert tick >= max(announced, default=2)
    assert (state["x"] == tick).all()
    checkpoint.save(tmp_path, tick + 1, {})
    assert not list(tmp_path.glob("*.partial"))
