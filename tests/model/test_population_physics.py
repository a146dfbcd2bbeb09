"""Growth of whole populations through the whole model: doubling, births at random, fronts."""

import math

import numpy as np
import pytest

import tme_sim
from surrogates.channels import INPUTS, OUTPUTS
from surrogates.constant import Constant
from surrogates.phenotype import stationary_phases
from tests.model.cell_models import Wrapped
from tests.reference.front import bramson_distance, fisher_positions, halfway
from tme_sim.processes import integrator

HOUR = 60.0  # [min]
FORCELESS = {"mechanics": False, "contact": False, "therapy": False}
UNITS = {"s_duration_factor": ""} | dict.fromkeys(
    ("growth_rate", "g1s_rate", "g2m_rate"), " per min"
)
AT_ONCE = {"g1s_rate": 1e4, "s_duration_factor": 1e-9, "growth_rate": 0.1}  # G2M alone takes time


def dish(n, *, rates=None, tick="30 min", **sections):
    """Tumor cells with room for each, no substrates, and constant rates [1/min]."""
    given = {key: f"{value!r}{UNITS[key]}" for key, value in (rates or {}).items()}
    data = {
        "format": 1,
        "name": "dish",
        "seed": 4,
        "time": {"duration": "90 d", "tick": tick},
        "domain": {"size": ["1000 um"] * 3, "voxel": "100 um"},
        "cells": {"tumor": {"type": "tumor", "count": n, "placement": "everywhere"}},
        "surrogate": {"name": "constant", "rates": {"tumor": given}},
        "processes": FORCELESS,
    }
    return tme_sim.load_scenario({**data, **sections})


LIVE = {**AT_ONCE, "g2m_rate": math.log(2.0) / (16.045 * HOUR)}  # the live cycle of PhysiCell
THREE_PHASES = {"g1s_rate": 1 / 300, "g2m_rate": 1 / 180, "growth_rate": 2e-3}  # S of 8 h


def implied(rates, s_duration):
    """Phase fractions and doubling time [h] of steady growth."""
    duration = s_duration * rates.get("s_duration_factor", 1.0)
    shares, rate = stationary_phases(rates["g1s_rate"], rates["g2m_rate"], duration)
    return shares[0], math.log(2.0) / rate[0] / HOUR


def doubled_twice(rates, hours):
    """A model after two doubling times; holds the measured doubling time against the implied."""
    model = tme_sim.TumorModel(dish(20_000, rates=rates))
    model.run_for(2.0 * hours * HOUR)
    assert implied(rates, 480.0)[1] == pytest.approx(hours, rel=1e-4)
    measured = model.time / HOUR / math.log2(model.population.n / 20_000)
    assert measured == pytest.approx(hours, rel=0.01)
    return model


def test_a_population_without_phases_doubles_in_the_published_time():
    doubled_twice(LIVE, 16.045)


def test_a_population_with_phases_doubles_in_time_and_keeps_their_shares():
    model = doubled_twice(THREE_PHASES, 15.3206)

    shares = np.bincount(model.population["phase"], minlength=3) / model.population.n
    np.testing.assert_allclose(shares, implied(THREE_PHASES, 480.0)[0], rtol=0.02)


def test_births_at_random_have_the_mean_and_variance_of_a_yule_process():
    """B6: 0.05 births per hour and cell for 48 h: mean e^(r t), variance e^(r t) (e^(r t) - 1)."""
    rate, hours, founders = 0.05, 48.0, 4000
    model = tme_sim.TumorModel(dish(founders, rates={**AT_ONCE, "g2m_rate": rate / HOUR}))
    model.population["clone"][:] = np.arange(founders)

    model.run_for(hours * HOUR)

    family = np.bincount(model.population["clone"], minlength=founders)
    growth = math.exp(rate * hours)
    variance = growth * (growth - 1.0)
    kurtosis = 9.0 + 1.0 / variance  # of the geometric distribution
    assert growth == pytest.approx(11.02, abs=0.01)
    assert family.mean() == pytest.approx(growth, abs=3.0 * math.sqrt(variance / founders))
    spread = 3.0 * math.sqrt((kurtosis - 1.0) / founders)
    assert family.var(ddof=1) == pytest.approx(variance, rel=spread)


class Logistic(Wrapped):
    """Divides more slowly the more a secreted signal tells of others, not at all from 1 nM on."""

    def step(self, cells, dt, *, out):
        self.model.step(cells, dt, out=out)
        room = np.maximum(1.0 - cells.inputs[:, INPUTS.index("HGF")], 0.0)
        out.outputs[:, OUTPUTS.index("g2m_rate")] *= room


def test_a_population_spreads_at_the_speed_of_fishers_front(tmp_path, monkeypatch):
    """C6: D = 400 um2/h, r = 0.04 /h; the front has not reached 2 sqrt(r D) = 8 um/h yet."""
    per_voxel, voxel, start, times = 1500, 50.0, 250.0, (120.0, 240.0)
    known = {"diffusivity": 400.0, "rate": 0.04}
    turn = 10.0  # [min] persistence: D = speed^2 persistence / 2
    rates = {
        **AT_ONCE,
        "g2m_rate": known["rate"] / HOUR,
        "HGF_secretion": 1e-6 * voxel**3 / per_voxel,  # 1 nM where a voxel holds so many
        "speed": math.sqrt(2.0 * known["diffusivity"] / HOUR / turn),
        "persistence_time": turn,
    }
    n = round(start / voxel * per_voxel)
    place = np.random.default_rng(1).uniform(0.0, (start, voxel), (n, 2))
    np.savetxt(tmp_path / "cells.csv", place, delimiter=",", header="x,y", comments="")
    signal = {"diffusivity": "1 um^2/min", "decay_rate": "1 per min", "initial": "0 nM"}
    scenario = dish(
        0,
        tick="2 h",
        domain={"size": ["3500 um", "50 um"], "voxel": "50 um"},
        cell_types={"tumor": {"volume": "0.1 um^3"}},  # as good as points
        substrates={"HGF": signal},
        cells={"tumor": {"type": "tumor", "placement": {"file": str(tmp_path / "cells.csv")}}},
    )
    # there are no contacts to step over
    monkeypatch.setattr(integrator, "LONGEST_DISPLACEMENT", 1e3)
    model = tme_sim.TumorModel(scenario, cell_model=Logistic(Constant({"tumor": rates})))

    fronts = []
    for time in times:
        model.run_until(lambda m, end=time * HOUR: m.time >= end)
        count = np.bincount(model.grid.voxel_of(model.population["position"]))
        fronts.append(halfway(count / per_voxel, voxel))

    solved = np.diff(fisher_positions(**known, start=start, times=times, voxel=voxel))[0]
    assert np.diff(fronts)[0] == pytest.approx(solved, rel=0.03)
    assert np.diff(fronts)[0] == pytest.approx(bramson_distance(**known, times=times), rel=0.05)
