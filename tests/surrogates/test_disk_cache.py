"""Kernels in numba's disk cache: found again, and of no other version than the code's."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

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

    def given(name, factor, **environment):
        file = tmp_path / "kernels.py"
        text = KERNELS.format(name=name, factor=factor)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        command = [sys.executable, "-c", "import kernels"]
        folders = os.pathsep.join([str(tmp_path), str(ROOT)])
        paths = {"PYTHONPATH": folders, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | paths | environment
        )
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


DAMAGE = {
    "empty": lambda content: content[:0],
    "cut": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "another": lambda content: b"text"[: len(content)],
}


@pytest.mark.parametrize(("files", "damage"), [
    ("*.nbc", "flipped"), ("*.nbi", "cut"), ("*.nb?", "empty"),
    *(pytest.param(files, damage, marks=pytest.mark.campaign)
      for files in ("*.nbc", "*.nbi", "*.nb?") for damage in DAMAGE),
])  # fmt: skip
def test_what_is_damaged_is_made_anew(run, tmp_path, files, damage):
    run("Rates", 2.0)
    found = list((tmp_path / "cache").rglob(files))
    assert found
    for file in found:
        file.write_bytes(DAMAGE[damage](file.read_bytes()))

    assert run("Rates", 2.0) == ["2.0", "0"]
    assert run("Rates", 2.0) == ["2.0", "1"]


@pytest.mark.skipif(not hasattr(numba.config, "CACHE_LOCATOR_CLASSES"), reason="an older numba")
def test_without_a_place_to_write_kernels_are_compiled_every_time(run):
    nowhere = {"NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator"}
    for _ in range(2):
        assert run("Rates", 2.0, **nowhere, NUMBA_CACHE_DIR="/proc/nowhere") == ["2.0", "0"]


def test_a_full_disk_costs_the_cache_and_nothing_else(monkeypatch):
    def full(*_path):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(IndexDataCacheFile, "_open_for_write", full)

    @cached()
    def half(x):
        return x / 2

    assert half(3.0) == 1.5


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
