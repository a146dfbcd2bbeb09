"""Let touching cells see, kill and engulf each other."""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from collections.abc import Mapping

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, uniforms
from tme_sim.processes.neighbours import CONTACT_RANGE, RADIUS, CellList, segment
from tme_sim.state.columns import ALIVE, APOPTOTIC, DEBRIS, Population

READS = ("id", "type", "status")
WRITES = ("granzyme_hits", "target")

CONTACTS = (  # columns of the population, in the order of the sums over neighbours
    "antigen_contact",
    "PDL1_contact",
    "B7_contact",
    "death_contact",
    "n_contacts",
    "crowding",
)
_STREAM = int(Stream.CONTACT)
_TARGET, _HITS, _ENGULFED = range(3)  # draws of that stream


@nb.njit(error_model="numpy", forceinline=True)
def contact_weight(ratio):
    """Share of a full contact at a distance of `ratio` sums of radii: 1 up to 1, 0 from 1.25 on."""
    return min(max((CONTACT_RANGE - ratio) / (CONTACT_RANGE - 1.0), 0.0), 1.0)


def display(population: Population, outputs: Mapping[str, NDArray], b7: NDArray) -> NDArray:
    """What every cell shows its neighbours: antigen on MHC1, PDL1, B7 if it lives; that it is dead.

    A cell that has lysed or is dying in order can be engulfed, one that still swells cannot.
    """
    status = population["status"]
    alive = status == ALIVE
    shown = np.empty((population.n, 4), dtype=np.float32)
    shown[:, 0] = alive * outputs["MHC1"] * outputs["antigen"]
    shown[:, 1] = alive * outputs["PDL1"]
    shown[:, 2] = alive * b7[population["type"]]
    shown[:, 3] = (status == APOPTOTIC) | (status == DEBRIS)
    return shown


def hits(
    population: Population,
    cells: CellList,
    shown: NDArray[np.float32],
    *,
    kill_rate: NDArray[np.float32],
    dt: float,
    seed: int,
    tick: int,
) -> None:
    """Write the lethal hits that every cell received in this tick into column `granzyme_hits`.

    A living cell with a kill_rate [hits/min] engages one of the cells it touches, chosen in
    proportion to contact weight x antigen shown, and delivers Poisson(kill_rate x dt) hits. It
    stays with that cell (column `target`) until one of them dies or leaves, or no antigen is shown:
    hits kill together, within 50 minutes of each other (Weigelin 2021, 10.1038/s41467-021-25282-3).
    """
    killers = np.flatnonzero((kill_rate > 0.0) & (population["status"] == ALIVE))
    identity = population["id"][killers]
    chance = uniforms(seed, _STREAM, tick, identity, _TARGET)
    before = population["target"][killers]
    engaged = population.rows_of(before) if before.any() else None
    _, target = meet(cells, killers, np.ascontiguousarray(shown[:, 0]), chance, engaged)
    mean = kill_rate[killers] * float(dt)
    delivered = poisson_at(mean, uniforms(seed, _STREAM, tick, identity, _HITS))
    met = target >= 0
    population["target"][:] = 0
    population["target"][killers[met]] = population["id"][target[met]]
    received = np.bincount(target[met], weights=delivered[met], minlength=population.n)
    population["granzyme_hits"][:] = received


def engulfed(
    population: Population,
    cells: CellList,
    shown: NDArray[np.float32],
    *,
    phagocytosis_rate: NDArray[np.float32],
    dt: float,
    seed: int,
    tick: int,
) -> NDArray[np.bool_]:
    """Which dead cells a living neighbour engulfs in this tick.

    Hazards [1/min] of all phagocytes that touch it add up, each weighted by the contact.
    """
    appetite = np.where(population["status"] == ALIVE, phagocytosis_rate, 0.0).astype(np.float32)
    dead = np.flatnonzero(shown[:, 3] > 0.0)
    chance = uniforms(seed, _STREAM, tick, population["id"][dead], _ENGULFED)
    hazard, _ = meet(cells, dead, appetite, chance)
    eaten = np.zeros(population.n, dtype=bool)
    eaten[dead] = chance < -np.expm1(-hazard * dt)
    return eaten


def meet(
    cells: CellList,
    who: NDArray[np.int64],
    appeal: NDArray[np.float32],
    chance: NDArray[np.float64],
    engaged: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum of contact weight x appeal over the neighbours of some rows, and one of these neighbours.

    It is the row in `engaged` where that is such a neighbour, else the one at which the running sum
    passes `chance` (0-1) of the whole; -1 if the sum is 0.
    """
    engaged = np.full(who.size, -1) if engaged is None else engaged
    total, chosen = np.zeros(who.size), np.full(who.size, -1, dtype=np.int64)
    where = (*cells.bins, cells.rows, cells.start, cells.order, cells.slots, cells.slot_of())
    launch(_meet, who.size, who, *where, appeal, chance, engaged, total, chosen)
    return total, chosen


def poisson_at(mean: NDArray, chance: NDArray) -> NDArray[np.float64]:
    """Poisson numbers of the given means (a few at most) at a chance in (0, 1), by inversion."""
    probability = np.exp(-np.asarray(mean, dtype=float))
    number, passed = np.zeros(len(probability)), probability.copy()
    k = 0
    while ((passed < chance) & (probability > 0.0)).any():
        short = passed < chance
        number += short
        k += 1
        probability = probability * mean / k
        passed += probability
    return number


def _meet(
    k,
    who,
    counts,
    per_um,
    size,
    rows,
    start,
    order,
    slots,
    slot_of,
    appeal,
    chance,
    engaged,
    total,
    chosen,
):
    """One cell: sum the appeal of all it touches, then walk the same way to the one drawn."""
    slot = slot_of[who[k]]
    ahead = np.inf
    for turn in range(2):
        passed = 0.0
        for row in range(rows.shape[0]):
            low, high, x, y, z = segment(counts, per_um, size, start, rows, row, slots, slot)
            for step in range(high - low):
                other = np.uint64(low + step)
                j = order[other]
                if other == np.uint64(slot) or appeal[j] <= 0.0:
                    continue
                d_x, d_y, d_z = x - slots[other, 0], y - slots[other, 1], z - slots[other, 2]
                distance = np.sqrt(d_x * d_x + d_y * d_y + d_z * d_z)
                span = slots[slot, RADIUS] + slots[other, RADIUS]
                attraction = contact_weight(distance / span) * appeal[j]
                passed += attraction
                if chosen[k] < 0 and (passed > ahead or (j == engaged[k] and attraction > 0.0)):
                    chosen[k] = j
        if turn == 0:
            total[k] = passed
            ahead = passed * chance[k]
