"""Let cells die by apoptosis or necrosis, and dead cells shrink, swell, burst and go.

The cell model sets both hazards; they compete by one draw. What follows is the body's: an apoptotic
cell shrinks and goes after a fixed time; a necrotic one swells, bursts above a multiple of its
volume at death and stays as shrinking debris until it is cleared. A dead cell takes up space until
it goes, or until a phagocyte has engulfed it.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels: no annotations, a column per argument

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, uniform
from tme_sim.fields import Microenvironment
from tme_sim.processes.process import Clock, Pending
from tme_sim.processes.volume import Sizes, radius_of, relaxed, swollen
from tme_sim.scenario.units import HOUR
from tme_sim.state.columns import ALIVE, APOPTOTIC, DEBRIS, NECROTIC, Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

CAUSES = ("", "apoptosis", "necrosis")  # by the codes of the column `death_cause`
_APOPTOSIS, _NECROSIS = 1, 2
CAUSE_OF = np.array([0, _APOPTOSIS, _NECROSIS, _NECROSIS])  # by status: debris was necrotic
_FATE = int(Stream.FATE)
_DEBRIS_FLUID_RATE = 0.05 / HOUR  # [1/min] PhysiCell 1.14 standard necrosis model, after lysis


class Decay(NamedTuple):
    """What dying needs to know of the bodies, by cell type; rates in 1/min, times in min."""

    apoptosis_fluid_rate: np.ndarray
    apoptosis_cytoplasm_rate: np.ndarray
    apoptosis_nucleus_rate: np.ndarray
    apoptosis_duration: np.ndarray  # from death to removal
    necrosis_fluid_rate: np.ndarray
    necrosis_cytoplasm_rate: np.ndarray
    necrosis_nucleus_rate: np.ndarray
    lysis_volume_factor: np.ndarray  # bursts at this multiple of its volume at death
    debris_clearance_time: np.ndarray  # from lysis to removal

    @classmethod
    def of(cls, types: Iterable[object]) -> "Decay":
        """Gather the fields of the scenario's cell types, in their order."""
        return cls(*(np.array([getattr(t, f) for t in types], float) for f in cls._fields))


class Fate(NamedTuple):
    """Columns of the end of a cell."""

    status: NDArray[np.int8]
    death_time: NDArray[np.float32]
    death_volume: NDArray[np.float32]
    death_cause: NDArray[np.int8]


READS = ("id", "type", "outputs", *Fate._fields[:-1], *Sizes._fields[:-1])
WRITES = (*Fate._fields, *Sizes._fields)


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Decide who dies within the tick, and let those who were dead before go on decaying.

    Notes who died, and which of the dead are to be removed.
    """
    n, outputs = population.n, coupling.outputs(population)
    fate, sizes = population.gather(Fate), population.gather(Sizes)
    hazards = (np.ascontiguousarray(outputs[name]) for name in ("apoptosis_rate", "necrosis_rate"))
    died, cleared = np.zeros((2, n), dtype=np.bool_)
    dead = np.flatnonzero(fate.status != ALIVE)  # few: they have a loop of their own
    launch(_die, n, population["id"], *hazards, fate, sizes.volume, clock, died)
    decay = coupling.cell_types.decay
    launch(_decay, dead.size, dead, population["type"], fate, sizes, decay, clock.dt, cleared)
    return pending._replace(died=died, cleared=pending.cleared | cleared)


def _die(i, cell_id, apoptosis_rate, necrosis_rate, fate, volume, clock, died):
    """Whether one living cell dies in a tick, and of what."""
    if fate.status[i] == ALIVE:
        u = uniform(clock.seed, _FATE, clock.tick, cell_id[i], 0)
        cause = cause_of_death(u, apoptosis_rate[i], necrosis_rate[i], clock.dt)
        if cause != 0:
            died[i] = True
            fate.death_cause[i], fate.death_time[i] = cause, 0.0
            fate.death_volume[i] = volume[i]
            fate.status[i] = APOPTOTIC if cause == _APOPTOSIS else NECROTIC


def _decay(i, dead, kind, fate, sizes, decay, dt, cleared):
    """One tick of one cell that was dead before."""
    row = dead[i]
    body, state = kind[row], fate.status[row]
    if state == APOPTOTIC:
        rates = (
            decay.apoptosis_fluid_rate[body],
            decay.apoptosis_cytoplasm_rate[body],
            decay.apoptosis_nucleus_rate[body],
        )
        limit = decay.apoptosis_duration[body]
    else:
        rates = (
            decay.necrosis_fluid_rate[body],
            decay.necrosis_cytoplasm_rate[body],
            decay.necrosis_nucleus_rate[body],
        )
        limit = decay.debris_clearance_time[body]
    solid = sizes.volume[row] - sizes.fluid_volume[row]
    parts = sizes.fluid_volume[row], solid - sizes.nuclear_volume[row], sizes.nuclear_volume[row]
    fluid, cytoplasm, nucleus = decayed(state, parts, rates, dt)
    sizes.fluid_volume[row], sizes.nuclear_volume[row] = fluid, nucleus
    sizes.volume[row] = fluid + cytoplasm + nucleus
    sizes.radius[row] = radius_of(sizes.volume[row])
    fate.death_time[row] += dt
    burst = decay.lysis_volume_factor[body] * fate.death_volume[row]
    if state == NECROTIC and sizes.volume[row] > burst:
        fate.status[row], fate.death_time[row] = DEBRIS, 0.0
    cleared[row] = fate.status[row] != NECROTIC and fate.death_time[row] >= limit


@register_jitable
def cause_of_death(u, apoptosis_rate, necrosis_rate, dt):
    """Cause within ``dt`` [min] of two competing hazards [1/min], or 0, from one uniform draw.

    Death by any cause has probability p = 1 - exp(-(a + n) dt), and is split as a : n.
    """
    total = float(apoptosis_rate) + float(necrosis_rate)
    p = -math.expm1(-total * dt)
    if u >= p:
        return 0
    return _APOPTOSIS if u * total < p * apoptosis_rate else _NECROSIS


@register_jitable
def decayed(status, parts, rates, dt):
    """Fluid, cytoplasm, nucleus after ``dt`` [min]: all vanish, but a necrotic cell draws fluid."""
    fluid, cytoplasm, nucleus = parts
    fluid_rate, cytoplasm_rate, nucleus_rate = rates
    cytoplasm = max(cytoplasm, 0.0)
    if status == NECROTIC:
        fluid = swollen(fluid, cytoplasm, cytoplasm_rate, fluid_rate, dt)
        fluid = swollen(fluid, nucleus, nucleus_rate, fluid_rate, dt)
    else:
        rate = fluid_rate if status == APOPTOTIC else _DEBRIS_FLUID_RATE
        fluid = relaxed(fluid, 0.0, rate, dt)
    cytoplasm = relaxed(cytoplasm, 0.0, cytoplasm_rate, dt)
    return fluid, cytoplasm, relaxed(nucleus, 0.0, nucleus_rate, dt)
