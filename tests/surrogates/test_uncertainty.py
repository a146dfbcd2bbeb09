"""The training domain and what is done outside it."""

import numpy as np
import pytest

import surrogates
from surrogates.channels import INPUT_CHANNELS, INPUTS, basal_inputs
from surrogates.datasets.conditions import draw_courses
from surrogates.evaluate import crowded_inputs
from surrogates.policy import OutOfDomain
from surrogates.uncertainty import COVERAGE, clamp, distances


@pytest.fixture(scope="module")
def model():
    return surrogates.load("tme-cell")


def marks(model, inputs, cell_type=0, genotype=1):
    n = len(inputs)
    code, bits = np.full(n, cell_type, np.int8), np.full(n, genotype, np.int32)
    out = model.allocate(n)
    model.step(model.initial_state(code, bits), inputs, bits, code, 0.0, out=out)
    return out.in_domain


def test_situations_like_those_of_training_are_inside(model):
    courses = draw_courses(np.random.default_rng(99), 4000, 1)
    state = model.initial_state(courses.cell_type, courses.genotype)
    out = model.allocate(len(state))
    model.step(state, courses.inputs[0], courses.genotype, courses.cell_type, 0.0, out=out)
    assert out.in_domain.mean() > COVERAGE - 0.01


@pytest.mark.parametrize("name", ["vemurafenib", "oxygen", "HGF", "crowding"])
def test_a_value_beyond_its_range_is_outside(model, name):
    inputs = basal_inputs(2)
    inputs[1, INPUTS.index(name)] = 3.0 * INPUT_CHANNELS[INPUTS.index(name)].high
    assert marks(model, inputs).tolist() == [True, False]


def test_not_a_number_is_outside(model):
    inputs = basal_inputs(1)
    inputs[0, INPUTS.index("glucose")] = np.nan
    assert not marks(model, inputs)[0]


def test_a_new_combination_of_known_values_is_outside(model):
    inputs = crowded_inputs(np.random.default_rng(0), 500)
    assert (inputs >= model.domain.low).all()
    assert (inputs <= model.domain.high).all()
    assert marks(model, inputs).mean() < 0.2


def test_the_kernel_measures_the_distance_that_numpy_does(model):
    courses = draw_courses(np.random.default_rng(3), 3000, 1)
    distance = distances(model.domain, courses.inputs[0], courses.genotype)
    state = model.initial_state(courses.cell_type, courses.genotype)
    out = model.allocate(len(state))
    model.step(state, courses.inputs[0], courses.genotype, courses.cell_type, 0.0, out=out)
    assert not out.in_domain[distance > model.domain.limits[0] * 1.001].any()


@pytest.fixture
def cells():
    inputs = basal_inputs(3)
    inputs[1, INPUTS.index("vemurafenib")] = 300.0
    code, bits = np.zeros(3, np.int8), np.ones(3, np.int32)
    return inputs, bits, code


def run(model, cells):
    inputs, bits, code = cells
    out = model.allocate(len(inputs))
    model.step(model.initial_state(code, bits), inputs, bits, code, 6.0, out=out)
    return out


def test_warn_only_marks_the_cell(cells):
    assert run(surrogates.load("tme-cell"), cells).in_domain.tolist() == [True, False, True]


def test_clamp_decides_as_if_inputs_were_at_the_border(model, cells):
    inputs, bits, code = cells
    clamped = run(surrogates.load("tme-cell", out_of_domain="clamp"), cells)
    border = run(model, (clamp(model.domain, inputs), bits, code))
    np.testing.assert_array_equal(clamped.outputs, border.outputs)
    assert clamped.in_domain.tolist() == [True, False, True]


def test_teacher_swaps_single_cells(model, cells):
    swapped = run(surrogates.load("tme-cell", out_of_domain="teacher"), cells)
    teacher, inputs = surrogates.load("teacher"), cells[0]
    alone = teacher.allocate(3)
    state = model.initial_state(cells[2], cells[1])
    teacher.step(state, inputs, cells[1], cells[2], 6.0, out=alone)
    np.testing.assert_array_equal(swapped.state[1], alone.state[1])
    np.testing.assert_array_equal(swapped.state[[0, 2]], run(model, cells).state[[0, 2]])


def test_stop_names_the_input_that_left_its_range(cells):
    with pytest.raises(OutOfDomain, match="vemurafenib"):
        run(surrogates.load("tme-cell", out_of_domain="stop"), cells)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="ignore"):
        surrogates.load("tme-cell", out_of_domain="ignore")


def test_members_disagree_and_their_free_runs_spread():
    model = surrogates.load("tme-cell")
    course = model.simulate(genotype=["BRAF_V600E"], minutes=60, inputs={"vemurafenib": 0.03})
    assert course.std("ERK")[-1] > 0.0
    alone = surrogates.load("tme-cell", member=2)
    single = alone.simulate(genotype=["BRAF_V600E"], minutes=60, inputs={"vemurafenib": 0.03})
    assert single.std("ERK").max() == 0.0
