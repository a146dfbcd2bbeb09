"""Apply what a tick decided about rows: deaths, births, mutations, arrivals, removals.

This is the only place where rows of the population change, and where the lineage is written.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tme_sim.model import newcomers
from tme_sim.processes import death, division, mutation
from tme_sim.processes.process import Arrivals, Mutant, Pending
from tme_sim.processes.volume import set_volumes
from tme_sim.state.columns import ALIVE

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel


def apply_pending(model: "TumorModel", pending: Pending) -> Pending:
    """Apply everything, in this order; returns what is left to tell: who was born and mutated."""
    pending = apply_deaths(model, pending)
    pending = apply_births(model, pending)
    for arrivals in pending.arriving:
        apply_arrivals(model, arrivals)
    apply_removals(model, pending)
    return pending


def apply_deaths(model: "TumorModel", pending: Pending) -> Pending:
    """Write down who died, and keep the dead from dividing."""
    rows = np.flatnonzero(pending.died)
    if not rows.size:
        return pending
    causes = [death.CAUSES[code] for code in model.population["death_cause"][rows]]
    record(model, rows, event="death", causes=causes)
    model.population["outputs"][rows] = model.coupling.silent
    return pending._replace(dividing=pending.dividing & ~pending.died)


def apply_births(model: "TumorModel", pending: Pending) -> Pending:
    """Divide, let the daughters mutate, and write down who was born in which clone."""
    population, env, coupling = model.population, model.env, model.coupling
    clock = model.clock
    pending = division.advance(population, env, pending, coupling=coupling, clock=clock)
    pending = mutation.advance(population, env, pending, coupling=coupling, clock=clock)
    for mutant in pending.mutants:
        _found_clone(model, mutant)
    record(model, pending.born, event="birth")
    return pending


def apply_arrivals(model: "TumorModel", arrivals: Arrivals) -> None:
    """Append the cells of one group that enter; they decide nothing before the next tick."""
    if arrivals.id.size == 0:
        return
    columns = newcomers.columns(model, arrivals.group, arrivals.id)
    columns |= {"birth_time": model.clock.end, "position": arrivals.position}
    rows = model.population.append(arrivals.id.size, **columns)
    set_volumes(model.population, rows, growth=model.cell_types.growth)
    model.population["outputs"][rows] = model.coupling.silent
    record(model, rows, event="arrival")


def apply_removals(model: "TumorModel", pending: Pending) -> None:
    """Take away the dead that are cleared, and the living that left through an open wall."""
    cleared = np.zeros(model.population.n, bool)
    cleared[: pending.cleared.size] = pending.cleared
    rows = np.flatnonzero(cleared)
    if not rows.size:
        return
    status = model.population["status"][rows]
    record(model, rows, event="cleared", causes=np.where(status == ALIVE, "left", "").tolist())
    model.population.keep(~cleared)


def record(
    model: "TumorModel",
    rows: slice | NDArray[np.int64],
    *,
    event: str,
    causes: list[str] | None = None,
) -> None:
    """Write rows of the lineage table: time, id, mother, event, cause, clone."""
    names = ("id", "mother", "clone")
    ids, mothers, clones = (model.population[name][rows].tolist() for name in names)
    model.lineage += [
        (model.clock.end, cell, mother, event, cause, clone)
        for cell, mother, cause, clone in zip(
            ids, mothers, causes or [""] * len(ids), clones, strict=True
        )
    ]


def _found_clone(model: "TumorModel", mutant: Mutant) -> None:
    """Give a mutant daughter a clone of its own."""
    row, population = mutant.row, model.population
    parent = int(population["clone"][row])
    origin = model.clones[parent].name if parent >= 0 else model.group_of(row)
    clone = model.clones.add(
        parent=parent,
        genotype=int(population["genotype"][row]),
        time=model.clock.end,
        name=f"{origin} + {model.scenario.genotypes[mutant.bit]}",
    )
    population["clone"][row] = clone.index
    model.events.append((model.clock.end, "mutation", clone.name))
