"""Let the cell model decide, once per tick, for all cells in one batch."""

# ruff: noqa: ANN001, ANN202 - kernels carry no annotations

import numpy as np

from surrogates.contract import CellModel, Cells, Decision, Key
from tme_sim.compute.launch import launch
from tme_sim.state.columns import Population

READS = ("nodes", "inputs", "genotype", "type", "status")
WRITES = ("nodes", "outputs", "sigma", "in_domain")
ALIVE = 0


def decide(  # noqa: PLR0913 - all but the first two by keyword
    population: Population,
    cell_model: CellModel,
    *,
    dt: float,
    seed: int,
    tick: int,
    network_type: np.ndarray,
    silent: np.ndarray,
    output_range: np.ndarray,
) -> None:
    """Advance the state of every cell by ``dt`` [min] and store what it decides.

    Args:
        population: the cells; inputs as left by sensing.
        cell_model: decides; see ``surrogates.contract``.
        dt: length of the tick [min]; 0 asks for the outputs of the present state.
        seed: of the run; with the tick and a cell's id the key of what the cell model draws.
        tick: number of the tick.
        network_type: the cell model's type code by body type.
        silent: outputs of a dead cell (n_outputs,): it decides nothing.
        output_range: width of the clamped range by output, the scale of ``sigma``.
    """
    nodes, outputs = population["nodes"], population["outputs"]
    decision = Decision(  # outputs go where they belong; the old state is still read meanwhile
        np.empty_like(nodes), outputs, np.empty_like(outputs), population["in_domain"]
    )
    cells = Cells(
        nodes,
        population["inputs"],
        population["genotype"],
        network_type[population["type"]],
        key=Key(population["id"], tick, seed),
    )
    cell_model.step(cells, dt, out=decision)
    launch(
        _accept,
        population.n,
        population["status"],
        decision.state,
        decision.sigma,
        np.asarray(silent, np.float32),
        np.asarray(output_range, np.float32),
        nodes,
        outputs,
        population["sigma"],
        population["in_domain"],
    )


def _accept(i, status, state, spread, silent, width, nodes, outputs, sigma, in_domain):  # noqa: PLR0913
    """Take over the decision of a living cell; a dead one keeps its state and decides nothing."""
    largest = np.float32(0.0)
    if status[i] == ALIVE:
        old, new, spreads = nodes[i], state[i], spread[i]
        for k in range(old.size):
            old[k] = new[k]
        for k in range(width.size):
            largest = max(largest, spreads[k] / width[k])
    else:
        in_domain[i] = True
        row = outputs[i]
        for k in range(row.size):
            row[k] = silent[k]
    sigma[i] = largest
