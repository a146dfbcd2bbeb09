"""The tick: the literal list of processes in their order, and what each is handed.

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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tme_sim.agents import census
from tme_sim.model import newcomers
from tme_sim.processes import (
    arrival,
    contact,
    cycle,
    death,
    exchange,
    motility,
    motion,
    mutation,
    sensing,
    signaling,
    turnover,
)
from tme_sim.state.columns import ALIVE

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel


@dataclass
class Queue:
    """What the processes of a tick decided about rows, until it is applied."""

    moved: motion.MotionReport | None = None
    dividing: np.ndarray | None = None
    died: np.ndarray | None = None
    cleared: np.ndarray | None = None
    arriving: list[tuple[int, arrival.Arrivals]] = field(default_factory=list)

    def realign(self, rows: np.ndarray, n: int) -> None:
        """Follow cells to their new ``rows`` (-1: gone) of ``n``, after user code changed rows."""
        for name in ("dividing", "died", "cleared"):
            mask = getattr(self, name)
            if mask is not None:
                moved = np.zeros(n, bool)
                moved[rows[mask & (rows >= 0)]] = True
                setattr(self, name, moved)


def advance(model: "TumorModel") -> None:
    """Run every process of one tick, in order; the wall time of each is added to its timer."""
    queue = Queue()
    for name, process in PROCESSES.items():
        start = time.perf_counter()
        process(model, queue)
        model.timers[name] += time.perf_counter() - start


def decide_now(model: "TumorModel") -> None:
    """Ask the cell model for the outputs of the present state, without advancing it."""
    _sense(model)
    _decide(model, dt=0.0)


def exchange_with_fields(model: "TumorModel") -> None:
    """Hand the cells' capacities to the field solver."""
    if model.is_on("exchange"):
        exchange.set_exchange(model.population, model.env, ports=model.ports, outputs=model.outputs)


def _therapy(model: "TumorModel", _queue: Queue) -> None:
    if not model.is_on("therapy"):
        return
    levels = model.therapy.advance(model.time, model.dt, model.burden, model.healthy)
    model.events += model.therapy.events
    model.therapy.events.clear()
    for drug, level in levels.items():
        if drug in model.walls:
            model.walls[drug] = exchange.Wall(model.walls[drug].permeability, level)


def _fields(model: "TumorModel", _queue: Queue) -> None:
    if not model.is_on("fields"):
        return
    exchange.set_vessels(
        model.population,
        model.env,
        walls=model.walls,
        surface=model.bodies.vessel_surface,
        outputs=model.outputs,
    )
    model.drug_balance.add(model.env.step(model.dt))
    exchange.realise(model.population, model.env, ports=model.ports, outputs=model.outputs)


def _sensing(model: "TumorModel", _queue: Queue) -> None:
    if model.is_on("sensing"):
        _sense(model)


def _signaling(model: "TumorModel", _queue: Queue) -> None:
    if model.is_on("signaling"):
        _decide(model, dt=model.dt)


def _motion(model: "TumorModel", queue: Queue) -> None:
    guides = [name for name in motility.HALF_SATURATION if name in model.sensed]
    queue.moved = motion.move(
        model.population,
        model.grid,
        outputs=model.outputs,
        gradients={
            name: (model.env[model.sensed[name]], model.env.gradient(model.sensed[name]))
            for name in guides
        },
        types=model.bodies.contact,
        dt=model.dt,
        seed=model.seed,
        tick=model.tick_index,
        walls=model.scenario.domain.walls,
        mechanics=model.is_on("mechanics"),
        motility=model.is_on("motility"),
    )
    queue.cleared = queue.moved.left


def _contact(model: "TumorModel", queue: Queue) -> None:
    if not model.is_on("contact"):
        return
    touching = (model.population, queue.moved.cells, queue.moved.shown)
    draw = {"dt": model.dt, "seed": model.seed, "tick": model.tick_index}
    contact.hits(*touching, kill_rate=model.outputs["kill_rate"], **draw)
    rate = model.outputs["phagocytosis_rate"]
    queue.cleared = queue.cleared | contact.engulfed(*touching, phagocytosis_rate=rate, **draw)


def _cycle(model: "TumorModel", queue: Queue) -> None:
    if model.is_on("cycle"):
        queue.dividing = cycle.advance(
            model.population,
            outputs=model.outputs,
            growth=model.bodies.growth,
            dt=model.dt,
            seed=model.seed,
            tick=model.tick_index,
        )


def _death(model: "TumorModel", queue: Queue) -> None:
    if not model.is_on("death"):
        return
    fates = death.advance(
        model.population,
        outputs=model.outputs,
        decay=model.bodies.decay,
        dt=model.dt,
        seed=model.seed,
        tick=model.tick_index,
    )
    queue.died = fates.died
    queue.cleared = queue.cleared | fates.cleared


def _arrival(model: "TumorModel", queue: Queue) -> None:
    if not model.is_on("arrival"):
        return
    population, bodies = model.population, model.bodies
    alive = population["status"] == ALIVE
    vessels = np.flatnonzero(alive & (bodies.vessel_surface[population["type"]] > 0.0))
    openness = model.outputs["extravasation_rate"][vessels] / model.most["extravasation_rate"]
    for index, group in enumerate(model.scenario.cells.values()):
        if group.supply > 0.0:
            radius = model.scenario.cell_types[group.type].radius
            arriving = arrival.arrive(
                population,
                supply=arrival.Supply(index, group.supply * model.dt, radius),
                vessels=vessels,
                openness=openness,
                domain=model.scenario.domain,
                seed=model.seed,
                tick=model.tick_index,
            )
            queue.arriving.append((index, arriving))


def _agents(model: "TumorModel", queue: Queue) -> None:
    population = model.population
    generation, ids = population.generation, population["id"].copy()
    census.step_agents(model)
    if population.generation != generation:
        queue.realign(population.rows_of(ids), population.n)


def _apply(model: "TumorModel", queue: Queue) -> None:
    end = model.time + model.dt
    _record_deaths(model, queue, end)
    if queue.dividing is not None:
        _bear(model, queue, end)
    for index, arriving in queue.arriving:
        _let_in(model, index, arriving, end)
    cleared = np.zeros(model.population.n, bool)
    cleared[: queue.cleared.size] = queue.cleared
    if cleared.any():
        gone = np.flatnonzero(cleared)
        why = _causes_of_clearing(model, gone)
        model.lineage += turnover.lineage(
            model.population, gone, time=end, event="cleared", cause=why
        )
        turnover.remove(model.population, cleared)


def _causes_of_clearing(model: "TumorModel", rows: np.ndarray) -> list[str]:
    """Only the dead are cleared from the tissue; the living left it through an open wall."""
    return ["left" if status == ALIVE else "" for status in model.population["status"][rows]]


def _exchange(model: "TumorModel", _queue: Queue) -> None:
    exchange_with_fields(model)


def _record_deaths(model: "TumorModel", queue: Queue, end: float) -> None:
    """Write down who died, and keep the dead from dividing."""
    if queue.died is None or not queue.died.any():
        return
    rows = np.flatnonzero(queue.died)
    causes = [death.CAUSES[code] for code in model.population["death_cause"][rows]]
    model.lineage += turnover.lineage(model.population, rows, time=end, event="death", cause=causes)
    model.population["outputs"][rows] = model.silent
    if queue.dividing is not None:
        queue.dividing &= ~queue.died


def _bear(model: "TumorModel", queue: Queue, end: float) -> None:
    daughters = turnover.divide(
        model.population,
        queue.dividing,
        noise=model.bodies.inheritance_noise,
        domain=model.scenario.domain,
        time=end,
        seed=model.seed,
        tick=model.tick_index,
    )
    if model.is_on("mutation") and model.mutation_rates:
        _found_clones(model, daughters, end)
    model.lineage += turnover.lineage(model.population, daughters, time=end, event="birth")


def _found_clones(model: "TumorModel", daughters: slice, end: float) -> None:
    """Give every mutant daughter a clone of its own."""
    population = model.population
    for row, bit in mutation.mutate(
        population,
        daughters,
        rates=model.mutation_rates,
        seed=model.seed,
        tick=model.tick_index,
    ):
        parent = int(population["clone"][row])
        origin = model.clones[parent].name if parent >= 0 else model.group_of(row)
        clone = model.clones.add(
            parent=parent,
            genotype=int(population["genotype"][row]),
            time=end,
            name=f"{origin} + {model.scenario.genotypes[bit]}",
        )
        population["clone"][row] = clone.index
        model.events.append((end, "mutation", clone.name))


def _let_in(model: "TumorModel", index: int, arriving: arrival.Arrivals, end: float) -> None:
    if arriving.id.size == 0:
        return
    columns = newcomers.columns(model, index, arriving.id) | {"birth_time": end}
    rows = turnover.enter(model.population, arriving.id.size, **columns, position=arriving.position)
    cycle.set_volumes(model.population, rows, growth=model.bodies.growth)
    model.population["outputs"][rows] = model.silent
    model.lineage += turnover.lineage(model.population, rows, time=end, event="arrival")


def _sense(model: "TumorModel") -> None:
    sensing.sense(
        model.population,
        model.env,
        basal=model.basal,
        substrates=model.sensed,
        potency=model.potency,
        reference_volume=model.bodies.growth.volume,
        dt=model.dt,
    )


def _decide(model: "TumorModel", *, dt: float) -> None:
    signaling.decide(
        model.population,
        model.cell_model,
        dt=dt,
        seed=model.seed,
        tick=model.tick_index,
        network_type=model.bodies.network,
        silent=model.silent,
        output_range=model.output_range,
    )


PROCESSES: dict[str, Callable[["TumorModel", Queue], None]] = {
    "therapy": _therapy,
    "fields": _fields,
    "sensing": _sensing,
    "signaling": _signaling,
    "motion": _motion,
    "contact": _contact,
    "cycle": _cycle,
    "death": _death,
    "arrival": _arrival,
    "agents": _agents,
    "apply": _apply,
    "exchange": _exchange,
}
