"""Divide cells: the mother keeps its id and row, the daughter is appended.

Both halves are equal, so the sum of every amount is what it was, to the bit; the noise of
inheritance moves network state from one to the other and conserves the sum as well.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.elementary import tanh
from tme_sim.compute.random import Stream, daughter_id, directions, normals
from tme_sim.fields import Microenvironment
from tme_sim.processes.process import Clock, Pending
from tme_sim.processes.volume import radii
from tme_sim.scenario.scenario import Domain
from tme_sim.state.columns import COLUMNS, MODEL_COLUMNS, Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

AMOUNTS = ("volume", "fluid_volume", "nuclear_volume")
OWN = ("id", "mother", "birth_time", "n_divisions")  # what a daughter does not copy
READS = (
    *("id", "n_divisions"),
    *(column.name for column in COLUMNS if column.name not in OWN),
    *MODEL_COLUMNS,
)
WRITES = (*AMOUNTS, "radius", "n_divisions", "nodes", "position")  # of mothers
_OFFSET = 0.5  # of each daughter from the mother's centre, in radii of the mother


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Split the dividing cells, apart along a random axis; notes the rows of the daughters.

    In 2D the axis lies in the plane. Rows are appended: of all processes, only here.
    """
    mothers = np.flatnonzero(pending.dividing)
    if mothers.size == 0:
        return pending._replace(born=slice(population.n, population.n))
    population["n_divisions"][mothers] += 1
    domain = coupling.domain
    offset = _offsets(population, mothers, dim=domain.dim, clock=clock)
    for name in AMOUNTS:
        population[name][mothers] *= np.float32(0.5)
    population["radius"][mothers] = radii(population["volume"][mothers])
    ids = population["id"][mothers]
    rows = population.append(
        mothers.size,
        **{name: population[name][mothers] for name in population if name not in OWN},
        id=daughter_id(ids, population["n_divisions"][mothers]),
        mother=ids,
        birth_time=clock.end,
    )
    _share_nodes(
        population, mothers, rows, noise=coupling.cell_types.inheritance_noise, clock=clock
    )
    centre = population["position"][mothers]
    population["position"][mothers] = inside(centre - offset, domain)
    population["position"][rows] = inside(centre + offset, domain)
    return pending._replace(born=rows)


def inside(position: NDArray[np.float64], domain: Domain) -> NDArray[np.float64]:
    """Positions (n, 3) [um] of cells that are new, held in the domain.

    Through ``periodic`` walls they come in at the other side; at others they stay at the wall, from
    where they may leave later through ``open`` ones.
    """
    held = position.copy()
    for axis, length in enumerate(domain.size):
        if domain.walls == "periodic":
            held[:, axis] %= length
            held[held[:, axis] >= length, axis] = 0.0  # what is left of a tiny negative number
        else:
            np.clip(held[:, axis], 0.0, length, out=held[:, axis])
    return held


def _offsets(
    population: Population, mothers: NDArray[np.int64], *, dim: int, clock: Clock
) -> NDArray[np.float64]:
    key = clock.seed, Stream.DIVISION_AXIS, clock.tick
    axis = directions(*key, population["id"][mothers], dim=dim)
    offset: NDArray[np.float64] = _OFFSET * population["radius"][mothers, None] * axis
    return offset


def _share_nodes(
    population: Population,
    mothers: NDArray[np.int64],
    rows: slice,
    *,
    noise: NDArray[np.float64],
    clock: Clock,
) -> None:
    """Give the halves unequal shares of the network state, within [0, 1] and conserving the sum.

    ``noise`` is the standard deviation of log node values between mother and daughter, by type.
    """
    nodes = population["nodes"][mothers].astype(float)
    draw = np.arange(nodes.shape[1])
    ids = population["id"][mothers][:, None]
    spread = noise[population["type"][mothers], None]
    key = clock.seed, Stream.INHERITANCE, clock.tick
    excess = nodes * tanh(spread * normals(*key, ids, draw))
    room = np.clip(np.minimum(nodes, 1.0 - nodes), 0.0, None)
    excess = np.clip(excess, -room, room)
    population["nodes"][mothers] = nodes + excess
    population["nodes"][rows] = nodes - excess
