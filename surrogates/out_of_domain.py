"""What happens to cells outside the training domain: warn, clamp, teacher or stop."""

import numpy as np

from surrogates.channels import INPUTS
from surrogates.mutations import Mutants
from surrogates.network.domain import clamp
from surrogates.network.ensemble import TmeCell
from surrogates.teacher.model import Out, Teacher
from surrogates.trajectory import Trajectory, simulate


class OutOfDomain(RuntimeError):
    """Cells met a situation that the network was not trained on, and the user wants to stop."""


def guard(model: TmeCell | Mutants, policy: str):
    """The model itself for `warn`, which only marks cells; otherwise the model behind a guard."""
    if policy == "warn":
        return model
    return Guarded(model, {"clamp": _clamp, "teacher": _Swap(model), "stop": _stop}[policy], policy)


class Guarded:
    """A network and what to do with the cells it does not know."""

    def __init__(self, model: TmeCell | Mutants, treat, policy: str) -> None:
        self.model, self._treat, self.policy = model, treat, policy
        self.inputs, self.nodes, self.outputs = model.inputs, model.nodes, model.outputs
        self.name, self.hash = model.name, model.hash
        self.genotypes = model.genotypes

    def initial_state(self, cell_type, genotype) -> np.ndarray:
        """As the network."""
        return self.model.initial_state(cell_type, genotype)

    def allocate(self, n: int) -> Out:
        """As the network."""
        return self.model.allocate(n)

    def step(self, state, inputs, genotype, cell_type, dt, *, out) -> None:
        """As the network, then treat the cells that it marks; the marks stay."""
        self.model.step(state, inputs, genotype, cell_type, dt, out=out)
        rows = np.flatnonzero(~out.in_domain)
        if rows.size:
            arrays = (state[rows], inputs[rows], genotype[rows], cell_type[rows])
            self._treat(self.model, arrays, dt, rows, out)

    def simulate(self, **conditions) -> Trajectory:
        """Follow one cell; see `surrogates.trajectory.simulate`."""
        return simulate(self, **conditions)


def _clamp(model: TmeCell | Mutants, arrays: tuple, dt: float, rows: np.ndarray, out: Out) -> None:
    """Let the network decide again with these cells' inputs moved into the training box."""
    state, inputs, genotype, cell_type = arrays
    again = model.allocate(len(rows))
    model.step(state, clamp(model.domain, inputs), genotype, cell_type, dt, out=again)
    _put(again, rows, out)


class _Swap:
    """The teacher decides for these cells; the network's spread stays as the mark of doubt."""

    def __init__(self, model: TmeCell | Mutants) -> None:
        teacher = Teacher()
        self._teacher = model.over(teacher) if isinstance(model, Mutants) else teacher

    def __call__(self, _model, arrays: tuple, dt: float, rows: np.ndarray, out: Out):
        again = self._teacher.allocate(len(rows))
        self._teacher.step(*arrays, dt, out=again)
        again.sigma[:] = out.sigma[rows]
        _put(again, rows, out)


def _stop(model: TmeCell | Mutants, arrays: tuple, dt: float, rows: np.ndarray, out: Out) -> None:  # noqa: ARG001
    """Say which cells, and which inputs left the training box."""
    inputs = arrays[1]
    outside = (inputs < model.domain.low) | (inputs > model.domain.high)
    names = [INPUTS[k] for k in np.flatnonzero(outside.any(axis=0))]
    what = (
        f"inputs outside the training range: {names}"
        if names
        else ("their combination of inputs is new, or the members of the ensemble disagree")
    )
    msg = (
        f"{len(rows)} of {len(out.in_domain)} cells are outside the training domain "
        f"(first rows {rows[:5].tolist()}); {what}; out_of_domain: warn would go on"
    )
    raise OutOfDomain(msg)


def _put(again: Out, rows: np.ndarray, out: Out) -> None:
    out.state[rows] = again.state
    out.outputs[rows] = again.outputs
    out.sigma[rows] = again.sigma


__all__ = ["Guarded", "OutOfDomain", "guard"]
