"""The tick: the literal list of processes in their order.

    therapy      plasma of this tick, what the controllers decide
    fields       every substrate one implicit solve, with vessels, walls and the cells' capacities
    sensing      each cell's inputs
    signaling    one batched call of the cell model
    motion       walking and pushing in substeps to the tick's end; contacts counted in each
    contact      hits and engulfment
    cycle        phases and growth
    death        apoptosis and necrosis; decay of the dead
    arrival      cells that enter through vessels
    agents       the Python step of a user's own cell types
    apply        births, mutations, arrivals, removals: the only place where rows change
    exchange     capacities and clearances of all cells, for the next solve

The order is a promise: results depend on it.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tme_sim.agents.population_model import step_agents
from tme_sim.model.changes import apply_pending
from tme_sim.processes import (
    arrival,
    contact,
    cycle,
    death,
    diffusion,
    exchange,
    motion,
    sensing,
    signaling,
)
from tme_sim.processes.process import Clock, Pending, Process

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel

Step = Callable[["TumorModel", Pending], Pending]


def advance(model: "TumorModel") -> Pending:
    """Run every process of one tick, in order; the wall time of each is added to its timer."""
    pending = Pending.nothing(model.population.n)
    for name, step in PROCESSES.items():
        start = time.perf_counter()
        if model.is_on(name):
            pending = step(model, pending)
        model.timers[name] += time.perf_counter() - start
    return pending


def decide_now(model: "TumorModel") -> None:
    """Ask the cell model for the outputs of the present state, without advancing it."""
    pending = Pending.nothing(model.population.n)
    _run(sensing, model, pending, model.clock)
    _run(signaling, model, pending, model.clock._replace(dt=0.0))


def exchange_with_fields(model: "TumorModel") -> None:
    """Hand the cells' capacities to the field solver."""
    if model.is_on("exchange"):
        _run(exchange, model, Pending.nothing(model.population.n), model.clock)


def _of(process: Process) -> Step:
    """A process as a step of the model's tick."""
    return lambda model, pending: _run(process, model, pending, model.clock)


def _run(process: Process, model: "TumorModel", pending: Pending, clock: Clock) -> Pending:
    return process.advance(
        model.population, model.env, pending, coupling=model.coupling, clock=clock
    )


def _therapy(model: "TumorModel", pending: Pending) -> Pending:
    model.therapy.advance(model.time, model.dt, model.burden, model.healthy)
    model.events += model.therapy.events
    model.therapy.events.clear()
    return pending._replace(plasma=model.therapy.vessel_levels)


def _fields(model: "TumorModel", pending: Pending) -> Pending:
    pending = _run(diffusion, model, pending, model.clock)
    if pending.transport is not None:
        model.drug_balance.add(pending.transport)
    return pending


def _agents(model: "TumorModel", pending: Pending) -> Pending:
    population = model.population
    generation, ids = population.generation, population["id"].copy()
    step_agents(model)
    if population.generation == generation:
        return pending
    return pending.realigned(population.rows_of(ids), population.n)


PROCESSES: dict[str, Step] = {
    "therapy": _therapy,
    "fields": _fields,
    "sensing": _of(sensing),
    "signaling": _of(signaling),
    "motion": _of(motion),
    "contact": _of(contact),
    "cycle": _of(cycle),
    "death": _of(death),
    "arrival": _of(arrival),
    "agents": _agents,
    "apply": apply_pending,
    "exchange": _of(exchange),
}
