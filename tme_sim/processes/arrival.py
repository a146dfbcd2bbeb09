"""Let cells enter the tissue through endothelium.

A supply of cells reaches the tissue's living vessels in equal parts; of each part the endothelium
lets in the share extravasation_rate / (its upper limit), as the cell model decides.
"""

# ruff: noqa: ANN001, ANN202 - kernels carry no annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, arrival_id, directions, poisson
from tme_sim.fields import Microenvironment
from tme_sim.processes.division import inside
from tme_sim.processes.process import Arrivals, Clock, Pending
from tme_sim.scenario.scenario import Domain
from tme_sim.state.columns import ALIVE, Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling, Supply

READS = ("id", "type", "status", "position", "radius", "outputs")
WRITES = ()
_ARRIVAL = int(Stream.ARRIVAL)
_PER_GROUP = 1 << 12  # draws, and arrivals of one group at one vessel in one tick


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Note who enters in this tick, at the surface of which vessel."""
    if not coupling.supplies:
        return pending
    is_vessel = coupling.cell_types.vessel_surface[population["type"]] > 0.0
    vessels = np.flatnonzero((population["status"] == ALIVE) & is_vessel)
    rate = coupling.outputs(population)["extravasation_rate"][vessels]
    openness = rate / coupling.output_high["extravasation_rate"]
    arriving = (
        arrivals(population, supply, vessels, openness, domain=coupling.domain, clock=clock)
        for supply in coupling.supplies
    )
    return pending._replace(arriving=tuple(arriving))


def arrivals(
    population: Population,
    supply: "Supply",
    vessels: NDArray[np.int64],
    openness: NDArray[np.floating],
    *,
    domain: Domain,
    clock: Clock,
) -> Arrivals:
    """Draw who of one group enters.

    Args:
        population: the cells.
        supply: who comes.
        vessels: rows of the living endothelial cells.
        openness: share of the arriving cells that each vessel lets in, 0 to 1.
        domain: box that holds them; in 2D cells appear in its plane.
        clock: the tick.
    """
    vessel_id = population["id"][vessels]
    first = supply.group * _PER_GROUP
    expected = supply.rate * clock.dt
    means = expected / max(len(vessels), 1) * np.asarray(openness, dtype=float)
    counts = np.zeros(len(vessels), dtype=np.int64)
    launch(_draw, len(vessels), vessel_id, means, clock.seed, clock.tick, first, counts)
    vessel = np.repeat(vessels, counts)
    ordinal = np.arange(vessel.size) - np.repeat(np.cumsum(counts) - counts, counts)
    ids = arrival_id(population["id"][vessel], clock.tick, first + ordinal)
    distance = population["radius"][vessel] + supply.radius
    out = directions(clock.seed, Stream.ARRIVAL, clock.tick, ids, dim=domain.dim)
    position = population["position"][vessel] + distance[:, None] * out
    return Arrivals(supply.group, ids, inside(position, domain), vessel)


def _draw(i, vessel_id, mean, seed, tick, first, count):
    """How many enter at one vessel."""
    count[i] = poisson(mean[i], seed, _ARRIVAL, tick, vessel_id[i], first)
