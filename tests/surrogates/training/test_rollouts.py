"""Free rollouts: the states of inference, and the gradient that torch derives."""

import numpy as np
import pytest
import torch

import surrogates
from surrogates.channels import NODES
from surrogates.contract import Cells
from surrogates.data.conditions import draw_courses
from surrogates.network.parameters import random_raw
from surrogates.network.torch import MonotoneUnits, Sources, relax
from surrogates.prior.graph import load_network
from surrogates.training.rollout_kernels import LANES
from surrogates.training.rollouts import Course, Roller, ancestors


@pytest.fixture(scope="module")
def network():
    return load_network()


def course_of(network, n=LANES + 3, n_sweeps=8, seed=0):
    courses = draw_courses(np.random.default_rng(seed), n, 2)
    start = np.random.default_rng(seed).random((n, network.n_nodes)).astype(np.float32)
    competence = network.competence[courses.cell_type, : network.n_nodes]
    return Course(
        start * competence,
        courses.inputs,
        courses.genotype,
        competence,
        np.arange(n_sweeps) * 2 // n_sweeps,
        np.where(np.arange(n_sweeps) < 3, 1.0, 3.0),
        np.array([2, n_sweeps]),
    ), courses


def recorded(units, course):
    """The same, operation by operation."""
    inputs, genotype = torch.from_numpy(course.inputs), torch.from_numpy(course.genotype)
    state, found = torch.from_numpy(course.start), []
    for k, (segment, length) in enumerate(zip(course.segment, course.length, strict=True)):
        sources = Sources()(state, inputs[segment], genotype)
        state = relax(
            units, sources, torch.from_numpy(course.competence), n_sweeps=1, length=float(length)
        )
        if k + 1 in course.reads:
            found.append(state)
    return torch.stack(found)


def test_states_and_gradients_are_those_that_torch_derives(network):
    units = MonotoneUnits(network, random_raw(network, 2, 3))
    units.tempo.data.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(1))
    units.tempo.requires_grad_(requires_grad=False)  # times are given, see `rollout`
    course, _ = course_of(network)
    pull = torch.randn(
        (2, len(course.start), network.n_nodes), generator=torch.Generator().manual_seed(0)
    )
    results = []
    for follow in (Roller(network), recorded):
        units.zero_grad()
        states = follow(units, course)
        (states * pull).sum().backward()
        results.append(
            (states.detach(), *(p.grad.clone() for p in (units.theta, units.bias, units.share)))
        )
    for found, wanted in zip(*results, strict=True):
        assert torch.allclose(found, wanted, atol=2e-5 * float(wanted.abs().max()))


def test_the_gradient_is_what_a_small_change_makes(network):
    units = MonotoneUnits(network, random_raw(network, 2, 3))
    course, _ = course_of(network, n=5, n_sweeps=6)
    roll = Roller(network)
    roll(units, course)[-1].sum().backward()
    draw = torch.Generator().manual_seed(0)
    for parameter in (units.theta, units.bias, units.share):
        way = torch.randn(parameter.shape, generator=draw)
        start, ends = parameter.detach().clone(), []
        for side in (1e-2, -1e-2):
            parameter.data = start + side * way
            ends.append(float(roll(units, course)[-1].detach().double().sum()))
        parameter.data = start
        slope = float((parameter.grad * way).sum())
        assert (ends[0] - ends[1]) / 2e-2 == pytest.approx(slope, rel=2e-2, abs=2e-3)


def test_a_rollout_is_what_inference_does(network):
    model = surrogates.load("tme-cell").model  # at targets, as the courses are
    course, courses = course_of(network, n=40, n_sweeps=8)
    course = Course(
        course.start,
        course.inputs,
        course.genotype,
        course.competence,
        course.segment,
        np.full(8, 3.0),
        np.array([8]),
    )
    state, out = course.start, model.allocate(40)
    for k in range(4):
        model.step(
            Cells(state, course.inputs[k // 2], courses.genotype, courses.cell_type), 6.0, out=out
        )
        state = out.state.copy()
    found = Roller(network)(MonotoneUnits(network, model.raw), course)
    np.testing.assert_allclose(found[0].detach().numpy(), state, atol=1e-5)


def test_nodes_that_nothing_wanted_hears_of_may_rest(network):
    course, _ = course_of(network, n=9, n_sweeps=6)
    units = MonotoneUnits(network, random_raw(network, 2, 3))
    erk = NODES.index("ERK")
    used = ancestors(network, np.array([erk]))
    assert used[erk]
    assert 20 < used.sum() < network.n_nodes
    few, all_ = (Roller(network, w)(units, course) for w in (np.array([erk]), None))
    assert torch.equal(few[:, :, used], all_[:, :, used])


def test_a_read_that_never_comes_is_refused():
    with pytest.raises(ValueError, match="reads must rise"):
        Course(*[np.zeros((1, 1))] * 4, np.zeros(3), np.zeros(3), np.array([4]))
