"""Stroma rescues a tumor from vemurafenib through HGF; a MET inhibitor takes it back.

The shipped scenario over five seeds, four days each (Straussman 2012, doi:10.1038/nature11183):
with fibroblasts, without, with fibroblasts and capmatinib, and with tumor cells deaf to HGF.
About five minutes on two cores. Run with ``pytest -m validation -k stromal``.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import surrogates
import tme_sim
from tests.model.cell_models import Deaf
from tests.validation.kept_runs import observe

SCENARIO = Path(__file__).parents[2] / "scenarios" / "stromal_rescue.yaml"
SEEDS = (1, 2, 3, 4, 5)
MET_INHIBITOR = {"substrates.capmatinib": "{initial: 0.5 uM, boundary: {all: 0.5 uM}}"}


def burden(model):
    return model.burden


def burdens(cell_model, **overrides):
    scenarios = [tme_sim.load_scenario(SCENARIO, {"seed": k, **overrides}) for k in SEEDS]
    return np.array([
        observe(scenario, burden, every=1440.0, cell_model=cell_model)[-1]
        for scenario in scenarios
    ])  # fmt: skip


@pytest.mark.validation
def test_stromal_rescue_over_five_seeds(save):
    network = surrogates.load("tme-cell")
    arms = {
        "with fibroblasts": burdens(network),
        "without": burdens(network, **{"cells.fibroblast.count": 0}),
        "with, MET inhibitor": burdens(network, **MET_INHIBITOR),
        "with, deaf to HGF": burdens(Deaf(network, "HGF")),
    }

    figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for place, values in enumerate(arms.values()):
        axis.plot([place] * len(SEEDS), values, "o")
    axis.set_xticks(range(len(arms)), arms, rotation=12)
    axis.set(ylabel="tumor cells after 4 days", ylim=(0, None))
    save(figure, "stromal_rescue")

    with_stroma, without, inhibited, deaf = arms.values()
    assert (with_stroma >= 2 * without).all()
    assert (inhibited <= 1.2 * without).all()
    assert (deaf < 1.25 * without).all()
