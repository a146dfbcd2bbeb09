"""Relax the volumes of a cell: fluid, solids of the nucleus, solids of the cytoplasm.

    d fluid / dt = rate * (fraction * (fluid + solid) - fluid)
    d solid / dt = rate * (target - solid)    where solid > target, or in a dead cell

integrated exactly, so that a tick of 6 min and a hundred of 0.06 min end alike.

Reference: Ghaffarizadeh et al. 2018, PhysiCell, doi:10.1371/journal.pcbi.1005991.
"""

# ruff: noqa: ANN001, ANN201 - kernels carry no annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from tme_sim.compute.elementary import cbrt
from tme_sim.state.columns import Population

if TYPE_CHECKING:
    from tme_sim.processes.cycle import Growth


class Sizes(NamedTuple):
    """Columns of a cell's volumes [um3] and its radius [um]."""

    volume: NDArray[np.float32]
    fluid_volume: NDArray[np.float32]
    nuclear_volume: NDArray[np.float32]
    radius: NDArray[np.float32]


@register_jitable
def relaxed(value, target, rate, dt):
    """Value after ``dt`` [min] of relaxing to ``target`` at ``rate`` [1/min]."""
    return target + (value - target) * math.exp(-rate * dt)


@register_jitable
def hydrated(fluid, solid, fraction, rate, dt):
    """Fluid after ``dt`` [min] of relaxing to its fraction of the total, solids unchanged."""
    target = solid * fraction / (1.0 - fraction)
    return relaxed(fluid, target, rate * (1.0 - fraction), dt)


@register_jitable
def swollen(fluid, solid, solid_rate, rate, dt):
    """Fluid after ``dt`` [min] of flowing in at ``rate * solid`` while solids decay.

    This is the first equation at fraction 1: what a necrotic cell does.
    """
    if solid_rate == 0.0:
        return fluid + rate * solid * dt
    return fluid + rate * solid * -math.expm1(-solid_rate * dt) / solid_rate


@register_jitable
def radius_of(volume):
    """Radius [um] of a sphere of this volume [um3]."""
    return (0.75 / math.pi * volume) ** (1.0 / 3.0)


def set_volumes(
    population: Population, rows: slice, *, growth: "Growth", size: np.ndarray | float = 1.0
) -> None:
    """Give rows the volumes of a newborn of their type times ``size``."""
    kind = population["type"][rows]
    volume = growth.volume[kind] * size
    population["volume"][rows] = volume
    population["fluid_volume"][rows] = volume * growth.fluid_fraction[kind]
    solid = volume * (1.0 - growth.fluid_fraction[kind])
    population["nuclear_volume"][rows] = solid * growth.nuclear_fraction[kind]
    population["radius"][rows] = radii(volume)


def radii(volume: np.ndarray) -> np.ndarray:
    """``radius_of`` for an array."""
    return np.asarray(cbrt(0.75 / np.pi * volume))
