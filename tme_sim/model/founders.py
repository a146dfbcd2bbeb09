"""Put the cells a scenario starts with in place: who, where, in which state and phase.

Network states start at the drug-free steady state of their type and genotype; phases, ages and
volumes at those of steady growth under the rates that the cell model gives in this tissue.
"""

from typing import TYPE_CHECKING

import numpy as np

from tme_sim.compute.random import initial_id
from tme_sim.model import newcomers, tick
from tme_sim.processes import cycle, mutation
from tme_sim.scenario.mutations import own_mutations, scaled_rates
from tme_sim.scenario.placement import Placed, place_all

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel
    from tme_sim.scenario.tissue import CellGroup

SIZES = {  # volume per newborn's: what a cell of that size decides
    1.0: ("g1s_rate", "s_duration_factor", "growth_rate"),
    2.0: ("g2m_rate",),
}


def seed(model: "TumorModel") -> None:
    """Fill a new model with its cells and let the cell model decide for the first time."""
    for index, (name, placed) in enumerate(place_all(model.scenario).items()):
        _add_group(model, index, name, placed)
    model.events += [(model.time, "scaled", text) for text in scaled_rates(model.scenario)]
    model.events += [(model.time, "own", text) for text in own_mutations(model.scenario)]
    _desynchronise(model)
    tick.decide_now(model)
    tick.exchange_with_fields(model)


def _desynchronise(model: "TumorModel") -> None:
    """Give all cells phases of steady growth; each rate is asked for at the size where it acts."""
    rows = slice(0, model.population.n)
    growth = model.bodies.growth
    rates = {}
    for size, names in SIZES.items():
        cycle.set_volumes(model.population, rows, growth=growth, size=size)
        tick.decide_now(model)
        rates |= {name: model.outputs[name].copy() for name in names}
    cycle.desynchronise(model.population, rows, outputs=rates, growth=growth, seed=model.seed)


def _add_group(model: "TumorModel", index: int, name: str, placed: Placed) -> None:
    n = len(placed)
    if n == 0:
        newcomers.founder(model, name)
        return
    columns = newcomers.columns(model, index, initial_id(index, np.arange(n)))
    rows = model.population.append(n, **columns, position=placed.position)
    for column, values in placed.columns.items():
        model.population[column][rows] = values
    _add_standing_clones(model, rows, name, model.scenario.cells[name])


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
            kind = model.bodies.network[population["type"][mutants]]
            population["nodes"][mutants] = model.cell_model.initial_state(
                kind, population["genotype"][mutants]
            )
