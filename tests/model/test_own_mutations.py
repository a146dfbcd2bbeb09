"""Mutations that a scenario defines as changes of nodes: from the file to the lineage."""

import os
import signal

import numpy as np
import pytest

import surrogates
import tme_sim
from surrogates.channels import GENOTYPES, NODES
from tests.model.small import small
from tme_sim.analysis import implications as before
from tme_sim.analysis.explain.counterfactual import differs, situation
from tme_sim.errors import InputError
from tme_sim.model import tick
from tme_sim.scenario import ScenarioError, load_scenario

ERK = NODES.index("ERK")
OWN = {
    "ERK_on": {"rate": "0.3 per division", "nodes": {"ERK": {"held": 0.9}}},
    "less_RAS": {"rate": "0.2 per division", "nodes": {"RAS": {"times": 0.5}}},
}
ERK_BIT, RAS_BIT = (1 << len(GENOTYPES) + k for k in range(2))
CELLS = {
    "tumor": {"type": "tumor", "genotype": ["BRAF_V600E"], "count": 80, "represents": "1e4 cells",
              "placement": {"disk": {"radius": "90 um"}}},
    "biopsy": {"type": "tumor", "genotype": ["BRAF_V600E", "less_RAS"], "count": 5,
               "placement": {"disk": {"radius": "90 um"}}},
    "vessel": {"type": "endothelial", "placement": {"poisson": {"spacing": "100 um"}}},
}  # fmt: skip
HOURS_6 = {"duration": "6 h", "tick": "12 min", "frame_every": "6 h", "checkpoint_every": "3 h"}


@pytest.fixture(scope="module")
def scenario():
    return small(evolution=OWN, cells=CELLS, time=HOURS_6)


@pytest.fixture(scope="module")
def whole(scenario, tmp_path_factory):
    return tme_sim.simulate(scenario, tmp_path_factory.mktemp("own") / "whole.h5")


def test_standing_and_acquired_mutants_have_their_nodes_changed_and_are_out_of_domain(scenario):
    model = tme_sim.TumorModel(scenario)
    model.run_for("4 h")
    tick.decide_now(model)  # daughters inherit with noise, until they decide
    cells = model.population
    alive = cells["status"] == 0
    held = alive & (cells["genotype"] & ERK_BIT > 0)
    own = alive & (cells["genotype"] >> len(GENOTYPES) > 0)
    biopsy = cells["group"] == list(scenario.cells).index("biopsy")

    assert held.any()
    assert (cells["nodes"][held, ERK] == np.float32(0.9)).all()
    assert (cells["nodes"][alive & ~held, ERK] != np.float32(0.9)).all()
    assert (cells["genotype"][biopsy] & RAS_BIT > 0).all()
    assert not cells["in_domain"][own].any()
    assert cells["in_domain"][alive & ~own].any()


def test_the_run_says_what_is_not_trained_and_names_the_clones(whole):
    told = whole.events[whole.events["kind"] == "own"]["text"].tolist()
    assert told == [
        "ERK_on: a mutation of the scenario's own (ERK held at 0.9), outside the training domain",
        "less_RAS: a mutation of the scenario's own (RAS x 0.5), outside the training domain",
    ]
    names = set(whole.clones["name"])
    assert "tumor + ERK_on" in names
    assert (whole.events["kind"] == "mutation").any()
    assert set(before.implications(whole.scenario).notes) >= set(told)


def test_a_run_interrupted_and_resumed_has_the_digest_of_a_whole_one(scenario, whole, tmp_path):
    def interrupt(model):
        if model.tick_index == 20:
            os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "parts.h5"
    assert not tme_sim.simulate(scenario, path, progress=interrupt).complete
    assert tme_sim.resume(path).digest() == whole.digest()


def test_the_resolved_scenario_reads_back_to_the_same(scenario):
    again = load_scenario(scenario.resolved())
    assert again.evolution == scenario.evolution
    assert again.cell_model_options() == scenario.cell_model_options()


def test_explain_puts_the_wild_type_back(scenario):
    model = tme_sim.TumorModel(scenario)
    model.run_for("4 h")
    found = situation(model)
    names = [one.name for one in found.put_back]
    assert "pre-existing ERK_on" in names
    back = found.put_back[names.index("pre-existing ERK_on")]
    rows = np.arange(len(found.ids))
    carried = found.cells.genotype & ERK_BIT > 0
    moved = differs(back.change(found.cells, rows), found.cells)
    assert moved.any()
    assert (moved <= carried).all()


def test_a_cell_model_made_without_them_is_refused(scenario):
    with pytest.raises(InputError, match=r"\['ERK_on', 'less_RAS'\], but the cell model was made"):
        tme_sim.TumorModel(scenario, cell_model=surrogates.load("teacher"))


GOOD = """\
format: 1
time: {duration: 1 d}
domain: {size: [600 um, 600 um]}
cells:
  tumor: {type: tumor, genotype: [other], count: 9, placement: everywhere}
evolution:
  mine: {rate: 1e-7 per division, nodes: {RAS: {times: 3}}}
  other: {rate: 1e-7 per division, nodes: {ERK: {held: 0.9}}}
surrogate: {name: teacher}
"""
CASES = [
    ("RAS:", "RAZ:", 7, "evolution.mine.nodes.RAZ: 'RAZ' is unknown to the cell model; did you "),
    ("1e-7", "1.5", 7, "found '1.5 per division', but 1e-18 to 1"),
    ("mine: {rate", "NRAS_Q61: {rate", 7, "knows what this mutation does; leave out `nodes`"),
    ("mine: {rate: 1e-7 per division, ", "mine: {", 7, "the key 'rate' is missing"),
    ("times: 3", "times: 30", 7, "found 30, but at most 10 is allowed"),
    ("times: 3", "times: -3", 7, "at least 0"),
    ("times: 3", "times: 3, held: 1", 7, "either `times`"),
    ("times: 3", "", 7, "either `times`"),
    ("times: 3", "time: 3", 7, "did you mean 'times'?"),
    ("held: 0.9", "held: 1.1", 8, "at most 1 is allowed"),
    ("RAS: {times: 3}", "ERK: {held: 0.1}", 8, "both 'mine' and 'other' hold ERK"),
    ("[other]", "[othr]", 5, "did you mean 'other'?"),
    ("mine: {rate: 1e-7 per division, nodes: {RAS: {times: 3}}}", "mine: {rate: 1e-7 per division}",
     7, "'mine' is unknown to the cell model"),
    ("name: teacher", "name: constant", 7, "`constant` has no nodes"),
    ("mine:", "mi ne:", 7, "letters, digits"),
]  # fmt: skip


def test_the_file_that_the_cases_break_is_good():
    assert load_scenario(GOOD).genotypes[-2:] == ("mine", "other")


@pytest.mark.parametrize(("old", "new", "line", "words"), CASES, ids=lambda x: str(x)[:24])
def test_what_is_wrong_is_named_with_its_line(tmp_path, old, new, line, words):
    assert old in GOOD
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)
