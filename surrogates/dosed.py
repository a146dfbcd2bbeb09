"""A cell model that senses drugs at their concentrations, in front of one that has targets.

The contract's inputs are concentrations by drug name; teacher and network read occupancies of drug
targets. `Dosed` stands between the two (`drugs` has the equation).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from surrogates.channels import (
    OCCUPIED,
    TARGETS,
    find,
    genotype_bits,
)
from surrogates.contract import Cells, Decision
from surrogates.occupancy import SHIPPED_TABLE, DrugTable
from surrogates.prior.graph import Network
from surrogates.trajectory import Conditions, Steps, Surrogate, Trajectory, level_at
from surrogates.variants import NetworkModel

OCCUPANCY = "occupancy"  # of `simulate`: occupancies given as they are, {"MEK": 0.9}


class Dosed:
    """The model, with an input for the concentration of every drug of the table."""

    def __init__(self, model: Surrogate, table: DrugTable = SHIPPED_TABLE) -> None:
        self.model, self.table = model, table
        self.inputs = table.inputs
        self.nodes, self.outputs, self.genotypes = model.nodes, model.outputs, model.genotypes
        self.name, self.hash = model.name, model.hash

    @property
    def network(self) -> Network:
        """Of the model behind, see `variants.NetworkModel`."""
        return self._has_network().network

    def with_network(self, network: Network) -> "Dosed":
        """The same on another network."""
        return Dosed(self._has_network().with_network(network), self.table)

    def initial_state(self, cell_type: ArrayLike, genotype: ArrayLike) -> np.ndarray:
        """As the model."""
        return self.model.initial_state(cell_type, genotype)

    def allocate(self, n: int) -> Decision:
        """As the model."""
        return self.model.allocate(n)

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """As the model, at the occupancies that the concentrations make."""
        inputs = self.table.at_targets(cells.inputs, cells.genotype)
        self.model.step(replace(cells, inputs=inputs), dt, out=out)

    def simulate(self, **conditions: Unpack[Conditions]) -> Trajectory:
        """Follow one cell; see `surrogates.trajectory.simulate`.

        Inputs may hold `occupancy`, a mapping of targets to occupancies in [0, 1) or their steps;
        a target that a drug is at as well is refused.
        """
        bits = genotype_bits(conditions.get("genotype", ()), self.genotypes)
        conditions["inputs"] = self._course(conditions.get("inputs") or {}, bits)
        return self.model.simulate(**conditions)

    def _course(self, inputs: Mapping[str, Steps], genotype: int) -> dict[str, Steps]:
        """Inputs of the model behind as constants or steps."""
        given = dict(inputs)
        direct: Mapping[str, Steps] = given.pop(OCCUPANCY, {})  # type: ignore[assignment]
        names = [channel.name for channel in self.inputs]
        for name in given:
            find(name, (*names, OCCUPANCY), "input")
        doses = {name: given.pop(name) for name in self.table.names if name in given}
        course = given | self._steps(doses, genotype)
        for target, steps in direct.items():
            find(target, TARGETS, "target")
            if target + OCCUPIED in course:
                msg = f"target {target}: its occupancy is given, and a drug is at it as well"
                raise ValueError(msg)
            course[target + OCCUPIED] = steps
        return course

    def _steps(self, doses: Mapping[str, Steps], genotype: int) -> dict[str, Steps]:
        """Steps of the occupancy of every target that these drugs are ever at."""
        minutes = sorted({0.0, *(m for value in doses.values() for m in _minutes(value))})
        levels = np.zeros((len(minutes), len(self.table.names)), np.float32)
        for name, value in doses.items():
            levels[:, self.table.names.index(name)] = [level_at(value, m) for m in minutes]
        found = self.table.occupancy(levels, np.full(len(minutes), genotype))
        return {
            target + OCCUPIED: list(zip(minutes, column.tolist(), strict=True))
            for target, column in zip(TARGETS, found.T, strict=True)
            if column.any()
        }

    def _has_network(self) -> NetworkModel:
        if not isinstance(self.model, NetworkModel):
            msg = f"cell model {self.name!r} has no network"
            raise AttributeError(msg)
        return self.model


def dosed(model: Surrogate, table: DrugTable = SHIPPED_TABLE) -> Dosed:
    """The model with drugs as inputs, or itself where it has them."""
    return model if isinstance(model, Dosed) else Dosed(model, table)


def _minutes(value: Steps) -> Sequence[float]:
    return [] if isinstance(value, float | int | np.number) else [m for m, _ in value]


__all__ = ["OCCUPANCY", "Dosed", "dosed"]
