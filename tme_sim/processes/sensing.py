"""Gather what each cell senses into the inputs of the cell model.

An input is, in this order: the local concentration of the substrate that stands for it, a contact
column averaged over the last tick, what the body tells the cell about itself, or the documented
basal value where the scenario has no such thing.
"""

from collections.abc import Mapping

import numpy as np

from tme_sim.fields import Microenvironment
from tme_sim.state.columns import Population

READS = ("position", "type", "volume", "phase", "phase_age", "contacts")
WRITES = ("inputs",)

CONTACTS = {  # input of the cell model: column that the contact process fills
    "antigen": "antigen_contact",
    "PDL1_contact": "PDL1_contact",
    "B7_contact": "B7_contact",
    "death_contact": "death_contact",
    "crowding": "crowding",
}
PHASES = {"phase_S": 1, "phase_G2M": 2}
MINUTES_PER_HOUR = 60.0
HITS_PER = 6.0  # [min] the input counts hits in this time, whatever the length of the tick


def sense(
    population: Population,
    env: Microenvironment,
    *,
    basal: Mapping[str, float],
    substrates: Mapping[str, str],
    reference_volume: np.ndarray,
    dt: float,
) -> None:
    """Write the column ``inputs`` (n_cells, n_inputs).

    Args:
        population: the cells.
        env: the substrates.
        basal: every input of the cell model in order, with its basal value.
        substrates: input name -> name of the substrate that stands for it.
        reference_volume: volume of a newborn cell [um3] by type.
        dt: length of the tick [min].
    """
    voxel = env.grid.voxel_of(population["position"])
    inputs = population["inputs"]
    body = _body(population, reference_volume)
    body["granzyme_hits"] = population["granzyme_hits"] * (HITS_PER / dt)
    for column, (name, value) in enumerate(basal.items()):
        if name in substrates:
            inputs[:, column] = env[substrates[name]].ravel()[voxel]
        elif name in CONTACTS:
            inputs[:, column] = population[CONTACTS[name]]
        elif name in body:
            inputs[:, column] = body[name]
        else:
            inputs[:, column] = value


def _body(population: Population, reference_volume: np.ndarray) -> dict[str, np.ndarray]:
    phase = population["phase"]
    return {
        "volume_ratio": population["volume"] / reference_volume[population["type"]],
        "phase_age": population["phase_age"] / MINUTES_PER_HOUR,
        **{name: phase == code for name, code in PHASES.items()},
    }
