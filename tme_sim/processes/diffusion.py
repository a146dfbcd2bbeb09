"""Let every substrate diffuse through a tick, fed by vessels, and tell cells what they took up.

Vessels exchange vessels * (plasma - c) with the tissue of a voxel of volume v [um3], where

    vessels = 1 / v * sum(P * S * PS)     [1/min]

sums over its endothelial cells the permeability P of the wall [um/min], the surface S of the
segment [um2] and the cell model's vessel_PS.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tme_sim.fields import Microenvironment
from tme_sim.processes.process import Clock, Outputs, Pending
from tme_sim.processes.voxels import sum_by_voxel
from tme_sim.state.columns import Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

REALISED = {"oxygen_uptake": "oxygen_realised", "glucose_uptake": "glucose_realised"}
READS = ("position", "type", "outputs")
WRITES = tuple(REALISED.values())


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """One implicit solve of every substrate, with the cells' capacities as they were handed over.

    Plasma of a drug is what therapy keeps it at, of other substrates what the scenario says.
    """
    voxel = env.grid.voxel_of(population["position"])
    outputs = coupling.outputs(population)
    area = coupling.cell_types.vessel_surface[population["type"]] * outputs["vessel_PS"]
    summed = sum_by_voxel(voxel, area, env.grid)
    for name, wall in coupling.vessel_walls.items():
        env.set_vessels(
            name,
            permeability_area=wall.permeability / env.grid.voxel_volume * summed,
            plasma=pending.plasma.get(name, wall.plasma),
        )
    transport = env.step(clock.dt)
    _share_uptake(population, env, coupling, outputs, voxel)
    return pending._replace(transport=transport)


def _share_uptake(
    population: Population,
    env: Microenvironment,
    coupling: "Coupling",
    outputs: Outputs,
    voxel: NDArray[np.int32],
) -> None:
    """Share what the solve took up among the cells of each voxel, by their capacity."""
    grid = env.grid
    for port in coupling.ports:
        if port.uptake not in REALISED:
            continue
        capacity = outputs[port.uptake]
        offered = sum_by_voxel(voxel, capacity, grid).ravel()
        uptake = env.realised_uptake(port.substrate).ravel() * grid.voxel_volume / port.factor
        share = np.divide(uptake, offered, out=np.zeros_like(offered), where=offered > 0.0)
        population[REALISED[port.uptake]][:] = capacity * share[voxel]
