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

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.launch import launch
from tme_sim.compute.random import Stream, uniform
from tme_sim.processes.neighbours import Space, taken
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


@dataclass
class Walk:
    """Where every cell of the population is heading, and for how long, within one tick.

    `direction` unit vectors, `wait` time to the next turn [min], `turns` made in this tick.
    """

    direction: NDArray[np.float64]
    wait: NDArray[np.float64]
    turns: NDArray[np.int32]

    def like(self) -> Self:
        """A copy to try a substep in."""
        return type(self)(self.direction.copy(), self.wait.copy(), self.turns.copy())


@dataclass(frozen=True)
class Gait:
    """How every cell walks in this tick: `speed` [um/min], 0 for those that do not walk."""

    speed: NDArray[np.float64]
    persistence: NDArray[np.float64]
    bias: NDArray[np.float64]
    identity: NDArray[np.int64]
    planar: bool
    seed: int
    tick: int

    def of(self, rows: NDArray[np.int64]) -> Self:
        """The gait of some cells, in this order."""
        each = ("speed", "persistence", "bias", "identity")
        return replace(self, **{name: taken(getattr(self, name), rows) for name in each})


def gait_of(
    population: Population,
    space: Space,
    *,
    walking: NDArray[np.bool_],
    outputs: Mapping[str, NDArray],
    bias: NDArray[np.float64],
    key: tuple[int, int],
) -> Gait:
    """Read speed and persistence of the cells that walk; `key` is (seed, tick)."""
    speed = np.where(walking, outputs["speed"], 0.0)
    persistence = np.maximum(outputs["persistence_time"], SHORTEST_PERSISTENCE)
    identity = population["id"]
    return Gait(speed, persistence.astype(float), bias, identity, space.planar, *key)


def bias_of(
    population: Population,
    voxel: NDArray[np.int32],
    *,
    outputs: Mapping[str, NDArray],
    gradients: Mapping[str, tuple[NDArray, NDArray]],
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
    heading = taken(population["direction"], rows).astype(float)
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
    walked = (gait.speed, hold, gait.persistence, gait.bias, gait.identity, gait.planar)
    before = (walk.direction, walk.wait, walk.turns)
    after = (trial.direction, trial.wait, trial.turns)
    launch(_stride, len(step), *walked, gait.seed, gait.tick, dt, *before, *after, step, weight=6)


@nb.njit(error_model="numpy", forceinline=True)
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


def _stride(
    i,
    speed,
    hold,
    persistence,
    bias,
    identity,
    planar,
    seed,
    tick,
    dt,
    direction,
    wait,
    turns,
    new_direction,
    new_wait,
    new_turns,
    step,
):
    """Walk one cell through `dt`, turn by turn; who heads nowhere yet turns at once."""
    x, y, z = direction[i, 0], direction[i, 1], direction[i, 2]
    left, until, turn = dt, wait[i], turns[i]
    s_x, s_y, s_z = 0.0, 0.0, 0.0
    while speed[i] > 0.0 and until < left:
        undrawn = until == _UNDRAWN
        if not undrawn:
            s_x += until * x
            s_y += until * y
            s_z += until * z
            left -= until
            turn += 1
        if not undrawn or x * x + y * y + z * z < 0.5:
            x, y, z = turned(seed, tick, identity[i], turn, planar, bias, i)
        until = waiting(seed, tick, identity[i], turn, persistence[i])
    headway = max(speed[i] - hold[i], 0.0)
    step[i, 0] = headway * (s_x + left * x)
    step[i, 1] = headway * (s_y + left * y)
    step[i, 2] = headway * (s_z + left * z)
    new_direction[i, 0], new_direction[i, 1], new_direction[i, 2] = x, y, z
    new_wait[i], new_turns[i] = until - left, turn


@nb.njit(error_model="numpy", forceinline=True)
def waiting(seed, tick, identity, turn, persistence):
    """Time [min] until the next turn, exponential."""
    draw = _DRAWS_PER_TURN * turn + 2
    return -persistence * np.log(uniform(seed, _STREAM, tick, identity, draw))


@nb.njit(error_model="numpy", forceinline=True)
def turned(seed, tick, identity, turn, planar, bias, i):
    """New direction: a random unit vector plus the bias, of length 1."""
    draw = _DRAWS_PER_TURN * turn
    around = 2.0 * np.pi * uniform(seed, _STREAM, tick, identity, draw)
    up = 0.0 if planar else 2.0 * uniform(seed, _STREAM, tick, identity, draw + 1) - 1.0
    side = np.sqrt(1.0 - up * up)
    x = side * np.cos(around) + bias[i, 0]
    y = side * np.sin(around) + bias[i, 1]
    z = 0.0 if planar else up + bias[i, 2]
    length = np.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length
