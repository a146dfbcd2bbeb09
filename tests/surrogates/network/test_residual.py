"""The term beside the scaffold: closed it is not there, open it acts alike everywhere; counted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import surrogates
from surrogates.channels import NODES, basal_inputs
from surrogates.contract import Cells
from surrogates.data.conditions import draw_courses
from surrogates.data.sampling import Sampling, sample
from surrogates.evaluation.evaluate import residual_share
from surrogates.evaluation.fidelity import drive_of
from surrogates.network.cpu import TILE
from surrogates.network.ensemble import TmeCell
from surrogates.network.parameters import effective
from surrogates.network.residual import LARGEST, Residual, share
from surrogates.network.torch import MonotoneUnits, Sources, TorchNetwork, add_residual
from surrogates.phenotype import HIGH, LOW
from surrogates.registry import Weights, load_weights, save_weights
from surrogates.teacher.model import Teacher
from surrogates.training.residual import Remainder, ResidualTable, fit_residual

RESULTS = ("state", "outputs", "sigma", "in_domain")


@pytest.fixture(scope="module")
def plain():
    model = surrogates.load("tme-cell").model
    return TmeCell(
        model.network, replace(model.raw, residual=None), model.domain, name="plain", hash=""
    )


@pytest.fixture(scope="module")
def open_gates(plain):
    """Two nodes in three have a gate, up to LARGEST."""
    rng, n, n_sources = np.random.default_rng(4), len(NODES), plain.network.n_sources
    write = rng.normal(size=(n, 4)) * (rng.random((n, 1)) < 2 / 3)
    write *= LARGEST / np.maximum(np.abs(write).sum(axis=1, keepdims=True), 1e-9)
    arrays = rng.normal(size=(4, n_sources)), rng.normal(size=4), write * rng.random((n, 1))
    return Residual(*(a.astype(np.float32) for a in arrays))


@pytest.fixture(scope="module")
def model(plain, open_gates):
    return with_residual(plain, open_gates)


@pytest.fixture(scope="module")
def cells(plain):
    rng = np.random.default_rng(6)
    courses = draw_courses(rng, TILE + 70, 1)
    state = plain.initial_state(courses.cell_type, courses.genotype)
    state = np.clip(state + rng.normal(0, 0.1, state.shape), 0, 1).astype(np.float32)
    return state, courses.inputs[0], courses.genotype, courses.cell_type


def with_residual(plain, residual):
    return TmeCell(
        plain.network, replace(plain.raw, residual=residual), plain.domain, name="x", hash=""
    )


def step(model, cells, dt=6.0):
    out = model.allocate(len(cells[0]))
    model.step(Cells(*cells), dt, out=out)
    return out


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in RESULTS)


def test_with_closed_gates_every_bit_is_the_scaffolds(plain, open_gates, cells):
    closed = replace(open_gates, write=np.zeros_like(open_gates.write))
    assert same(step(plain, cells), step(with_residual(plain, closed), cells))


def test_numba_and_torch_agree_with_open_gates(plain, model, cells):
    twin = TorchNetwork(model.network, model.raw, model.domain, "cpu")
    ours, theirs = step(model, cells), model.allocate(len(cells[0]))
    twin.run(Cells(*cells), 2, 3.0, theirs)
    assert np.abs(ours.state - step(plain, cells).state).max() > 0.01
    np.testing.assert_allclose(ours.state, theirs.state, atol=1e-5)
    for name in ("outputs", "sigma"):
        np.testing.assert_allclose(
            getattr(ours, name) / (HIGH - LOW), getattr(theirs, name) / (HIGH - LOW), atol=1e-5
        )


def test_one_node_of_one_cell_moves_as_the_equation_says(plain, open_gates):
    """One sweep, one gate: what F adds shrinks by 1 - |rho|, max(rho, 0) is added."""
    node = NODES.index("ERK")
    for sign in (-1.0, 1.0):
        write = np.zeros_like(open_gates.write)
        write[node, 0] = sign * 0.4
        one = replace(open_gates, write=write)
        model = with_residual(plain, one)
        cells = draw_tumor(plain)
        with torch.no_grad():
            x = Sources()(*(torch.from_numpy(a) for a in cells[:3]))
        z = x.numpy()[0] @ one.read[0] + one.bias[0]
        rho = sign * 0.4 * z / (1 + abs(z))
        before = cells[0][0, node]
        gain = gain_of(model, node, 3.0)
        rise = step(plain, cells, 3.0).state[0, node] - (1 - gain) * before
        wanted = (1 - gain) * before + rise * (1 - abs(rho)) + gain * max(rho, 0.0)
        assert step(model, cells, 3.0).state[0, node] == pytest.approx(wanted, abs=1e-6)


def draw_tumor(plain):
    code, bits = np.zeros(1, np.int8), np.ones(1, np.int32)
    return plain.initial_state(code, bits), basal_inputs(1), bits, code


def gain_of(model, node, length):
    return np.mean(-np.expm1(-length / effective(model.raw, model.network).tau[:, node]))


def test_a_cell_does_not_depend_on_its_batch_to_the_bit(model, cells):
    whole = step(model, cells)
    for rows in (slice(0, 1), slice(17, 18), slice(None, None, -1)):
        part = step(model, tuple(np.ascontiguousarray(a[rows]) for a in cells))
        for name in RESULTS:
            assert np.array_equal(getattr(whole, name)[rows], getattr(part, name)), name


def test_ticks_of_no_length_change_nothing_and_short_ones_are_the_same_sweeps(model, cells):
    assert np.array_equal(step(model, cells, 0.0).state, cells[0])
    half = step(model, cells, 3.0).state.copy()
    assert np.array_equal(step(model, (half, *cells[1:]), 3.0).state, step(model, cells).state)


def test_states_stay_in_their_range(model, cells):
    state = step(model, cells, 720.0).state
    assert state.min() >= 0.0
    assert state.max() <= 1.0 + 1e-5


def test_a_file_keeps_the_term_and_a_member_alone_has_it(plain, model, open_gates, tmp_path):
    save_weights(tmp_path, Weights(model.raw, model.domain))
    read = load_weights(tmp_path, plain.network).raw
    for name, array in open_gates.arrays().items():
        np.testing.assert_array_equal(read.residual.arrays()[name], array)
        np.testing.assert_array_equal(read.member(1).residual.arrays()[name], array)
    assert MonotoneUnits(plain.network, read).raw().residual is read.residual


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"read": np.zeros((4, 7), np.float32)}, "shape"),
        ({"write": np.full((len(NODES), 4), 0.2, np.float32)}, "allowed"),
    ],
)
def test_a_file_whose_term_does_not_fit_is_refused(plain, open_gates, tmp_path, change, said):
    raw = replace(plain.raw, residual=replace(open_gates, **change))
    save_weights(tmp_path, Weights(raw, plain.domain))
    with pytest.raises(ValueError, match=said):
        load_weights(tmp_path, plain.network)


def test_the_share_is_what_moved_over_what_is_there():
    drive = np.array([[0.5, 0.2], [0.5, 0.2]])
    moved = np.array([[0.6, 0.2], [0.4, 0.9]])
    mask = np.array([[True, True], [True, False]])
    found = share(drive, moved, mask, ("a", "b"))
    assert found["overall"] == pytest.approx(0.2 / 1.2)
    assert (found["worst"], found["worst_node"]) == (pytest.approx(0.2), "a")
    assert found["n_open"] == 1


def test_the_share_of_a_network_counts_open_gates_and_is_none_without(plain, model, open_gates):
    rows = sample(Teacher(), Sampling(n_trajectories=20, minutes=360.0, snapshots=4))
    assert residual_share(plain, rows)["overall"] == 0.0
    found = residual_share(model, rows)
    n_gates = (open_gates.write != 0).any(axis=1).sum()
    assert 0.5 * n_gates < found["n_open"] <= n_gates  # some types are not among the rows
    assert 0.0 < found["overall"] < found["worst"]
    moved = np.abs(drive_of(model, rows) - drive_of(plain, rows)).max(axis=(0, 1))
    assert (moved[len(NODES) :] == 0.0).all()
    assert moved[: len(NODES)].max() <= LARGEST


def planted(rng, n, strength):
    """Drives of 6 nodes, of which two miss something that the first two sources say."""
    x = rng.random((n, 5)).astype(np.float32)
    drive = rng.uniform(0.2, 0.8, (n, 6)).astype(np.float32)
    rho = np.zeros((n, 6), np.float32)
    rho[:, 1] = strength * (x[:, 0] - 0.5)
    rho[:, 4] = strength * (x[:, 1] - x[:, 0])
    target = add_residual(torch.from_numpy(drive), torch.from_numpy(rho))
    noise = torch.from_numpy(rng.normal(0, 0.01, (n, 6)).astype(np.float32))
    return Remainder(
        torch.from_numpy(x), torch.from_numpy(drive), target + noise, torch.full((n, 6), 25.0 / n)
    )


TABLE = ResidualTable(rank=2, steps=600, batch=256, learning_rate=0.03)


def quiet(_what, _share):
    pass


def test_training_opens_the_gates_of_the_nodes_that_miss_something():
    rng = np.random.default_rng(2)
    rows, validation = planted(rng, 4000, 0.4), planted(rng, 1000, 0.4)
    found, curve = fit_residual(rows, validation, TABLE, 1, quiet)
    assert set(np.flatnonzero((found.write != 0).any(axis=1))) == {1, 4}
    closed = validation.error(replace(found, write=np.zeros_like(found.write)))
    assert (validation.error(found)[[1, 4]] < 0.15 * closed[[1, 4]]).all()
    assert curve["residual"][-1] < curve["residual"][0]


def test_training_leaves_every_gate_closed_where_nothing_is_missing():
    rng = np.random.default_rng(3)
    found, _ = fit_residual(planted(rng, 4000, 0.0), planted(rng, 1000, 0.0), TABLE, 1, quiet)
    assert found is None
