"""Long use of one process: memory, open files and the time of a tick stay what they were.

Sizes by SOAK_DAYS (30), SOAK_CELLS (5000) and SOAK_RUNS (20000): minutes, and an hour or two.
"""

import copy
import os
import time

import numpy as np
import psutil
import pytest

import tme_sim
from tests.scan.scans import SCENARIO

pytestmark = pytest.mark.campaign
DAYS = int(os.environ.get("SOAK_DAYS", "30"))
CELLS = int(os.environ.get("SOAK_CELLS", "5000"))
RUNS = int(os.environ.get("SOAK_RUNS", "20000"))
MEMORY = 48e6  # [bytes] that may come to what there was after the first fifth
SLOWER = 1.25  # of the median time in the second fifth, in the last


def held():
    """Resident memory [bytes] and number of open files of this process."""
    process = psutil.Process()
    return process.memory_info().rss, process.num_fds()


def steady():
    """As many cells at the end as at the start: none divides or dies; T cells stay away."""
    side = f"{20 * round(np.sqrt(CELLS * 500.0) / 20)} um"
    tumor = {"type": "tumor", "genotype": ["BRAF_V600E"], "count": CELLS, "placement": "everywhere"}
    return tme_sim.load_scenario(
        {
            "format": 1,
            "name": "soak",
            "time": {"duration": f"{DAYS} d", "tick": "12 min", "frame_every": "1 d"},
            "domain": {"size": [side, side], "voxel": "20 um"},
            "substrates": {"oxygen": {"boundary": {"all": "38 mmHg"}}, "glucose": {}, "HGF": {}},
            "cells": {
                "vessel": {"type": "endothelial", "placement": {"poisson": {"spacing": "150 um"}}},
                "tumor": tumor,
            },
            "therapy": [{"drug": "vemurafenib", "dose": "960 mg", "every": "12 h", "start": "1 d"}],
            "processes": {"cycle": False, "death": False},
        }
    )


def told(name, rows):
    """Memory, files and times by fifths; the last against the first ones."""
    fifths = np.array_split(np.array(rows), 5)
    for k, fifth in enumerate(fifths):
        memory, files, seconds = np.median(fifth, axis=0)
        print(f"{name} {k + 1}/5: {memory / 1e6:.0f} MB, {files:.0f} files, {seconds:.4f} s")
    (m1, f1, _), (_, _, t2), (m5, f5, t5) = (np.median(fifths[k], axis=0) for k in (0, 1, 4))
    assert m5 < m1 + MEMORY
    assert f5 <= f1
    assert t5 < SLOWER * t2


def test_a_long_run_stays_as_it_began(tmp_path):
    rows, last = [], time.perf_counter()

    def note(model):
        nonlocal last
        now = time.perf_counter()
        if model.tick_index % 10 == 0:
            rows.append((*held(), (now - last) / 10))
            last = now

    run = tme_sim.simulate(steady(), tmp_path / "a.h5", progress=note)
    assert run.complete
    assert run.n_cells[-1] == run.n_cells[0]
    told(f"{run.n_cells[0]} cells, {DAYS} days", rows)


def test_many_runs_of_one_process_leave_nothing_behind(tmp_path):
    data, rows = copy.deepcopy(SCENARIO), []
    for k in range(RUNS):
        start = time.perf_counter()
        scenario = tme_sim.load_scenario(data, {"seed": k + 1})
        run = tme_sim.simulate(scenario, tmp_path / "a.h5", until="24 min", force=True)
        assert run.complete
        rows.append((*held(), time.perf_counter() - start))
    told(f"{RUNS} runs", rows)
