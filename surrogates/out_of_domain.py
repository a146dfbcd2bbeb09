"""What happens to cells outside the training domain: warn, clamp, teacher or stop."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, Unpack

import numpy as np
from numpy.typing import ArrayLike

from surrogates.channels import INPUTS
from surrogates.contract import CellModel, Cells, Decision
from surrogates.network.domain import Domain, clamp
from surrogates.trajectory import Conditions, Surrogate, Trajectory, simulate

POLICIES = ("warn", "clamp", "teacher", "stop")


class OutOfDomain(RuntimeError):
    """Cells met a situation that the network was not trained on, and the user wants to stop."""


class Treatment(Protocol):
    """What is done about cells that the network does not know."""

    def __call__(self, cells: Cells, dt: float, rows: np.ndarray, out: Decision) -> None:
        """Treat these rows of the cells, of which `out` holds what the network decided."""


def guard(
    model: Surrogate, policy: str, *, domain: Domain, teacher: Callable[[], CellModel]
) -> Surrogate:
    """The model itself for `warn`, which only marks cells; otherwise the model behind a guard.

    `domain` is what the model was trained on; `teacher` makes who decides instead of it.
    """
    if policy == "clamp":
        return Guarded(model, Clamp(model, domain))
    if policy == "teacher":
        return Guarded(model, Replace(teacher()))
    if policy == "stop":
        return Guarded(model, Stop(domain))
    return model


class Guarded:
    """A network and what to do with the cells it does not know."""

    def __init__(self, model: Surrogate, treat: Treatment) -> None:
        self.model, self._treat = model, treat
        self.inputs, self.nodes, self.outputs = model.inputs, model.nodes, model.outputs
        self.name, self.hash = model.name, model.hash
        self.genotypes = model.genotypes

    def initial_state(self, cell_type: ArrayLike, genotype: ArrayLike) -> np.ndarray:
        """As the network."""
        return self.model.initial_state(cell_type, genotype)

    def allocate(self, n: int) -> Decision:
        """As the network."""
        return self.model.allocate(n)

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """As the network, then treat the cells that it marks; the marks stay."""
        if np.may_share_memory(out.state, cells.state):
            cells = replace(cells, state=cells.state.copy())
        self.model.step(cells, dt, out=out)
        rows = np.flatnonzero(~out.in_domain)
        if rows.size:
            self._treat(cells, dt, rows, out)
            out.in_domain[rows] = False

    def simulate(self, **conditions: Unpack[Conditions]) -> Trajectory:
        """Follow one cell; see `surrogates.trajectory.simulate`."""
        return simulate(self, **conditions)


@dataclass(frozen=True)
class Clamp:
    """The network decides again, with these cells' inputs moved into the training box."""

    model: CellModel
    domain: Domain

    def __call__(self, cells: Cells, dt: float, rows: np.ndarray, out: Decision) -> None:
        """See `Treatment`."""
        unknown, again = cells.take(rows), self.model.allocate(len(rows))
        known = replace(unknown, inputs=clamp(self.domain, unknown.inputs))
        self.model.step(known, dt, out=again)
        out.put(rows, again)


@dataclass(frozen=True)
class Replace:
    """The teacher decides for these cells; the network's spread stays as the mark of doubt."""

    teacher: CellModel

    def __call__(self, cells: Cells, dt: float, rows: np.ndarray, out: Decision) -> None:
        """See `Treatment`."""
        again = self.teacher.allocate(len(rows))
        self.teacher.step(cells.take(rows), dt, out=again)
        again.sigma[:] = out.sigma[rows]
        out.put(rows, again)


@dataclass(frozen=True)
class Stop:
    """Say which cells, and which inputs left the training box."""

    domain: Domain

    def __call__(self, cells: Cells, dt: float, rows: np.ndarray, out: Decision) -> None:  # noqa: ARG002
        """See `Treatment`."""
        inputs = cells.inputs[rows]
        outside = (inputs < self.domain.low) | (inputs > self.domain.high)
        names = [INPUTS[k] for k in np.flatnonzero(outside.any(axis=0))]
        what = (
            f"inputs outside the training range: {names}"
            if names
            else ("their combination of inputs is new, or the members of the ensemble disagree")
        )
        msg = (
            f"{len(rows)} of {len(cells)} cells are outside the training domain "
            f"(first rows {rows[:5].tolist()}); {what}; out_of_domain: warn would go on"
        )
        raise OutOfDomain(msg)


__all__ = ["POLICIES", "Guarded", "OutOfDomain", "guard"]
