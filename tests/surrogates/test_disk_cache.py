"""Kernels in numba's disk cache: found again, and of no other version than the code's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import surrogates.disk_cache
from surrogates.disk_cache import SHARED, cached

ROOT = Path(surrogates.disk_cache.__file__).parents[1]
KERNELS = """
from typing import NamedTuple
import numpy as np
from surrogates.disk_cache import cached


class {name}(NamedTuple):
    rate: np.ndarray


@cached(error_model="numpy")
def double(given):
    return {factor} * given.rate[0]


print(double({name}(np.ones(1))), sum(double.stats.cache_hits.values()))
"""


@pytest.fixture
def run(tmp_path):
    """What a process prints that runs a file of kernels, and how often it found one kept."""

    def given(name, factor):
        file = tmp_path / "kernels.py"
        text = KERNELS.format(name=name, factor=factor)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        command = [sys.executable, "-c", "import kernels"]
        folders = os.pathsep.join([str(tmp_path), str(ROOT)])
        paths = {"PYTHONPATH": folders, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | paths)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return given


def test_a_kernel_is_found_again(run):
    assert run("Rates", 2.0) == ["2.0", "0"]
    assert run("Rates", 2.0) == ["2.0", "1"]


def test_a_class_that_was_renamed_is_no_error(run):
    """Without a name of its own for every version, numba reads the index of the old one first."""
    run("Rates", 2.0)

    assert run("Hazards", 3.0) == ["3.0", "0"]


def test_a_kernel_is_filed_under_what_kernels_share(monkeypatch):
    def kernel(x):
        return x

    def name():
        kernel.__qualname__ = "kernel"
        return cached()(kernel).py_func.__qualname__

    before = name()
    monkeypatch.setattr(surrogates.disk_cache, "_shared", lambda: b"another version")

    assert name() != before


@pytest.mark.parametrize("pattern", SHARED)
def test_what_kernels_share_is_there(pattern):
    assert list((ROOT / "surrogates").glob(pattern))
