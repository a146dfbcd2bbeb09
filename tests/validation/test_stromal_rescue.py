"""Stroma rescues a tumor from vemurafenib through HGF (Straussman 2012, doi:10.1038/nature11183).

The shipped scenario over five seeds; about five minutes on two cores.
Run with ``pytest -m validation -k stromal``.
"""

from pathlib import Path

import numpy as np
import pytest

import surrogates
import tme_sim
from tests.scenarios.cell_models import Deaf

SCENARIO = Path(__file__).parents[2] / "scenarios" / "stromal_rescue.yaml"
SEEDS = (1, 2, 3, 4, 5)


def burdens(cell_model, **overrides):
    found = []
    for seed in SEEDS:
        scenario = tme_sim.load_scenario(SCENARIO, {"seed": seed, **overrides})
        model = tme_sim.TumorModel(scenario, cell_model=cell_model)
        model.run_for(scenario.time.duration)
        found.append(model.burden)
    return np.array(found)


@pytest.mark.validation
def test_stromal_rescue_over_five_seeds():
    network = surrogates.load("tme-cell")

    with_stroma = burdens(network)
    without = burdens(network, **{"cells.fibroblast.count": 0})
    deaf = burdens(Deaf(network, "HGF"))

    assert (with_stroma >= 2 * without).all()
    assert (deaf < 1.25 * without).all()
