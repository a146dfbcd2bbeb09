"""What a tumor cell would do for 72 h, as it is and with one thing put back.

A roll-out steps the cell model for a cell alone, from its state, with its inputs held as they are
at the checkpoint. Net growth is the mean of growth_rate_net over the roll-out, in doublings per
day. Two kinds of input cannot be held as they are and are treated alike in every roll-out:

    body      a cell in G1 of the mean size and age of a growing population (the basal inputs): a
              phase or a size held for 72 h would be no cell's life
    hits      the lethal hits that the T cells now touching the cell would deliver on average; each
              of them engages what it touches by contact x antigen at its mean kill rate over a
              roll-out of its own. One chance hit held for 72 h would be certain death.

Put back are
    stromal ligand   every ligand that living cells other than tumor and T cells secrete more of
                     than all others do, to what vessels and walls supply, at most as it is
    <mutation>       wild type at this mutation; not at those that all tumor groups start with
    memory           the slow nodes, to the drug-free steady state of type and genotype
    low drug         every drug to its level in plasma or bath, at least as it is
    PD-L1            the T cells see none: their kill rates without it
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from surrogates.channels import (
    INPUTS,
    read_table,
)
from surrogates.contract import CellModel, Cells, Key
from surrogates.phenotype import net_growth_rate
from surrogates.trajectory import free_run
from tme_sim.model import tick
from tme_sim.model.tumor_model import TumorModel
from tme_sim.processes import contact
from tme_sim.processes.cell_list import CellList, Space
from tme_sim.processes.sensing import HITS_PER
from tme_sim.scenario.units import DAY, HOUR
from tme_sim.state.columns import ALIVE
from tme_sim.therapy import nominal_concentration

HOURS, STEP = 72.0, 24.0  # [min] a step; the network takes sweeps of 3 min whatever the step
N_STEPS = round(HOURS * HOUR / STEP)
STROMA, MEMORY, LOW_DRUG, PDL1 = "stromal ligand", "memory", "low drug", "PD-L1"
ACQUIRED, STANDING = "acquired", "pre-existing"
BODY = ("volume_ratio", "phase_S", "phase_G2M", "phase_age")
NOT_STROMA = ("tumor", "cd8_t")
SLOW = np.array([row["layer"] == "memory" for row in read_table("nodes")])
_HITS, _PDL1_SEEN = INPUTS.index("granzyme_hits"), INPUTS.index("PDL1_contact")


Change = Callable[[Cells, np.ndarray], Cells]
Limit = Callable[[np.ndarray, np.float32], np.ndarray]  # np.minimum or np.maximum


class Growth(NamedTuple):
    """Outcome of roll-outs, a value per cell."""

    net: np.ndarray  # [doublings/day]
    in_domain: np.ndarray  # share of the steps


class PutBack(NamedTuple):
    """One thing to put back."""

    name: str
    change: Change  # of the cells in these rows of the situation


@dataclass(frozen=True, eq=False)
class Situation:
    """The tumor cells of a tissue at one time, and all that can be put back."""

    ids: np.ndarray
    cells: Cells
    put_back: tuple[PutBack, ...]
    ligands: tuple[str, ...]  # substrates counted as stromal
    drugs: dict[str, float]  # level that plasma or bath supply, by substrate


def differs(cells: Cells, other: Cells) -> np.ndarray:
    """Which rows are not the same in another, bool (n,)."""
    found: np.ndarray = cells.genotype != other.genotype
    found |= (cells.state != other.state).any(axis=1)
    found |= (cells.inputs != other.inputs).any(axis=1)
    return found


def grow(cell_model: CellModel, cells: Cells) -> Growth:
    """Roll all cells out in one batch; a cell's answer does not depend on the others."""
    total, inside = np.zeros(len(cells)), np.zeros(len(cells))
    for decision in free_run(cell_model, cells, STEP, N_STEPS):
        total += net_growth_rate(decision.outputs)
        inside += decision.in_domain
    return Growth(DAY * total / N_STEPS, inside / N_STEPS)


def situation(model: TumorModel, rows: np.ndarray | None = None) -> Situation:
    """Living tumor cells of a model (or those in ``rows``), their inputs sensed anew."""
    tick.decide_now(model)
    rows = tumor_rows(model) if rows is None else np.asarray(rows)
    population = model.population
    now, without = expected_hits(model)
    cells = _cells(model, rows)
    for name in BODY:
        cells.inputs[:, INPUTS.index(name)] = model.coupling.basal[name]
    cells.inputs[:, _HITS] = now[rows]
    sensed, known = model.coupling.sensed, model.scenario.sensed_drugs
    drugs = {substrate: supplied(model, substrate) for i, substrate in sensed.items() if i in known}
    ligands = stromal_ligands(model)
    unfed = {name: _supply(model, name) for name in ligands}
    put_back = [PutBack(STROMA, _levels(unfed, model, np.minimum))]
    put_back += _mutations(model, population["genotype"][rows], population["clone"][rows])
    put_back += [
        PutBack(MEMORY, lambda cells, _: _forget(model.cell_model, cells)),
        PutBack(LOW_DRUG, _levels(drugs, model, np.maximum)),
        PutBack(PDL1, _hits(without[rows])),
    ]
    return Situation(population["id"][rows].copy(), cells, tuple(put_back), ligands, drugs)


def tumor_rows(model: TumorModel) -> np.ndarray:
    """Rows of the living tumor cells."""
    population = model.population
    return np.flatnonzero(
        (population["status"] == ALIVE) & model.cell_types.tumor[population["type"]]
    )


def everything(put_back: Sequence[PutBack]) -> PutBack:
    """All of them at once: genotype before memory, which depends on it."""

    def change(cells: Cells, rows: np.ndarray) -> Cells:
        return reduce(lambda changed, one: one.change(changed, rows), put_back, cells)

    return PutBack(" + ".join(one.name for one in put_back), change)


def supplied(model: TumorModel, substrate: str) -> float:
    """Highest level that vessels or walls supply; the initial one of a closed dish [unit]."""
    spec = model.scenario.substrates[substrate]
    level = _supply(model, substrate)
    closed = spec.permeability == 0.0 and not _wall_levels(spec)
    return max(level, spec.initial) if closed else level


def _supply(model: TumorModel, substrate: str) -> float:
    spec = model.scenario.substrates[substrate]
    level = spec.plasma if spec.permeability > 0.0 else 0.0
    if substrate in model.therapy.drugs:
        total = model.therapy.plasma()[substrate]
        level = nominal_concentration(total, model.therapy.drugs[substrate])
    return max([level, *_wall_levels(spec)])


def _wall_levels(spec: Any) -> list[float]:
    walls = (spec.boundary or {}).values()
    levels = [wall["bath"] if isinstance(wall, dict) else wall for wall in walls]
    return [float(level) for level in levels if not isinstance(level, str)]


def stromal_ligands(model: TumorModel) -> tuple[str, ...]:
    """Ligands of which stroma now secretes more than tumor and T cells together."""
    population = model.population
    names = model.cell_types.names
    network = [model.scenario.cell_types[name].network_type for name in names]
    stroma = np.array([kind not in NOT_STROMA for kind in network])[population["type"]]
    alive = population["status"] == ALIVE
    found = []
    for port in model.coupling.ports:
        spec = model.scenario.substrates[port.substrate]
        if port.secretion is None or spec.unit != "nM":
            continue
        secreted = model.outputs[port.secretion]
        if secreted[alive & stroma].sum() > secreted[alive & ~stroma].sum():
            found.append(port.substrate)
    return tuple(found)


def origins(model: TumorModel, clones: np.ndarray, genotype: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mutations of cells that the tumor did not all start with: pre-existing, and acquired.

    Acquired is what a clone that arose in the run added on the way to the cell; pre-existing is
    the rest: of standing clones, and what a group has that not every tumor group has.
    """
    added = []
    for clone in model.clones:
        if clone.parent < 0:
            added.append(0)
            continue
        fresh = clone.genotype & ~model.clones[clone.parent].genotype
        added.append(added[clone.parent] | (fresh if clone.time > 0.0 else 0))
    acquired = np.array([*added, 0], np.int64)[clones] & genotype  # -1: no clone
    groups = [
        model.scenario.genotype_bits(group.genotype)
        for group in model.scenario.cells.values()
        if model.cell_types.tumor[model.cell_types.code(group.type)]
    ]
    shared = reduce(int.__and__, groups) if groups else 0
    return genotype & ~acquired & ~shared, acquired


def expected_hits(model: TumorModel) -> tuple[np.ndarray, np.ndarray]:
    """Mean lethal hits per 6 min on every cell, as it is and if T cells saw no PD-L1.

    A T cell that is engaged stays with its target, another hits what it touches by what that shows.
    """
    population, outputs = model.population, model.outputs
    killers = np.flatnonzero((outputs["kill_rate"] > 0.0) & (population["status"] == ALIVE))
    if killers.size == 0:
        return np.zeros(population.n), np.zeros(population.n)
    cells = _cells(model, killers)
    blind = cells.inputs.copy()
    blind[:, _PDL1_SEEN] = 0.0
    rates = [_kill_rate(model, c) for c in (cells, replace(cells, inputs=blind))]
    antigen = outputs["MHC1"] * outputs["antigen"] * (population["status"] == ALIVE)
    space = Space(model.grid.size, model.grid.dim == 2, model.scenario.domain.walls)
    touching = CellList(space, population["radius"]).build(population["position"])

    def hits(rate: np.ndarray) -> np.ndarray:
        kill_rate = np.zeros(population.n)
        kill_rate[killers] = rate
        per_minute = contact.expected_hits(population, touching, antigen, kill_rate=kill_rate)
        return HITS_PER * per_minute

    return hits(rates[0]), hits(rates[1])


def _kill_rate(model: TumorModel, cells: Cells) -> np.ndarray:
    """Mean kill rate [1/min] over a roll-out."""
    column = [c.name for c in model.cell_model.outputs].index("kill_rate")
    total = np.zeros(len(cells))
    for decision in free_run(model.cell_model, cells, STEP, N_STEPS):
        total += decision.outputs[:, column]
    return total / N_STEPS


def _cells(model: TumorModel, rows: np.ndarray) -> Cells:
    population = model.population
    return Cells(
        population["nodes"][rows],
        population["inputs"][rows],
        population["genotype"][rows],
        model.cell_types.network[population["type"][rows]],
        key=Key(population["id"][rows], model.tick_index, model.seed),
    )


def _levels(levels: dict[str, float], model: TumorModel, limit: Limit) -> Change:
    names, substrates = list(model.coupling.basal), model.scenario.substrates
    columns = {names.index(str(substrates[s].input)): level for s, level in levels.items()}

    def change(cells: Cells, _rows: np.ndarray) -> Cells:
        inputs = cells.inputs.copy()
        for column, level in columns.items():
            inputs[:, column] = limit(inputs[:, column], np.float32(level))
        return replace(cells, inputs=inputs)

    return change


def _mutations(model: TumorModel, genotype: np.ndarray, clones: np.ndarray) -> list[PutBack]:
    found = zip((STANDING, ACQUIRED), origins(model, clones, genotype), strict=True)
    return [
        PutBack(f"{origin} {name}", _wild_type(carried & np.int32(1 << bit)))
        for origin, carried in found
        for bit, name in enumerate(model.scenario.genotypes)
        if (carried >> bit & 1).any()
    ]


def _wild_type(bits: np.ndarray) -> Change:
    def change(cells: Cells, rows: np.ndarray) -> Cells:
        return replace(cells, genotype=(cells.genotype & ~bits[rows]).astype(np.int32))

    return change


def _forget(cell_model: CellModel, cells: Cells) -> Cells:
    state = cells.state.copy()
    state[:, SLOW] = cell_model.initial_state(cells.cell_type, cells.genotype)[:, SLOW]
    return replace(cells, state=state)


def _hits(without: np.ndarray) -> Change:
    def change(cells: Cells, rows: np.ndarray) -> Cells:
        inputs = cells.inputs.copy()
        inputs[:, _HITS] = np.maximum(inputs[:, _HITS], without[rows])
        return replace(cells, inputs=inputs)

    return change


__all__ = [
    "ACQUIRED", "LOW_DRUG", "MEMORY", "PDL1", "STANDING", "STROMA", "Growth", "PutBack",
    "Situation", "differs", "everything", "expected_hits", "grow", "origins", "situation",
    "stromal_ligands", "supplied", "tumor_rows",
]  # fmt: skip
