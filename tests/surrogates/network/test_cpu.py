"""The CPU kernel: the same as torch, for every batch, number of threads and length of tick."""

from dataclasses import replace

import numba
import numpy as np
import pytest

import surrogates
from surrogates.channels import INPUTS, NODES, OUTPUTS, basal_inputs, genotype_bits
from surrogates.contract import Cells
from surrogates.data.conditions import draw_courses
from surrogates.dosed import dosed
from surrogates.network.cpu import PARALLEL_FROM, TILE
from surrogates.network.domain import everywhere
from surrogates.network.ensemble import TmeCell
from surrogates.network.parameters import random_raw
from surrogates.network.torch import TorchNetwork
from surrogates.phenotype import HIGH, LOW
from surrogates.prior.graph import load_network
from tests.surrogates.doses import inputs_at


@pytest.fixture(scope="module")
def model():
    return surrogates.load("tme-cell").model


@pytest.fixture(scope="module")
def cells(model):
    return draw(model, PARALLEL_FROM * TILE + 37)


def draw(model, n):
    rng = np.random.default_rng(5)
    courses = draw_courses(rng, n, 1)
    state = model.initial_state(courses.cell_type, courses.genotype)
    state = np.clip(state + rng.normal(0, 0.1, state.shape), 0, 1).astype(np.float32)
    return state, courses.inputs[0], courses.genotype, courses.cell_type


def step(model, cells, dt=6.0):
    out = model.allocate(len(cells[0]))
    model.step(Cells(*cells), dt, out=out)
    return out


def same(a, b):
    return all(
        np.array_equal(getattr(a, k), getattr(b, k))
        for k in ("state", "outputs", "sigma", "in_domain")
    )


def test_numba_and_torch_agree_to_1e_5_of_the_range(model, cells):
    torch_twin = TorchNetwork(model.network, model.raw, model.domain, "cpu")
    ours, theirs = step(model, cells), model.allocate(len(cells[0]))
    torch_twin.run(Cells(*cells), 2, 3.0, theirs)
    np.testing.assert_allclose(ours.state, theirs.state, atol=1e-5)
    width = HIGH - LOW
    np.testing.assert_allclose(ours.outputs / width, theirs.outputs / width, atol=1e-5)
    np.testing.assert_allclose(ours.sigma / width, theirs.sigma / width, atol=1e-5)
    assert (ours.in_domain == theirs.in_domain).mean() > 0.999


def test_numba_and_torch_agree_where_heads_are_one_product(model, cells):
    joint = tuple(len(NODES) + OUTPUTS.index(name) for name in ("growth_rate", "VEGF_secretion"))
    raw = random_raw(model.network, 3, 1, joint)
    mixed = TmeCell(model.network, replace(raw, joint=()), model.domain, name="", hash="")
    whole = TmeCell(model.network, raw, model.domain, name="", hash="")
    twin = TorchNetwork(model.network, raw, model.domain, "cpu")
    ours, theirs = step(whole, cells), model.allocate(len(cells[0]))
    twin.run(Cells(*cells), 2, 3.0, theirs)
    width = HIGH - LOW
    np.testing.assert_allclose(ours.outputs / width, theirs.outputs / width, atol=1e-5)
    np.testing.assert_allclose(ours.sigma / width, theirs.sigma / width, atol=1e-5)
    differ = np.abs(ours.outputs - step(mixed, cells).outputs).max(axis=0) > 0.0
    flux = ("growth_rate", "VEGF_secretion", "lactate_secretion")
    assert set(np.array(OUTPUTS)[differ]) <= set(flux)
    assert differ[[OUTPUTS.index(name) for name in flux[:2]]].all()


def test_a_cell_does_not_depend_on_its_batch_to_the_bit(model, cells):
    whole = step(model, cells)
    for rows in (slice(0, 1), slice(17, 18), slice(3, 3 + TILE + 1), slice(None, None, -1)):
        part = step(model, tuple(np.ascontiguousarray(a[rows]) for a in cells))
        for name in ("state", "outputs", "sigma", "in_domain"):
            assert np.array_equal(getattr(whole, name)[rows], getattr(part, name)), name


def test_what_a_tile_leaves_out_changes_no_bit(model):
    """Cells whose neighbours in the batch lack what they meet, or meet what the last tile met."""
    n, rng = 3 * TILE, np.random.default_rng(8)
    doses = [{"vemurafenib": 0.3} if k >= n // 2 else {} for k in range(n)]
    doses[0] = {"trametinib": 0.01}
    code, bits = np.zeros(n, np.int8), np.ones(n, np.int32)
    inputs = inputs_at(*doses, genotype=["BRAF_V600E"])
    inputs[:, INPUTS.index("oxygen")] = rng.uniform(1, 60, n)
    bits[-5:] = genotype_bits(["BRAF_V600E", "PTEN_loss"])
    cells = model.initial_state(code, bits), inputs, bits, code
    whole = step(model, cells)
    for i in (0, 1, TILE, n // 2 - 1, n // 2, n - 6, n - 1):
        alone = step(model, tuple(np.ascontiguousarray(a[i : i + 1]) for a in cells))
        for name in ("state", "outputs", "sigma", "in_domain"):
            assert np.array_equal(getattr(whole, name)[i : i + 1], getattr(alone, name)), name


def test_the_new_state_may_take_the_place_of_the_old(model, cells):
    apart, state = step(model, cells), cells[0].copy()
    out = model.allocate(len(state))._replace(state=state)
    model.step(Cells(state, *cells[1:]), 6.0, out=out)
    assert same(apart, out)


def test_no_cells_are_no_work(model):
    nothing = tuple(a[:0] for a in draw(model, 1))
    assert len(step(model, nothing).state) == 0


def test_one_and_two_threads_give_the_same_bits(model, cells):
    before = numba.get_num_threads()
    results = []
    for n_threads in {1, min(2, numba.config.NUMBA_NUM_THREADS)}:
        numba.set_num_threads(n_threads)
        results.append(step(model, cells))
    numba.set_num_threads(before)
    assert same(results[0], results[-1])


def test_a_tick_of_no_length_leaves_the_state_as_it_is(model, cells):
    assert np.array_equal(step(model, cells, 0.0).state, cells[0])


def test_a_short_tick_changes_little(model, cells):
    assert np.abs(step(model, cells, 1e-3).state - cells[0]).max() < 1e-3


@pytest.mark.parametrize("dt", [3.0, 12.0])
def test_the_trajectory_is_that_of_6_minute_ticks(model, cells, dt):
    def follow(length):
        few = tuple(a[:200].copy() for a in cells)
        states = []
        for k in range(round(240 / length)):
            few = (step(model, few, length).state.copy(), *few[1:])
            if (k + 1) * length % 12 == 0:
                states.append(few[0])
        return np.array(states)

    assert np.array_equal(follow(dt), follow(6.0))


def test_a_tick_of_another_length_follows_nearly_the_same_trajectory(model):
    """5 min: two sweeps of 2.5 min; from the steady state into the drug."""
    ends = [
        dosed(model).simulate(
            genotype=["BRAF_V600E"], minutes=180, dt=dt, inputs={"vemurafenib": 0.1}
        )
        for dt in (5.0, 6.0)
    ]
    assert np.abs(ends[0].state - ends[1].state).max() < 0.02


def test_states_and_outputs_stay_in_their_ranges(model, cells):
    out = step(model, cells, 360.0)
    assert out.state.min() >= 0.0
    assert out.state.max() <= 1.0 + 1e-5
    assert (out.outputs >= 0.0).all()
    assert (out.outputs <= HIGH * 1.0001).all()
    assert np.isfinite(out.sigma).all()


def test_a_unit_without_competence_stays_silent(model):
    state = np.ones((1, len(NODES)), np.float32)
    code = np.zeros(1, np.int8)  # tumor
    out = model.allocate(1)
    model.step(Cells(state, basal_inputs(1), np.zeros(1, np.int32), code), 1440.0, out=out)
    assert out.state[0, NODES.index("TCR")] < 1e-6
    assert out.outputs[0, OUTPUTS.index("kill_rate")] == 0.0


@pytest.mark.parametrize("seed", [0, 1])
def test_drives_are_monotone_with_the_signs_of_the_scaffold_whatever_the_weights(seed):
    network = load_network()
    raw = random_raw(network, 2, seed, joint=(network.n_nodes, network.n_nodes + 1))
    model = TmeCell(network, raw, everywhere(), name="x", hash="")
    rng = np.random.default_rng(seed)
    sources = rng.random((1, network.n_sources)).astype(np.float32)
    check_signs(model, network, sources)


def check_signs(model, network, sources):
    import torch

    from surrogates.network.torch import MonotoneUnits

    units = MonotoneUnits(network, model.raw)
    with torch.no_grad():
        base = units(torch.from_numpy(sources))[0]
        for s in range(network.n_sources):
            moved = sources.copy()
            moved[0, s] = 1.0
            change = (units(torch.from_numpy(moved))[0] - base).numpy()
            touches = (network.parent == s) | (network.gate == s)
            for unit in np.flatnonzero(touches.any(axis=1)):
                signs = set(network.sign[unit][touches[unit]])
                if len(signs) == 1:
                    assert (change[:, unit] * signs.pop() >= -1e-6).all()


def test_a_steady_state_is_steady(model):
    code, bits = np.zeros(1, np.int8), np.array([genotype_bits(["BRAF_V600E"])], np.int32)
    state = model.initial_state(code, bits)
    out = model.allocate(1)
    model.step(Cells(state, basal_inputs(1), bits, code), 60.0, out=out)
    np.testing.assert_allclose(out.state, state, atol=2e-3)


def test_inputs_of_other_layout_are_taken_as_they_are_meant(model):
    code, bits = np.zeros(3, np.int8), np.zeros(3, np.int32)
    state = model.initial_state(code, bits)
    inputs = np.asfortranarray(basal_inputs(3))
    inputs[:, INPUTS.index("EGF")] = (0.0, 0.1, 1.0)
    plain, odd = model.allocate(3), model.allocate(3)
    model.step(Cells(state, np.ascontiguousarray(inputs), bits, code), 6.0, out=plain)
    model.step(Cells(state, inputs, bits.astype(np.int64), code.astype(np.int64)), 6.0, out=odd)
    assert same(plain, odd)


def test_knocking_a_node_out_is_a_competence_of_zero(model):
    competence = model.network.competence.copy()
    competence[:, NODES.index("ERK")] = 0.0
    network = replace(model.network, competence=competence)
    crippled = TmeCell(network, model.raw, model.domain, name="x", hash="")
    state = crippled.initial_state(np.zeros(1, np.int8), np.ones(1, np.int32))
    assert state[0, NODES.index("ERK")] < 1e-6
