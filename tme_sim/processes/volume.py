"""Relax the volumes of a cell: fluid, solids of the nucleus, solids of the cytoplasm.

    d fluid / dt = rate * (fraction * (fluid + solid) - fluid)
    d solid / dt = rate * (target - solid)    where solid > target, or in a dead cell

integrated exactly, so that a tick of 6 min and a hundred of 0.06 min end alike.

Reference: Ghaffarizadeh et al. 2018, PhysiCell, doi:10.1371/journal.pcbi.1005991.
"""

# ruff: noqa: ANN001, ANN201 - kernels carry no annotations

import math

import numpy as np
from numba.extending import register_jitable


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


def radii(volume: np.ndarray) -> np.ndarray:
    """``radius_of`` for an array."""
    return np.cbrt(0.75 / np.pi * volume)
