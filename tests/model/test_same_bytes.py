"""A run is the same to the bit on a fresh machine and on a used one, whatever its processor.

Every shipped scenario, some ticks of it with its therapy brought forward, in processes of which
one finds no compiled kernel, one finds all of them and has two threads, another hash seed and
another locale, and one compiles for the oldest processor of this kind and forbids numpy and BLAS
the instructions that came later. Two processes compile everything: minutes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.cold

DIGESTS = """
import json, sys, tempfile
from pathlib import Path
import yaml
import tme_sim

TICKS = 6
root, threads = Path(sys.argv[1]), int(sys.argv[2])
digests = {}
with tempfile.TemporaryDirectory() as folder:
    for file in sorted((root / "scenarios").glob("*.yaml")):
        document = yaml.safe_load(file.read_text())
        tick = document["time"]["tick"].split()
        assert tick[1] == "min"
        for course in document.get("therapy", []):
            course["start"] = f"{tick[0]} min"
        document["time"]["frame_every"] = f"{2 * int(tick[0])} min"
        run = tme_sim.simulate(
            tme_sim.load_scenario(document), Path(folder) / f"{file.stem}.h5",
            until=f"{TICKS * int(tick[0])} min", threads=threads,
        )
        digests[file.stem] = run.digest()
print(json.dumps(digests))
"""
FRESH = {"PYTHONHASHSEED": "0", "LC_ALL": "C", "LANG": "C"}
USED = {"PYTHONHASHSEED": "12345", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
OLD = {
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX",
    "OPENBLAS_CORETYPE": "Prescott",
}


def start(cache, threads, **environment):
    """A process that prints the digests of all scenarios."""
    fixed = {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", DIGESTS, str(ROOT), str(threads)],
        env=os.environ | fixed | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def digests(process):
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    return json.loads(printed.splitlines()[-1])


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    fresh, old = start(cache, 1, **FRESH), start(cache, 1, **FRESH, **OLD)
    found = {"fresh": digests(fresh), "old": digests(old)}
    assert list(cache.rglob("*.nbc"))
    return found | {"used": digests(start(cache, 2, **USED)), "cache": cache}


def test_every_shipped_scenario_is_there(processes):
    assert set(processes["fresh"]) == {file.stem for file in (ROOT / "scenarios").glob("*.yaml")}
    assert len(set(processes["fresh"].values())) == len(processes["fresh"])


def test_compiled_kernels_threads_hash_seed_and_locale_change_no_bit(processes):
    assert processes["used"] == processes["fresh"]


@pytest.mark.campaign
def test_more_threads_than_cores_change_no_bit(processes):
    crowded = digests(start(processes["cache"], 4, NUMBA_NUM_THREADS="4"))
    assert crowded == processes["fresh"]


def test_the_instruction_set_changes_no_bit(processes):
    assert processes["old"] == processes["fresh"]
