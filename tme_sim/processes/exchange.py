"""Hand the capacities of all cells to the field solver, summed per voxel.

Cells offer capacities; the solver realises them implicitly. For a substrate with unit factor
f [unit um3 / amol] and voxel volume v [um3], the sums over the cells of a voxel are

    source    = f / v * sum(secretion)      [unit/min]
    uptake    = 1 / v * sum(clearance)      [1/min], first order; of a drug the same for every
                                            living cell, so that a drug reaches deeper once it kills
    maximum   = f / v * sum(uptake)         [unit/min], in maximum * c / (K + c)

with the secretion, clearance and uptake of the cell model.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tme_sim.fields import Microenvironment
from tme_sim.processes.process import Clock, Mask, Outputs, Pending
from tme_sim.processes.voxels import sum_by_voxel
from tme_sim.state.columns import ALIVE, Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling, Port

READS = ("position", "status", "outputs")
WRITES = ()


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Hand over what all cells give off and can take up, for the solver's next step."""
    voxel = env.grid.voxel_of(population["position"])
    alive = population["status"] == ALIVE
    outputs = coupling.outputs(population)
    for port in coupling.ports:
        _set_first_order(env, port, voxel, outputs, alive)
        if port.uptake is not None:
            per_volume = port.factor / env.grid.voxel_volume
            env.set_saturating_uptake(
                port.substrate,
                maximum=per_volume * sum_by_voxel(voxel, outputs[port.uptake], env.grid),
                half_saturation=port.half_saturation,
            )
    return pending


def _set_first_order(
    env: Microenvironment, port: "Port", voxel: NDArray[np.int32], outputs: Outputs, alive: Mask
) -> None:
    """Source and first-order uptake of one substrate."""
    volume = env.grid.voxel_volume
    source: NDArray[np.float64] | float = 0.0
    uptake: NDArray[np.float64] | float = 0.0
    if port.secretion is not None:
        secreted = sum_by_voxel(voxel, outputs[port.secretion], env.grid)
        source = port.factor / volume * secreted
    if port.clearance is not None or port.cell_clearance > 0.0:
        own = 0.0 if port.clearance is None else outputs[port.clearance]
        clearance = own + port.cell_clearance * alive
        uptake = 1.0 / volume * sum_by_voxel(voxel, clearance, env.grid)
    env.set_exchange(port.substrate, source=source, uptake=uptake)
