import numpy as np
import pytest

from surrogates.channels import CELL_TYPES, INPUTS, NODES, OUTPUTS, UnknownName
from surrogates.prior import graph as prior
from surrogates.prior.graph import Edge, check, load_network, load_omnipath


@pytest.fixture(scope="module")
def network():
    return load_network()


def test_every_output_is_decided_and_every_input_counts(network):
    assert check(network) == []


def test_tables_and_edges_say_the_same(network):
    for unit, edges in enumerate(network.edges):
        assert network.n_parents[unit] == len(edges)
        for k, edge in enumerate(edges):
            assert network.sources[network.parent[unit, k]] == edge.source
            assert network.sign[unit, k] == edge.sign
            if edge.gate:
                assert network.sources[network.gate[unit, k]] == edge.gate
        assert np.all(network.parent[unit, len(edges) :] == -1)
        assert np.all(network.sign[unit, len(edges) :] == 0)


def test_no_node_is_faster_than_a_minute(network):
    assert network.tau.min() >= 1.0


def test_every_edge_has_its_evidence(network):
    for edges in network.edges:
        for edge in edges:
            assert edge.evidence in {"direct", "literature", "definition", "assumed"}
            if edge.evidence == "literature":
                assert edge.reference, edge


@pytest.mark.parametrize(
    ("source", "target", "gate"),
    [
        ("RAF_dimer_1_occupancy", "RAF_dimer", "RAS"),
        ("PDL1_contact", "PD1_sig", "PD1"),
        ("IFNGR", "STAT1", "JAK1"),
        ("GP130", "STAT3", "JAK1"),
        ("RTK_expr", "MET", "HGF"),
        ("STK11", "AMPK", "ATP_low"),
        ("DNA_damage", "CASP3", "G2M"),
        ("TOP2_occupancy", "DNA_damage", "phase_S"),
    ],
)
def test_products_are_products(network, source, target, gate):
    edges = network.edges[network.units.index(target)]
    assert any(edge.source == source and edge.gate == gate for edge in edges)


def test_only_t_cells_see_antigen_and_only_endothelium_lets_cells_in(network):
    t_cell, endothelium = CELL_TYPES.index("cd8_t"), CELL_TYPES.index("endothelial")
    assert np.flatnonzero(network.competence[:, network.units.index("TCR")]).tolist() == [t_cell]
    arrival = network.competence[:, network.units.index("extravasation_rate")]
    assert np.flatnonzero(arrival).tolist() == [endothelium]


def test_node_competences_keep_states_between_zero_and_one(network):
    nodes = network.competence[:, : len(NODES)]
    assert nodes.min() >= 0.0
    assert nodes.max() <= 1.0


def test_an_input_that_reaches_nothing_and_a_contradiction_are_reported(network):
    twice = load_network([Edge("HGF", "MET", -1, "inhibits")])
    assert any("HGF -> MET carries both signs" in problem for problem in check(twice))
    cut = tuple(
        tuple(e for e in edges if "TGFBR_occupancy" not in (e.source, e.gate))
        for edges in network.edges
    )
    deaf = prior.Network(**{**vars(network), "edges": cut})
    assert check(deaf) == ["input 'TGFBR_occupancy' reaches no output"]


def test_an_unknown_node_is_refused_by_name():
    with pytest.raises(UnknownName, match=r"'ERKK'.*nearest is 'ERK'"):
        load_network([Edge("ERKK", "MYC", 1, "activates")])


def test_omnipath_tables_become_edges(tmp_path):
    table = tmp_path / "omnipath.tsv"
    table.write_text(
        "source_genesymbol\ttarget_genesymbol\tis_stimulation\tis_inhibition\treferences\n"
        "MAPK1\tMYC\t1\t0\tPMID1\nDUSP6\tMAPK1\tFalse\tTrue\tPMID2\nFOO\tMYC\t1\t0\t\n"
    )
    edges = load_omnipath(table, {"MAPK1": "ERK", "MYC": "MYC", "DUSP6": "DUSP6"})
    assert [(e.source, e.target, e.sign, e.role, e.reference) for e in edges] == [
        ("ERK", "MYC", 1, "activates", "PMID1"),
        ("DUSP6", "ERK", -1, "inhibits", "PMID2"),
    ]
    assert load_network(edges).n_parents.sum() == load_network().n_parents.sum() + 2


def test_omnipath_rows_without_a_sign_are_named(tmp_path):
    table = tmp_path / "unsigned.csv"
    table.write_text("source,target,is_stimulation,is_inhibition\nA,B,1,1\n")
    with pytest.raises(ValueError, match=r"unsigned.csv:2: no sign"):
        load_omnipath(table, {"A": "ERK", "B": "MYC"})


def test_an_input_and_a_head_may_share_a_name():
    assert set(OUTPUTS) & set(INPUTS) == {"antigen"}
