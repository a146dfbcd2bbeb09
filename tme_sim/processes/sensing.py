"""Gather what each cell senses into the inputs of the cell model.

An input is, in this order: the local concentration of the substrate that stands for it, a contact
column averaged over the last tick, what the body tells the cell about itself, or the documented
basal value where the scenario has no such thing.
"""

# ruff: noqa: ANN001, ANN202 - kernels carry no annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.compiling import inline
from tme_sim.compute.launch import launch
from tme_sim.fields import Microenvironment
from tme_sim.processes.process import Clock, Pending
from tme_sim.scenario.units import HOUR
from tme_sim.state.columns import G2M, Population, S

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

HITS_PER = 6.0  # [min] the input counts hits in this time, whatever the length of the tick


class Own(NamedTuple):
    """Columns of a cell that its inputs are made of."""

    type: NDArray[np.int8]
    volume: NDArray[np.float32]
    phase: NDArray[np.int8]
    phase_age: NDArray[np.float32]
    antigen_contact: NDArray[np.float32]
    PDL1_contact: NDArray[np.float32]
    B7_contact: NDArray[np.float32]
    death_contact: NDArray[np.float32]
    crowding: NDArray[np.float32]
    granzyme_hits: NDArray[np.float32]


class Places(NamedTuple):
    """Where among the inputs is what a cell knows of itself and its contacts; -1: nowhere."""

    antigen: int
    PDL1_contact: int
    B7_contact: int
    death_contact: int
    crowding: int
    granzyme_hits: int
    volume_ratio: int
    phase_age: int
    phase_S: int
    phase_G2M: int


READS = ("position", *Own._fields)
WRITES = ("inputs",)


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Write the column ``inputs`` (n_cells, n_inputs)."""
    names, sensed = list(coupling.basal), coupling.sensed
    own = (name if name in names and name not in sensed else None for name in Places._fields)
    launch(
        _know_itself,
        population.n,
        np.fromiter(coupling.basal.values(), np.float32),
        Places(*(-1 if name is None else names.index(name) for name in own)),
        population.gather(Own),
        HITS_PER / clock.dt,
        coupling.cell_types.growth.volume,
        population["inputs"],
    )
    voxel = env.grid.voxel_of(population["position"])
    for name, substrate in sensed.items():
        if name in names:
            field = env[substrate].ravel()
            launch(_sample, population.n, voxel, field, names.index(name), population["inputs"])
    return pending


def _know_itself(i, basal, places, own, hits_scale, newborn_volume, inputs):
    """Basal values, then what contacts and the body tell."""
    row = inputs[i]
    for k in range(basal.size):
        row[k] = basal[k]
    _put(places.antigen, own.antigen_contact[i], row)
    _put(places.PDL1_contact, own.PDL1_contact[i], row)
    _put(places.B7_contact, own.B7_contact[i], row)
    _put(places.death_contact, own.death_contact[i], row)
    _put(places.crowding, own.crowding[i], row)
    _put(places.granzyme_hits, own.granzyme_hits[i] * hits_scale, row)
    _put(places.volume_ratio, own.volume[i] / newborn_volume[own.type[i]], row)
    _put(places.phase_age, own.phase_age[i] / HOUR, row)
    _put(places.phase_S, 1.0 if own.phase[i] == S else 0.0, row)
    _put(places.phase_G2M, 1.0 if own.phase[i] == G2M else 0.0, row)


@inline
def _put(place, value, row):
    if place >= 0:
        row[place] = value


def _sample(i, voxel, field, column, inputs):
    inputs[i, column] = field[voxel[i]]
