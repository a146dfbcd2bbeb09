"""Let the cell model decide, once per tick, for all cells in one batch."""

# ruff: noqa: ANN001, ANN202 - kernels carry no annotations

from dataclasses import dataclass

import numpy as np

from tme_sim.compute.launch import launch
from tme_sim.state.columns import Population

READS = ("nodes", "inputs", "genotype", "type", "status")
WRITES = ("nodes", "outputs", "sigma", "in_domain")
ALIVE = 0


@dataclass
class Decision:
    """What the cell model writes, one row per cell."""

    state: np.ndarray  # float32 (n_cells, n_nodes)
    outputs: np.ndarray  # float32 (n_cells, n_outputs)
    sigma: np.ndarray  # float32 (n_cells, n_outputs)
    in_domain: np.ndarray  # bool (n_cells,)


def decide(
    population: Population,
    cell_model: object,
    *,
    dt: float,
    network_type: np.ndarray,
    silent: np.ndarray,
    output_range: np.ndarray,
) -> None:
    """Advance the state of every cell by ``dt`` [min] and store what it decides.

    Args:
        population: the cells; inputs as left by sensing.
        cell_model: see ``surrogates``: ``step(state, inputs, genotype, type, dt, out=)``.
        dt: length of the tick [min]; 0 asks for the outputs of the present state.
        network_type: the cell model's type code by body type.
        silent: outputs of a dead cell (n_outputs,): it decides nothing.
        output_range: width of the clamped range by output, the scale of ``sigma``.
    """
    nodes, outputs = population["nodes"], population["outputs"]
    decision = Decision(  # outputs go where they belong; the old state is still read meanwhile
        np.empty_like(nodes), outputs, np.empty_like(outputs), population["in_domain"]
    )
    cell_model.step(
        nodes,
        population["inputs"],
        population["genotype"],
        network_type[population["type"]],
        dt,
        out=decision,
    )
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
