"""Let cells enter the tissue through endothelium.

A supply of cells reaches the tissue's living vessels in equal parts; of each part the endothelium
lets in the share extravasation_rate / (its upper limit), as the cell model decides.
"""

from typing import NamedTuple

import numpy as np

from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, arrival_id, directions, poisson
from tme_sim.processes.turnover import inside
from tme_sim.scenario.scenario import Domain
from tme_sim.state.columns import Population

READS = ("id", "position", "radius", "outputs")
WRITES = ()
_ARRIVAL = int(Stream.ARRIVAL)
_PER_GROUP = 1 << 12  # draws, and arrivals of one group at one vessel in one tick


class Arrivals(NamedTuple):
    """Cells about to enter: their ids, where, and the row of the vessel of each."""

    id: np.ndarray
    position: np.ndarray
    vessel: np.ndarray


class Supply(NamedTuple):
    """Cells of one scenario group that reach the tissue."""

    group: int
    expected: float  # cells in this tick, all vessels together
    radius: float  # [um]


def arrive(
    population: Population,
    *,
    supply: Supply,
    vessels: np.ndarray,
    openness: np.ndarray,
    domain: Domain,
    seed: int,
    tick: int,
) -> Arrivals:
    """Draw who enters in this tick, at the surface of which vessel.

    Args:
        population: the cells.
        supply: who comes.
        vessels: rows of the living endothelial cells.
        openness: share of the arriving cells that each vessel lets in, 0 to 1.
        domain: box that holds them; in 2D cells appear in its plane.
        seed: seed of the run.
        tick: index of the tick.
    """
    vessel_id = population["id"][vessels]
    first = supply.group * _PER_GROUP
    means = supply.expected / max(len(vessels), 1) * np.asarray(openness, dtype=float)
    counts = np.zeros(len(vessels), dtype=np.int64)
    launch(_draw, len(vessels), vessel_id, means, seed, tick, first, counts)
    vessel = np.repeat(vessels, counts)
    ordinal = np.arange(vessel.size) - np.repeat(np.cumsum(counts) - counts, counts)
    ids = arrival_id(population["id"][vessel], tick, first + ordinal)
    distance = population["radius"][vessel] + supply.radius
    out = directions(seed, Stream.ARRIVAL, tick, ids, dim=domain.dim)
    position = population["position"][vessel] + distance[:, None] * out
    return Arrivals(ids, inside(position, domain), vessel)


def _draw(i, vessel_id, mean, seed, tick, first, count):  # noqa: ANN001, ANN202
    """How many enter at one vessel."""
    count[i] = poisson(mean[i], seed, _ARRIVAL, tick, vessel_id[i], first)
