"""The teacher as a numerical object: its equations, its integration, its contract."""

import numba
import numpy as np
import pytest

from surrogates.channels import (
    CELL_TYPES,
    INPUT_CHANNELS,
    INPUTS,
    NODES,
    OUTPUTS,
    UnknownName,
    basal_inputs,
    genotype_bits,
)
from surrogates.contract import Cells
from surrogates.dosed import dosed
from surrogates.network.parameters import SWEEP
from surrogates.teacher.model import PARALLEL_FROM, Teacher
from tests.reference import teacher as slow
from tests.surrogates.doses import inputs_at


@pytest.fixture(scope="module")
def teacher():
    return Teacher()


def random_cells(n, seed=0):
    rng = np.random.default_rng(seed)
    high = np.array([c.high for c in INPUT_CHANNELS])
    inputs = np.where(
        rng.random((n, len(INPUTS))) < 0.5,
        basal_inputs(n),
        rng.random((n, len(INPUTS))) ** 3 * high,
    ).astype(np.float32)
    genotype = rng.integers(0, 2**17, n).astype(np.int32)
    cell_type = rng.integers(0, len(CELL_TYPES), n).astype(np.int8)
    return rng.random((n, len(NODES)), dtype=np.float32), inputs, genotype, cell_type


def test_drive_is_that_of_the_slow_twin(teacher):
    cells = random_cells(12)
    drives = teacher.drive(Cells(*cells))
    for k, cell in enumerate(zip(*cells, strict=True)):
        np.testing.assert_allclose(drives[k], slow.drive(*cell), atol=2e-6)


@pytest.mark.parametrize(
    ("minutes", "dt", "genotype", "cell_type", "doses"),
    [
        (360, 6, ("BRAF_V600E",), "tumor", {"vemurafenib": 1.0, "HGF": 0.3}),
        (
            30,
            0.25,
            ("BRAF_V600E",),
            "tumor",
            {"EGF": 16.0, "vemurafenib": 0.3},
        ),  # a pulse of minutes
        (360, 6, (), "cd8_t", {"antigen": 0.3, "PDL1_contact": 1.0, "IL2": 0.05}),
    ],
)
def test_steps_follow_lsoda(teacher, minutes, dt, genotype, cell_type, doses):
    run = dosed(teacher).simulate(
        cell_type=cell_type, genotype=genotype, minutes=minutes, dt=dt, inputs=doses
    )
    inputs = inputs_at(doses, genotype=genotype)[0].astype(float)
    exact = slow.integrate(
        run.nodes[0], inputs, genotype_bits(genotype), CELL_TYPES.index(cell_type), minutes
    )
    np.testing.assert_allclose(run.state, exact, atol=2e-3)


def test_integration_converges_at_second_order(teacher):
    state, inputs, genotype, cell_type = random_cells(8, seed=3)
    out = teacher.allocate(8)
    states = {}
    for dt in (1.0, 0.5, 0.25, 0.03125):
        now = state
        for _ in range(round(16 / dt)):
            teacher.step(Cells(now, inputs, genotype, cell_type), dt, out=out)
            now = out.state.copy()
        states[dt] = now
    errors = [np.abs(states[dt] - states[0.03125]).max() for dt in (1.0, 0.5, 0.25)]
    assert errors[0] / errors[1] > 2.8
    assert errors[1] / errors[2] > 2.8


def test_ticks_of_3_6_and_12_minutes_give_the_same_course(teacher):
    courses = [
        dosed(teacher).simulate(
            genotype=["BRAF_V600E"], minutes=720, dt=dt, inputs={"vemurafenib": 1.0}
        )["ERK"][:: round(12 / dt)]
        for dt in (3, 6, 12)
    ]
    assert np.abs(courses[0] - courses[1]).max() < 3e-3  # internal steps of 1.5 min in all
    assert np.abs(courses[1] - courses[2]).max() < 1e-6


@pytest.mark.parametrize(
    ("cell_type", "genotype", "doses"),
    [
        ("tumor", ["BRAF_V600E"], {"vemurafenib": 1.0, "EGF": 16.0}),
        ("tumor", ["BRAF_V600E"], {"vemurafenib": 0.1, "HGF": 1.0}),
        ("tumor", ["EGFR_mut"], {}),
        ("tumor", ["NRAS_Q61"], {"vemurafenib": 1.0}),
        ("epithelium", [], {"EGF": 0.1}),
        ("endothelial", [], {"VEGF": 0.5}),
        ("cd8_t", [], {"antigen": 1.0}),
    ],
)
def test_sweeps_at_frozen_drives_settle_where_the_equations_do(teacher, cell_type, genotype, doses):
    """The network is stepped so; strong prompt feedback of fast nodes would make it oscillate."""
    run = dosed(teacher).simulate(
        cell_type=cell_type, genotype=genotype, minutes=1440, dt=6, inputs=doses
    )
    inputs = inputs_at(doses, genotype=genotype)
    bits = np.array([genotype_bits(genotype)], np.int32)
    code = np.array([CELL_TYPES.index(cell_type)], np.int8)
    state, gain = run.nodes[:1].copy(), -np.expm1(-SWEEP / teacher.network.tau)
    for _ in range(round(1440 / SWEEP)):
        drive = teacher.drive(Cells(state, inputs, bits, code))[:, : len(NODES)]
        state += gain * (drive - state)
    assert abs(state[0, NODES.index("ERK")] - run["ERK"][-1]) < 0.01


def test_a_step_of_no_length_changes_nothing(teacher):
    cells = random_cells(5)
    out = teacher.allocate(5)
    teacher.step(Cells(*cells), 0.0, out=out)
    np.testing.assert_array_equal(out.state, cells[0])


def test_states_stay_between_zero_and_one(teacher):
    cells = random_cells(300, seed=5)
    out = teacher.allocate(300)
    teacher.step(Cells(*cells), 60.0, out=out)
    assert out.state.min() >= 0.0
    assert out.state.max() <= 1.0
    assert np.isfinite(out.outputs).all()
    assert np.all(out.sigma == 0.0)
    assert out.in_domain.all()


def test_a_cell_does_not_notice_its_batch_nor_the_threads(teacher):
    n = PARALLEL_FROM + 17
    cells = random_cells(n, seed=7)
    out, alone, single = teacher.allocate(n), teacher.allocate(3), teacher.allocate(n)
    teacher.step(Cells(*cells), 6.0, out=out)
    part = slice(n - 3, n)
    teacher.step(Cells(*(np.ascontiguousarray(array[part]) for array in cells)), 6.0, out=alone)
    np.testing.assert_array_equal(out.state[part], alone.state)
    np.testing.assert_array_equal(out.outputs[part], alone.outputs)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    teacher.step(Cells(*cells), 6.0, out=single)
    numba.set_num_threads(threads)
    np.testing.assert_array_equal(out.outputs, single.outputs)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_the_initial_state_is_steady(teacher, cell_type):
    genotype = ["BRAF_V600E"] if cell_type == "tumor" else []
    run = teacher.simulate(cell_type=cell_type, genotype=genotype, minutes=7200, dt=60)
    assert np.abs(run.state - run.nodes[0]).max() < 2e-3


def raise_source(source, state, inputs, genotype):
    """The same cells with one parent raised."""
    state, inputs, genotype = state.copy(), inputs.copy(), genotype.copy()
    if source < len(NODES):
        state[:, source] = np.minimum(state[:, source] + 0.2, 1.0)
    elif source < len(NODES) + len(INPUTS):
        inputs[:, source - len(NODES)] *= 1.7
    else:
        genotype |= 1 << (source - len(NODES) - len(INPUTS))
    return state, inputs, genotype


def test_every_edge_acts_with_its_sign(teacher):
    """Raise one parent at a time, at random states: no unit moves against the edge's sign."""
    network = teacher.network
    rng = np.random.default_rng(11)
    state, _, genotype, cell_type = random_cells(64, seed=11)
    inputs = basal_inputs(64) * rng.uniform(0.1, 3.0, (64, len(INPUTS))).astype(np.float32)
    inputs += rng.random(inputs.shape).astype(np.float32) * 0.1
    before = teacher.drive(Cells(state, inputs, genotype, cell_type))
    for source, name in enumerate(network.sources):
        raised = raise_source(source, state, inputs, genotype)
        change = teacher.drive(Cells(*raised, cell_type)) - before
        for unit, edges in enumerate(network.edges):
            signs = {edge.sign for edge in edges if name in (edge.source, edge.gate)}
            along = change[:, unit]
            if signs <= {1}:
                assert along.min() > -1e-6, (name, network.units[unit])
            if signs <= {-1}:
                assert along.max() < 1e-6, (name, network.units[unit])


def test_unknown_names_are_refused_with_the_nearest(teacher):
    with pytest.raises(UnknownName, match=r"'vemurafenip'.*'vemurafenib'"):
        dosed(teacher).simulate(inputs={"vemurafenip": 1.0}, minutes=6)
    with pytest.raises(UnknownName, match="node or output"):
        teacher.simulate(minutes=6)["ERKK"]


def test_inputs_may_change_in_mid_course(teacher):
    steps = [(0, 0.0), (120, 1.0)]
    run = dosed(teacher).simulate(
        genotype=["BRAF_V600E"], minutes=240, dt=6, inputs={"vemurafenib": steps}
    )
    assert run.time[0] == 0.0
    assert run.time[-1] == 240.0
    assert run["ERK"][20] == pytest.approx(run["ERK"][0], rel=1e-3)
    assert run["ERK"][-1] < 0.1 * run["ERK"][0]
    assert run.std("ERK").max() == 0.0
    assert run.in_domain.all()


def test_a_course_goes_on_from_where_another_ended(teacher):
    doses = {"IFNg": 0.1}
    whole = teacher.simulate(minutes=120, inputs=doses)
    half = teacher.simulate(minutes=60, inputs=doses)
    rest = teacher.simulate(minutes=60, inputs=doses, state=half.state)
    np.testing.assert_array_equal(rest.state, whole.state)


def test_a_course_must_be_a_whole_number_of_steps(teacher):
    with pytest.raises(ValueError, match="whole number of steps"):
        teacher.simulate(minutes=100, dt=6)


def test_the_hash_names_the_parameters(teacher):
    assert teacher.hash == Teacher().hash
    assert len(teacher.hash) == 64
    assert teacher.outputs[0].name == OUTPUTS[0]
