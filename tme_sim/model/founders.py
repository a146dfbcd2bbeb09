"""Put the cells a scenario starts with in place: who, where, in which state and phase.

Network states start at the drug-free steady state of their type and genotype; phases, ages and
volumes at those of steady growth under the rates that the cell model gives in this tissue. Columns
that a table of cells gives are kept as they are.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tme_sim.compute.random import initial_id
from tme_sim.model import newcomers, tick
from tme_sim.processes import death, mutation
from tme_sim.processes.steady_growth import KNOWN, desynchronise
from tme_sim.processes.volume import radii, set_volumes
from tme_sim.scenario.mutations import own_mutations, scaled_rates
from tme_sim.scenario.placement import Placed, crowding, place_all
from tme_sim.state.columns import ALIVE

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel
    from tme_sim.scenario.tissue import CellGroup

Columns = Mapping[str, np.ndarray]  # what a table gives of the cells of a group

NO_LABEL = -1  # of the clone of a cell

SIZES = {  # volume per newborn's: what a cell of that size decides
    1.0: ("g1s_rate", "s_duration_factor", "growth_rate"),
    2.0: ("g2m_rate",),
}


def seed(model: "TumorModel") -> None:
    """Fill a new model with its cells and let the cell model decide for the first time."""
    tables = []
    groups = place_all(model.scenario)
    for index, (name, placed) in enumerate(groups.items()):
        rows = _add_group(model, index, name, placed)
        tables.append((rows, placed.columns))
    model.events += [(model.time, "scaled", text) for text in scaled_rates(model.scenario)]
    model.events += [(model.time, "own", text) for text in own_mutations(model.scenario)]
    model.events += [(model.time, "crowded", text) for text in crowding(groups)]
    _desynchronise(model, tables)
    for rows, columns in tables:
        _keep_given(model, rows, columns)
    tick.decide_now(model)
    tick.exchange_with_fields(model)


def _desynchronise(model: "TumorModel", tables: Sequence[tuple[slice, Columns]]) -> None:
    """Give all cells phases of steady growth; each rate is asked for at the size where it acts."""
    rows = slice(0, model.population.n)
    growth = model.cell_types.growth
    given = {name: np.full(model.population.n, np.nan) for name in KNOWN}
    for group, columns in tables:
        for name in given.keys() & columns.keys():
            given[name][group] = columns[name]
    rates: dict[str, np.ndarray] = {}
    for size, names in SIZES.items():
        set_volumes(model.population, rows, growth=growth, size=size)
        tick.decide_now(model)
        rates |= {name: model.outputs[name].copy() for name in names}
    desynchronise(
        model.population, rows, outputs=rates, growth=growth, seed=model.seed, given=given
    )


def _keep_given(model: "TumorModel", rows: slice, columns: Columns) -> None:
    """Write what a table gives once more, to the last bit, and what follows from it."""
    population = model.population
    for name, values in columns.items():
        if name != "clone":  # its labels have become clones
            population[name][rows] = values
    if "volume" in columns:
        population["radius"][rows] = radii(population["volume"][rows])
    status = population["status"][rows]
    dead = status != ALIVE
    if "death_volume" not in columns:
        population["death_volume"][rows][dead] = population["volume"][rows][dead]
    if "death_cause" not in columns:
        population["death_cause"][rows][dead] = death.CAUSE_OF[status[dead]]


def _add_group(model: "TumorModel", index: int, name: str, placed: Placed) -> slice:
    n = len(placed)
    if n == 0:
        newcomers.founder(model, name)
        return slice(0, 0)
    columns = newcomers.columns(model, index, initial_id(index, np.arange(n)))
    rows = model.population.append(n, **columns, position=placed.position)
    for column, values in placed.columns.items():
        if column != "clone":
            model.population[column][rows] = values
    if placed.columns.keys() & {"clone", "genotype"}:
        _found_clones(model, rows, name, placed.columns.get("clone", np.full(n, NO_LABEL)))
    _add_standing_clones(model, rows, name, model.scenario.cells[name])
    return rows


def _found_clones(model: "TumorModel", rows: slice, name: str, labels: np.ndarray) -> None:
    """Clones and network states of the genotypes and clone labels of a table."""
    population = model.population
    genotype = population["genotype"][rows]
    kind = model.cell_types.network[population["type"][rows]]
    population["nodes"][rows] = model.cell_model.initial_state(kind, genotype)
    founder = newcomers.founder(model, name)
    if founder == newcomers.NO_CLONE:
        return
    usual = model.clones[founder].genotype
    for label, bits in np.unique(np.column_stack([labels, genotype]).astype(int), axis=0).tolist():
        if label == NO_LABEL and bits == usual:
            continue  # the group's own clone
        mutations = [m for k, m in enumerate(model.scenario.genotypes) if bits >> k & 1]
        words = [name if label == NO_LABEL else f"{name} {label}"]
        words += mutations if bits != usual else []
        parent = founder if label == NO_LABEL else -1
        clone = model.clones.add(parent=parent, genotype=bits, time=0.0, name=" + ".join(words))
        population["clone"][rows][(labels == label) & (genotype == bits)] = clone.index


def _add_standing_clones(model: "TumorModel", rows: slice, name: str, group: "CellGroup") -> None:
    """Mutants that the tumor behind the patch had before the run, thinned to the patch."""
    if group.represents is None:
        return
    population = model.population
    for gene, spec in model.scenario.evolution.items():
        bit = model.scenario.genotypes.index(gene)
        number = mutation.standing_clones(
            population["id"][rows],
            represents=group.represents,
            rate=spec.rate,
            bit=bit,
            seed=model.seed,
        )
        number[population["clone"][rows] != newcomers.founder(model, name)] = -1
        for k in np.unique(number[number >= 0]):
            clone = model.clones.add(
                parent=newcomers.founder(model, name),
                genotype=model.scenario.genotype_bits(group.genotype) | 1 << bit,
                time=0.0,
                name=f"{name} + {gene}",
            )
            mutants = rows.start + np.flatnonzero(number == k)
            population["clone"][mutants] = clone.index
            population["genotype"][mutants] = clone.genotype
            kind = model.cell_types.network[population["type"][mutants]]
            population["nodes"][mutants] = model.cell_model.initial_state(
                kind, population["genotype"][mutants]
            )
