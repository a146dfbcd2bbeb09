"""Integrate the motion of all cells through a tick, in as few substeps as accuracy allows.

A stabilised Runge-Kutta-Chebyshev method of second order (Sommeijer, Shampine, Verwer 1998,
10.1016/S0377-0427(97)00219-7): packed tissue is stiff, its motion slow, and s stages of this
method are stable for substeps that grow with s^2. All cells share one substep, bounded by the
method's own estimate of its error and by the longest displacement that cannot step over a
neighbour; as many stages as the stiffness of the tightest contact asks. Contacts are counted at the
start of every substep, weighted by its length.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from tme_sim.compute.compiling import inline
from tme_sim.compute.launch import launch
from tme_sim.processes.cell_list import PERIODIC, RADIUS, REFLECTING, Space, minimum_image
from tme_sim.processes.contact import CONTACTS
from tme_sim.processes.mechanics import KIND, ContactProperties, Forces, interact
from tme_sim.processes.motility import Gait, Walk, stride
from tme_sim.processes.neighbours import Neighbours

TOLERANCE = 0.04  # [um] error of one substep, root mean square: half a percent of a radius
WORST = 50.0  # times that for any one cell
LONGEST_DISPLACEMENT = 6.0  # [um] by contacts or by walking in a substep: less than a radius
FIRST_SUBSTEP = 1.5  # [min] tried first: what tissue at rest will mostly bear
MOST_STAGES = 8
OVERHEAD = 1.5  # stages that a substep costs beside its own: walking, counting, bookkeeping
SHORTEST_SUBSTEP = 1e-3  # [min] taken whatever the error; a push stays below 2 um
_SAFETY, _LEAST, _MOST = 0.95, 0.2, 3.0  # of the step control
_DAMPING = 2.0 / 13.0


class Stage(NamedTuple):
    """Coefficients of one stage; see ``stage_coefficients``."""

    mu: float
    nu: float
    share: float
    first_share: float


class Weights(NamedTuple):
    """What a stage's displacement is made of, in a substep of given length."""

    previous: float  # of the displacement one stage before
    before: float  # of that two stages before
    velocity: float  # [min] of the velocity one stage before
    first_velocity: float  # [min] of the velocity at the start
    walk: float  # of the displacement by walking


class Displacements(NamedTuple):
    """From the start of the substep [um], without walls; (n_cells, 3).

    A stage finds in ``current`` that of two stages before, and writes its own there.
    """

    current: NDArray[np.float64]
    previous: NDArray[np.float64]
    walk: NDArray[np.float64]


class Integrator:
    """Substeps of all cells through one tick, in the order of space at its start.

    Attributes:
        bodies: where the cells are now, and what contacts need of them.
        walk: where they are heading.
        exposure: contacts of ``CONTACTS`` times minutes, per cell.
        substeps, refused: numbers of them.
        error: largest estimate of an accepted substep [um].
    """

    def __init__(
        self,
        space: Space,
        types: ContactProperties,
        gait: Gait,
        walk: Walk,
        bodies: NDArray[np.float64],
        shown: NDArray[np.float32],
    ) -> None:
        n = len(bodies)
        self.adhesion, self.gait, self.shown = types.pairs, gait, shown
        self.box = space.box
        self.fastest_walk = float(gait.speed.max(initial=0.0))
        kind = bodies[:, KIND].astype(np.int64)
        self.near = Neighbours(space, types.listing_radius(kind, bodies[:, RADIUS]))
        self.bodies, self.trial_bodies = bodies, bodies.copy()
        self.first, self.forces = Forces.of(n), Forces.of(n)  # at the start, at the last stage
        self.displacement = Displacements(*np.zeros((3, n, 3)))
        self.walk, self.trial_walk = walk, walk.like()
        self.errors, self.strayed = np.zeros(n), np.full(n, np.inf)
        self.exposure = np.zeros((n, len(CONTACTS)))
        self.substeps, self.refused, self.error = 0, 0, 0.0

    def run(self, dt: float) -> None:
        """Take substeps to the end of the tick."""
        left, wanted = dt, FIRST_SUBSTEP
        self._evaluate(self.bodies, self.first, counting=True)
        while left > 0.0:
            substep, stages = self._choose(left, wanted)
            error = self._attempt(substep, stages, last=substep == left)
            wanted = substep * _step_factor(error)
            if error > TOLERANCE and substep > SHORTEST_SUBSTEP:
                self.refused += 1
            else:
                self._accept(substep, error)
                left -= substep

    def _evaluate(self, bodies: NDArray[np.float64], forces: Forces, *, counting: bool) -> None:
        """Contacts where the cells are or would be; neighbours are listed anew when needed."""
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

    def _choose(self, left: float, wanted: float) -> tuple[float, int]:
        """A substep [min] that divides what is left evenly and its stages, at the least cost.

        No cell goes far in it, and it is stable.
        """
        pace = float(self.first.pace.max(initial=0.0))
        stiffness = float(self.first.stiffness.max(initial=0.0))
        longest = min(wanted, LONGEST_DISPLACEMENT / max(pace, self.fastest_walk, 1e-9))
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

    def _attempt(self, substep: float, stages: int, *, last: bool) -> float:
        """Take a substep on trial; its error estimate [um]."""
        if self.fastest_walk > 0.0:
            walk = (self.walk, self.gait, self.first.hold, substep)
            stride(*walk, trial=self.trial_walk, step=self.displacement.walk)
        forces = self.first
        for k, stage in enumerate(stage_coefficients(stages), start=1):
            self._displace(stage, substep, forces, turning=k == stages)
            forces = self.forces
            self._evaluate(self.trial_bodies, forces, counting=k == stages and not last)
        return self._estimate_error(substep)

    def _displace(self, stage: Stage, substep: float, forces: Forces, *, turning: bool) -> None:
        """Positions of one more stage into ``trial_bodies``."""
        current, previous, walk = self.displacement
        self.displacement = Displacements(previous, current, walk)
        share, first_share = stage.share, stage.first_share
        weights = Weights(
            stage.mu, stage.nu, substep * share, substep * first_share, share + first_share
        )
        velocities = (self.first.velocity, forces.velocity)
        end = (self.near.origin, self.trial_walk.direction, self.trial_bodies, self.strayed)
        start = (self.bodies, *velocities, self.displacement, weights, self.box, turning)
        launch(_displace, len(self.bodies), *start, *end, weight=4)

    def _estimate_error(self, substep: float) -> float:
        """Of the substep on trial [um]: root mean square, or the worst cell's where that is bad."""
        errors = self.errors
        if not errors.size:
            return 0.0
        velocities = (self.first.velocity, self.forces.velocity)
        launch(_estimate, errors.size, substep, self.displacement, *velocities, errors)
        error = max(math.sqrt(float(np.mean(errors * errors))), float(errors.max()) / WORST)
        if not math.isfinite(error):
            lost = self.gait.identity[~np.isfinite(errors)][:5]
            msg = f"positions are no longer finite; the first such cells are {lost.tolist()}"
            raise FloatingPointError(msg)
        return error

    def _accept(self, substep: float, error: float) -> None:
        """Make the trial the present state."""
        n = len(self.exposure)
        launch(_add_exposure, n, substep, self.first.contact, self.exposure, weight=2)
        self.bodies, self.trial_bodies = self.trial_bodies, self.bodies
        self.first, self.forces = self.forces, self.first
        self.walk, self.trial_walk = self.trial_walk, self.walk
        self.substeps += 1
        self.error = max(self.error, error)


def stable_up_to(stages: int) -> float:
    """Largest substep x stiffness at which so many stages are stable."""
    return 2.0 / 3.0 * (stages * stages - 1) * (1.0 - 2.0 / 15.0 * _DAMPING)


@functools.cache
def stage_coefficients(stages: int) -> tuple[Stage, ...]:
    """Coefficients of every stage.

    With Y_0 where the cells are and f their velocity there, stage j leads to

        Y_j - Y_0 = mu (Y_j-1 - Y_0) + nu (Y_j-2 - Y_0) + h (share f(Y_j-1) + first_share f(Y_0))

    Sommeijer, Shampine, Verwer 1998, equations 2.2 to 2.8; one stage is Euler's method.
    """
    if stages == 1:
        return (Stage(0.0, 0.0, 1.0, 0.0),)
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
        nu = -b[j] / b[j - 2] if j > 2 else 0.0  # Y_0 is not displaced
        found.append((2.0 * ratio * w, nu, share, -last))
    return tuple(Stage(*map(float, stage)) for stage in found)


def _step_factor(error: float) -> float:
    """Factor to the next substep: the error grows with its cube."""
    return min(max(_SAFETY * math.cbrt(TOLERANCE / max(error, 1e-12)), _LEAST), _MOST)


@inline
def at_walls(x, size, walls):
    """Coordinate that walls leave of `x`, and the direction a wall turned it to (0: none did)."""
    if 0.0 <= x <= size:
        return x, 0.0
    if walls == PERIODIC:
        x -= size * np.floor(x / size)
        return (x if x < size else 0.0), 0.0
    if walls == REFLECTING:
        inward = 1.0 if x < 0.0 else -1.0
        x = abs(x)
        x -= 2.0 * size * np.floor(x / (2.0 * size))
        return (x if x <= size else 2.0 * size - x), inward
    return x, 0.0


def _displace(
    i,
    bodies,
    first_velocity,
    velocity,
    displacement,
    weights,
    box,
    turning,
    origin,
    direction,
    trial,
    strayed,
):
    """Move one cell by one more stage; a wall turns it round in the last.

    `strayed` is the distance from where the neighbours were listed.
    """
    far = 0.0
    for axis in range(box.axes):
        moved = (
            weights.previous * displacement.previous[i, axis]
            + weights.before * displacement.current[i, axis]
            + weights.walk * displacement.walk[i, axis]
        )
        moved += (
            weights.velocity * velocity[i, axis] + weights.first_velocity * first_velocity[i, axis]
        )
        displacement.current[i, axis] = moved
        x, inward = at_walls(bodies[i, axis] + moved, box.size[axis], box.walls)
        if turning and inward != 0.0:
            direction[i, axis] = inward * abs(direction[i, axis])
        trial[i, axis] = x
        drift = x - origin[i, axis]
        if box.walls == PERIODIC:
            drift = minimum_image(drift, box.size[axis])
        far += drift * drift
    strayed[i] = np.sqrt(far)


def _estimate(i, dt, displacement, first_velocity, velocity, errors):
    """Error estimate of one cell: 0.8 (Y_0 - Y) + 0.4 h (f(Y_0) + f(Y)), Sommeijer 1998."""
    squared = 0.0
    for axis in range(3):
        driven = dt * (first_velocity[i, axis] + velocity[i, axis])
        driven += 2.0 * displacement.walk[i, axis]
        squared += (0.4 * driven - 0.8 * displacement.current[i, axis]) ** 2
    errors[i] = np.sqrt(squared)


def _add_exposure(i, substep, contact, exposure):
    """Add the contacts of a substep to those of the tick."""
    for k in range(exposure.shape[1]):
        exposure[i, k] += substep * contact[i, k]
