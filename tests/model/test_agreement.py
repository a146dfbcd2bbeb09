"""The network stands for its teacher in closed loop: populations grow alike on either."""

import functools

import numpy as np
import pytest

import surrogates
import tme_sim
from tme_sim.state.columns import ALIVE

SEEDS = (1, 2, 3, 4, 5)
DURATION, SETTLED = 36 * 60, 6 * 60  # [min]
GROWTH = {
    "format": 1,
    "time": {"duration": "36 h"},
    "domain": {"size": ["800 um", "800 um"]},
    "substrates": {
        "oxygen": {"initial": "38 mmHg", "boundary": {"all": "38 mmHg"}},
        "glucose": {"boundary": {"all": "5 mM"}},
    },
    "cells": {
        "tumor": {
            "type": "tumor",
            "genotype": ["BRAF_V600E"],
            "count": 300,
            "placement": {"disk": {"radius": "200 um"}},
        }
    },
}
TREATED = {
    **GROWTH,
    "substrates": {
        **GROWTH["substrates"],
        "vemurafenib": {"initial": "1 uM", "boundary": {"all": "1 uM"}},
    },
}


def population(data, seed, cell_model):
    """Growth rate [1/min], phase shares and radius of gyration [um] of one run."""
    scenario = tme_sim.load_scenario(data, {"seed": seed})
    model = tme_sim.TumorModel(scenario, cell_model=cell_model)
    times, burdens, phases = [], [], []
    while model.time < DURATION:
        model.step()
        if model.time >= SETTLED:
            alive = model.population["status"] == ALIVE
            times.append(model.time)
            burdens.append(model.burden)
            phases.append(np.bincount(model.population["phase"][alive], minlength=3))
    position = model.population["position"][alive]
    spread = np.sqrt(((position - position.mean(axis=0)) ** 2).sum(axis=1).mean())
    growth = np.polyfit(times, np.log(burdens), 1)[0]
    shares = np.sum(phases, axis=0) / np.sum(phases)
    return np.array([growth, *shares, spread])


@functools.cache
def means(treatment):
    """Means over the seeds, network and teacher."""
    data = {"untreated": GROWTH, "vemurafenib": TREATED}[treatment]
    models = surrogates.load("tme-cell"), surrogates.load("teacher")
    found = [[population(data, seed, model) for seed in SEEDS] for model in models]
    return np.mean(found, axis=1)


QUANTITIES = ("growth_rate", "G1", "S", "G2M", "radius_of_gyration")
NOT_REACHED = {
    ("vemurafenib", "growth_rate"): "17 % below the teacher's, 5 % of untreated growth: ERK is at "
    "0.09 of control, 0.12 in the teacher, since pERK itself entered training",
    ("vemurafenib", "S"): "11 % below the teacher's, for the same reason",
}


@pytest.mark.parametrize(
    ("treatment", "quantity"),
    [
        pytest.param(
            treatment,
            k,
            id=f"{name}-{treatment}",
            marks=pytest.mark.xfail(strict=True, reason=NOT_REACHED[treatment, name])
            if (treatment, name) in NOT_REACHED
            else (),
        )
        for k, name in enumerate(QUANTITIES)
        for treatment in ("untreated", "vemurafenib")
    ],
)
def test_network_and_teacher_agree_within_ten_percent(treatment, quantity):
    """Births and deaths in 300 cells leave a standard error of some 8e-6 /min on the mean of five
    under vemurafenib; a difference of growth may be 3 % of untreated growth instead.
    """
    network, teacher = means(treatment)[:, quantity]
    noise = 0.03 * means("untreated")[1, 0] if QUANTITIES[quantity] == "growth_rate" else 0.0

    assert network == pytest.approx(teacher, rel=0.1, abs=noise)
