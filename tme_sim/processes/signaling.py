"""Let the cell model decide, once per tick, for all cells in one batch."""

import numpy as np

from tme_sim.state.columns import Population

READS = ("nodes", "inputs", "genotype", "type", "status")
WRITES = ("nodes", "outputs", "sigma", "in_domain")
ALIVE = 0


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
    out = cell_model.allocate(population.n)
    cell_model.step(
        population["nodes"],
        population["inputs"],
        population["genotype"],
        network_type[population["type"]],
        dt,
        out=out,
    )
    dead = population["status"] != ALIVE
    population["nodes"][~dead] = out.state[~dead]
    population["outputs"][:] = out.outputs
    population["outputs"][dead] = silent
    population["sigma"][:] = np.where(dead, 0.0, (out.sigma / output_range).max(axis=1, initial=0))
    population["in_domain"][:] = out.in_domain | dead
