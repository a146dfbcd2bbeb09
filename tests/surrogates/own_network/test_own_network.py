"""A network, conditions and readouts of the user's own: tables, scaffold, fit, folds, pruning."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates.channels import UnknownName
from surrogates.data.sampling import Sampling
from surrogates.evaluation.edge_recovery import (
    SMALL,
    drive_ratio,
    inject,
    injected_ratio,
    own_ratio,
)
from surrogates.evaluation.metrics import pearson
from surrogates.network.torch import MonotoneUnits
from surrogates.own_network.fit import Settings, _Data, _Misfit, first_parameters, fit, observe
from surrogates.own_network.linear_part import LinearPart, fit_linear_part
from surrogates.own_network.missing_inputs import marginal_cost
from surrogates.own_network.scaffold import build_scaffold, fully_connected
from surrogates.own_network.steady_state import SteadyState
from surrogates.prior.edge import ROLE_OF_SIGN, Edge
from surrogates.prior.graph import check
from surrogates.prior.omnipath import load_signed_table
from surrogates.training.drives import LANES

QUICK = Settings(n_members=2, steps=60)
HEADER = "source\ttarget\tstimulation\tinhibition\treferences\n"


def arrow(source, target, sign=1):
    return Edge(source, target, sign, ROLE_OF_SIGN[sign])


def write(path, text):
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="module")
def truth():
    """A random network of known weights and what it says about 150 random conditions."""
    draw = np.random.default_rng(0)
    nodes, inputs = [f"n{k}" for k in range(24)], [f"i{k}" for k in range(6)]
    edges = {(i, nodes[k]): arrow(i, nodes[k]) for k, i in enumerate(inputs)}
    for k, node in enumerate(nodes):
        pool = [name for name in inputs + nodes[: max(k, 8)] if name != node]
        for source in draw.choice(pool, 2, replace=False):
            edges[str(source), node] = arrow(str(source), node, int(draw.choice([1, 1, -1])))
    edges = list(edges.values())
    network = build_scaffold(edges, inputs, nodes).network
    start = first_parameters(network, np.eye(2)[:, :1] * np.ones((1, 24)), Settings(), 0)
    start["scale"] = np.ones(24)
    start["theta"] += 0.5
    x = draw.random((150, 6))
    y = observe(SteadyState(network, start), network, x, offset=True)
    return edges, inputs, nodes, x, y + 0.01 * draw.standard_normal(y.shape)


def test_a_table_gives_signed_and_unsigned_edges_with_references(tmp_path):
    table = write(tmp_path / "t.tsv", HEADER + "A\tB\t1\t0\tx:1\nB\tC\t0\t1\t\nA\tC\t0\t0\ty:2\n")
    edges = load_signed_table(table, unsigned="keep")
    assert [(e.source, e.target, e.sign, e.reference) for e in edges] == [
        ("A", "B", 1, "x:1"),
        ("B", "C", -1, ""),
        ("A", "C", 0, "y:2"),
    ]
    assert len(load_signed_table(table, unsigned="drop")) == 2
    with pytest.raises(ValueError, match=r"t\.tsv:4: no sign"):
        load_signed_table(table)


def test_rows_of_one_pair_become_one_edge_and_contradictions_lose_their_sign(tmp_path):
    table = write(
        tmp_path / "t.tsv", HEADER + "A\tB\t1\t0\tp\nA\tB\t0\t0\tq\nA\tC\t1\t0\t\nA\tC\t0\t1\t\n"
    )
    edges = load_signed_table(table, unsigned="keep")
    assert [(e.target, e.sign, e.reference) for e in edges] == [("B", 1, "p;q"), ("C", 0, "")]
    assert [e.target for e in load_signed_table(table, unsigned="drop")] == ["B"]


@pytest.mark.parametrize("signs", sorted(set(itertools.permutations(["1", "1", "-1", ""]))))
def test_a_contradiction_does_not_hang_on_the_order_of_rows(tmp_path, signs):
    rows = "".join(f"A,B,{sign}\n" for sign in signs)
    table = write(tmp_path / "t.csv", f"source,target,sign\n{rows}")
    assert [e.sign for e in load_signed_table(table, unsigned="keep")] == [0]
    assert load_signed_table(table, unsigned="drop") == []


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffsource,target,sign\r\nA,B,1\r\nB,C,-1\r\n",
        "source,target,sign\nA,B,1.0\nB,C,-1.0\n",
        " source ,target, sign\nA ,B,1\n,,\n B,C , -1\n",
        "source;target;sign\nA;B;+1\nB;C;-\n",
    ],
    ids=["Excel", "pandas", "blanks", "semicolons"],
)
def test_a_table_is_read_as_common_programs_write_it(tmp_path, text):
    edges = load_signed_table(write(tmp_path / "t.csv", text))
    assert [(e.source, e.target, e.sign) for e in edges] == [("A", "B", 1), ("B", "C", -1)]


def test_the_consensus_decides_where_a_row_is_both(tmp_path):
    names = "is_stimulation,is_inhibition,consensus_stimulation,consensus_inhibition"
    table = write(tmp_path / "t.csv", f"source,target,{names}\nA,B,1,1,0,1\nA,C,1,1,1,1\n")
    edges = load_signed_table(table, unsigned="keep")
    assert [(e.target, e.sign) for e in edges] == [("B", -1), ("C", 0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("source,target,sign\nA,B,+,C\n", r"t\.csv:2: 4 values, but there are 3 columns"),
        ("source,target,sign\nA,B,0.5\n", r"t\.csv:2: sign '0.5' is not one of"),
        ("source,target,sign\nA\n", "`source` and `target` are needed"),
        ("source,target,sign\nA,B,?\n", r"sign '\?' is not one of"),
        ("source,target\nA,B\n", "a column `sign`"),
        ("from,to,sign\nA,B,+\n", "columns `source` and `target` are needed"),
    ],
)
def test_a_table_that_cannot_be_read_says_what_is_missing(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        load_signed_table(write(tmp_path / "t.csv", text))


def test_an_edge_whose_role_denies_its_sign_is_refused():
    with pytest.raises(ValueError, match="against sign"):
        Edge("A", "B", -1, "activates")


def test_a_scaffold_is_what_lies_between_inputs_and_readouts():
    edges = [
        arrow("in", "a"),
        arrow("a", "out", -1),
        arrow("a", "dead_end"),
        arrow("nowhere", "out"),
        arrow("out", "in"),
    ]
    scaffold = build_scaffold(edges, ("in",), ("out",))
    assert scaffold.network.units == ("out", "a")
    assert set(scaffold.left_out) == {"dead_end", "nowhere"}
    assert scaffold.problems == ()
    assert "2 nodes and 2 edges" in str(scaffold)


def test_a_readout_out_of_reach_and_a_deaf_input_are_reported():
    edges = [arrow("in", "a"), arrow("a", "out"), arrow("island", "alone"), arrow("deaf", "b")]
    scaffold = build_scaffold(edges, ("in", "deaf"), ("out", "alone"))
    assert "output 'alone' is not reached from any input" in scaffold.problems
    assert "input 'deaf' reaches no output" in scaffold.problems
    both = [*edges, arrow("in", "a", -1)]
    assert "in -> a carries both signs" in check(build_scaffold(both, ("in",), ("out",)).network)


def test_an_unknown_input_or_readout_is_refused_by_name():
    with pytest.raises(UnknownName, match=r"input 'EGFF' is unknown.*'EGF'"):
        build_scaffold([arrow("EGF", "ERK")], ("EGFF",), ("ERK",))
    with pytest.raises(UnknownName, match="readout 'ERKK'"):
        build_scaffold([arrow("EGF", "ERK")], ("EGF",), ("ERKK",))


def test_a_fitted_network_predicts_conditions_it_never_saw(truth):
    edges, inputs, nodes, x, y = truth
    network = build_scaffold(edges, inputs, nodes).network
    alone = replace(QUICK, n_members=1, steps=200, shrinkage=1.0, linear=False)
    model = fit(network, x[:120], y[:120], alone)
    assert pearson(model.predict(x[120:]) - y.mean(axis=0), y[120:] - y.mean(axis=0)) > 0.9
    assert model.linear_share < 1e-9


def test_a_fit_repeats_to_the_bit_and_its_units_are_the_cell_models(truth):
    edges, inputs, nodes, x, y = truth
    network = build_scaffold(edges, inputs, nodes).network
    first, second = (fit(network, x[:60], y[:60], QUICK) for _ in range(2))
    np.testing.assert_array_equal(first.predict(x), second.predict(x))
    assert (first.spread(x) > 0).any()
    units = MonotoneUnits(network, first.raw())
    state = torch.full((len(x), network.n_units), 0.5)
    with torch.no_grad():
        for _ in range(200):
            state = units(torch.cat([state, torch.from_numpy(x).float()], dim=1))[:, 0]
    scaffold = first.parts(x)[0][0]
    scale = first.members[0].scale.detach().numpy()
    np.testing.assert_allclose(scale * state[:, : len(nodes)].numpy(), scaffold, atol=1e-3)


def test_injected_edges_end_with_less_than_half_the_weight_of_true_ones(truth):
    edges, inputs, nodes, x, y = truth
    more = inject(edges, 0.2, seed=1)
    assert len(more) == round(1.2 * len(edges))
    network = build_scaffold(more, inputs, nodes).network
    before = fit(network, x, y, replace(QUICK, n_members=1, steps=0, linear=False))
    after = fit(network, x, y, replace(QUICK, n_members=1, steps=200, shrinkage=1.0, linear=False))
    assert injected_ratio(before) > 0.5
    assert injected_ratio(after) <= 0.5


@pytest.mark.parametrize("linear", [False, True])
def test_measurements_that_are_missing_have_no_part_in_the_fit(truth, linear):
    edges, inputs, nodes, x, y = truth
    network = build_scaffold(edges, inputs, nodes).network
    settings = replace(QUICK, n_members=1, steps=150, shrinkage=1.0, linear=linear)
    gone = np.random.default_rng(3).random((120, len(nodes))) < 0.3
    model = fit(network, x[:120], np.where(gone, np.nan, y[:120]), settings)
    centre = y[:120].mean(axis=0)
    assert pearson(model.predict(x[120:]) - centre, y[120:] - centre) > 0.85
    junk = [
        LinearPart.fill(model.prior, np.where(gone, guess, model.left[0]), gone, linear=linear)
        for guess in (-3.0, 3.0)
    ]
    np.testing.assert_allclose(*junk, atol=0.02)  # what stood in the gaps does not matter


def test_a_masked_loss_pulls_at_known_measurements_only(truth):
    _, _, _, x, y = truth
    missing = np.zeros(y.shape, bool)
    missing[4, 2] = True
    prior = fit_linear_part(x, y, siblings=np.zeros(6, bool))
    misfit = _Misfit(_Data(x, y, missing, prior), replace(QUICK, linear=False))
    explained = torch.zeros(y.shape, requires_grad=True)
    for _ in range(30):  # until the gap holds what is expected there
        explained.grad = None
        misfit(explained, None).backward()
    assert abs(float(explained.grad[4, 2])) < 1e-6 * float(explained.grad.abs().max())
    assert (explained.grad[:4] != 0).all()


@pytest.mark.parametrize("linear", [False, True])
def test_inputs_that_were_not_recorded_are_estimated_by_gradient(truth, linear):
    edges, inputs, nodes, x, y = truth
    x, y = x[:70], y[:70]
    network = build_scaffold(edges, inputs, nodes).network
    gone = np.random.default_rng(5).random(x.shape) < 0.1
    model = fit(
        network,
        np.where(gone, np.nan, x),
        y,
        replace(QUICK, n_members=1, steps=150, shrinkage=0.3, linear=linear),
    )
    found = model.prior.inputs
    np.testing.assert_array_equal(found[~gone], x[~gone])
    mean = np.broadcast_to(x.mean(axis=0), x.shape)
    error, lazy = (np.sqrt(((a - x)[gone] ** 2).mean()) for a in (found, mean))
    assert error < 0.7 * lazy


def test_the_likelihood_by_inputs_is_the_loss_of_known_ones_up_to_a_constant(truth):
    _, _, _, x, y = truth
    prior = fit_linear_part(x, y, siblings=np.zeros(6, bool))
    given, misfit = torch.from_numpy(x), _Misfit(_Data(x, y, np.zeros(y.shape, bool), prior), QUICK)
    two = [torch.from_numpy(a).float() for a in (0.0 * y, 0.3 * y + x[:, :1])]
    slow, fast = (
        [float(f(e)) for e in two]
        for f in (
            lambda e: marginal_cost(prior, torch.from_numpy(y) - e, given),
            lambda e: misfit(e, None),
        )
    )
    assert slow[1] - slow[0] == pytest.approx(fast[1] - fast[0], rel=1e-3)


def test_the_ratio_of_a_users_own_network_is_told_before_and_after_its_fit(truth):
    edges, inputs, nodes, x, y = truth
    network = build_scaffold(edges, inputs, nodes).network
    settings = replace(QUICK, n_members=1, steps=120, shrinkage=1.0, linear=False)
    before, after = own_ratio([*edges, arrow("elsewhere", "off")], x, y, network, settings, 1)
    assert before > 0.5
    assert after <= 0.5


def test_random_edges_in_the_scaffold_of_tme_cell_lose_their_weight_in_training():
    small = replace(
        SMALL,
        steps=250,
        batch=4 * LANES,
        sampling=Sampling(n_trajectories=100, minutes=1440.0, snapshots=8),
    )
    ratio = drive_ratio(small)
    assert ratio["before"] == pytest.approx(1.0, abs=0.1)  # random, as all are
    assert ratio["after"] <= 0.5


def test_more_edges_than_there_is_room_for_are_refused():
    with pytest.raises(ValueError, match="only 0 pairs"):
        inject([arrow("a", "b")], 1.0, seed=0)


def test_without_offset_no_input_means_no_effect(truth):
    edges, inputs, nodes, x, y = truth
    network = build_scaffold(edges, inputs, nodes).network
    model = fit(network, x[:40], y[:40], replace(QUICK, offset=False))
    np.testing.assert_allclose(model.predict(np.zeros((1, 6))), 0.0, atol=1e-9)


def test_siblings_lend_an_unseen_drug_their_mean_effect():
    nodes, drugs = ("p", "q"), tuple("abcd")
    x = np.eye(4)[[0, 1, 2, 0, 1, 2]] * np.array([1, 1, 1, 0.5, 0.5, 0.5])[:, None]
    y = x[:, :3] @ np.array([[1.0, -2.0], [1.2, -1.8], [0.8, -2.2]])
    new = np.array([[0.0, 0.0, 0.0, 1.0]])
    alike, apart = (
        fit_linear_part(x, y, offset=False, siblings=np.full(4, flag)) for flag in (True, False)
    )
    np.testing.assert_allclose(alike.predict(y, new), [[0.75, -1.5]], atol=0.3)
    np.testing.assert_allclose(apart.predict(y, new), 0.0, atol=1e-9)
    network = build_scaffold(fully_connected(drugs, nodes), drugs, nodes).network
    with pytest.raises(ValueError, match=r"siblings \['e'\] are not among the inputs"):
        fit(network, x, y, replace(QUICK, siblings=("e",)))


def test_with_one_component_the_linear_part_is_ridge_regression():
    from sklearn.linear_model import Ridge

    draw = np.random.default_rng(4)
    x, new = draw.random((30, 3)), draw.random((5, 3))
    y = x @ draw.normal(size=(3, 1)) + 0.1 * draw.normal(size=(30, 1))
    part = fit_linear_part(x, y, siblings=np.zeros(3, bool))
    ridge = Ridge(float(part.alpha[0])).fit(x, y).predict(new).reshape(-1, 1)
    np.testing.assert_allclose(part.predict(y, new), ridge, atol=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (
            np.zeros((4, 2)),
            np.zeros((4, 1)),
            r"inputs of shape \(4, 2\); needed are \(n_conditions, 1",
        ),
        (np.zeros((4, 1)), np.full((4, 1), np.inf), "measured: no value in condition 0, column 0"),
        (
            np.zeros((4, 1)),
            np.full((4, 1), np.nan),
            r"readouts \['out'\] are measured in fewer than 2",
        ),
        (np.full((4, 1), np.nan), np.zeros((4, 1)), r"inputs \['in'\] are known in no condition"),
        (np.full((4, 1), 2.0), np.zeros((4, 1)), "inputs reach from 2 to 2"),
        (np.zeros((4, 1)), np.zeros((5, 1)), "inputs of 4 and measurements of 5 conditions"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_words(x, y, words):
    network = build_scaffold([arrow("in", "out")], ("in",), ("out",)).network
    with pytest.raises(ValueError, match=words):
        fit(network, x, y, QUICK)


@pytest.mark.parametrize(
    "measured", [np.zeros((6, 2)), np.full((6, 2), 3.0), np.eye(6)[:, :2] * 1e-200]
)
def test_measurements_without_a_difference_are_refused(measured):
    network = build_scaffold([arrow("L", "A"), arrow("A", "B", -1)], ["L"], ["A", "B"]).network

    with pytest.raises(ValueError, match="no differences can be fitted"):
        fit(network, np.zeros((6, 1)), measured, QUICK)


def test_inputs_that_never_differ_give_the_mean():
    network = build_scaffold([arrow("L", "A"), arrow("A", "B", -1)], ["L"], ["A", "B"]).network
    measured = np.random.default_rng(0).normal(size=(6, 2))

    model = fit(network, np.zeros((6, 1)), measured, QUICK)

    assert np.isfinite(model.predict(np.array([[0.0], [1.0]]))).all()
