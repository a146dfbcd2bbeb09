"""A user's own mutations: changes of nodes, in the network and in the teacher."""

import numpy as np
import pytest

import surrogates
from surrogates.channels import GENOTYPES, NODES, basal_inputs, genotype_bits
from surrogates.contract import Cells
from surrogates.mutations import Mutants
from surrogates.out_of_domain import OutOfDomain

ERK, RAS = NODES.index("ERK"), NODES.index("RAS")
OWN = {
    "ERK_on": {"ERK": {"held": 0.9}},
    "no_RAS": {"RAS": {"times": 0.0}},
    "same": {"AKT": {"times": 1.0}},
}
KNOWN = (*GENOTYPES, *OWN)
MELANOMA = ("BRAF_V600E",)
BITS = {name: genotype_bits([*MELANOMA, name], KNOWN) for name in OWN}
PLAIN = genotype_bits(MELANOMA)


@pytest.fixture(scope="module", params=["tme-cell", "teacher"])
def models(request):
    return surrogates.load(request.param).model, surrogates.load(request.param, mutations=OWN).model


def stepped(model, genotype, *, dt=12.0, kind=0):
    genotype = np.array(genotype, np.int32)
    kinds = np.full(len(genotype), kind, np.int8)
    inputs = basal_inputs(len(genotype))
    out = model.allocate(len(genotype))
    start = model.initial_state(kinds, genotype)
    model.step(Cells(start, inputs, genotype, kinds), dt, out=out)
    return start, out


def test_a_held_node_stays_where_it_is_held_and_acts_downstream(models):
    plain, own = models
    start, out = stepped(own, [BITS["ERK_on"]] * 3, dt=240.0)
    _, wild = stepped(plain, [PLAIN], dt=240.0)

    assert (start[:, ERK] == np.float32(0.9)).all()
    assert (out.state[:, ERK] == np.float32(0.9)).all()
    below = NODES.index("DUSP6")
    assert out.state[0, below] != wild.state[0, below]


def test_a_node_without_abundance_is_silent(models):
    start, out = stepped(models[1], [BITS["no_RAS"]])
    assert start[0, RAS] < 1e-6
    assert out.state[0, RAS] < 1e-6


def test_a_cell_that_is_not_a_mutant_or_whose_change_is_none_is_as_without_to_the_bit(models):
    plain, own = models
    _, alone = stepped(plain, [PLAIN, 0])
    _, mixed = stepped(own, [PLAIN, BITS["ERK_on"], 0, BITS["same"], BITS["no_RAS"]])

    for name in ("state", "outputs", "sigma"):
        assert np.array_equal(getattr(mixed, name)[[0, 2, 3]], getattr(alone, name)[[0, 1, 0]])


def test_a_mutant_is_out_of_the_domain_and_no_one_else(models):
    _, out = stepped(models[1], [PLAIN, BITS["ERK_on"], PLAIN, BITS["same"]])
    assert out.in_domain.tolist() == [True, False, True, False]


def test_a_double_mutant_has_both_changes(models):
    both = BITS["ERK_on"] | BITS["no_RAS"]
    _, out = stepped(models[1], [both])
    assert out.state[0, ERK] == np.float32(0.9)
    assert out.state[0, RAS] < 1e-6


def test_the_step_works_in_place_when_a_mutation_has_just_arisen(models):
    own = models[1]
    bits, kinds = np.array([PLAIN, PLAIN], np.int32), np.zeros(2, np.int8)
    out = own.allocate(2)
    out.state[:] = own.initial_state(kinds, bits)
    bits[1] = BITS["ERK_on"]
    own.step(Cells(out.state, basal_inputs(2), bits, kinds), 6.0, out=out)
    assert out.state[1, ERK] == np.float32(0.9)
    assert out.state[0, ERK] != np.float32(0.9)


def test_simulate_takes_the_names_and_equals_steps(models):
    plain, own = models
    course = own.simulate(genotype=[*MELANOMA, "ERK_on"], minutes=24.0, dt=12.0)
    start, out = stepped(own, [BITS["ERK_on"]])
    assert np.array_equal(course.nodes[0], start[0])
    assert np.array_equal(course.nodes[1], out.state[0])
    assert not course.in_domain.any()
    usual = own.simulate(genotype=MELANOMA, minutes=24.0, dt=12.0)
    assert np.array_equal(usual.nodes, plain.simulate(genotype=MELANOMA, minutes=24.0, dt=12).nodes)
    with pytest.raises(KeyError, match="nearest is 'ERK_on'"):
        own.simulate(genotype=["ERK_onn"])


def test_a_guard_treats_mutants_as_cells_out_of_the_domain():
    teacher = surrogates.load("teacher", mutations=OWN).model
    swapped = surrogates.load(mutations=OWN, out_of_domain="teacher").model
    assert isinstance(swapped.model, Mutants)
    bits, kinds = np.array([BITS["ERK_on"], PLAIN], np.int32), np.zeros(2, np.int8)
    start = teacher.initial_state(kinds, bits)
    given, expected = swapped.allocate(2), teacher.allocate(2)
    swapped.step(Cells(start, basal_inputs(2), bits, kinds), 6.0, out=given)
    teacher.step(Cells(start, basal_inputs(2), bits, kinds), 6.0, out=expected)
    assert np.array_equal(given.outputs[0], expected.outputs[0])
    assert not np.array_equal(given.outputs[1], expected.outputs[1])

    with pytest.raises(OutOfDomain, match="1 of 2 cells"):
        stepped(surrogates.load(mutations=OWN, out_of_domain="stop").model, [PLAIN, BITS["same"]])


def test_torch_agrees_with_numba_about_mutants():
    pytest.importorskip("torch")
    from surrogates.network.torch import TorchNetwork

    own = surrogates.load(mutations=OWN).model
    found = own._variant(1)
    variant = found.model
    kinds, bits = np.zeros(2, np.int8), np.full(2, PLAIN, np.int32)
    state = found.hold(variant.initial_state(kinds, bits))
    on_cpu, on_torch = variant.allocate(2), variant.allocate(2)
    variant.step(Cells(state, basal_inputs(2), bits, kinds), 12.0, out=on_cpu)
    torch_network = TorchNetwork(variant.network, variant.raw, variant.domain, "cpu")
    torch_network.run(Cells(state, basal_inputs(2), bits, kinds), 4, 3.0, on_torch)
    assert np.allclose(on_cpu.state, on_torch.state, rtol=1e-4, atol=1e-6)
    assert (on_torch.state[:, ERK] == np.float32(0.9)).all()


def test_more_mutations_than_a_genotype_has_room_for_are_refused():
    many = {f"m{k}": {"ERK": {"times": 2.0}} for k in range(15)}
    with pytest.raises(ValueError, match="has room for 14"):
        surrogates.load("teacher", mutations=many)
