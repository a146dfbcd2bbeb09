"""Steady states: the model class itself, solved and differentiated as torch would."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates.network.parameters import Raw
from surrogates.network.torch import MonotoneUnits
from surrogates.own_network.scaffold import build_scaffold
from surrogates.own_network.steady_state import Memory, SteadyState
from surrogates.prior.edge import Edge

EXACT = (1e-7, 500)
EDGES = [
    Edge("a", "p", 1, "activates"),
    Edge("b", "q", 1, "activates"),
    Edge("p", "q", -1, "inhibits"),
    Edge("q", "p", 0, "either"),
    Edge("p", "r", 1, "activates", gate="q"),
    Edge("q", "r", 0, "either", gate="b"),
    Edge("r", "p", -1, "inhibits"),
    Edge("r", "r", 1, "activates"),
]
INPUTS, READOUTS = ("a", "b"), ("r", "q")


@pytest.fixture(scope="module", params=[(1, 1), (3, 3), (2, 1)], ids=str)
def member(request):
    return _member(*request.param)


def _member(groups, factors):
    network = build_scaffold(EDGES, INPUTS, READOUTS).network
    draw = np.random.default_rng(3)
    n_edges, n_readouts = int(network.n_parents.sum()), len(READOUTS)
    start = {
        "theta": draw.normal(0.0, 0.8, (n_edges, groups * factors)),
        "bias": draw.normal(0.0, 0.5, (network.n_units, groups * factors)),
        "share": draw.normal(0.0, 0.3, (network.n_units, groups + 1)),
        "scale": draw.normal(size=n_readouts),
    }
    return network, SteadyState(network, start)


def _units(network, model):
    """The same parameters in the class that tme-cell is made of."""
    raw = model.raw(network)
    return MonotoneUnits(network, raw)


def _unrolled(units, network, inputs, n_sweeps=300):
    state = torch.full((len(inputs), network.n_units), 0.5)
    for _ in range(n_sweeps):
        state = units(torch.cat([state, inputs], dim=1))[:, 0]
    return state


def test_the_steady_state_is_the_fixed_point_of_the_cell_models_own_units(member):
    network, model = member
    inputs = np.random.default_rng(0).random((7, 2)).astype(np.float32)
    memory = Memory(network, inputs)
    model(model.acting(), memory, EXACT)
    state = torch.from_numpy(memory.x[: network.n_units].T.copy())
    drive = _units(network, model)(torch.cat([state, torch.from_numpy(inputs)], dim=1))[:, 0]
    torch.testing.assert_close(drive, state, atol=2e-6, rtol=0)


def test_the_gradient_is_the_one_torch_finds_through_the_unrolled_network(member):
    network, model = member
    inputs = np.random.default_rng(1).random((5, 2)).astype(np.float32)
    pull = torch.from_numpy(np.random.default_rng(2).normal(size=(5, 2)).astype(np.float32))
    model.zero_grad()
    given = torch.from_numpy(inputs.copy()).requires_grad_()
    (model(model.acting(), Memory(network, inputs), EXACT, given) * pull).sum().backward()
    units, same = _units(network, model), torch.from_numpy(inputs).requires_grad_()
    state = _unrolled(units, network, same)
    readout = state[:, [network.units.index(name) for name in READOUTS]]
    (readout * model.scale.detach() * pull).sum().backward()
    wiring = model.wiring
    torch.testing.assert_close(
        model.theta.grad, units.theta.grad[0, wiring.unit, wiring.column], atol=2e-4, rtol=2e-3
    )
    torch.testing.assert_close(model.bias.grad, units.bias.grad[0], atol=2e-4, rtol=2e-3)
    torch.testing.assert_close(model.share.grad, units.share.grad[0], atol=2e-4, rtol=2e-3)
    torch.testing.assert_close(given.grad, same.grad, atol=2e-4, rtol=2e-3)


def test_a_search_that_starts_from_the_last_solution_ends_where_a_fresh_one_does(member):
    network, model = member
    first, second = (np.random.default_rng(k).random((4, 2)).astype(np.float32) for k in (5, 6))
    warm = Memory(network, first)
    model(model.acting(), warm, EXACT)
    warm.x[network.n_units : -1] = second.T
    cold = Memory(network, second)
    for memory in (warm, cold):
        model(model.acting(), memory, EXACT)
    np.testing.assert_allclose(warm.x, cold.x, atol=1e-5)
    assert warm.change <= EXACT[0]


def test_signs_hold_whatever_is_learned(member):
    network, model = member
    weight = model.acting()[0].detach().numpy()
    for sign, rows in ((1, weight[model.wiring.sign == 1]), (-1, weight[model.wiring.sign == -1])):
        assert (sign * rows > 0).all()
    assert isinstance(model.raw(network), Raw)
    assert replace(model.raw(network)).n_members == 1
