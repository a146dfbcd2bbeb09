"""Kernel launch: every variant gives the plain loop's values, is cached, and notices changes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numba as nb
import numpy as np
import pytest

from tme_sim.compute import launch, random
from tme_sim.errors import InputError

THIRD = 3.0


def scale(x):
    return x / THIRD


def jitter(i, x, ids, seed, out):
    out[i, 0] = x[i] / 3.0 + random.uniform(seed, random.Stream.FATE, 4, ids[i], 0)
    out[i, 1] = random.normal(seed, random.Stream.FATE, 4, ids[i], i - 1 if i > 0 else 0)


def columns(n):
    return np.linspace(0.0, 1.0, n), random.daughter_id(np.arange(1, n + 1), 1), np.zeros((n, 2))


def plain(n):
    x, ids, out = columns(n)
    for i in range(n):
        jitter(i, x, ids, 11, out)
    return out


@pytest.fixture
def all_threads():
    yield
    launch.set_threads()


@pytest.mark.usefixtures("all_threads")
@pytest.mark.parametrize("threads", [1, 2])
def test_serial_and_parallel_loops_give_the_plain_values(threads, monkeypatch):
    launch.set_threads(threads)
    expected = plain(300)
    for parallel_from in (1, 10_000):
        monkeypatch.setattr(launch, "PARALLEL_FROM", parallel_from)
        x, ids, out = columns(300)
        launch.launch(jitter, 300, x, ids, 11, out)
        assert np.array_equal(out, expected)


def test_nothing_is_compiled_for_no_items():
    def broken(i, x):
        x.no_such_thing(i)

    launch.launch(broken, 0, np.zeros(0))


def test_only_the_variant_in_use_is_compiled():
    def double(i, x):
        x[i] *= 2.0

    x = np.ones(10)
    launch._cpu_loop.cache_clear()
    launch.launch(double, 10, x)
    assert launch._cpu_loop.cache_info().currsize == 1
    assert (x == 2.0).all()


def run_python(code, folder, **env):
    (folder / "body.py").write_text(code)
    paths = os.pathsep.join([str(folder), str(Path(random.__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-m", "body"],
        env=os.environ | {"PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(folder)} | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


CACHED = """
import numpy as np
import other
from tme_sim.compute import launch
def body(i, out):
    out[i] = other.answer()
out = np.zeros(1)
launch.launch(body, 1, out)
print(out[0], sum(launch._cpu_loop(body, (), parallel=False).stats.cache_hits.values()))
"""
OTHER = """
from numba.extending import register_jitable
@register_jitable
def answer():
    return {}
"""


def test_disk_cache_serves_a_second_process_and_notices_a_changed_callee(tmp_path):
    (tmp_path / "other.py").write_text(OTHER.format(41.0))
    assert run_python(CACHED, tmp_path) == ["41.0", "0"]
    assert run_python(CACHED, tmp_path) == ["41.0", "1"]
    (tmp_path / "other.py").write_text(OTHER.format(142.5))
    assert run_python(CACHED, tmp_path) == ["142.5", "0"]


def test_a_machine_without_a_writable_cache_compiles_anew(monkeypatch):
    def refuse(*_args):
        msg = "cannot cache function: no locator available"
        raise RuntimeError(msg)

    def halve(i, x):
        x[i] /= 2.0

    monkeypatch.setattr("numba.core.dispatcher.FunctionCache", refuse)
    x = np.ones(4)
    launch.launch(halve, 4, x)
    assert (x == 0.5).all()


SIMULATED = """
import numpy as np
from tme_sim.compute import launch, random
from tme_sim.errors import InputError
def body(i, ids, seed, out):
    out[i, 0] = random.uniform(seed, random.Stream.FATE, 4, ids[i], 0)
    out[i, 1] = random.normal(seed, random.Stream.FATE, 4, ids[i], 0)
ids, out = np.arange(1, 201), np.zeros((200, 2))
launch.launch(body, 200, ids, 11, out, device="cuda")
assert launch.resolve_device("auto") == "cpu"  # a simulator is no device
print(*(value.hex() for value in out.ravel().tolist()))
"""


def test_cuda_grid_gives_the_values_of_the_cpu_in_the_simulator(tmp_path):
    simulated = run_python(SIMULATED, tmp_path, NUMBA_ENABLE_CUDASIM="1")
    ids = np.arange(1, 201)
    expected = [
        f(11, random.Stream.FATE, 4, i, 0) for i in ids for f in (random.uniform, random.normal)
    ]
    assert [float.fromhex(value) for value in simulated] == expected


def test_fingerprint_follows_constants_of_callees(monkeypatch):
    def body(i, x):
        x[i] = scale(x[i])

    before = launch._fingerprint(body)
    assert before == launch._fingerprint(body)
    monkeypatch.setitem(globals(), "THIRD", 4.0)
    assert before != launch._fingerprint(body)


class Segment(NamedTuple):
    start: np.ndarray
    length: float


class Reversed(NamedTuple):
    length: np.ndarray
    start: float


@pytest.mark.parametrize("parallel_from", [1, 10**9], ids=["parallel", "serial"])
def test_a_body_reads_named_tuples_by_their_fields(parallel_from, monkeypatch):
    def body(i, first, out, second):
        out[i] = first.start[i] + first.length - second.start[i] * second.length

    monkeypatch.setattr(launch, "PARALLEL_FROM", parallel_from)
    start, out = np.arange(50.0), np.zeros(50)
    launch.launch(body, 50, Segment(start, 3.0), out, Segment(np.ones(50), 0.5))

    assert np.array_equal(out, start + 2.5)


def test_fingerprint_follows_the_fields_of_named_tuples():
    def body(i, given):
        given.start[i] = 0.0

    prints = {launch._fingerprint(body, (kind,)) for kind in (Segment, Reversed, None)}
    assert len(prints) == 3


@pytest.mark.usefixtures("all_threads")
def test_threads_are_limited_to_what_the_machine_has():
    assert launch.set_threads(10_000) == nb.config.NUMBA_NUM_THREADS
    assert launch.set_threads(1) == 1 == nb.get_num_threads()
    with pytest.raises(InputError, match="at least 1"):
        launch.set_threads(0)


def test_device_names_are_checked():
    assert launch.resolve_device("cpu") == "cpu"
    assert launch.resolve_device() in ("cpu", "cuda")
    with pytest.raises(InputError, match="auto, cpu, cuda"):
        launch.resolve_device("gpu")


def test_few_heavy_items_are_worth_several_threads(monkeypatch):
    chosen = []

    def loop(_body, _layout, *, parallel):
        return lambda _n, _args: chosen.append(parallel)

    monkeypatch.setattr(launch, "_cpu_loop", loop)
    for n, weight in ((19_999, 1), (20_000, 1), (19, 1000), (20, 1000)):
        launch.launch(None, n, weight=weight)

    assert chosen == [False, True, False, True]
