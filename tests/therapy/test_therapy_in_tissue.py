"""Drugs of the catalogue in a tissue: known to the cell model, and none of them lost."""

import numpy as np
import pytest

import surrogates
import tme_sim
from surrogates.drugs import SHIPPED
from tests.model.small import small
from tme_sim import simulation
from tme_sim.scenario import ScenarioError, catalogue, load_scenario
from tme_sim.scenario.drugs import DrugSpec
from tme_sim.state.columns import APOPTOTIC
from tme_sim.therapy.balance import TISSUE, body_balance, gap
from tme_sim.therapy.pharmacokinetics import catalogue_drug

DRUGS = catalogue.builtin().names("drugs")
NOT_NUMBERS = ("unit", "acts_as", "kind", "route")
CLASSES = {  # what a user must be able to give -> a drug of the cell model
    "BRAF": "vemurafenib",
    "pan-RAF": "LY3009120",
    "MEK": "trametinib",
    "EGFR": "erlotinib",
    "MET": "capmatinib",
    "CDK4/6": "palbociclib",
    "PI3K": "pictilisib",
    "DNA": "doxorubicin",
    "PD-1": "pembrolizumab",
    "TGFb": "galunisertib",
}


@pytest.mark.parametrize("name", DRUGS)
def test_the_cell_model_knows_every_drug_in_its_unit(name):
    drug = catalogue_drug(name)
    assert SHIPPED[drug.acts_as].unit == drug.unit


@pytest.mark.parametrize("name", DRUGS)
def test_every_number_of_a_drug_has_a_source(name):
    values = catalogue.builtin().preset("drugs", name)
    sources = catalogue.builtin().sources("drugs", name)
    for key in values:
        if key not in NOT_NUMBERS:
            source, evidence = sources[key]
            assert len(source) > 5, (name, key)
            assert evidence in ("literature", "assumed")
    assert set(values) <= set(DrugSpec.model_fields)


def test_there_is_a_drug_of_every_class():
    assert set(CLASSES.values()) <= {catalogue_drug(name).acts_as for name in DRUGS}


CELLS = {
    "tumor": {
        "type": "tumor",
        "genotype": ["BRAF_V600E"],
        "count": 60,
        "placement": {"disk": {"radius": "80 um"}},
    },
    "vessel": {"type": "endothelial", "placement": {"poisson": {"spacing": "100 um"}}},
}


def tissue(name, **more):
    """Vessels in 160 um of tissue, without the network: what moves is drug alone."""
    dose = {"oral": "100 mg", "iv": "60 mg/m2"}[catalogue_drug(name).route]
    return load_scenario(
        {
            "seed": 3,
            "time": {"duration": "2 d", "tick": "12 min", "frame_every": "12 h"},
            "domain": {"size": ["160 um", "160 um"]},
            "cells": {
                "vessel": {"type": "endothelial", "placement": {"poisson": {"spacing": "60 um"}}}
            },
            "therapy": [{"drug": name, "dose": dose, "every": "9 h", "start": "1 h"}],
            "surrogate": {"name": "constant", "rates": {"endothelial": {"vessel_PS": 1.0}}},
            "processes": {"motility": False, "mechanics": False},
            **more,
        }
    )


@pytest.mark.parametrize("name", DRUGS)
def test_both_balances_of_every_drug_close(name):
    model = tme_sim.TumorModel(tissue(name))
    model.run_for("1 d")
    body = body_balance(model.therapy.bodies[name])
    amounts = model.drug_balance.amounts(name)
    assert body["given"] > 0.0
    assert gap(body) < 1e-5
    assert tuple(amounts) == TISSUE
    assert amounts["entered"] > 0.0
    assert amounts["bound"] == pytest.approx(
        amounts["stored"] * catalogue_drug(name).bound_ratio, rel=1e-12
    )
    assert gap(amounts) < 1e-5


def test_an_open_wall_lets_drug_leave_and_the_balance_still_closes():
    name = "erlotinib"
    model = tme_sim.TumorModel(tissue(name, substrates={name: {"boundary": {"all": "0 uM"}}}))
    model.run_for("1 d")
    amounts = model.drug_balance.amounts(name)
    assert amounts["left"] > 0.1 * amounts["entered"]
    assert gap(amounts) < 1e-5


def test_doxorubicin_halves_every_45_um_of_cells_and_passes_where_they_died():
    """Uptake in tissue of 2e8 cells per mL from one face: exp(-x / 64.9 um), far from the end."""
    scenario = tissue(
        "doxorubicin",
        domain={"size": ["400 um", "80 um"], "voxel": "10 um"},
        cells={"tumor": {"type": "tumor", "count": 64, "placement": "everywhere"}},
        substrates={"doxorubicin": {"boundary": {"x_low": "1 uM"}}},
        surrogate={"name": "constant"},
    )
    model = tme_sim.TumorModel(scenario)  # without vessels no dose gets here
    x, y = np.meshgrid(np.arange(6.25, 400, 12.5), [20.0, 60.0])  # 10 um thick: 2e-4 per um3
    model.population["position"][:, :2] = np.column_stack([x.ravel(), y.ravel()])
    model.run_for("2 h")
    depth = model.grid.centres("x")
    level = model.env["doxorubicin"][0].mean(axis=0)
    for at, share in ((45.0, 0.5), (90.0, 0.25), (150.0, np.exp(-150.0 / 64.9))):
        assert np.interp(at, depth, level) == pytest.approx(share, rel=0.05)
    amounts = model.drug_balance.amounts("doxorubicin")
    assert amounts["taken_up"] == pytest.approx(amounts["entered"], rel=0.01)
    assert gap(amounts) < 1e-5

    model.population["status"][:] = APOPTOTIC
    model.run_for("6 h")
    assert np.interp(150.0, depth, model.env["doxorubicin"][0].mean(axis=0)) > 0.95


def test_drug_that_a_hook_puts_into_the_tissue_is_a_gap():
    model = tme_sim.TumorModel(tissue("erlotinib"))
    model.run_for("6 h")
    model.env["erlotinib"][:] *= 1.5
    assert gap(model.drug_balance.amounts("erlotinib")) > 0.01


def test_a_run_records_its_balances_and_a_resumed_one_the_same(tmp_path):
    scenario = tissue("trametinib")
    whole = tme_sim.simulate(scenario, tmp_path / "a.h5")
    tme_sim.simulate(scenario, tmp_path / "b.h5", until="17 h")
    resumed = simulation.resume(tmp_path / "b.h5")
    assert resumed.digest() == whole.digest()
    assert resumed.balances.equals(whole.balances)
    assert (whole.balances["gap"] < 1e-5).all()
    assert whole.balances.loc[("trametinib", "body"), "given"] > 300.0


RING = {"inner": "85 um", "outer": "140 um"}
RULES = """\
def careful(visits, share):
    return 0.5 if visits[-1].burden < 1.02 * visits[0].burden else 1.0
"""


@pytest.mark.parametrize("rule", ["switching", "policy"])
def test_a_controlled_run_has_one_digest_resumed_or_branched(rule, tmp_path):
    (tmp_path / "rules.py").write_text(RULES)
    rules = {
        "switching": {"stop_below": 0.95, "resume_at": 1.05},
        "policy": {"policy": f"{tmp_path / 'rules.py'}:careful"},
    }
    entry = {
        "drug": "vemurafenib",
        "dose": "960 mg",
        "every": "12 min",
        "missed": 0.3,
        "adaptive": {**rules[rule], "visit_every": "30 min", "noise": 0.3, "delay": "30 min"},
        "toxicity": {"hold_below": 0.8, "visit_every": "1 h", "noise": 0.2},
    }
    skin = {"type": "epithelium", "count": 10, "placement": {"ring": RING}}
    scenario = small(
        {"time.duration": "6 h", "seed": 39}, therapy=[entry], cells={**CELLS, "skin": skin}
    )
    whole = tme_sim.simulate(scenario, tmp_path / "a.h5")
    tme_sim.simulate(scenario, tmp_path / "b.h5", until="4 h")
    resumed = simulation.resume(tmp_path / "b.h5", scenario=scenario)
    branched = simulation.branch(tmp_path / "a.h5", "3 h", output=tmp_path / "c.h5", trust=True)
    assert {"visit", "therapy", "toxicity", "missed"} <= set(whole.events["kind"])
    assert resumed.digest() == branched.digest() == whole.digest()


def test_a_drug_is_sensed_at_its_concentration_and_acts_on_its_own_targets():
    therapy = [{"drug": "dabrafenib", "dose": "150 mg", "every": "12 h"}]
    model = tme_sim.TumorModel(small({"output.fields": "all"}, therapy=therapy, cells=CELLS))
    model.run_for("2 h")
    column = [channel.name for channel in model.cell_model.inputs].index("dabrafenib")
    model.step()
    sensed = model.population["inputs"][:, column].max()
    assert sensed == pytest.approx(model.env["dabrafenib"].max(), rel=0.5)
    assert sensed > 0.0
    assert model.cell_model.table.drugs == {"dabrafenib": SHIPPED["dabrafenib"]}


OWN = {"preset": "vemurafenib", "targets": {"MEK": "2 nM", "AKT": "1 uM"}}
ALL = {"output.fields": "all"}


def with_own(**changes):
    """A scenario that gives a drug of the user's."""
    therapy = [{"drug": "mine", "dose": "960 mg", "every": "12 h"}]
    return small(ALL, therapy=therapy, drugs={"mine": OWN | changes}, cells=CELLS)


def test_a_drug_of_the_users_is_its_targets():
    scenario = with_own()
    drug = scenario.sensed_drugs["mine"]
    assert {b.target: b.half for b in drug.bindings} == {"MEK": pytest.approx(0.002), "AKT": 1.0}
    assert load_scenario(scenario.resolved()).sensed_drugs == scenario.sensed_drugs
    with pytest.raises(ScenarioError, match=r"'MEKK' is unknown to the cell model.*MEK"):
        with_own(targets={"MEKK": "1 uM"})
    with pytest.raises(ScenarioError, match=r"acts_as: 'dabrafenip' is unknown.*dabrafenib"):
        with_own(acts_as="dabrafenip")


def test_half_of_a_drug_twice_is_the_whole():
    named = {name: {"preset": "vemurafenib"} for name in ("one", "other")}

    def after_three_hours(dose, *names):
        therapy = [{"drug": name, "dose": dose, "every": "12 h"} for name in names]
        model = tme_sim.TumorModel(small(ALL, therapy=therapy, drugs=named, cells=CELLS))
        model.run_for("3 h")
        return model.population["nodes"][:, [c.name for c in model.cell_model.nodes].index("ERK")]

    once, twice = after_three_hours("960 mg", "one"), after_three_hours("480 mg", *named)
    np.testing.assert_allclose(once, twice, atol=1e-3)
    assert once.max() > 1.2 * once.min()


@pytest.mark.parametrize("model", ["tme-cell", "teacher"])
@pytest.mark.parametrize("dose", [0.05, 0.2, 1.0])
def test_doxorubicin_damages_more_in_s_and_g2m(model, dose):
    """DNA_damage of a cell held in each phase for a day: by a tenth or more above G1."""
    cell = surrogates.load(model)
    damage = {}
    for phase in ("G1", "S", "G2M"):
        held = {"phase_S": float(phase == "S"), "phase_G2M": float(phase == "G2M")}
        inputs = {"doxorubicin": dose, **held}
        out = cell.simulate(genotype=["BRAF_V600E"], minutes=1440, inputs=inputs)
        damage[phase] = float(np.asarray(out["DNA_damage"])[-1])
    assert damage["S"] > damage["G2M"] > 1.1 * damage["G1"]


def test_therapy_keeps_what_vessels_carry_and_a_restored_model_continues_with_it():
    model = tme_sim.TumorModel(small())
    model.run_for("4 h")
    level = model.therapy.vessel_levels["vemurafenib"]
    again = model.branch()

    assert level > 0.0
    assert again.therapy.vessel_levels == model.therapy.vessel_levels
    assert model.coupling.vessel_walls["vemurafenib"].plasma == 0.0  # the scenario's, unchanged
    for one in (model, again):
        one.run_for("1 h")
    assert np.array_equal(model.env["vemurafenib"], again.env["vemurafenib"])
    assert np.array_equal(model.population["inputs"], again.population["inputs"])
