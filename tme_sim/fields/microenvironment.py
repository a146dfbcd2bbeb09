"""Hold the substrates of a tissue, take the cells' and vessels' exchange, and step them in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numba
import numpy as np

from tme_sim.fields.field import HALF_SATURATION, PLASMA, Field
from tme_sim.fields.grid import Grid
from tme_sim.fields.rates import MASS
from tme_sim.fields.report import AMOUNTS, StepReport, SubstrateReport
from tme_sim.fields.solver import Effort, NotConvergedError, Workspace, solve
from tme_sim.fields.stepping import Control, Stepper
from tme_sim.fields.substrate import Substrate

SOLVE_TOLERANCE = {"float32": 5e-5, "float64": 1e-10}  # error of c by the linear solver, relative
STEADY_TOLERANCE = {"float32": 2e-6, "float64": 1e-11}
CLOSURE = {"float32": 1e-6, "float64": 1e-14}  # of the budget, relative to its largest term
SIDE_BY_SIDE_FROM = 20_000  # voxels; below it, starting threads costs more than it saves
FIRST_SUBSTEP = 0.25  # of the first step, where nothing is known yet


class SolveError(RuntimeError):
    """A solve that did not converge; `history` holds the error estimate of every cycle."""

    def __init__(self, message: str, history: list[float]) -> None:
        super().__init__(message)
        self.history = history


class Microenvironment:
    """Substrates in a box of tissue.

    For each: dc/dt = D lap c - (decay + uptake) c - maximum c / (half_saturation + c) + source
    + permeability_area (plasma - c), with values at walls and in fixed voxels.

    Args:
        grid: the voxels.
        substrates: what diffuses.
        dtype: float32 (default) or float64 storage.
        tolerance: estimated error in time allowed per time constant of a change, relative to the
            norm of the field; the true error is usually less than half of it.
        substeps: a fixed number of second-order substeps per step; by default the error chooses.
        device: "cpu", or "cuda" to solve on a GPU; arrays given and returned stay on the host.

    Example:
        >>> env = Microenvironment(Grid((1, 50, 50)), [Substrate("oxygen", 1e5, 0.1, 38.0)])
        >>> report = env.step(6.0)
        >>> env["oxygen"].mean()
    """

    def __init__(
        self,
        grid: Grid,
        substrates: Iterable[Substrate],
        *,
        dtype: Any = np.float32,
        tolerance: float = 2e-3,
        substeps: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.grid = grid
        self.dtype = np.dtype(dtype)
        if self.dtype.name not in SOLVE_TOLERANCE:
            msg = f"fields are stored as {sorted(SOLVE_TOLERANCE)}, not {self.dtype.name!r}"
            raise ValueError(msg)
        self.tolerance = tolerance
        self.substeps = substeps or 0
        self._device = device
        self._work = Workspace(grid.shape, self.dtype, device)
        self._others: list[Workspace] = []  # where substrates are solved side by side
        self._fields: dict[str, Field] = {}
        for substrate in substrates:
            if substrate.name in self._fields:
                msg = f"substrate {substrate.name!r} is given twice"
                raise ValueError(msg)
            self._fields[substrate.name] = Field(substrate, grid, self._work, self.dtype)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the substrates in the order given."""
        return tuple(self._fields)

    @property
    def workspace_bytes(self) -> int:
        """Size of the work space that all substrates share [B]."""
        return sum(work.nbytes for work in (self._work, *self._others))

    def __getitem__(self, name: str) -> np.ndarray:
        """Concentration (z, y, x), a view that may be written between steps."""
        return self._field(name).concentration

    def set_exchange(self, name: str, source: Any = 0.0, uptake: Any = 0.0) -> None:
        """Set secretion [unit/min] and first-order uptake [1/min], numbers or arrays (z, y, x)."""
        field = self._field(name)
        field.set("source", source)
        field.set("uptake", uptake)

    def set_saturating_uptake(self, name: str, maximum: Any, half_saturation: float = 1.0) -> None:
        """Set the uptake maximum c / (half_saturation + c), `maximum` in [unit/min]."""
        field = self._field(name)
        half = field.checked_number("half_saturation", half_saturation)
        if half == 0.0:
            msg = f"substrate {name!r}: half_saturation must be positive, not {half_saturation!r}"
            raise ValueError(msg)
        field.set("maximum", maximum)
        field.constants[HALF_SATURATION] = half

    def set_vessels(self, name: str, permeability_area: Any, plasma: float) -> None:
        """Set the vessels' exchange permeability_area [1/min] x (plasma - c)."""
        field = self._field(name)
        field.constants[PLASMA] = field.checked_number("plasma", plasma)
        field.set("permeability_area", permeability_area)

    def fix(self, name: str, mask: np.ndarray | None, value: Any = 0.0) -> None:
        """Hold the concentration in the voxels of `mask` at `value`; None holds none."""
        self._field(name).fix(mask, value)

    def step(self, dt: float) -> StepReport:
        """Advance every substrate by dt [min]."""
        if not (np.isfinite(dt) and dt > 0):
            msg = f"a step needs a positive length [min], not {dt!r}"
            raise ValueError(msg)
        n_threads = min(numba.get_num_threads(), len(self._fields))
        worth_it = self._work.solved_by_one_thread and self.grid.n_voxels >= SIDE_BY_SIDE_FROM
        if n_threads > 1 and worth_it:
            return StepReport(self._step_side_by_side(float(dt), n_threads))
        return StepReport(
            {name: self._step(field, self._work, float(dt)) for name, field in self._fields.items()}
        )

    def _step_side_by_side(self, dt: float, n_threads: int) -> dict[str, SubstrateReport]:
        """Advance substrates of a small grid on several threads, each in a work space of its own.

        The slowest of the last step come first, so that threads end together.
        """
        while len(self._others) < n_threads - 1:
            self._others.append(Workspace(self.grid.shape, self.dtype))
        free: SimpleQueue[Workspace] = SimpleQueue()
        for work in (self._work, *self._others):
            free.put(work)

        def advance(name: str) -> SubstrateReport:
            work = free.get()
            try:
                return self._step(self._fields[name], work, dt)
            finally:
                free.put(work)

        slowest_first = sorted(self._fields, key=lambda name: -self._fields[name].cycles)
        with ThreadPoolExecutor(n_threads) as pool:
            reports = dict(zip(slowest_first, pool.map(advance, slowest_first), strict=True))
        return {name: reports[name] for name in self._fields}

    def _step(self, field: Field, work: Workspace, dt: float) -> SubstrateReport:
        np.copyto(work.before, field.concentration)
        try:
            return self._advance(field, work, dt)
        except NotConvergedError as err:
            np.copyto(field.concentration, work.before)
            if self.dtype == np.float64:
                raise _failed(field, f"a step of {dt:g} min", err) from err
        return self._advance_in_double(field, dt)

    def _advance(self, field: Field, work: Workspace, dt: float) -> SubstrateReport:
        field.clear_averages()
        kind, on = self.dtype.name, work.to_device
        control = Control(self.tolerance, SOLVE_TOLERANCE[kind], CLOSURE[kind], self.substeps)
        mean, realised = on(field.mean), on(field.realised)
        stepper = Stepper(field.system(work), work, control, mean, realised)
        h = field.next_substep if field.next_substep < np.inf else FIRST_SUBSTEP * dt
        c = on(field.concentration)
        before = stepper.budget(c)[MASS]
        progress = stepper.step(c, dt, min(h, dt))
        for host, array in zip(
            (field.concentration, field.mean, field.realised), (c, mean, realised), strict=True
        ):
            if array is not host and host.size:
                array.copy_to_host(host)
        field.next_substep, field.cycles = progress.h, progress.effort.cycles
        amounts = (*progress.flow.tolist(), float(progress.mass - before))
        return SubstrateReport(
            substeps=progress.n,
            cycles=progress.effort.cycles,
            residual=progress.effort.error,
            error=progress.error,
            balance=dict(zip(AMOUNTS, amounts, strict=True)),
        )

    def _advance_in_double(self, field: Field, dt: float) -> SubstrateReport:
        """A step that float32 cannot make, in float64, to the tolerance of what is stored.

        An implicit step has one solution and Newton's passes reach it (see `solver`); what fails
        is arithmetic. Squares of concentrations below 1e-19 of the unit vanish in float32, as in a
        tissue that has used up its glucose, and so do rates below 1e-7 of the coupling D / voxel^2.
        """
        work = Workspace(self.grid.shape, np.dtype(np.float64), self._device)
        double = field.in_double(work)
        try:
            report = self._advance(double, work, dt)
        except NotConvergedError as err:
            raise _failed(field, f"a step of {dt:g} min", err) from err
        field.take_over(double)
        return report

    def steady_state(self, name: str) -> np.ndarray:
        """The concentration (z, y, x) at which nothing changes; the field stays as it is."""
        field = self._field(name)
        field.check_steady_state_exists()
        c = self._work.to_device(field.concentration.copy())
        tolerance = STEADY_TOLERANCE[self.dtype.name]
        try:
            solve(
                field.system(self._work),
                self._work,
                c,
                c,
                rate=0.0,
                tolerance=tolerance,
                effort=Effort(),
            )
        except NotConvergedError as err:
            raise _failed(field, "the steady state", err) from err
        return c if isinstance(c, np.ndarray) else c.copy_to_host()

    def gradient(self, name: str) -> np.ndarray:
        """Gradient (z, y, x, 3) in x, y, z order [unit/um]: central, one-sided at closed walls."""
        field = self._field(name)
        out = np.zeros((*self.grid.shape, 3), self.dtype)
        for axis, n in enumerate(self.grid.shape):
            if n > 1:
                out[..., 2 - axis] = _derivative(
                    field.concentration, axis, self.grid.voxel, bool(field.periodic[axis])
                )
        return out

    def realised_uptake(self, name: str) -> np.ndarray:
        """Saturating uptake (z, y, x) [unit/min], averaged over the last step."""
        field = self._field(name)
        if not field.realised.size:
            return np.zeros(self.grid.shape, self.dtype)
        return np.maximum(field.realised, 0)

    def realised_clearance(self, name: str) -> np.ndarray:
        """First-order uptake (z, y, x) [unit/min], averaged over the last step."""
        field = self._field(name)
        if not (field.mean.size and field.arrays["uptake"].size):
            return np.zeros(self.grid.shape, self.dtype)
        return np.maximum(field.mean, 0) * field.arrays["uptake"]

    def state(self) -> dict[str, dict[str, Any]]:
        """Everything a restored microenvironment needs to continue to the bit."""
        return {name: field.state() for name, field in self._fields.items()}

    def restore(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over what `state` returned.

        A branch may have other substrates: new ones stay at their initial values, those that are
        gone are passed over.
        """
        for name in sorted(set(state) & set(self._fields)):
            self._fields[name].restore(state[name])

    def _field(self, name: str) -> Field:
        try:
            return self._fields[name]
        except KeyError:
            msg = f"no substrate {name!r}; the substrates are {sorted(self._fields)}"
            raise KeyError(msg) from None


def _failed(field: Field, task: str, err: NotConvergedError) -> SolveError:
    msg = f"substrate {field.substrate.name!r}: {task} did not converge; {err}"
    return SolveError(msg, err.history)


def _derivative(c: np.ndarray, axis: int, voxel: float, periodic: bool) -> np.ndarray:
    if periodic:
        return np.asarray((np.roll(c, -1, axis) - np.roll(c, 1, axis)) / c.dtype.type(2 * voxel))
    return np.asarray(np.gradient(c, voxel, axis=axis))
