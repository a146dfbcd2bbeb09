"""Walk: every cell keeps its direction for an exponential time, then draws a new, biased one.

With a mean time P between turns and speed S this is the persistent random walk of Fuerth:
MSD(t) = 2 S^2 P (t - P (1 - exp(-t/P))) in two and three dimensions alike. The turns of a tick are
drawn by their number, not by substep: a free cell walks the same way through any substeps.

A cell that touches others gets on with what its speed exceeds the adhesion to them: bonds hold a
cell until its traction breaks them. Tumor cells stay together until they lose their cadherins;
T cells, fast and hardly adhesive, pass. The bonds between two cells bear up to 200 nN (Chu 2004,
10.1083/jcb.200403043), and a colony holds together where adhesion outweighs traction (Smeets 2016,
10.1073/pnas.1521151113).
"""

# ruff: noqa: ANN001, ANN201, ANN202 - kernels carry no annotations, and many columns

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.compiling import inline
from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, uniform
from tme_sim.processes.cell_list import Space, take_rows
from tme_sim.processes.process import Clock, Mask, Outputs
from tme_sim.state.columns import Population

SENSED_LENGTH = 15.0  # [um] a cell compares concentrations over about its own length
DETECTED_DIFFERENCE = 0.02  # over that length, at half response; Zigmond 1977: 1-2 %
HALF_SATURATION = {  # in the unit of the substrate (nM; oxygen mmHg): facts of the sensing receptor
    "CXCL10": 2.0,
    "CCL2": 1.0,
    "VEGF": 0.2,
    "oxygen": 10.0,
}
SHORTEST_PERSISTENCE = 0.1  # [min] quicker turns cannot be told from diffusion
_STREAM = int(Stream.MOTILITY)
_UNDRAWN = -1.0  # wait of a cell whose first turn of the tick is still to be drawn
_DRAWS_PER_TURN = 3  # two for the direction, one for the time until the next turn


class Walk(NamedTuple):
    """Where every cell of the population is heading, and for how long, within one tick."""

    direction: NDArray[np.float64]  # unit vectors
    wait: NDArray[np.float64]  # [min] to the next turn
    turns: NDArray[np.int32]  # made in this tick

    def like(self) -> "Walk":
        """A copy to try a substep in."""
        return Walk(self.direction.copy(), self.wait.copy(), self.turns.copy())


class Gait(NamedTuple):
    """How every cell walks in this tick."""

    speed: NDArray[np.float64]  # [um/min], 0 for those that do not walk
    persistence: NDArray[np.float64]  # [min]
    bias: NDArray[np.float64]
    identity: NDArray[np.int64]
    planar: bool
    seed: int
    tick: int

    def of(self, rows: NDArray[np.int64]) -> "Gait":
        """The gait of some cells, in this order."""
        return self._replace(
            speed=take_rows(self.speed, rows),
            persistence=take_rows(self.persistence, rows),
            bias=take_rows(self.bias, rows),
            identity=take_rows(self.identity, rows),
        )


def gait_of(
    population: Population,
    space: Space,
    *,
    walking: Mask,
    outputs: Outputs,
    bias: NDArray[np.float64],
    clock: Clock,
) -> Gait:
    """Read speed and persistence of the cells that walk."""
    speed = np.where(walking, outputs["speed"], 0.0)
    persistence = np.maximum(outputs["persistence_time"], SHORTEST_PERSISTENCE).astype(float)
    identity = population["id"]
    return Gait(speed, persistence, bias, identity, space.planar, clock.seed, clock.tick)


def bias_of(
    population: Population,
    voxel: NDArray[np.int32],
    *,
    outputs: Outputs,
    gradients: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
) -> NDArray[np.float64]:
    """Vector that pulls each cell's new directions: sum over substrates of gain x response.

    `gradients` holds (concentration, gradient per um) of each substrate in space; the gain is the
    cell's output chemotaxis_<substrate>.
    """
    bias = np.zeros((population.n, 3))
    for name, (concentration, gradient) in gradients.items():
        gain = np.ascontiguousarray(outputs[f"chemotaxis_{name}"])
        field = (concentration.reshape(-1), gradient.reshape(-1, 3))
        launch(_attract, population.n, gain, voxel, *field, HALF_SATURATION[name], bias)
    return bias


def depart(population: Population, rows: NDArray[np.int64]) -> Walk:
    """State of the walk at the start of a tick: waiting times have no memory and are drawn anew."""
    n = rows.size
    heading = take_rows(population["direction"], rows).astype(float)
    return Walk(heading, np.full(n, _UNDRAWN), np.zeros(n, dtype=np.int32))


def stride(
    walk: Walk,
    gait: Gait,
    hold: NDArray[np.float64],
    dt: float,
    *,
    trial: Walk,
    step: NDArray[np.float64],
) -> None:
    """Displacement [um] of every cell over `dt` [min] and, in `trial`, the walk afterwards.

    `hold` [um/min] is the adhesion of those a cell touches: it gets on with max(speed - hold, 0).
    """
    launch(_stride, len(step), gait, hold, dt, walk, trial, step, weight=6)


@inline
def response(difference):
    """Bias towards a relative difference across the cell: saturating, half at what is detected."""
    return difference / (difference + DETECTED_DIFFERENCE)


def _attract(i, gain, voxel, concentration, gradient, half_saturation, bias):
    """Add one substrate's pull on one cell."""
    v = voxel[i]
    g_x, g_y, g_z = gradient[v, 0], gradient[v, 1], gradient[v, 2]
    steepness = np.sqrt(g_x * g_x + g_y * g_y + g_z * g_z)
    if gain[i] != 0.0 and steepness > 0.0:
        level = max(concentration[v], 0.0) + half_saturation
        pull = gain[i] * response(SENSED_LENGTH * steepness / level) / steepness
        bias[i, 0] += pull * g_x
        bias[i, 1] += pull * g_y
        bias[i, 2] += pull * g_z


def _stride(i, gait, hold, dt, walk, trial, step):
    """Walk one cell through `dt`, turn by turn; who heads nowhere yet turns at once."""
    x, y, z = walk.direction[i, 0], walk.direction[i, 1], walk.direction[i, 2]
    left, until, turn = dt, walk.wait[i], walk.turns[i]
    s_x, s_y, s_z = 0.0, 0.0, 0.0
    while gait.speed[i] > 0.0 and until < left:
        undrawn = until == _UNDRAWN
        if not undrawn:
            s_x += until * x
            s_y += until * y
            s_z += until * z
            left -= until
            turn += 1
        if not undrawn or x * x + y * y + z * z < 0.5:
            x, y, z = new_direction(gait, i, turn)
        until = waiting_time(gait, i, turn)
    headway = max(gait.speed[i] - hold[i], 0.0)
    step[i, 0] = headway * (s_x + left * x)
    step[i, 1] = headway * (s_y + left * y)
    step[i, 2] = headway * (s_z + left * z)
    trial.direction[i, 0], trial.direction[i, 1], trial.direction[i, 2] = x, y, z
    trial.wait[i], trial.turns[i] = until - left, turn


@inline
def waiting_time(gait, i, turn):
    """Time [min] until the next turn, exponential."""
    u = uniform(gait.seed, _STREAM, gait.tick, gait.identity[i], _DRAWS_PER_TURN * turn + 2)
    return -gait.persistence[i] * np.log(u)


@inline
def new_direction(gait, i, turn):
    """A random unit vector plus the bias, of length 1."""
    draw = _DRAWS_PER_TURN * turn
    seed, tick, identity = gait.seed, gait.tick, gait.identity[i]
    around = 2.0 * np.pi * uniform(seed, _STREAM, tick, identity, draw)
    up = 0.0 if gait.planar else 2.0 * uniform(seed, _STREAM, tick, identity, draw + 1) - 1.0
    side = np.sqrt(1.0 - up * up)
    x = side * np.cos(around) + gait.bias[i, 0]
    y = side * np.sin(around) + gait.bias[i, 1]
    z = 0.0 if gait.planar else up + gait.bias[i, 2]
    length = np.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length
