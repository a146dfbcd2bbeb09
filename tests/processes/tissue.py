"""Small tissues for the tests of motion and contact."""

import numpy as np

from tests.processes.coupled import OUTPUTS, clock, coupling, decide, medium, output, run
from tests.reference.bodies import domain
from tme_sim.fields.grid import Grid
from tme_sim.processes import motion
from tme_sim.processes.mechanics import ContactProperties
from tme_sim.state.columns import Population

RADIUS = 8.412710548  # [um] of a sphere of 2494 um3
N_TYPES = 6


def cells(position, radius=RADIUS, **columns):
    """A population at these positions."""
    position = np.asarray(position, dtype=float)
    population = Population(1, 1, len(OUTPUTS))
    ids = np.arange(1, len(position) + 1)
    population.append(
        len(position), **{"id": ids, "position": position, "radius": radius, **columns}
    )
    return population


def decided(population, **outputs):
    """Outputs by name, to be handed on: adhesion and MHC1 are 1, all else 0 unless given."""
    population["outputs"][:] = 0.0
    decide(population, **{"adhesion": 1.0, "MHC1": 1.0, **outputs})
    return {name: output(population, name) for name in OUTPUTS}


def box(edge, dim):
    """Grid of a square or cube of (about) this edge [um]."""
    n = int(np.ceil(edge / 20))
    return Grid((1 if dim == 2 else n, n, n))


def pass_time(population, grid, *, minutes=6.0, tick=6.0, seed=1, **more):
    """Move through `minutes` in ticks, as decided before; what the last one found."""
    if not population["outputs"].any():
        decided(population)
    gradients = more.pop("gradients", {})
    types = {"contact": more.pop("types", ContactProperties.uniform(N_TYPES))}
    size = [grid.size[axis] for axis in range(grid.dim)]
    box = domain(*size, walls=more.pop("walls", "reflecting"))
    sensed = {name: name for name in gradients}
    coupled = coupling(N_TYPES, types=types, domain=box, sensed=sensed, **more)
    for k in range(round(minutes / tick)):
        at = clock(k, dt=tick, seed=seed)
        moved = run(motion, population, env=medium(grid, **gradients), coupled=coupled, at=at)
    return moved


def crowd(n, dim, seed=0, spacing=14.0):
    """Random positions at about tissue density, and a grid around them."""
    rng = np.random.default_rng(seed)
    edge = 20 * np.ceil(spacing * n ** (1 / dim) / 20)
    position = rng.uniform(0, edge, (n, 3))
    if dim == 2:
        position[:, 2] = 10.0
    return position, box(edge, dim)
