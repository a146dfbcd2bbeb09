"""Gather what each cell senses into the inputs of the cell model.

An input is, in this order: the local concentration of the substrate that stands for it (a drug's
times its potency, where the input is named after another one of its class), a contact
column averaged over the last tick, what the body tells the cell about itself, or the documented
basal value where the scenario has no such thing.
"""

# ruff: noqa: ANN001, ANN202, PLR0913 - kernels carry no annotations and take many columns

from collections.abc import Mapping

import numba as nb
import numpy as np

from tme_sim.compute.launch import launch
from tme_sim.fields import Microenvironment
from tme_sim.processes.voxels import voxels
from tme_sim.state.columns import G2M, Population, S

READS = ("position", "type", "volume", "phase", "phase_age", "contacts")
WRITES = ("inputs",)

CONTACTS = {  # input of the cell model: column that the contact process fills
    "antigen": "antigen_contact",
    "PDL1_contact": "PDL1_contact",
    "B7_contact": "B7_contact",
    "death_contact": "death_contact",
    "crowding": "crowding",
}
BODY = ("granzyme_hits", "volume_ratio", "phase_age", "phase_S", "phase_G2M")
MINUTES_PER_HOUR = 60.0
HITS_PER = 6.0  # [min] the input counts hits in this time, whatever the length of the tick


def sense(
    population: Population,
    env: Microenvironment,
    *,
    basal: Mapping[str, float],
    substrates: Mapping[str, str],
    potency: Mapping[str, float],
    reference_volume: np.ndarray,
    dt: float,
) -> None:
    """Write the column ``inputs`` (n_cells, n_inputs).

    Args:
        population: the cells.
        env: the substrates.
        basal: every input of the cell model in order, with its basal value.
        substrates: input name -> name of the substrate that stands for it.
        potency: substrate -> how much of its input one of it stands for; 1 where it is absent.
        reference_volume: volume of a newborn cell [um3] by type.
        dt: length of the tick [min].
    """
    inputs = population["inputs"]
    names = list(basal)
    places = [
        -1 if name in substrates or name not in names else names.index(name)
        for name in (*CONTACTS, *BODY)
    ]
    launch(
        _know_itself,
        population.n,
        np.fromiter(basal.values(), np.float32),
        np.array(places),
        *(population[column] for column in CONTACTS.values()),
        population["granzyme_hits"],
        HITS_PER / dt,
        population["volume"],
        np.asarray(reference_volume, float),
        population["type"],
        population["phase"],
        population["phase_age"],
        inputs,
    )
    voxel = voxels(population, env.grid)
    for name, substrate in substrates.items():
        if name in names:
            field = env[substrate].ravel()
            factor = np.float32(potency.get(substrate, 1.0))
            launch(_sample, population.n, voxel, field, factor, names.index(name), inputs)


def _know_itself(
    i, basal, place, antigen, checkpoint, costimulus, dead, crowding, hits, hits_scale,
    volume, reference_volume, cell_type, phase, phase_age, inputs,
):  # fmt: skip
    """Basal values, then what contacts and the body tell; ``place`` is -1 for no such input."""
    row = inputs[i]
    for k in range(basal.size):
        row[k] = basal[k]
    _put(place[0], antigen[i], row)
    _put(place[1], checkpoint[i], row)
    _put(place[2], costimulus[i], row)
    _put(place[3], dead[i], row)
    _put(place[4], crowding[i], row)
    _put(place[5], hits[i] * hits_scale, row)
    _put(place[6], volume[i] / reference_volume[cell_type[i]], row)
    _put(place[7], phase_age[i] / MINUTES_PER_HOUR, row)
    _put(place[8], 1.0 if phase[i] == S else 0.0, row)
    _put(place[9], 1.0 if phase[i] == G2M else 0.0, row)


@nb.njit(error_model="numpy", forceinline=True)
def _put(place, value, row):
    if place >= 0:
        row[place] = value


def _sample(i, voxel, field, factor, column, inputs):
    inputs[i, column] = factor * field[voxel[i]]
