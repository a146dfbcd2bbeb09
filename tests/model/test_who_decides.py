"""What a cell does is the cell model's decision: physics alone decides nothing."""

import numpy as np
import pytest

import surrogates
import tme_sim
from tests.model.cell_models import Deaf, Permuted
from tests.model.small import small
from tme_sim.state.columns import ALIVE

HYPOXIC_DISK = {
    "format": 1,
    "time": {"duration": "2 d"},
    "domain": {"size": ["600 um", "600 um"]},
    "substrates": {
        "oxygen": {"initial": "8 mmHg", "boundary": {"all": "20 mmHg"}},
        "glucose": {"boundary": {"all": "5 mM"}},
    },
    "cells": {
        "tumor": {
            "type": "tumor",
            "genotype": ["BRAF_V600E"],
            "count": 450,
            "placement": {"disk": {"radius": "210 um"}},
        }
    },
}
ISLAND = {
    "format": 1,
    "time": {"duration": "1 d"},
    "domain": {"size": ["600 um", "600 um"]},
    "substrates": {"oxygen": {"boundary": {"all": "38 mmHg"}}, "IFNg": None, "CXCL10": None},
    "cells": {
        "tumor": {
            "type": "tumor",
            "genotype": ["BRAF_V600E"],
            "count": 80,
            "placement": {"disk": {"radius": "90 um"}},
        },
        "cd8": {"type": "cd8_t", "count": 150, "placement": "everywhere"},
    },
}
COCULTURE = {
    "format": 1,
    "time": {"duration": "3 d"},
    "domain": {"size": ["500 um", "500 um"]},
    "substrates": {
        "oxygen": {"initial": "140 mmHg", "boundary": {"all": "140 mmHg"}},
        "HGF": {"initial": "0 nM"},
        "vemurafenib": {"initial": "2 uM", "boundary": {"all": "2 uM"}},
    },
    "cells": {
        "tumor": {
            "type": "tumor",
            "genotype": ["BRAF_V600E"],
            "count": 80,
            "placement": {"disk": {"radius": "150 um"}},
        },
        "fibroblast": {
            "type": "fibroblast",
            "count": 80,
            "placement": {"disk": {"radius": "170 um"}},
        },
    },
}


@pytest.fixture(scope="module")
def network():
    return surrogates.load("tme-cell")


def run(data, duration, cell_model, overrides=None):
    model = tme_sim.TumorModel(tme_sim.load_scenario(data, overrides), cell_model=cell_model)
    model.run_for(duration)
    return model


def alive(model, kind):
    population = model.population
    return (population["status"] == ALIVE) & (population["type"] == model.cell_types.code(kind))


def test_with_all_rates_zero_physics_alone_is_left():
    scenario = small(
        {
            "time.duration": "2 d",
            "processes": {"mechanics": False},
            "substrates.HGF": {"initial": "0 nM", "plasma": "0 nM"},
        },
        surrogate={"name": "constant"},
        evolution=None,
    )
    model = tme_sim.TumorModel(scenario)
    before = model.population.state()
    oxygen = model.env["oxygen"].copy()

    model.run_for("2 d")

    after = model.population
    assert model.tick_index == 480
    for name in ("id", "position", "volume", "phase", "status", "n_divisions", "genotype"):
        assert np.array_equal(after[name], before[name]), name
    assert model.lineage == []
    assert after["granzyme_hits"].sum() == 0.0
    assert after["oxygen_realised"].sum() == 0.0
    assert model.env["HGF"].max() == 0.0
    assert model.env["IFNg"].max() == 0.0
    # vessels and walls are physics, and the only way for oxygen to change
    assert not np.array_equal(model.env["oxygen"], oxygen)
    assert model.env["oxygen"].min() >= 20.0 - 1e-3


def test_with_all_rates_zero_contacts_still_push():
    model = run(
        {**HYPOXIC_DISK, "surrogate": {"name": "constant"}}, "1 h", surrogates.load("constant")
    )
    before = tme_sim.TumorModel(model.scenario, cell_model=model.cell_model).population["position"]

    assert not np.array_equal(model.population["position"], before)
    assert model.lineage == []


def test_permuted_inputs_destroy_the_hypoxic_core(network):
    def pattern(cell_model):
        model = run(HYPOXIC_DISK, "18 h", cell_model)
        tumor = alive(model, "tumor")
        position = model.population["position"][tumor]
        radius = np.linalg.norm(position - position.mean(axis=0), axis=1)
        hif = [channel.name for channel in model.cell_model.nodes].index("HIF1A")
        return np.corrcoef(radius, model.population["nodes"][tumor, hif])[0, 1]

    assert pattern(network) < -0.6
    assert abs(pattern(Permuted(network))) < 0.2


def test_permuted_inputs_destroy_the_arrest_of_t_cells_at_their_targets(network):
    def arrest(cell_model):
        model = run(ISLAND, "8 h", cell_model)
        t_cells = alive(model, "cd8_t")
        touching = model.population["antigen_contact"][t_cells] > 0.05
        speed = model.outputs["speed"][t_cells]
        return speed[touching].mean() / speed[~touching].mean(), touching.mean()

    slowed, share_at_targets = arrest(network)
    slowed_permuted, share_permuted = arrest(Permuted(network))

    assert slowed < 0.5
    assert 0.8 < slowed_permuted < 1.25
    assert share_at_targets > 1.25 * share_permuted


def test_stroma_rescues_the_tumor_through_hgf_alone(network):
    def burden(cell_model, **overrides):
        return run(COCULTURE, "3 d", cell_model, overrides).burden

    with_stroma = burden(network)

    assert with_stroma > 1.5 * burden(network, **{"cells.fibroblast.count": 0})
    assert with_stroma > 1.5 * burden(Deaf(network, "HGF"))
