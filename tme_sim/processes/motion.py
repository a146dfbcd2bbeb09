"""Move cells through one tick: they walk and push each other in as few substeps as accuracy allows.

Heun's method (second order); its distance from Euler's is the error estimate. All cells share one
substep, bounded by that error, by the stiffness of the tightest contact, and by the longest stride
that cannot step over a neighbour. What cells touch is counted in every substep and averaged.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tme_sim import device
from tme_sim.processes.contact import CONTACTS, display
from tme_sim.processes.mechanics import Bodies, Forces, bodies_of, interact, nearest
from tme_sim.processes.motility import Gait, Walk, bias_of, depart, gait_of, stride
from tme_sim.processes.neighbours import RADIUS, SLACK, CellList, Neighbours, Space, Walls, taken
from tme_sim.state.columns import ALIVE, Population

if TYPE_CHECKING:
    from tme_sim.fields.grid import Grid

READS = ("id", "type", "status", "radius", "position", "direction")
WRITES = ("position", "direction", *CONTACTS)

TOLERANCE = 0.15  # [um] between Heun's and Euler's positions in one substep, root mean square
WORST = 7.0  # times that for any one cell; the true error is some ten times less
STABILITY = 1.9  # substep x stiffness (an upper bound of it); Heun's method is stable up to 2
LONGEST_PUSH = 2.0  # [um] by contacts in one substep
LONGEST_STRIDE = 6.0  # [um] by walking in one substep: less than a radius
BRISK = 2.0  # [um/min] from here on walkers use up any slack of neighbours in every substep
SHORTEST_SUBSTEP = 1e-3  # [min] taken whatever the error; a push stays below LONGEST_PUSH
PACKED_2D, PACKED_3D = 0.013644, 0.027289  # squared overlaps of a cell in equilibrium packing
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 3.0  # of the step control
_WALLS = ("reflecting", "periodic", "open")
_REFLECTING, _PERIODIC = 0, 1


@dataclass(frozen=True)
class MotionReport:
    """What moving took: accepted and refused substeps, largest error [um], who left the domain.

    `cells` is the cell list of the last positions and `shown` what cells display: for contacts.
    """

    substeps: int
    refused: int
    error: float
    left: NDArray[np.bool_]
    cells: CellList
    shown: NDArray[np.float32]


def move(
    population: Population,
    grid: Grid,
    *,
    outputs: Mapping[str, NDArray],
    gradients: Mapping[str, tuple[NDArray, NDArray]],
    types: Bodies,
    dt: float,
    seed: int,
    tick: int,
    walls: Walls = "reflecting",
    mechanics: bool = True,
    motility: bool = True,
) -> MotionReport:
    """Move all cells through `dt` [min] and write the columns of `contact.CONTACTS`.

    Args:
        population: the cells; `position`, `direction` and the contact columns are written.
        grid: the domain.
        outputs: the network's outputs by name, one value per cell; views of columns will do.
        gradients: (concentration, gradient per um) in space of each substrate that guides cells.
        types: what cells are made of, by the code in column `type`.
        dt: length of the tick [min].
        seed: seed of the run.
        tick: number of the tick.
        walls: what happens at the domain's faces; with `open`, who is outside at the end has left.
        mechanics: whether contacts move cells (they are counted anyway).
        motility: whether cells walk.
    """
    space = Space(grid.size, grid.dim == 2, walls)
    walking = types.motile[population["type"]] & (population["status"] == ALIVE) & motility
    fields = gradients if walking.any() else {}
    bias = bias_of(
        population, grid.voxel_of(population["position"]), outputs=outputs, gradients=fields
    )
    gait = gait_of(population, space, walking=walking, outputs=outputs, bias=bias, key=(seed, tick))
    bodies = _bodies(population, types, outputs, moved=mechanics)
    cells = CellList(space, population["radius"]).build(population["position"])
    shown = display(population, outputs, types.b7)
    order = cells.order
    here = (taken(bodies, order), taken(shown, order))
    way = _Way(space, types, gait.of(order), depart(population, order), *here)
    way.follow(dt, pushed=mechanics)
    way.arrive(population, order, dt)
    position = population["position"]
    outside = (position < 0.0) | (position > grid.size)
    left = outside[:, : way.axes].any(axis=1)
    return MotionReport(way.substeps, way.refused, way.error, left, cells.build(position), shown)


def _bodies(
    population: Population, types: Bodies, outputs: Mapping[str, NDArray], *, moved: bool
) -> NDArray[np.float64]:
    """What contacts need of every cell; the dead do not adhere."""
    kind = population["type"]
    grip = outputs["adhesion"] * (1.0 + np.maximum(outputs["contraction"], 0.0))
    adhesion = types.adhesion[kind] * np.where(population["status"] == ALIVE, grip, 0.0)
    return bodies_of(
        population["position"],
        population["radius"],
        adhesion=np.maximum(adhesion, 0.0),
        repulsion=types.repulsion[kind],
        kind=kind,
        mobility=types.motile[kind] & moved,
    )


class _Way:
    """The way of all cells through one tick, in the order of space at its start."""

    def __init__(
        self,
        space: Space,
        types: Bodies,
        gait: Gait,
        walk: Walk,
        bodies: NDArray[np.float64],
        shown: NDArray[np.float32],
    ) -> None:
        n = len(bodies)
        self.types, self.gait, self.shown = types, gait, shown
        self.size, self.walls = np.asarray(space.size), _WALLS.index(space.walls)
        self.axes = space.axes
        self.fastest = float(gait.speed.max(initial=0.0))
        slack = SLACK if self.fastest < BRISK else 0.0
        self.near = Neighbours(space, bodies[:, RADIUS], slack=slack)
        self.now, self.ahead = bodies, bodies.copy()
        self.here = Forces.of(n)
        self.there = self.here.beside()
        self.walk, self.trial = walk, walk.like()
        self.step, self.gap, self.strayed = np.zeros((n, 3)), np.zeros(n), np.zeros(n)
        self.seen = np.zeros((n, len(CONTACTS)))
        self.lost = np.inf  # [um] the furthest that a cell has gone since neighbours were listed
        self.substeps, self.refused, self.error = 0, 0, 0.0

    def follow(self, dt: float, *, pushed: bool) -> None:
        """Take substeps to the end of the tick; contacts move cells if `pushed`."""
        left, wish = dt, dt
        while left > 0.0:
            self._feel(self.now, self.here, counting=True)
            substep = self._choose(left, wish)
            error = self._try(substep, pushed=pushed)
            while error > TOLERANCE and substep > SHORTEST_SUBSTEP:
                self.refused += 1
                substep = max(substep * _change(error), SHORTEST_SUBSTEP)
                error = self._try(substep, pushed=pushed)
            self._accept(substep, error)
            left -= substep
            wish = substep * _change(error)

    def _feel(self, bodies: NDArray[np.float64], forces: Forces, *, counting: bool) -> None:
        """Contacts where the cells are now or would be; who is near is listed anew when needed."""
        if self.lost > self.near.slack:
            self.near.build(bodies)
            self.lost = 0.0
        interact(
            bodies,
            self.near,
            affinity=self.types.affinity,
            identity=self.gait.identity,
            shown=self.shown,
            forces=forces,
            counting=counting,
        )

    def _choose(self, left: float, wish: float) -> float:
        """A substep [min] that is stable, moves no cell far, and divides what is left evenly."""
        bounds = (
            wish,
            STABILITY / max(float(self.here.stiffness.max(initial=0.0)), 1e-9),
            LONGEST_PUSH / max(float(self.here.pace.max(initial=0.0)), 1e-9),
            LONGEST_STRIDE / max(self.fastest, 1e-9),
        )
        return left / math.ceil(left / max(min(bounds), SHORTEST_SUBSTEP))

    def _try(self, substep: float, *, pushed: bool) -> float:
        """Take a substep of Heun's method on trial; its error estimate [um]."""
        if self.fastest > 0.0:
            stride(self.walk, self.gait, substep, trial=self.trial, step=self.step)
        self._advance(substep, self.here, turning=not pushed)
        if not (pushed and self.gap.size):
            return 0.0
        self._feel(self.ahead, self.there, counting=False)
        self._advance(substep, self.there, turning=True)
        error = max(math.sqrt(float(np.mean(self.gap * self.gap))), float(self.gap.max()) / WORST)
        if not math.isfinite(error):
            lost = self.gait.identity[~np.isfinite(self.gap)][:5]
            msg = f"positions are no longer finite; the first such cells are {lost.tolist()}"
            raise FloatingPointError(msg)
        return error

    def _advance(self, substep: float, then: Forces, *, turning: bool) -> None:
        """Positions under the mean of the velocities here and then, into `ahead`."""
        device.launch(
            _advance,
            len(self.now),
            self.now,
            self.here.velocity,
            then.velocity,
            self.step,
            substep,
            self.size,
            self.walls,
            self.axes,
            turning,
            self.near.origin,
            self.trial.direction,
            self.ahead,
            self.gap,
            self.strayed,
            weight=4,
        )
        self.lost = float(self.strayed.max(initial=0.0))

    def _accept(self, substep: float, error: float) -> None:
        """Be where the trial led."""
        device.launch(_see, len(self.seen), substep, self.here.contact, self.seen, weight=2)
        self.now, self.ahead = self.ahead, self.now
        self.walk, self.trial = self.trial, self.walk
        self.substeps += 1
        self.error = max(self.error, error)

    def arrive(self, population: Population, order: NDArray[np.int64], dt: float) -> None:
        """Write columns: where cells are, where they head, the mean of what they touched."""
        crowd = PACKED_2D if self.axes == 2 else PACKED_3D
        share = np.ones(len(CONTACTS)) / dt
        share[CONTACTS.index("crowding")] /= crowd
        columns = [population[name] for name in ("position", "direction", *CONTACTS)]
        way = (order, self.now, self.walk.direction, self.seen, share)
        device.launch(_settle, len(order), *way, *columns, weight=4)


def _change(error: float) -> float:
    """Factor to the next substep: the error grows with its square."""
    return min(max(_SAFETY * math.sqrt(TOLERANCE / max(error, 1e-12)), _LEAST), _MOST)


@nb.njit(error_model="numpy", forceinline=True)
def kept(x, size, walls):
    """Coordinate after the walls had their say, and the way a wall turned it (0: it did not)."""
    if 0.0 <= x <= size:
        return x, 0.0
    if walls == _PERIODIC:
        x -= size * np.floor(x / size)
        return (x if x < size else 0.0), 0.0
    if walls == _REFLECTING:
        away = 1.0 if x < 0.0 else -1.0
        x = abs(x)
        x -= 2.0 * size * np.floor(x / (2.0 * size))
        return (x if x <= size else 2.0 * size - x), away
    return x, 0.0


def _advance(
    i,
    now,
    velocity,
    then,
    step,
    dt,
    size,
    walls,
    axes,
    turning,
    origin,
    direction,
    ahead,
    gap,
    strayed,
):
    """Move one cell by the mean of two velocities and its own step; a wall turns it round.

    `gap` is the distance to where the first velocity alone would have taken it, `strayed` that
    from where its neighbours were listed.
    """
    squared, far = 0.0, 0.0
    for axis in range(axes):
        mean = 0.5 * (velocity[i, axis] + then[i, axis])
        squared += (mean - velocity[i, axis]) ** 2
        x = now[i, axis] + dt * mean + step[i, axis]
        x, away = kept(x, size[axis], walls)
        if turning and away != 0.0:
            direction[i, axis] = away * abs(direction[i, axis])
        ahead[i, axis] = x
        gone = x - origin[i, axis]
        if walls == _PERIODIC:
            gone = nearest(gone, size[axis])
        far += gone * gone
    gap[i], strayed[i] = dt * np.sqrt(squared), np.sqrt(far)


def _see(i, substep, contact, seen):
    """Add the contacts of a substep to those of the tick."""
    for k in range(seen.shape[1]):
        seen[i, k] += substep * contact[i, k]


def _settle(
    place,
    order,
    now,
    heading,
    seen,
    share,
    position,
    direction,
    antigen,
    pdl1,
    b7,
    dead,
    touching,
    crowding,
):
    """Write one cell back to its row."""
    i = order[place]
    for axis in range(3):
        position[i, axis] = now[place, axis]
        direction[i, axis] = heading[place, axis]
    antigen[i], pdl1[i] = share[0] * seen[place, 0], share[1] * seen[place, 1]
    b7[i], dead[i] = share[2] * seen[place, 2], share[3] * seen[place, 3]
    touching[i], crowding[i] = share[4] * seen[place, 4], share[5] * seen[place, 5]
