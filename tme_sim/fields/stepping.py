"""Advance one substrate in time, with substeps as long as the error allows.

A substep of length h is one backward Euler step, T1. Where its error matters, T2 is made of two
steps of h/2, and where that is not enough T3 of three of h/3; the result is 2 T2 - T1, of second
order, or (9 T3 - 8 T2 + T1) / 2, of third (extrapolated Euler, Hairer & Wanner 1996, IV.9). All
are L-stable. For a mode that decays by x in a substep the second is never further than 0.04 from
exp(-x) and the third never further than 0.015; beside T2 - T1, which measures both, these errors
are at most 1 and 0.3 (the latter up to x = 60). A substrate at its quasi-steady state so costs one
solve. Errors are judged relative to the norm of the field. A substep that fails is halved: the
first half of its T2 is the T1 of the next try.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from tme_sim.compute.chunks import copy
from tme_sim.fields.levels import CHUNKS, ROWS
from tme_sim.fields.multigrid import coarsen_diagonals, v_cycle
from tme_sim.fields.rates import (
    DECAYED,
    IN,
    MASS,
    OUT,
    SLOPE,
    TAKEN_UP,
    accumulate_averages,
    budget,
    clip_negative,
    scale_free_voxels,
)
from tme_sim.fields.solver import Effort, System, Workspace, depth, solve
from tme_sim.fields.stencil import (
    combine,
    inner_products,
    load_combination,
    shift_diagonal,
    squared_norm,
)

SHORTEST = 1.0 / 4096  # substep over the step asked for
MAX_CLOSURES = 3
SAFETY, SHRINK, GROW = 0.9, 0.5, 4.0
MOST_FORGIVEN = 20.0  # how far an error that will decay within the step may exceed the tolerance
FIRST, SECOND, THIRD = 3.0, 1.0, 0.3  # error of an order over its estimate
WEIGHTS = {2: (-1.0, 2.0, 0.0), 3: (0.5, -4.0, 4.5)}  # of T1, T2, T3 in the extrapolation
SLOWEST, FASTEST = 1e-3, 1e6  # decay of a change in a substep, where it shapes a guess
TINY = 1e-300


@dataclass(frozen=True)
class Control:
    """How exact a step must be.

    Attributes:
        time: error that a substep may make per time constant of a change, relative to the field.
        solve: error a solve may leave, relative to the field.
        closure: gap that a budget may leave, relative to its largest term.
        substeps: a fixed number of second-order substeps; 0 lets the error choose.
    """

    time: float
    solve: float
    closure: float
    substeps: int = 0


@dataclass
class Progress:
    """What a step has done so far.

    Attributes:
        done: time advanced [min].
        h: substep to try next [min].
        mass: content of the free voxels now [unit x voxels].
        flow: budget so far: amounts in, out, decayed, taken up [unit x voxels].
        error: sum of the substeps' estimated errors.
        n: substeps made.
        size2: largest squared norm of the field met, tried substeps included: what errors are
            relative to, so that a substrate that comes in from nothing is not chased at first.
    """

    h: float
    mass: float
    done: float = 0.0
    flow: np.ndarray = field(default_factory=lambda: np.zeros(MASS))
    error: float = 0.0
    n: int = 0
    size2: float = 0.0
    effort: Effort = field(default_factory=Effort)

    def relative(self, norm2: float) -> float:
        """A norm relative to that of the field."""
        return math.sqrt(norm2 / max(self.size2, TINY))

    def accept(self, h: float, flow: np.ndarray, mass: float, error: float) -> None:
        """Count an accepted substep."""
        self.flow += flow
        self.mass = mass
        self.done += h
        self.error += error
        self.n += 1


@dataclass(frozen=True)
class Stepper:
    """Steps one substrate: its equations, the shared work space, and the averages over the step.

    Attributes:
        mean: average of c over the step, of size 0 where not wanted.
        realised: average of the saturating uptake over the step, likewise [unit/min].
    """

    system: System
    work: Workspace
    control: Control
    mean: np.ndarray
    realised: np.ndarray

    def step(self, c: np.ndarray, dt: float, h: float) -> Progress:
        """Advance c by dt [min], trying substeps of h first."""
        substeps = self.control.substeps
        progress = Progress(h=dt / substeps if substeps else h, mass=self.budget(c)[MASS])
        while progress.done < dt * (1.0 - 1e-9):
            self._substep(c, dt, _fit(progress.h, dt - progress.done), progress)
        return progress

    def _substep(self, c: np.ndarray, dt: float, h: float, progress: Progress) -> None:
        """Advance c by one substep of h, or of h halved until its error is small enough."""
        work, control = self.work, self.control
        adaptive, limit = control.substeps == 0, control.time
        copy(work.full, c)
        whole = self._euler(h, c, progress.mass, work.full, progress.effort)
        while True:
            error, x = self._euler_error(c, h, progress)
            if adaptive and FIRST * error <= limit:
                return self._accept_euler(c, dt, h, whole, FIRST * error, progress)
            halves = self._two_halves(c, h, x, progress)
            left = dt - progress.done - h
            error = self._extrapolation_error(h, left, progress)
            if not adaptive or SECOND * error <= limit:
                return self._extrapolate(c, dt, h, 2, (whole, *halves), SECOND * error, progress)
            if THIRD * error <= limit or h <= SHORTEST * dt:
                thirds = self._three_thirds(c, dt, h, x, progress)
                flows = whole, *halves, *thirds
                return self._extrapolate(c, dt, h, 3, flows, THIRD * error, progress)
            h *= 0.5
            whole = halves[0]
            work.full, work.half = work.half, work.full

    def _accept_euler(
        self,
        c: np.ndarray,
        dt: float,
        h: float,
        whole: np.ndarray,
        error: float,
        progress: Progress,
    ) -> None:
        """c = T1."""
        copy(c, self.work.full)
        self._accumulate(h / dt, c)
        progress.accept(h, h * whole[:MASS], whole[MASS], error)
        progress.h = h * GROW

    def _two_halves(
        self, c: np.ndarray, h: float, x: float, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray]:
        """Two steps of h/2 from c into work.half and work.end, T2; returns their budgets.

        The guesses are what a mode that decays by x in h would do, given T1.
        """
        work = self.work
        share = 0.5 / (1.0 + 0.5 * x)
        self._combine(work.half, 1.0 - share, work.full, share, c)
        first = self._euler(0.5 * h, c, progress.mass, work.half, progress.effort)
        share = -0.5 * x / (1.0 + 0.5 * x)
        self._combine(work.end, 1.0 - share, work.full, share, work.half)
        self._clip(work.end)
        second = self._euler(0.5 * h, work.half, first[MASS], work.end, progress.effort)
        return first, second

    def _three_thirds(
        self, c: np.ndarray, dt: float, h: float, x: float, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Three steps of h/3 from c, by way of work.half and c, into work.half: T3.

        Returns their budgets. A field is added to the averages before it is overwritten.
        """
        work, effort = self.work, progress.effort
        self._accumulate(0.5 * WEIGHTS[3][1] * h / dt, work.half)
        third, after = 1.0 / (1.0 + x / 3.0), 1.0 / (1.0 + x)
        share = (third - after) / (1.0 - after)
        self._combine(work.half, 1.0 - share, work.full, share, c)
        first = self._euler(h / 3.0, c, progress.mass, work.half, effort)
        self._accumulate(WEIGHTS[3][2] * h / dt / 3.0, work.half)
        share = (third**2 - after) / (third - after)
        self._combine(c, 1.0 - share, work.full, share, work.half)
        second = self._euler(h / 3.0, work.half, first[MASS], c, effort)
        self._accumulate(WEIGHTS[3][2] * h / dt / 3.0, c)
        two = 1.0 / (1.0 + 0.5 * x) ** 2
        share = (third**3 - two) / (after - two)
        self._combine(work.half, 1.0 - share, work.end, share, work.full)
        self._clip(work.half)
        return first, second, self._euler(h / 3.0, c, second[MASS], work.half, effort)

    def _extrapolate(
        self,
        c: np.ndarray,
        dt: float,
        h: float,
        order: int,
        flows: tuple[np.ndarray, ...],
        error: float,
        progress: Progress,
    ) -> None:
        """c = the extrapolation of this order; the budget stays closed."""
        work, weights = self.work, WEIGHTS[order]
        if order == 3:
            self._combine(c, weights[2], work.half, weights[1], work.end)
            self._combine(c, 1.0, c, weights[0], work.full)
            self._accumulate(weights[2] / 3.0 * h / dt, work.half)
        else:
            self._combine(c, weights[1], work.end, weights[0], work.full)
            self._accumulate(weights[1] / 2.0 * h / dt, work.half)
        self._clip(c)
        self._accumulate(weights[1] / 2.0 * h / dt, work.end)
        self._accumulate(weights[0] * h / dt, work.full)
        share = [weights[n - 1] / n * h for n in range(1, order + 1) for _ in range(n)]
        weighted = (w * f[:MASS] for w, f in zip(share, flows, strict=True))
        flow = sum(weighted, start=np.zeros(MASS))
        wanted = progress.mass + flow[IN] - flow[OUT] - flow[DECAYED] - flow[TAKEN_UP]
        mass = self._set_mass(c, wanted)
        if wanted <= 0.0:  # an emptied field cannot take up the rounding of what left it
            losses = flow[OUT] + flow[DECAYED] + flow[TAKEN_UP]
            flow[OUT : TAKEN_UP + 1] *= 1.0 + (wanted - mass) / max(losses, TINY)
        progress.accept(h, flow, mass, error)
        if self.control.substeps == 0:
            factor = SAFETY * math.sqrt(self.control.time / max(error, TINY))
            progress.h = h * min(max(factor, SHRINK), GROW)

    def _euler(
        self, h: float, c0: np.ndarray, mass0: float, c: np.ndarray, effort: Effort
    ) -> np.ndarray:
        """One backward Euler step from c0 into c, which holds the guess; returns its budget."""
        rate, closure = 1.0 / h, self.control.closure
        solve(self.system, self.work, c0, c, rate=rate, tolerance=self.control.solve, effort=effort)
        flow = self.budget(c, rate)
        for closure_pass in range(MAX_CLOSURES):
            net = flow[IN] - flow[OUT] - flow[DECAYED] - flow[TAKEN_UP]
            gap = net - rate * (flow[MASS] - mass0)
            largest = max(*flow[:MASS], abs(net))
            if abs(gap) <= closure * largest or not flow[SLOPE] > 0.0:
                break
            if closure_pass == MAX_CLOSURES - 1:  # fluxes at walls feel every rounding of c
                flow[MASS] = self._set_mass(c, mass0 + h * net)
                break
            self._scale(c, 1.0 + gap / flow[SLOPE])
            flow = self.budget(c, rate)
        return flow

    def _set_mass(self, c: np.ndarray, wanted: float) -> float:
        """Scale the free voxels to a given content; returns what it came to."""
        mass = float(self.budget(c)[MASS])
        if mass > 0.0 and wanted > 0.0 and mass != wanted:
            self._scale(c, wanted / mass)
            mass = float(self.budget(c)[MASS])
        return mass

    def budget(self, c: np.ndarray, rate: float = 0.0) -> np.ndarray:
        """What flows at c (see `rates.budget`)."""
        system = self.system
        args = rate, system.reactions, system.edges, system.coef, system.walls, self.work.p
        return np.asarray(budget(self.work.levels, c, *args))

    def _scale(self, c: np.ndarray, factor: float) -> None:
        level, reactions = self.work.levels[0], self.system.reactions
        scale_free_voxels(level[ROWS], c, factor, level, self.work.carries, reactions)

    def _clip(self, c: np.ndarray) -> float:
        level = self.work.levels[0]
        return float(clip_negative(level[ROWS], c, level, self.work.p)[0])

    def _accumulate(self, weight: float, c: np.ndarray) -> None:
        level, weight = self.work.levels[0], c.dtype.type(weight)
        averages = self.mean, self.realised
        accumulate_averages(level[ROWS], weight, c, *averages, level, self.system.reactions)

    def _combine(self, out: np.ndarray, a: float, x: np.ndarray, b: float, y: np.ndarray) -> float:
        """out = a x + b y; returns sum out^2."""
        level, real = self.work.levels[0], x.dtype.type
        return float(combine(level[ROWS], out, real(a), x, real(b), y, level)[0])

    def _norm2(self, c: np.ndarray) -> float:
        level = self.work.levels[0]
        return float(squared_norm(level[ROWS], c, level)[0])

    def _difference(self, x: np.ndarray, y: np.ndarray) -> float:
        """Make x - y the right-hand side of the next cycle; returns its squared norm."""
        level, real = self.work.levels[0], x.dtype.type
        sums = load_combination(level[ROWS], self.work.r, real(1), x, real(-1), y, level)
        return float(sums[0])

    def _euler_error(self, c: np.ndarray, h: float, progress: Progress) -> tuple[float, float]:
        """Error of the step of h from c to work.full, and how much of its change decays in h.

        The next step of h would change the field by (1 + h A)^-1 (full - c). For a mode that
        decays by x this is 1 to 2 times the error of the step, 1 / (1 + x) - exp(-x) of what it
        has to go, added up over the time constant of the mode where x < 1.
        """
        progress.size2 = max(progress.size2, self._norm2(self.work.full))
        change2 = self._difference(self.work.full, c)
        if change2 <= (self.control.time**2) * progress.size2 / FIRST**2:
            return progress.relative(change2), SLOWEST
        next2 = self._relaxed(h)
        x = math.sqrt(change2 / max(next2, TINY)) - 1.0
        return progress.relative(next2), min(max(x, SLOWEST), FASTEST)

    def _extrapolation_error(self, h: float, left: float, progress: Progress) -> float:
        """Error of the extrapolated substep, as far as it outlives the time left in the step."""
        work = self.work
        error2 = self._difference(work.end, work.full)
        if left > h:
            error2 = max(self._relaxed(left), error2 / MOST_FORGIVEN**2)
        return progress.relative(error2)

    def _relaxed(self, time: float) -> float:
        """Squared norm of (1 + time A)^-1 work.r, by one V-cycle."""
        work, system, levels = self.work, self.system, self.work.levels
        n_levels = depth(system.coef, 1.0 / time + float(system.reactions.decay))
        if work.rate != 1.0 / time:
            change = system.coef.dtype.type(1.0 / time - work.rate)
            shift_diagonal(2 * levels[0, CHUNKS], work.d, change, levels[0])
            coarsen_diagonals(levels, work.d, system.coef, system.periodic, n_levels, work.p)
            work.rate = 1.0 / time
        v_cycle(levels, work.e, work.r, work.d, system.coef, system.periodic, n_levels)
        products = inner_products(2 * levels[0, CHUNKS], work.e, work.r, levels[0])
        return float(products[1]) / time**2


def _fit(h: float, left: float) -> float:
    """The substep to take where `left` remains, so that no very short one is left over."""
    if h > 0.99 * left:
        return left
    return 0.5 * left if h > 0.5 * left else h
