"""Every drug target acts on its units as strongly as in the teacher, in states that cells have."""

import numpy as np
import pytest

import surrogates
from surrogates.channels import CELL_TYPES, INPUTS, OCCUPIED
from surrogates.contract import Cells
from surrogates.data.conditions import draw_courses
from surrogates.data.sampling import Sampling, sample
from surrogates.evaluation.fidelity import drive_of
from surrogates.prior.graph import load_network
from surrogates.teacher.model import Teacher

NETWORK = load_network()
EDGES = sorted(
    {
        (edge.source.removesuffix(OCCUPIED), NETWORK.units[unit])
        for unit, edges in enumerate(NETWORK.edges)
        for edge in edges
        if edge.source.endswith(OCCUPIED)
    }
)
OCCUPANCY = (0.0, 0.5, 0.95)
LEAST = 0.03  # mean effect on a drive in the teacher below which a share says nothing


@pytest.fixture(scope="module")
def met():
    """Situations of undisturbed courses, and the model and teacher that are asked about them."""
    quiet = Sampling(seed=5, n_trajectories=150, snapshots=8, noisy_share=0.0, replaced_share=0.0)
    rows = sample(Teacher(), quiet)
    return rows, surrogates.load("tme-cell").model, Teacher()


def effects(rows, occupied, unit, drive):
    """Mean of a unit's drive by occupancy of a target, over the cells whose type has the unit."""
    k = NETWORK.units.index(unit)
    has = NETWORK.competence[rows.cell_type, k] > 0.0
    found = []
    for level in OCCUPANCY:
        inputs = rows.inputs.copy()
        inputs[:, INPUTS.index(occupied + OCCUPIED)] = level
        changed = type(rows)(**{**vars(rows), "inputs": inputs}).take(np.flatnonzero(has))
        found.append(drive(changed)[:, k].mean())
    return np.array(found)


@pytest.mark.parametrize(("target", "unit"), EDGES, ids=[f"{t}-{u}" for t, u in EDGES])
def test_a_target_acts_on_its_unit_as_in_the_teacher(met, target, unit):
    rows, model, teacher = met
    learned = effects(rows, target, unit, lambda r: drive_of(model, r).mean(axis=1))
    truth = effects(
        rows, target, unit,
        lambda r: teacher.drive(Cells(r.state, r.inputs, r.genotype, r.cell_type)),
    )  # fmt: skip
    sign = np.sign(truth[-1] - truth[0])
    assert np.all(np.diff(learned) * sign >= -1e-6)
    if abs(truth[-1] - truth[0]) > LEAST:
        share = (learned[1:] - learned[0]) / (truth[1:] - truth[0])
        assert np.all((share > 0.7) & (share < 1.3)), share


def test_situations_of_training_occupy_every_target():
    courses = draw_courses(np.random.default_rng(2), 3000, 2)
    for target, _ in EDGES:
        column = courses.inputs[..., INPUTS.index(target + OCCUPIED)]
        assert (column > 0.5).mean() > 0.003, target
    assert set(np.unique(courses.cell_type)) == set(range(len(CELL_TYPES)))
