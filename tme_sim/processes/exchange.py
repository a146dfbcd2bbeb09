"""Exchange matter between cells, vessels and substrates, per voxel.

Cells offer capacities; the field solver realises them implicitly. For a substrate with unit factor
f [unit um3 / amol] and voxel volume v [um3], the sums over the cells of a voxel are

    source    = f / v * sum(secretion)      [unit/min]
    uptake    = 1 / v * sum(clearance)      [1/min], first order; of a drug the same for every
                                            living cell, so that a drug reaches deeper once it kills
    maximum   = f / v * sum(uptake)         [unit/min], in maximum * c / (K + c)
    vessels   = 1 / v * sum(P * S * PS)     [1/min], in vessels * (plasma - c)

with the secretion, clearance, uptake and vessel_PS of the cell model. Sums run serially in row
order: a parallel scatter would lose mass and depend on the number of threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tme_sim.fields import Grid, Microenvironment
from tme_sim.processes.voxels import voxels
from tme_sim.scenario.units import concentration_per_amount
from tme_sim.state.columns import ALIVE, Population

READS = ("position", "type", "status", "outputs")
WRITES = ("oxygen_realised", "glucose_realised")
REALISED = ("oxygen", "glucose")  # network inputs whose realised uptake is kept per cell


@dataclass(frozen=True)
class Wall:
    """What vessels let through of one substrate: permeability [um/min] and plasma level [unit]."""

    permeability: float
    plasma: float


class Port(NamedTuple):
    """How one substrate meets the cell model: its outputs by name, None where it has none."""

    substrate: str
    factor: float  # [unit um3 / amol]
    half_saturation: float  # [unit]
    cell_clearance: float  # by each living cell [um3/min]
    uptake: str | None
    secretion: str | None
    clearance: str | None


def ports(substrates: Mapping, outputs: tuple[str, ...]) -> tuple[Port, ...]:
    """Match each substrate with the outputs ``<input>_uptake``, ``_secretion``, ``_clearance``."""

    def known(name: str) -> str | None:
        return name if name in outputs else None

    return tuple(
        Port(
            name,
            concentration_per_amount(spec.unit),
            spec.half_saturation,
            spec.cell_clearance,
            known(f"{spec.input}_uptake"),
            known(f"{spec.input}_secretion"),
            known(f"{spec.input}_clearance"),
        )
        for name, spec in substrates.items()
    )


def set_exchange(
    population: Population,
    env: Microenvironment,
    *,
    ports: tuple[Port, ...],
    outputs: Mapping[str, np.ndarray],
) -> None:
    """Hand the capacities of all cells to the field solver, for its next step."""
    voxel = voxels(population, env.grid)
    alive = population["status"] == ALIVE
    for port in ports:
        per_volume = port.factor / env.grid.voxel_volume
        source, uptake = 0.0, 0.0
        if port.secretion is not None:
            source = _sum(env.grid, voxel, outputs[port.secretion], per_volume)
        if port.clearance is not None or port.cell_clearance > 0.0:
            own = 0.0 if port.clearance is None else outputs[port.clearance]
            clearance = own + port.cell_clearance * alive
            uptake = _sum(env.grid, voxel, clearance, 1.0 / env.grid.voxel_volume)
        env.set_exchange(port.substrate, source=source, uptake=uptake)
        if port.uptake is not None:
            env.set_saturating_uptake(
                port.substrate,
                maximum=_sum(env.grid, voxel, outputs[port.uptake], per_volume),
                half_saturation=port.half_saturation,
            )


def set_vessels(
    population: Population,
    env: Microenvironment,
    *,
    walls: Mapping[str, Wall],
    surface: np.ndarray,
    outputs: Mapping[str, np.ndarray],
) -> None:
    """Hand the vessels' walls to the solver; ``surface`` is the vessel surface [um2] by type."""
    area = surface[population["type"]] * outputs["vessel_PS"]
    voxel = voxels(population, env.grid)
    summed = np.bincount(voxel, weights=area, minlength=env.grid.n_voxels).reshape(env.grid.shape)
    for name, wall in walls.items():
        env.set_vessels(
            name,
            permeability_area=wall.permeability / env.grid.voxel_volume * summed,
            plasma=wall.plasma,
        )


def realise(
    population: Population,
    env: Microenvironment,
    *,
    ports: tuple[Port, ...],
    outputs: Mapping[str, np.ndarray],
) -> None:
    """Share what the last solve took up among the cells of each voxel, by their capacity."""
    voxel = voxels(population, env.grid)
    for port in ports:
        name = port.uptake.removesuffix("_uptake") if port.uptake else ""
        if name not in REALISED:
            continue
        capacity = outputs[port.uptake]
        offered = np.bincount(voxel, weights=capacity, minlength=env.grid.n_voxels)
        taken = env.realised_uptake(port.substrate).ravel() * env.grid.voxel_volume / port.factor
        share = np.divide(taken, offered, out=np.zeros_like(offered), where=offered > 0.0)
        population[f"{name}_realised"][:] = capacity * share[voxel]


def _sum(grid: Grid, voxel: np.ndarray, each: np.ndarray, scale: float) -> np.ndarray:
    summed = np.bincount(voxel, weights=each, minlength=grid.n_voxels)
    return (scale * summed).reshape(grid.shape)
