"""Move cells through one tick: they walk and push each other in as few substeps as accuracy allows.

A stabilised Runge-Kutta-Chebyshev method of second order (Sommeijer, Shampine, Verwer 1998,
10.1016/S0377-0427(97)00219-7): packed tissue is stiff, its motion slow, and s stages of this
method are stable for steps that grow with s^2. All cells share one substep, bounded by the
method's own estimate of its error and by the longest way that cannot step over a neighbour; as
many stages as the stiffness of the tightest contact asks. What cells touch is counted at the start
of every substep and averaged.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba as nb
import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from tme_sim.compute.launch import launch
from tme_sim.processes.contact import CONTACTS, display
from tme_sim.processes.mechanics import KIND, Bodies, Forces, bodies_of, interact
from tme_sim.processes.motility import Gait, Walk, bias_of, depart, gait_of, stride
from tme_sim.processes.neighbours import (
    RADIUS,
    CellList,
    Neighbours,
    Space,
    Walls,
    nearest,
    taken,
)
from tme_sim.state.columns import ALIVE, Population

if TYPE_CHECKING:
    from tme_sim.fields.grid import Grid

READS = ("id", "type", "status", "radius", "position", "direction")
WRITES = ("position", "direction", *CONTACTS)

TOLERANCE = 0.04  # [um] error of one substep, root mean square: half a percent of a radius
WORST = 50.0  # times that for any one cell
LONGEST_WAY = 6.0  # [um] by contacts or by walking in one substep: less than a radius
FIRST_SUBSTEP = 1.5  # [min] tried first: what tissue at rest will mostly bear
MOST_STAGES = 8
OVERHEAD = 1.5  # stages that a substep costs beside its own: walking, counting, bookkeeping
SHORTEST_SUBSTEP = 1e-3  # [min] taken whatever the error; a push stays below 2 um
PACKED_2D, PACKED_3D = 0.013644, 0.027289  # squared overlaps of a cell in equilibrium packing
_SAFETY, _LEAST, _MOST = 0.95, 0.2, 3.0  # of the step control
_DAMPING = 2.0 / 13.0
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
    way.follow(dt)
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
        self.adhesion, self.gait, self.shown = types.pairs, gait, shown
        self.size, self.walls = np.asarray(space.size), _WALLS.index(space.walls)
        self.axes = space.axes
        self.fastest = float(gait.speed.max(initial=0.0))
        kind = bodies[:, KIND].astype(np.int64)
        self.near = Neighbours(space, types.listing_radius(kind, bodies[:, RADIUS]))
        self.now, self.ahead = bodies, bodies.copy()
        self.here, self.there = Forces.of(n), Forces.of(n)
        self.gone, self.before = np.zeros((n, 3)), np.zeros((n, 3))
        self.walk, self.trial = walk, walk.like()
        self.step, self.gap, self.strayed = np.zeros((n, 3)), np.zeros(n), np.full(n, np.inf)
        self.seen = np.zeros((n, len(CONTACTS)))
        self.substeps, self.refused, self.error = 0, 0, 0.0

    def follow(self, dt: float) -> None:
        """Take substeps to the end of the tick."""
        left, wish = dt, FIRST_SUBSTEP
        self._feel(self.now, self.here, counting=True)
        while left > 0.0:
            substep, stages = self._choose(left, wish)
            error = self._try(substep, stages, last=substep == left)
            wish = substep * _change(error)
            if error > TOLERANCE and substep > SHORTEST_SUBSTEP:
                self.refused += 1
            else:
                self._accept(substep, error)
                left -= substep

    def _feel(self, bodies: NDArray[np.float64], forces: Forces, *, counting: bool) -> None:
        """Contacts where the cells are now or would be; who is near is listed anew when needed."""
        if not self.near.hold(bodies, self.strayed):
            self.near.build(bodies)
        interact(
            bodies,
            self.near,
            adhesion=self.adhesion,
            identity=self.gait.identity,
            shown=self.shown,
            forces=forces,
            counting=counting,
        )

    def _choose(self, left: float, wish: float) -> tuple[float, int]:
        """A substep [min] that divides what is left evenly and its stages, at the least cost.

        No cell goes far in it, and it is stable.
        """
        pace, stiffness = (float(x.max(initial=0.0)) for x in (self.here.pace, self.here.stiffness))
        longest = min(wish, LONGEST_WAY / max(pace, self.fastest, 1e-9))
        most = math.ceil(left / SHORTEST_SUBSTEP)
        fewest = min(math.ceil(left / longest), most)
        if pace == 0.0:
            return left / fewest, 1
        number = {
            stages: min(max(fewest, math.ceil(left * stiffness / stable_up_to(stages))), most)
            for stages in range(2, MOST_STAGES + 1)
        }
        stages = min(number, key=lambda stages: number[stages] * (stages + OVERHEAD))
        return left / number[stages], stages

    def _try(self, substep: float, stages: int, *, last: bool) -> float:
        """Take a substep on trial; its error estimate [um]."""
        if self.fastest > 0.0:
            walk = (self.walk, self.gait, self.here.hold, substep)
            stride(*walk, trial=self.trial, step=self.step)
        then = self.here
        for k, (mu, nu, share, first_share) in enumerate(stages_of(stages), start=1):
            mix = (mu, nu, substep * share, substep * first_share, share + first_share)
            self._go(np.array(mix), then, turning=k == stages)
            then = self.there
            self._feel(self.ahead, then, counting=k == stages and not last)
        if not self.gap.size:
            return 0.0
        way = (self.gone, self.here.velocity, self.there.velocity, self.step)
        launch(_judge, self.gap.size, substep, *way, self.gap)
        error = max(math.sqrt(float(np.mean(self.gap * self.gap))), float(self.gap.max()) / WORST)
        if not math.isfinite(error):
            lost = self.gait.identity[~np.isfinite(self.gap)][:5]
            msg = f"positions are no longer finite; the first such cells are {lost.tolist()}"
            raise FloatingPointError(msg)
        return error

    def _go(self, mix: NDArray[np.float64], then: Forces, *, turning: bool) -> None:
        """Where one more stage leads: positions into `ahead`, the ways to there into `gone`."""
        self.gone, self.before = self.before, self.gone
        velocities = (self.here.velocity, then.velocity)
        box = (self.size, self.walls, self.axes)
        far = (self.near.origin, self.trial.direction, self.ahead, self.strayed)
        way = (self.now, *velocities, self.step, mix, *box, turning, self.before, self.gone, *far)
        launch(_go, len(self.now), *way, weight=4)

    def _accept(self, substep: float, error: float) -> None:
        """Be where the trial led."""
        launch(_see, len(self.seen), substep, self.here.contact, self.seen, weight=2)
        self.now, self.ahead = self.ahead, self.now
        self.here, self.there = self.there, self.here
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
        launch(_settle, len(order), *way, *columns, weight=4)


def stable_up_to(stages: int) -> float:
    """Largest substep x stiffness at which so many stages are stable."""
    return 2.0 / 3.0 * (stages * stages - 1) * (1.0 - 2.0 / 15.0 * _DAMPING)


@functools.cache
def stages_of(stages: int) -> tuple[tuple[float, float, float, float], ...]:
    """Coefficients (mu, nu, share, first share) of every stage.

    With Y_0 where the cells are and f their velocity there, stage j leads to

        Y_j - Y_0 = mu (Y_j-1 - Y_0) + nu (Y_j-2 - Y_0) + h (share f(Y_j-1) + first_share f(Y_0))

    Sommeijer, Shampine, Verwer 1998, equations 2.2 to 2.8; one stage is Euler's method.
    """
    if stages == 1:
        return ((0.0, 0.0, 1.0, 0.0),)
    w = 1.0 + _DAMPING / stages**2
    t = Chebyshev.basis
    value = [t(j)(w) for j in range(stages + 1)]
    b = [t(j).deriv(2)(w) / t(j).deriv(1)(w) ** 2 for j in range(2, stages + 1)]
    b = [b[0], b[0], *b]
    scale = t(stages).deriv(1)(w) / t(stages).deriv(2)(w)
    found = [(0.0, 0.0, b[1] * scale, 0.0)]
    for j in range(2, stages + 1):
        ratio = b[j] / b[j - 1]
        share = 2.0 * ratio * scale
        last = share * (1.0 - b[j - 1] * value[j - 1])
        nu = -b[j] / b[j - 2] if j > 2 else 0.0  # Y_0 is no way off
        found.append((2.0 * ratio * w, nu, share, -last))
    return tuple(tuple(map(float, stage)) for stage in found)


def _change(error: float) -> float:
    """Factor to the next substep: the error grows with its cube."""
    return min(max(_SAFETY * math.cbrt(TOLERANCE / max(error, 1e-12)), _LEAST), _MOST)


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


def _go(
    i,
    now,
    first,
    then,
    step,
    mix,
    size,
    walls,
    axes,
    turning,
    before,
    gone,
    origin,
    direction,
    ahead,
    strayed,
):
    """Move one cell as far as one more stage leads; a wall turns it round in the last.

    `gone` comes as the way of the stage before the last and becomes the new way, without walls;
    `strayed` is the distance from where the neighbours were listed.
    """
    far = 0.0
    for axis in range(axes):
        way = mix[0] * before[i, axis] + mix[1] * gone[i, axis] + mix[4] * step[i, axis]
        way += mix[2] * then[i, axis] + mix[3] * first[i, axis]
        gone[i, axis] = way
        x, away = kept(now[i, axis] + way, size[axis], walls)
        if turning and away != 0.0:
            direction[i, axis] = away * abs(direction[i, axis])
        ahead[i, axis] = x
        lost = x - origin[i, axis]
        if walls == _PERIODIC:
            lost = nearest(lost, size[axis])
        far += lost * lost
    strayed[i] = np.sqrt(far)


def _judge(i, dt, gone, first, then, step, gap):
    """Error estimate of one cell: 0.8 (Y_0 - Y) + 0.4 h (f(Y_0) + f(Y)), Sommeijer 1998."""
    squared = 0.0
    for axis in range(3):
        driven = dt * (first[i, axis] + then[i, axis]) + 2.0 * step[i, axis]
        squared += (0.4 * driven - 0.8 * gone[i, axis]) ** 2
    gap[i] = np.sqrt(squared)


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
