"""Let cells die by apoptosis or necrosis, and dead cells shrink, swell, burst and go.

The cell model sets both hazards; they compete by one draw. What follows is the body's: an apoptotic
cell shrinks and goes after a fixed time; a necrotic one swells, bursts above a multiple of its
volume at death and stays as shrinking debris until it is cleared. A dead cell takes up space until
it goes, or until a phagocyte has engulfed it.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels: no annotations, a column per argument

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, uniform
from tme_sim.processes.volume import radius_of, relaxed, swollen
from tme_sim.state.columns import ALIVE, APOPTOTIC, DEBRIS, NECROTIC, Population

READS = ("id", "type", "outputs")
WRITES = (
    *("status", "death_time", "death_cause", "death_volume"),
    *("volume", "fluid_volume", "nuclear_volume", "radius"),
)
CAUSES = ("", "apoptosis", "necrosis")  # by the codes of the column `death_cause`
_APOPTOSIS, _NECROSIS = 1, 2
_FATE = int(Stream.FATE)
_DEBRIS_FLUID_RATE = 0.05 / 60.0  # [1/min] PhysiCell 1.14 standard necrosis model, after lysis


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


class Fates(NamedTuple):
    """Masks of the cells that died in this tick, and of the dead that are to be removed."""

    died: np.ndarray
    cleared: np.ndarray


# places in a row of the table that the kernel reads; rates follow as fluid, cytoplasm, nucleus
_APOPTOSIS_RATES = Decay._fields.index("apoptosis_fluid_rate")
_NECROSIS_RATES = Decay._fields.index("necrosis_fluid_rate")
_APOPTOSIS_DURATION = Decay._fields.index("apoptosis_duration")
_LYSIS_FACTOR = Decay._fields.index("lysis_volume_factor")
_CLEARANCE_TIME = Decay._fields.index("debris_clearance_time")


def advance(
    population: Population,
    *,
    outputs: Mapping[str, np.ndarray],
    decay: Decay,
    dt: float,
    seed: int,
    tick: int,
) -> Fates:
    """Decide who dies within ``dt`` [min], and let those who were dead before go on decaying."""
    fates = Fates(*np.zeros((2, population.n), dtype=np.bool_))
    dead = np.flatnonzero(population["status"] != ALIVE)  # few: they have a loop of their own
    launch(
        _die,
        population.n,
        population["id"],
        *(np.ascontiguousarray(outputs[name]) for name in ("apoptosis_rate", "necrosis_rate")),
        *(population[name] for name in WRITES[:5]),
        float(dt),
        seed,
        tick,
        fates.died,
    )
    launch(
        _decay,
        dead.size,
        dead,
        population["type"],
        *(population[name] for name in (*WRITES[:2], *WRITES[3:])),
        np.stack(decay, axis=1),
        float(dt),
        fates.cleared,
    )
    return fates


def _die(
    i,
    cell_id,
    apoptosis_rate,
    necrosis_rate,
    status,
    death_time,
    death_cause,
    death_volume,
    volume,
    dt,
    seed,
    tick,
    died,
):
    """Whether one living cell dies in a tick, and of what."""
    if status[i] == ALIVE:
        u = uniform(seed, _FATE, tick, cell_id[i], 0)
        cause = cause_of_death(u, apoptosis_rate[i], necrosis_rate[i], dt)
        if cause != 0:
            died[i] = True
            death_cause[i], death_time[i], death_volume[i] = cause, 0.0, volume[i]
            status[i] = APOPTOTIC if cause == _APOPTOSIS else NECROTIC


def _decay(
    i,
    dead,
    kind,
    status,
    death_time,
    death_volume,
    volume,
    fluid_volume,
    nuclear_volume,
    radius,
    bodies,
    dt,
    cleared,
):
    """One tick of one cell that was dead before."""
    row = dead[i]
    body, state = kind[row], status[row]
    first = _APOPTOSIS_RATES if state == APOPTOTIC else _NECROSIS_RATES
    rates = bodies[body, first], bodies[body, first + 1], bodies[body, first + 2]
    solid = volume[row] - fluid_volume[row]
    parts = fluid_volume[row], solid - nuclear_volume[row], nuclear_volume[row]
    fluid, cytoplasm, nucleus = decayed(state, parts, rates, dt)
    fluid_volume[row], nuclear_volume[row] = fluid, nucleus
    volume[row] = fluid + cytoplasm + nucleus
    radius[row] = radius_of(volume[row])
    death_time[row] += dt
    if state == NECROTIC and volume[row] > bodies[body, _LYSIS_FACTOR] * death_volume[row]:
        status[row], death_time[row] = DEBRIS, 0.0
    limit = bodies[body, _APOPTOSIS_DURATION if state == APOPTOTIC else _CLEARANCE_TIME]
    cleared[row] = status[row] != NECROTIC and death_time[row] >= limit


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
