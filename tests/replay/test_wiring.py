"""The drawn network: shortest signed paths over what is not recorded."""

import itertools

import h5py
import pytest

from surrogates.channels import GENOTYPES
from surrogates.prior.graph import shipped_edges
from tests.output.stand_in import StandIn, record
from tme_sim.output.run import open_run
from tme_sim.replay.mutations import genotype_names
from tme_sim.replay.wiring import paths, shipped_children, wiring


def edges_of(run):
    return {(e["source"], e["target"]): e for e in wiring(run)["edges"]}


@pytest.fixture
def run(tmp_path):
    model = StandIn()
    model.cell_model.name = "tme-cell"
    record(tmp_path / "run.h5", model, ticks=2)
    return open_run(tmp_path / "run.h5")


def test_an_edge_between_recorded_nodes_is_the_networks_own():
    direct = {(e.source, e.target): e.sign for e in shipped_edges()}
    found = paths(["mTORC1"], ["HIF1A"], 0, shipped_children())
    assert [(e["sign"], e["via"]) for e in found] == [(direct["mTORC1", "HIF1A"], [])]


def test_a_path_has_the_product_of_its_signs():
    signs = {(e.source, e.target): e.sign for e in shipped_edges()}
    sources, targets = ["AKT", "ERK", "HIF1A", "oxygen"], ["mTORC1", "CASP3", "HIF1A"]
    for edge in paths(sources, targets, 4, shipped_children()):
        steps = [edge["source"], *edge["via"], edge["target"]]
        product = 1
        for one, other in itertools.pairwise(steps):
            product *= signs[one, other]
        assert edge["sign"] == product, edge


def test_no_path_leads_over_a_node_that_is_drawn():
    drawn = ["AKT", "TSC", "mTORC1"]
    found = paths(drawn, drawn, 3, shipped_children())
    assert all(not set(e["via"]) & set(drawn) for e in found)
    assert ("AKT", "mTORC1") not in {(e["source"], e["target"]) for e in found}


def test_drug_and_mutation_reach_what_is_recorded(run):
    found = edges_of(run)
    assert found["vemurafenib", "ERK"]["sign"] == -1
    assert found["BRAF_V600E", "ERK"]["sign"] == 1
    assert found["oxygen", "HIF1A"]["via"] == ["PHD"]


def test_a_mutation_of_the_scenarios_own_acts_on_the_nodes_that_it_changes(tmp_path):
    model = StandIn(columns="all", nodes=("RAS", "ERK", "AKT", "crowding"))
    model.cell_model.name = "tme-cell"
    changes = {"RAS": {"times": 3.0}, "PTEN": {"held": 0.0}}
    own = {"mine": {"rate": "1e-3 per division", "nodes": changes}, "NRAS_Q61": {"rate": "1e-7"}}
    resolved = model.scenario.resolved() | {"evolution": own}
    model.scenario.resolved = lambda: resolved
    model.clones[0].genotype = 1 | 1 << len(GENOTYPES)  # the first beyond the catalogue's
    record(tmp_path / "run.h5", model, ticks=2)
    run = open_run(tmp_path / "run.h5")
    assert wiring(run)["mutations"] == {"mine": changes}
    found = edges_of(run)
    assert found["mine", "RAS"] == {"source": "mine", "target": "RAS", "sign": 1, "via": []}
    assert found["mine", "AKT"]["sign"] == 1  # PTEN, held low, inhibits it
    assert found["mine", "AKT"]["via"] == ["PTEN"]
    assert genotype_names(run, model.clones[0].genotype) == [GENOTYPES[0], "mine"]


def test_a_cell_model_with_another_network_has_no_drawing(tmp_path):
    record(tmp_path / "run.h5", ticks=2)
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["provenance"].attrs["surrogate"] == "stand-in"
    assert wiring(open_run(tmp_path / "run.h5")) is None
