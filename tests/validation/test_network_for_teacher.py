"""In the quickstart the network stands for its teacher: 72 h, 8 paired seeds, 5 %.

Growth rate, phase shares and radius of gyration of the tumor, with vemurafenib from the start and
without any; seeds are paired, so cells of the same ids share their draws. About 20 minutes on two
cores. Run with ``pytest -m validation -k network_for_teacher``.
"""

import functools
from pathlib import Path

import numpy as np
import pytest

import surrogates
import tme_sim
from tests.validation.kept_runs import observe

SCENARIO = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"
SEEDS = range(1, 9)
SETTLED, TICK = 6 * 60, 12  # [min]
TREATMENTS = {"untreated": {"therapy.0.start": "6 d"}, "vemurafenib": {"therapy.0.start": "0 d"}}
QUANTITIES = ("growth_rate", "G1", "S", "G2M", "radius_of_gyration")


def tumor_now(model):
    """Living tumor cells in G1, S and G2M, and their radius of gyration [um]."""
    columns = model.population
    tumor = (columns["status"] == 0) & model.cell_types.tumor[columns["type"]]
    position = columns["position"][tumor]
    spread = ((position - position.mean(axis=0)) ** 2).sum(axis=1).mean() ** 0.5
    return [*np.bincount(columns["phase"][tumor], minlength=3).tolist(), float(spread)]


def population(treatment, seed, cell_model):
    """Growth rate [1/min], phase shares and radius of gyration [um] of the tumor in one run."""
    overrides = {"seed": seed, "time.duration": "72 h", **TREATMENTS[treatment]}
    scenario = tme_sim.load_scenario(SCENARIO, overrides)
    seen = np.array(observe(scenario, tumor_now, every=TICK, cell_model=cell_model))
    phases = seen[SETTLED // TICK :, :3]
    burdens = phases.sum(axis=1)
    times = SETTLED + TICK * np.arange(len(phases))
    growth = np.polyfit(times, np.log(burdens), 1)[0]
    return [growth, *(phases.sum(axis=0) / burdens.sum()), seen[-1, 3]]


@functools.cache
def runs(treatment):
    """(2, n_seeds, n_quantities): network and teacher."""
    models = surrogates.load("tme-cell"), surrogates.load("teacher")
    found = [population(treatment, seed, model) for model in models for seed in SEEDS]
    return np.reshape(found, (len(models), len(SEEDS), len(QUANTITIES)))


LOW = "the network's ERK follows measured pERK, which is lower on drug than the teacher's"
NOT_REACHED = {
    ("vemurafenib", "growth_rate"): "24 % below the teacher's, 14 % of untreated growth: " + LOW,
    ("vemurafenib", "S"): "9 % below the teacher's: " + LOW,
}
CASES = [
    pytest.param(
        treatment,
        k,
        id=f"{treatment}-{name}",
        marks=pytest.mark.xfail(strict=True, reason=NOT_REACHED[treatment, name])
        if (treatment, name) in NOT_REACHED
        else (),
    )
    for treatment in TREATMENTS
    for k, name in enumerate(QUANTITIES)
]


@pytest.mark.validation
@pytest.mark.parametrize(("treatment", "quantity"), CASES)
def test_means_of_eight_seeds_agree_within_five_percent(treatment, quantity):
    network, teacher = runs(treatment)[:, :, quantity].mean(axis=1)

    assert network == pytest.approx(teacher, rel=0.05)
