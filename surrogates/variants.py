"""Cells of one batch that are not decided by one network: groups, each with a variant of the model.

A variant is the same model on a network with other competences or time constants. Cells that carry
a user's mutation are such a group (`mutations`), and so are cells of one abundance: competence is
how much of what a unit stands for a type has, so that a factor on it is more or less of that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Generic, Protocol, Self, TypeVar, runtime_checkable

import numpy as np

from surrogates.channels import cell_type_code, find
from surrogates.contract import Cells, Decision
from surrogates.prior.graph import UNITS, Network
from surrogates.trajectory import Surrogate

MOST = 64  # variants by abundance that a model keeps; the one made first goes first


@runtime_checkable
class NetworkModel(Surrogate, Protocol):
    """A cell model that decides by a network of units, and can be put on another one."""

    @property
    def network(self) -> Network:
        """Units, their competences by cell type and their time constants."""

    def with_network(self, network: Network) -> Self:
        """The same model on a network of the same units and edges."""


class Steps(Protocol):
    """Whatever can decide about a group of cells."""

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """See `contract.CellModel`."""


Model = TypeVar("Model", bound=NetworkModel)
Group = tuple[np.ndarray, Steps]  # rows of its cells, and what decides about them


def step_groups(groups: Iterable[Group], cells: Cells, dt: float, *, out: Decision) -> None:
    """Let every group be decided by its own model; no cell is in two of them."""
    for rows, model in groups:
        part = Decision.allocate(len(rows), cells.state.shape[1], out.outputs.shape[1])
        model.step(cells.take(rows), dt, out=part)
        out.put(rows, part)


class ByAbundance(Generic[Model]):
    """Variants of a model by the abundance of its units, made when a cell first has it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._variants: dict[bytes, Model] = {}

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """Step cells that have an abundance; those of the same are stepped together."""
        n_units = self._model.network.n_units
        table = np.asarray(cells.abundance, np.float32)
        if table.shape != (len(cells), n_units) or not (np.isfinite(table) & (table >= 0.0)).all():
            msg = (
                f"abundance must be finite, not negative and of shape ({len(cells)}, {n_units}), "
                f"one factor a unit; its shape is {table.shape}"
            )
            raise ValueError(msg)
        rows, group = np.unique(table, axis=0, return_inverse=True)
        group = group.reshape(-1)
        plain = replace(cells, abundance=None)
        groups = [(np.flatnonzero(group == k), self._variant(row)) for k, row in enumerate(rows)]
        step_groups(groups, plain, dt, out=out)

    def _variant(self, abundance: np.ndarray) -> Model:
        if (abundance == 1.0).all():
            return self._model
        key = abundance.tobytes()
        if key not in self._variants:
            if len(self._variants) == MOST:
                self._variants.pop(next(iter(self._variants)))
            network = self._model.network
            changed = replace(network, competence=network.competence * abundance)
            self._variants[key] = self._model.with_network(changed)
        return self._variants[key]


def with_abundance(
    model: Model, factors: Mapping[str, float], *, cell_type: str = "tumor"
) -> Model:
    """The model where cells of a type have more or less, by a factor, of some nodes or heads."""
    competence = model.network.competence.copy()
    row = competence[cell_type_code(cell_type)]
    for name, factor in factors.items():
        unit = find(name, UNITS, "node")
        row[unit] = row[unit] * factor
    return model.with_network(replace(model.network, competence=competence))


def refuse_lines(cells: Cells, name: str) -> None:
    """Refuse cells that name a cell line, in a model that was fitted to none."""
    if cells.line is not None:
        msg = (
            f"cells name lines, but cell model {name!r} was fitted to none; say what a line makes "
            "more or less of by `abundance`"
        )
        raise ValueError(msg)


__all__ = ["ByAbundance", "NetworkModel", "refuse_lines", "step_groups", "with_abundance"]
