"""Let touching cells see, kill and engulf each other."""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.compiling import inline
from tme_sim.compute.elementary import expm1
from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, poisson, uniforms
from tme_sim.fields import Microenvironment
from tme_sim.processes.cell_list import CONTACT_RANGE, RADIUS, CellList, segment
from tme_sim.processes.process import Clock, Mask, Motion, Outputs, Pending
from tme_sim.state.columns import ALIVE, APOPTOTIC, DEBRIS, Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

READS = ("id", "status", "target", "outputs")
WRITES = ("granzyme_hits", "target")

CONTACTS = (  # columns of the population, in the order of the sums over neighbours
    "antigen_contact",
    "PDL1_contact",
    "B7_contact",
    "death_contact",
    "n_contacts",
    "crowding",
)
ANTIGEN, PDL1, B7, DEAD = range(4)  # columns of what cells show
_STREAM = int(Stream.CONTACT)
_TARGET, _HITS, _ENGULFED = range(3)  # draws of that stream


class Met(NamedTuple):
    """What cells find among those they touch."""

    appeal: NDArray[np.float64]  # sum of contact weight x appeal
    chosen: NDArray[np.int64]  # row of one of them, -1 if the sum is 0


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Write who was hit how often and who is engaged with whom; notes which dead are engulfed."""
    outputs = coupling.outputs(population)
    moved = pending.motion
    if moved is None:
        msg = "contact needs the cell list that motion leaves"
        raise ValueError(msg)
    hit(population, moved, kill_rate=outputs["kill_rate"], clock=clock)
    appetite = outputs["phagocytosis_rate"]
    gone = engulfed(population, moved, phagocytosis_rate=appetite, clock=clock)
    return pending._replace(cleared=pending.cleared | gone)


@inline
def contact_weight(ratio):
    """Share of a full contact at a distance of `ratio` sums of radii: 1 up to 1, 0 from 1.25 on."""
    return min(max((CONTACT_RANGE - ratio) / (CONTACT_RANGE - 1.0), 0.0), 1.0)


def display(
    population: Population, outputs: Outputs, b7: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What every cell shows its neighbours (n_cells, 4): the columns ANTIGEN, PDL1, B7 and DEAD.

    Antigen on MHC1, PD-L1 and B7 if it lives; else that it is dead. A cell that has lysed or is
    dying in order can be engulfed, one that still swells cannot.
    """
    status = population["status"]
    alive = status == ALIVE
    shown = np.empty((population.n, 4), dtype=np.float32)
    shown[:, ANTIGEN] = alive * outputs["MHC1"] * outputs["antigen"]
    shown[:, PDL1] = alive * outputs["PDL1"]
    shown[:, B7] = alive * b7[population["type"]]
    shown[:, DEAD] = (status == APOPTOTIC) | (status == DEBRIS)
    return shown


def hit(
    population: Population, moved: Motion, *, kill_rate: NDArray[np.float32], clock: Clock
) -> None:
    """Write the lethal hits that every cell received in this tick into column `granzyme_hits`.

    A living cell with a kill_rate [hits/min] engages one of the cells it touches, chosen in
    proportion to contact weight x antigen shown, and delivers Poisson(kill_rate x dt) hits. It
    stays with that cell (column `target`) until one of them dies or leaves, or no antigen is shown:
    hits kill together, within 50 minutes of each other (Weigelin 2021, 10.1038/s41467-021-25282-3).
    """
    killers = _killers(population, kill_rate)
    identity = population["id"][killers]
    chance = uniforms(clock.seed, _STREAM, clock.tick, identity, _TARGET)
    antigen = np.ascontiguousarray(moved.shown[:, ANTIGEN])
    target = meet(moved.cells, killers, antigen, chance, _engaged(population, killers)).chosen
    delivered = np.empty(killers.size)
    mean = kill_rate[killers] * float(clock.dt)
    launch(_deliver, killers.size, mean, clock.seed, clock.tick, identity, delivered)
    met = target >= 0
    population["target"][:] = 0
    population["target"][killers[met]] = population["id"][target[met]]
    received = np.bincount(target[met], weights=delivered[met], minlength=population.n)
    population["granzyme_hits"][:] = received


def expected_hits(
    population: Population,
    cells: CellList,
    antigen: NDArray[np.floating],
    *,
    kill_rate: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Mean lethal hits per minute on every cell (n_cells,), by the rule of ``hit``.

    Who is engaged stays with its target, another hits all it touches by what they show.
    """
    killers = _killers(population, kill_rate)
    engaged = _engaged(population, killers)
    total, chosen = meet(cells, killers, antigen, np.full(killers.size, 0.5), engaged)
    stays = (chosen == engaged) & (engaged >= 0)
    weights = kill_rate[killers[stays]].astype(np.float64)
    on_target = np.bincount(chosen[stays], weights, population.n).astype(np.float64)
    free = ~stays & (total > 0.0)
    per_appeal = np.zeros(population.n)
    per_appeal[killers[free]] = kill_rate[killers[free]] / total[free]
    rows = np.arange(population.n)
    spread, _ = meet(cells, rows, per_appeal, np.full(population.n, 0.5))
    hits: NDArray[np.float64] = on_target + spread * antigen
    return hits


def engulfed(
    population: Population, moved: Motion, *, phagocytosis_rate: NDArray[np.float32], clock: Clock
) -> Mask:
    """Which dead cells a living neighbour engulfs in this tick.

    Hazards [1/min] of all phagocytes that touch it add up, each weighted by the contact.
    """
    appetite = np.where(population["status"] == ALIVE, phagocytosis_rate, 0.0).astype(np.float32)
    dead = np.flatnonzero(moved.shown[:, DEAD] > 0.0)
    chance = uniforms(clock.seed, _STREAM, clock.tick, population["id"][dead], _ENGULFED)
    hazard, _ = meet(moved.cells, dead, appetite, chance)
    eaten = np.zeros(population.n, dtype=bool)
    eaten[dead] = chance < -expm1(-hazard * clock.dt)
    return eaten


def meet(
    cells: CellList,
    who: NDArray[np.int64],
    appeal: NDArray[np.floating],
    chance: NDArray[np.float64],
    engaged: NDArray[np.int64] | None = None,
) -> Met:
    """Sum of contact weight x appeal over the neighbours of some rows, and one of these neighbours.

    It is the row in `engaged` where that is such a neighbour, else the one at which the running sum
    passes `chance` (0-1) of the whole.
    """
    engaged = np.full(who.size, -1) if engaged is None else engaged
    met = Met(np.zeros(who.size), np.full(who.size, -1, dtype=np.int64))
    where = (cells.bins, cells.slots, cells.rows, cells.slot_of())
    launch(_meet, who.size, who, *where, appeal, chance, engaged, met)
    return met


def _killers(population: Population, kill_rate: NDArray[np.floating]) -> NDArray[np.int64]:
    return np.flatnonzero((kill_rate > 0.0) & (population["status"] == ALIVE))


def _engaged(population: Population, killers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the cells they are engaged with, -1 where there is none."""
    target = population["target"][killers]
    return population.rows_of(target) if target.any() else np.full(killers.size, -1)


def _deliver(k, mean, seed, tick, identity, delivered):
    """Hits of one killer."""
    delivered[k] = poisson(mean[k], seed, _STREAM, tick, identity[k], _HITS)


def _meet(k, who, bins, cells, rows, slot_of, appeal, chance, engaged, met):
    """One cell: sum the appeal of all it touches, then walk the same way to the one drawn."""
    slot, place = slot_of[who[k]], cells.place
    ahead = np.inf
    for turn in range(2):
        passed = 0.0
        for row in range(rows.shape[0]):
            low, high, x, y, z = segment(bins, cells, rows, row, slot)
            for step in range(high - low):
                other = np.uint64(low + step)
                j = cells.order[other]
                if other == np.uint64(slot) or appeal[j] <= 0.0:
                    continue
                d_x, d_y, d_z = x - place[other, 0], y - place[other, 1], z - place[other, 2]
                distance = np.sqrt(d_x * d_x + d_y * d_y + d_z * d_z)
                span = place[slot, RADIUS] + place[other, RADIUS]
                attraction = contact_weight(distance / span) * appeal[j]
                passed += attraction
                drawn = passed > ahead or (j == engaged[k] and attraction > 0.0)
                if met.chosen[k] < 0 and drawn:
                    met.chosen[k] = j
        if turn == 0:
            met.appeal[k] = passed
            ahead = passed * chance[k]
