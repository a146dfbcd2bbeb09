"""The kernels of growth and death run on CUDA as they are: the same cells in numba's simulator."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.processes.coupled import clock, decide, run
from tests.reference.bodies import GROWTH, outputs, population
from tme_sim.compute import launch
from tme_sim.processes import cycle, death
from tme_sim.processes.steady_growth import desynchronise

ROOT = Path(launch.__file__).parents[2]
RATES = {"growth_rate": 1e-3, "g1s_rate": 0.05, "g2m_rate": 0.1, "s_duration_factor": 0.1}
RISKS = {"apoptosis_rate": 0.01, "necrosis_rate": 0.02}
SIMULATED = """
import functools, sys, numpy as np
from tests.compute import test_simulator as here
from tme_sim.processes import cycle, death
from tme_sim.compute.launch import launch
cycle.launch = death.launch = functools.partial(launch, device="cuda")
np.savez(sys.argv[1], **here.some_ticks())
"""


def some_ticks():
    cells = population(150)
    given = outputs(cells, **RATES)
    desynchronise(cells, slice(0, 150), outputs=given, growth=GROWTH, seed=5)
    decide(cells, **RATES, **RISKS)
    dividing = np.zeros(150, int)
    for tick in range(4):
        dividing += run(cycle, cells, at=clock(tick, seed=5)).dividing
        run(death, cells, at=clock(tick, seed=5))
    names = {*cycle.WRITES, *death.WRITES}
    return {"dividing": dividing} | {name: cells[name] for name in names}


def test_cycle_and_death_give_the_same_cells_in_the_cuda_simulator(tmp_path):
    file = tmp_path / "cells.npz"
    done = subprocess.run(
        [sys.executable, "-c", SIMULATED, str(file)],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = some_ticks()
    with np.load(file) as simulated:
        for name, column in expected.items():
            np.testing.assert_allclose(simulated[name], column, rtol=1e-6, atol=1e-6, err_msg=name)
    assert expected["dividing"].sum() > 10
    assert len(np.unique(expected["status"])) == 3
