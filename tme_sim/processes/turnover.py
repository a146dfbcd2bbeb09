"""Apply births, arrivals and removals: the only place where rows change.

At a division the mother keeps its id and row, the daughter is appended. Both halves are equal, so
the sum of every amount is what it was, to the bit; the noise of inheritance moves network state
from one to the other and conserves the sum as well.
"""

import numpy as np

from tme_sim.compute.random import Stream, daughter_id, directions, normals
from tme_sim.processes.volume import radii
from tme_sim.scenario.scenario import Domain
from tme_sim.state.columns import Population

READS = ("id", "clone", "death_cause")
WRITES = ("every column",)
AMOUNTS = ("volume", "fluid_volume", "nuclear_volume")
_APART = 0.5  # offset of each daughter from the mother's centre, in radii of the mother

Row = tuple[float, int, int, str, str, int]  # of the lineage: time, id, mother, event, cause, clone


def divide(
    population: Population,
    dividing: np.ndarray,
    *,
    noise: np.ndarray,
    domain: Domain,
    time: float,
    seed: int,
    tick: int,
) -> slice:
    """Split the dividing cells, apart along a random axis; returns the rows of the daughters.

    Args:
        population: the cells.
        dividing: mask of the mothers.
        noise: standard deviation of log node values between mother and daughter, by cell type.
        domain: box that holds them; in 2D the axis lies in the plane.
        time: end of the tick [min].
        seed: seed of the run.
        tick: index of the tick.
    """
    mothers = np.flatnonzero(dividing)
    if mothers.size == 0:
        return slice(population.n, population.n)
    population["n_divisions"][mothers] += 1
    offset = _offsets(population, mothers, dim=domain.dim, seed=seed, tick=tick)
    for name in AMOUNTS:
        population[name][mothers] *= np.float32(0.5)
    population["radius"][mothers] = radii(population["volume"][mothers])
    rows = population.append(
        mothers.size, **{name: population[name][mothers] for name in population.columns}
    )
    ids = population["id"][mothers]
    population["id"][rows] = daughter_id(ids, population["n_divisions"][mothers])
    population["mother"][rows] = ids
    population["birth_time"][rows] = time
    population["n_divisions"][rows] = 0
    _share(population, mothers, rows, noise=noise, seed=seed, tick=tick)
    centre = population["position"][mothers]
    population["position"][mothers] = inside(centre - offset, domain)
    population["position"][rows] = inside(centre + offset, domain)
    return rows


def inside(position: np.ndarray, domain: Domain) -> np.ndarray:
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


def enter(population: Population, n: int, **values: object) -> slice:
    """Append ``n`` cells that come from outside; see ``Population.append``."""
    return population.append(n, **values)


def remove(population: Population, cleared: np.ndarray) -> None:
    """Take away cells; the others keep their order."""
    population.keep(~cleared)


def lineage(
    population: Population,
    rows: slice | np.ndarray,
    *,
    time: float,
    event: str,
    cause: str | list[str] = "",
) -> list[Row]:
    """Rows of the lineage table; ``cause`` is one word for all, or one word each."""
    ids, mothers, clones = (population[name][rows].tolist() for name in ("id", "mother", "clone"))
    causes = [cause] * len(ids) if isinstance(cause, str) else cause
    return [
        (time, cell, mother, event, why, clone)
        for cell, mother, why, clone in zip(ids, mothers, causes, clones, strict=True)
    ]


def _offsets(
    population: Population, mothers: np.ndarray, *, dim: int, seed: int, tick: int
) -> np.ndarray:
    axis = directions(seed, Stream.DIVISION_AXIS, tick, population["id"][mothers], dim=dim)
    return _APART * population["radius"][mothers, None] * axis


def _share(
    population: Population,
    mothers: np.ndarray,
    rows: slice,
    *,
    noise: np.ndarray,
    seed: int,
    tick: int,
) -> None:
    """Give the halves unequal shares of the network state, within [0, 1] and conserving the sum."""
    nodes = population["nodes"][mothers].astype(float)
    draw = np.arange(nodes.shape[1])
    ids = population["id"][mothers][:, None]
    spread = noise[population["type"][mothers], None]
    excess = nodes * np.tanh(spread * normals(seed, Stream.INHERITANCE, tick, ids, draw))
    room = np.clip(np.minimum(nodes, 1.0 - nodes), 0.0, None)
    excess = np.clip(excess, -room, room)
    population["nodes"][mothers] = nodes + excess
    population["nodes"][rows] = nodes - excess
