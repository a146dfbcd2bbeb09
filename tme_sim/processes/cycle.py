"""Move living cells through G1, S and G2M, and grow them.

The cell model sets the hazards of leaving G1 and G2M, the length of S and the growth of solids;
the body sets the volumes. Within a tick every transition happens at its own moment, drawn from its
hazard, and the rest of the tick is lived in the next phase: the mean cycle does not depend on the
length of the tick. A cell that divides carries the rest of the tick into its daughters' G1 as
``phase_age``, and they live it in the next tick.
"""

# ruff: noqa: ANN001, ANN202, PLR0913 - kernels: no annotations, a column per argument

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numba as nb
import numpy as np

from surrogates.phenotype import stationary_phases
from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, uniform, uniforms
from tme_sim.processes.volume import hydrated, radii, radius_of, relaxed
from tme_sim.state.columns import ALIVE, G1, G2M, Population, S

READS = ("id", "type", "status", "outputs")
WRITES = (
    *("phase", "phase_age", "phase_progress"),
    *("volume", "fluid_volume", "nuclear_volume", "radius"),
)
RATES = ("growth_rate", "g1s_rate", "g2m_rate", "s_duration_factor")
KNOWN = ("phase", "phase_age", "phase_progress", "volume")  # what may be given of a new cell
_CYCLE = int(Stream.CYCLE)
_LEAVE_G1, _LEAVE_G2M = 0, 1  # draws
EXCESS = 1.01  # times the target: single precision adds some 1e-4 to solids at rest in a month


class Growth(NamedTuple):
    """What growth needs to know of the bodies, by cell type."""

    volume: np.ndarray  # of a newborn cell [um3]; it divides at twice that
    fluid_fraction: np.ndarray
    nuclear_fraction: np.ndarray
    fluid_rate: np.ndarray  # [1/min]
    cytoplasm_rate: np.ndarray  # [1/min] at which solids beyond the phase's target are lost
    nucleus_rate: np.ndarray  # [1/min] likewise
    s_duration: np.ndarray  # [min]

    @classmethod
    def of(cls, types: Iterable[object]) -> "Growth":
        """Gather the fields of the scenario's cell types, in their order."""
        return cls(*(np.array([getattr(t, f) for t in types], float) for f in cls._fields))


_VOLUME, _FLUID_FRACTION, _NUCLEAR_FRACTION, *_RATES, _S_DURATION = range(len(Growth._fields))
_FLUID_RATE, _CYTOPLASM_RATE, _NUCLEUS_RATE = _RATES


def advance(
    population: Population,
    *,
    outputs: Mapping[str, np.ndarray],
    growth: Growth,
    dt: float,
    seed: int,
    tick: int,
) -> np.ndarray:
    """Advance phases and volumes by ``dt`` [min]; returns the mask of the cells that divide.

    A dividing cell is left as its daughters begin, in G1, with the volume still in one piece.
    """
    dividing = np.zeros(population.n, dtype=np.bool_)
    living = np.flatnonzero(population["status"] == ALIVE)
    growth_rate, *pace = (np.ascontiguousarray(outputs[name]) for name in RATES)
    shared = np.stack(growth, axis=1), float(dt)
    phases, sizes = ([population[name] for name in names] for names in (WRITES[:3], WRITES[3:]))
    who = living, population["type"]
    launch(
        _live, living.size, *who, population["id"], *pace, *phases, *shared, seed, tick, dividing
    )
    launch(_grow, living.size, *who, growth_rate, population["phase"], dividing, *sizes, *shared)
    return dividing


def desynchronise(
    population: Population,
    rows: slice,
    *,
    outputs: Mapping[str, np.ndarray],
    growth: Growth,
    seed: int,
    given: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Give new rows the phases, ages and volumes of steady growth at their present rates.

    What is known of a cell stays, and the rest follows from it: an age is drawn within a known
    phase, and a known volume tells when the cell left G1.

    Args:
        population: the cells.
        rows: those that are new.
        outputs: rates by name, one value per cell of the population.
        growth: of their types.
        seed: of the run.
        given: what is known of the new rows, NaN where it is not: ``phase``, ``phase_age`` [min],
            ``phase_progress``, ``volume`` [um3].
    """
    kind, ids = population["type"][rows], population["id"][rows]
    known = {name: np.full(len(ids), np.nan) for name in KNOWN} | dict(given or {})
    growth_rate, g1s, g2m, factor = (outputs[name][rows].astype(float) for name in RATES)
    duration = growth.s_duration[kind] * factor
    size = known["volume"] / growth.volume[kind]
    phase_of, age_of = phase_of_size(size, growth_rate, duration)
    fractions, rate = stationary_phases(g1s, g2m, duration)
    phase_draw, age_draw = (uniforms(seed, Stream.INITIAL, 0, ids, draw) for draw in (0, 1))
    drawn = (phase_draw[:, None] > np.cumsum(fractions[:, :2], axis=1)).sum(axis=1)
    phase = _first_known(known["phase"], phase_of, drawn).astype(np.int8)
    loss = rate + np.select([phase == G1, phase == G2M], [g1s, g2m])  # of cells by age in a phase
    age = _first_known(
        known["phase_age"],
        np.where(phase == S, known["phase_progress"] * duration, np.nan),
        np.where(phase == phase_of, age_of, np.nan),
        _truncated_exponential(age_draw, loss, np.where(phase == S, duration, np.inf)),
    )
    share = np.divide(age, duration, out=np.zeros_like(age), where=duration > 0.0)
    population["phase"][rows], population["phase_age"][rows] = phase, age
    population["phase_progress"][rows] = np.where(phase == S, np.minimum(share, 1.0), 0.0)
    grown = np.select([phase == S, phase == G2M], [age, duration + age])
    solids = np.exp(np.minimum(growth_rate * grown, math.log(2.0)))
    set_volumes(population, rows, growth=growth, size=_first_known(size, solids))


def phase_of_size(
    size: np.ndarray, growth_rate: np.ndarray, s_duration: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Phase of cells of these sizes and, beyond G1, their age in it [min], in steady growth.

    A cell grows by exp(growth_rate t) in the time t since it left G1. Sizes are volumes of a
    newborn; NaN stays NaN.
    """
    growing = growth_rate > 0.0
    times = np.log(np.minimum(size, 2.0)) / np.where(growing, growth_rate, 1.0)
    phase = np.select([size <= 1.0, times < s_duration, times >= s_duration], [G1, S, G2M], np.nan)
    phase = np.where(growing | np.isnan(size), phase, G1)
    age = np.select([phase == S, phase == G2M], [times, times - s_duration], np.nan)
    return phase, age


def _first_known(*values: np.ndarray) -> np.ndarray:
    """The first of some values that is not NaN, cell by cell."""
    *before, result = values
    for value in reversed(before):
        result = np.where(np.isnan(value), result, value)
    return result


def set_volumes(
    population: Population, rows: slice, *, growth: Growth, size: np.ndarray | float = 1.0
) -> None:
    """Give rows the volumes of a newborn of their type times ``size``."""
    kind = population["type"][rows]
    volume = growth.volume[kind] * size
    population["volume"][rows] = volume
    population["fluid_volume"][rows] = volume * growth.fluid_fraction[kind]
    solid = volume * (1.0 - growth.fluid_fraction[kind])
    population["nuclear_volume"][rows] = solid * growth.nuclear_fraction[kind]
    population["radius"][rows] = radii(volume)


def _truncated_exponential(u: np.ndarray, rate: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Age with density proportional to exp(-rate age) on [0, span]; uniform or 0 at rate 0."""
    flat = np.where(np.isfinite(span), u * np.where(np.isfinite(span), span, 0.0), 0.0)
    inside = -np.expm1(-np.where(rate > 0.0, rate, 1.0) * span)
    age = -np.log1p(-u * inside) / np.where(rate > 0.0, rate, 1.0)
    return np.where(rate > 0.0, age, flat)


# Kernels without branches: in others numba counts references to every column for every cell, 3 ns
# each.


def _live(
    i,
    living,
    kind,
    cell_id,
    g1s_rate,
    g2m_rate,
    s_factor,
    phase,
    phase_age,
    phase_progress,
    bodies,
    dt,
    seed,
    tick,
    dividing,
):
    """Phases of one living cell in a tick."""
    row = living[i]
    pace = g1s_rate[row], bodies[kind[row], _S_DURATION] * s_factor[row], g2m_rate[row]
    before = phase[row], phase_age[row], phase_progress[row]
    after, dividing[row] = _lived(before, pace, (seed, tick, cell_id[row]), dt)
    phase[row], phase_age[row], phase_progress[row] = after


def _grow(
    i,
    living,
    kind,
    growth_rate,
    phase,
    dividing,
    volume,
    fluid_volume,
    nuclear_volume,
    radius,
    bodies,
    dt,
):
    """Bring one cell's solids to the phase's target; fluid follows.

    From below they grow at the cell model's rate, from above they are lost at the body's.
    """
    row = living[i]
    body = kind[row]
    fraction, before = bodies[body, _FLUID_FRACTION], fluid_volume[row]
    doubled = (phase[row] != G1) | dividing[row]
    target = (1.0 + doubled) * bodies[body, _VOLUME] * (1.0 - fraction)
    solid = volume[row] - before
    grown = max(solid, min(solid * math.exp(growth_rate[row] * dt), target))
    nucleus = nuclear_volume[row] * (grown / solid)
    if solid > EXCESS * target:
        in_nucleus = bodies[body, _NUCLEAR_FRACTION] * target
        cytoplasm = solid - nuclear_volume[row]
        cytoplasm = relaxed(cytoplasm, target - in_nucleus, bodies[body, _CYTOPLASM_RATE], dt)
        nucleus = relaxed(nuclear_volume[row], in_nucleus, bodies[body, _NUCLEUS_RATE], dt)
        grown = cytoplasm + nucleus
    fluid = hydrated(before, grown, fraction, bodies[body, _FLUID_RATE], dt)
    nuclear_volume[row] = nucleus
    fluid_volume[row] = fluid
    volume[row] = grown + fluid
    radius[row] = radius_of(volume[row])


@nb.njit(error_model="numpy")
def _lived(cell, pace, key, dt):
    """Phase, age and progress after ``dt`` [min], and whether the cell divided."""
    phase, age, progress = cell
    g1s_rate, s_duration, g2m_rate = pace
    left = dt  # of the tick, in the present phase
    if phase == G1:
        if age < dt:  # born within the last tick: the rest of that is still to be lived
            left += age
            age = 0.0
        moment = _waiting_time(g1s_rate, key, _LEAVE_G1)
        if moment < left:
            left -= moment
            phase, age, progress = S, 0.0, 0.0
    if phase == S:
        rest = (1.0 - progress) * s_duration
        if rest <= left:
            left -= rest
            phase, age, progress = G2M, 0.0, 0.0
        else:
            progress += left / s_duration
    divides = False
    if phase == G2M:
        moment = _waiting_time(g2m_rate, key, _LEAVE_G2M)
        divides = moment < left
        if divides:
            left -= moment
            phase, age = G1, 0.0
    return (phase, age + left, progress), divides


@nb.njit(error_model="numpy")
def _waiting_time(rate, key, draw):
    """Time until an event of this hazard [1/min]; infinite where there is none."""
    seed, tick, cell_id = key
    return -math.log(uniform(seed, _CYCLE, tick, cell_id, draw)) / rate if rate > 0.0 else math.inf
