"""Run a cell model freely through courses of conditions."""

from dataclasses import dataclass

import numpy as np

from surrogates.contract import CellModel, Cells
from surrogates.data.conditions import Courses
from surrogates.trajectory import free_run

HOURS, READ_EVERY = 72, 6  # [h]
TICK = 6  # [min]


@dataclass(frozen=True, eq=False)
class Course:
    """What became of all cells: (n_times, n, n_nodes) and (n_times, n, n_outputs)."""

    nodes: np.ndarray
    outputs: np.ndarray


def follow(model: CellModel, courses: Courses) -> Course:
    """Let a model run freely through courses, read every READ_EVERY hours."""
    n_reads, n_segments = HOURS // READ_EVERY, len(courses.inputs)
    state = model.initial_state(courses.cell_type, courses.genotype)
    nodes, outputs = [], []
    for k in range(n_reads):
        inputs = np.ascontiguousarray(courses.inputs[k * n_segments // n_reads])
        cells = Cells(state, inputs, courses.genotype, courses.cell_type)
        *_, last = free_run(model, cells, TICK, READ_EVERY * 60 // TICK)
        state = last.state
        nodes.append(state)
        outputs.append(last.outputs)
    return Course(np.array(nodes), np.array(outputs))
