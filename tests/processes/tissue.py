"""Small tissues for the tests of motion and contact."""

import numpy as np

from tme_sim.fields.grid import Grid
from tme_sim.processes.mechanics import Bodies
from tme_sim.processes.motion import move
from tme_sim.state.columns import Population

RADIUS = 8.412710548  # [um] of a sphere of 2494 um3
N_TYPES = 6
NAMES = ("speed", "persistence_time", "adhesion", "contraction", "MHC1", "antigen", "PDL1")


def cells(position, radius=RADIUS, **columns):
    """A population at these positions."""
    position = np.asarray(position, dtype=float)
    population = Population(1, 1, 1)
    ids = np.arange(1, len(position) + 1)
    population.append(
        len(position), **{"id": ids, "position": position, "radius": radius, **columns}
    )
    return population


def decided(population, **outputs):
    """Outputs by name: adhesion and MHC1 are 1, all else 0 unless given."""
    values = {name: np.zeros(population.n, dtype=np.float32) for name in NAMES}
    for name, value in {"adhesion": 1.0, "MHC1": 1.0, **outputs}.items():
        values[name] = np.full(population.n, value, dtype=np.float32)
    return values


def box(edge, dim):
    """Grid of a square or cube of (about) this edge [um]."""
    n = int(np.ceil(edge / 20))
    return Grid((1 if dim == 2 else n, n, n))


def pass_time(population, grid, *, minutes=6.0, tick=6.0, outputs=None, **more):
    """Move through `minutes` in ticks; report of the last one."""
    settings = {"gradients": {}, "types": Bodies.uniform(N_TYPES), "seed": 1, **more}
    for k in range(round(minutes / tick)):
        report = move(
            population,
            grid,
            outputs=outputs or decided(population),
            dt=tick,
            tick=k,
            **settings,
        )
    return report


def crowd(n, dim, seed=0, spacing=14.0):
    """Random positions at about tissue density, and a grid around them."""
    rng = np.random.default_rng(seed)
    edge = 20 * np.ceil(spacing * n ** (1 / dim) / 20)
    position = rng.uniform(0, edge, (n, 3))
    if dim == 2:
        position[:, 2] = 10.0
    return position, box(edge, dim)
