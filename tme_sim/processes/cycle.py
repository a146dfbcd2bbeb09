"""Move living cells through G1, S and G2M, and grow them.

The cell model sets the hazards of leaving G1 and G2M, the length of S and the growth of solids;
the body sets the volumes. Within a tick every transition happens at its own moment, drawn from its
hazard, and the rest of the tick is lived in the next phase: the mean cycle does not depend on the
length of the tick. A cell that divides carries the rest of the tick into its daughters' G1 as
``phase_age``, and they live it in the next tick.
"""

# ruff: noqa: ANN001, ANN202, PLR0913 - kernels: no annotations, a column per argument

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.compiling import inline
from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, uniform
from tme_sim.fields import Microenvironment
from tme_sim.processes.process import Clock, Pending
from tme_sim.processes.volume import Sizes, hydrated, radius_of, relaxed
from tme_sim.state.columns import ALIVE, G1, G2M, Population, S

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

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


class Phases(NamedTuple):
    """Columns of the cycle."""

    phase: NDArray[np.int8]
    phase_age: NDArray[np.float32]
    phase_progress: NDArray[np.float32]


class Pace(NamedTuple):
    """Outputs of the cell model that the cycle follows, one value per cell."""

    g1s_rate: NDArray[np.float32]
    g2m_rate: NDArray[np.float32]
    s_duration_factor: NDArray[np.float32]


READS = ("id", "type", "status", "outputs", *Phases._fields, *Sizes._fields[:-1])
WRITES = (*Phases._fields, *Sizes._fields)


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Advance phases and volumes of the living; notes who divides.

    A dividing cell is left as its daughters begin, in G1, with the volume still in one piece.
    """
    living = np.flatnonzero(population["status"] == ALIVE)
    outputs, growth = coupling.outputs(population), coupling.cell_types.growth
    pace = Pace(*(np.ascontiguousarray(outputs[name]) for name in Pace._fields))
    phases, sizes = population.gather(Phases), population.gather(Sizes)
    dividing = np.zeros(population.n, dtype=np.bool_)
    who = living, population["type"]
    launch(
        _pass_phases,
        living.size,
        *who,
        population["id"],
        pace,
        phases,
        growth.s_duration,
        clock,
        dividing,
    )
    growth_rate = np.ascontiguousarray(outputs["growth_rate"])
    launch(_grow, living.size, *who, growth_rate, phases.phase, dividing, sizes, growth, clock.dt)
    return pending._replace(dividing=dividing)


def _pass_phases(i, living, kind, cell_id, pace, phases, s_duration, clock, dividing):
    """Phases of one living cell in a tick."""
    row = living[i]
    duration = s_duration[kind[row]] * pace.s_duration_factor[row]
    rates = pace.g1s_rate[row], duration, pace.g2m_rate[row]
    before = phases.phase[row], phases.phase_age[row], phases.phase_progress[row]
    key = (clock.seed, clock.tick, cell_id[row])
    after, dividing[row] = _lived(before, rates, key, clock.dt)
    phases.phase[row], phases.phase_age[row], phases.phase_progress[row] = after


def _grow(i, living, kind, growth_rate, phase, dividing, sizes, growth, dt):
    """Bring one cell's solids to the phase's target; fluid follows.

    From below they grow at the cell model's rate, from above they are lost at the body's.
    """
    row = living[i]
    body = kind[row]
    fraction, before = growth.fluid_fraction[body], sizes.fluid_volume[row]
    doubled = (phase[row] != G1) | dividing[row]
    target = (1.0 + doubled) * growth.volume[body] * (1.0 - fraction)
    solid = sizes.volume[row] - before
    grown = max(solid, min(solid * math.exp(growth_rate[row] * dt), target))
    nucleus = sizes.nuclear_volume[row] * (grown / solid)
    if solid > EXCESS * target:
        in_nucleus = growth.nuclear_fraction[body] * target
        cytoplasm = solid - sizes.nuclear_volume[row]
        cytoplasm = relaxed(cytoplasm, target - in_nucleus, growth.cytoplasm_rate[body], dt)
        nucleus = relaxed(sizes.nuclear_volume[row], in_nucleus, growth.nucleus_rate[body], dt)
        grown = cytoplasm + nucleus
    fluid = hydrated(before, grown, fraction, growth.fluid_rate[body], dt)
    sizes.nuclear_volume[row] = nucleus
    sizes.fluid_volume[row] = fluid
    sizes.volume[row] = grown + fluid
    sizes.radius[row] = radius_of(sizes.volume[row])


@inline
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


@inline
def _waiting_time(rate, key, draw):
    """Time until an event of this hazard [1/min]; infinite where there is none."""
    seed, tick, cell_id = key
    return -math.log(uniform(seed, _CYCLE, tick, cell_id, draw)) / rate if rate > 0.0 else math.inf
