"""Let the cell model decide, once per tick, for all cells in one batch."""

# ruff: noqa: ANN001, ANN202 - kernels carry no annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogates.contract import Cells, Decision, Key
from tme_sim.compute.launch import launch
from tme_sim.fields import Microenvironment
from tme_sim.processes.process import Clock, Pending
from tme_sim.state.columns import ALIVE, Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

READS = ("id", "nodes", "inputs", "genotype", "type", "status")


class Decided(NamedTuple):
    """Columns that a decision goes to."""

    nodes: NDArray[np.float32]
    outputs: NDArray[np.float32]
    sigma: NDArray[np.float32]
    in_domain: NDArray[np.bool_]


READS = ("id", "nodes", "inputs", "genotype", "type", "status")
WRITES = Decided._fields


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Advance the state of every cell and store what it decides.

    A clock whose ``dt`` is 0 asks for the outputs of the present state.
    """
    nodes, outputs = population["nodes"], population["outputs"]
    decision = Decision(  # outputs go where they belong; the old state is still read meanwhile
        np.empty_like(nodes), outputs, np.empty_like(outputs), population["in_domain"]
    )
    cells = Cells(
        nodes,
        population["inputs"],
        population["genotype"],
        coupling.cell_types.network[population["type"]],
        key=Key(population["id"], clock.tick, clock.seed),
    )
    coupling.cell_model.step(cells, clock.dt, out=decision)
    launch(
        _accept,
        population.n,
        population["status"],
        decision.state,
        decision.sigma,
        coupling.silent,
        coupling.output_range,
        population.gather(Decided),
    )
    return pending


def _accept(i, status, state, spread, silent, width, decided):
    """Take over the decision of a living cell; a dead one keeps its state and decides nothing."""
    largest = np.float32(0.0)
    if status[i] == ALIVE:
        old, new, spreads = decided.nodes[i], state[i], spread[i]
        for k in range(old.size):
            old[k] = new[k]
        for k in range(width.size):
            largest = max(largest, spreads[k] / width[k])
    else:
        decided.in_domain[i] = True
        row = decided.outputs[i]
        for k in range(row.size):
            row[k] = silent[k]
    decided.sigma[i] = largest
