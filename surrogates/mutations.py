"""Cells with mutations that a user defines: the same network with some of its nodes changed.

A mutation is a mapping of nodes to changes. `times` multiplies the competence of the node, the
abundance of what it stands for (0 is loss, 5 an amplification to five times as much); `held` keeps
the node at a value in [0, 1], whatever acts on it. A cell that carries several has all of them.
Bits of the genotype above those of `channels.GENOTYPES` are these mutations, in their order.

No training data show what they do: cells that carry one are always outside the training domain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from surrogates.channels import GENOTYPES, NODES, cell_type_code, find, genotype_bits
from surrogates.contract import Cells, Decision
from surrogates.prior.graph import Network
from surrogates.trajectory import Conditions, Trajectory
from surrogates.variants import NetworkModel, step_groups

TIMES, HELD = "times", "held"
MOST = 31 - len(GENOTYPES)  # that the genotype, an int32, has room for
_KNOWN = np.int32((1 << len(GENOTYPES)) - 1)
Changes = Mapping[str, Mapping[str, float]]  # node -> {times: x} or {held: x}


class Mutants:
    """A cell model (the network or the teacher) and a user's own mutations of it."""

    def __init__(self, model: NetworkModel, mutations: Mapping[str, Changes]) -> None:
        if len(mutations) > MOST:
            msg = f"{len(mutations)} mutations are defined; a genotype has room for {MOST}"
            raise ValueError(msg)
        self.model, self.mutations = model, dict(mutations)
        self.genotypes = (*GENOTYPES, *mutations)
        self.inputs, self.nodes, self.outputs = model.inputs, model.nodes, model.outputs
        self.name, self.hash = model.name, model.hash
        self._variants: dict[int, Variant] = {}

    def allocate(self, n: int) -> Decision:
        """As the model."""
        return self.model.allocate(n)

    def initial_state(self, cell_type: ArrayLike, genotype: ArrayLike) -> np.ndarray:
        """Drug-free steady state of each type and genotype, its changes of nodes included."""
        cell_type, genotype = np.asarray(cell_type), np.asarray(genotype)
        state = self.model.initial_state(cell_type, genotype & _KNOWN)
        for rows, variant in self._mutants(genotype):
            state[rows] = variant.model.initial_state(cell_type[rows], genotype[rows] & _KNOWN)
        return state

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """Advance every cell; those that carry a user's mutation by a changed network."""
        mutants = self._mutants(cells.genotype)
        if not mutants:
            self.model.step(cells, dt, out=out)
            return
        rest = np.flatnonzero(np.asarray(cells.genotype) >> len(GENOTYPES) == 0)
        step_groups([*mutants, (rest, self.model)], cells, dt, out=out)

    def simulate(self, **conditions: Unpack[Conditions]) -> Trajectory:
        """Follow one cell; see `trajectory.simulate`. A mutant is never in the domain."""
        genotype = conditions.get("genotype", ())
        bits = np.array([genotype_bits(genotype, self.genotypes)], np.int32)
        conditions["genotype"] = [name for name in genotype if name in GENOTYPES]
        mutants = self._mutants(bits)
        if not mutants:
            return self.model.simulate(**conditions)
        _, variant = mutants[0]
        start = conditions.get("state")
        if start is None:
            code = np.array([cell_type_code(conditions.get("cell_type", "tumor"))], np.int8)
            start = self.initial_state(code, bits)[0]
        conditions["state"] = variant.hold(np.asarray(start)[None])[0]
        course = variant.model.simulate(**conditions)
        return replace(course, in_domain=np.zeros_like(course.in_domain), intervals=None)

    def _mutants(self, genotype: np.ndarray) -> list[tuple[np.ndarray, "Variant"]]:
        """Rows that carry mutations of the user's, and what decides about them."""
        own = np.asarray(genotype) >> len(GENOTYPES)
        return [
            (np.flatnonzero(own == bits), self._variant(bits))
            for bits in np.unique(own[own > 0]).tolist()
        ]

    def _variant(self, bits: int) -> "Variant":
        if bits not in self._variants:
            carried = [c for k, c in enumerate(self.mutations.values()) if bits >> k & 1]
            held = {
                NODES.index(node): change[HELD]
                for changes in carried
                for node, change in changes.items()
                if HELD in change
            }
            network = self.model.network
            for changes in carried:
                network = changed(network, changes)
            self._variants[bits] = Variant(
                self.model.with_network(network),
                np.array(list(held), int),
                np.array(list(held.values()), np.float32),
            )
        return self._variants[bits]


@dataclass(frozen=True, eq=False)
class Variant:
    """The model of the cells that carry some mutations of the user's."""

    model: NetworkModel
    held: np.ndarray  # nodes that are held
    level: np.ndarray  # float32, at which

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """Advance them from the held levels; none of them is in the training domain."""
        known = replace(cells, state=self.hold(cells.state), genotype=cells.genotype & _KNOWN)
        self.model.step(known, dt, out=out)
        out.in_domain[:] = False

    def hold(self, state: np.ndarray) -> np.ndarray:
        """A copy of the states with the held nodes at their levels."""
        state = np.array(state, np.float32)
        state[:, self.held] = self.level
        return state


def changed(network: Network, changes: Changes) -> Network:
    """The network with other competences; a node that is held starts there and never relaxes."""
    competence, tau, start = network.competence.copy(), network.tau.copy(), network.start.copy()
    for node, change in changes.items():
        k = find(node, NODES, "node")
        if HELD in change:
            competence[:, k], tau[k], start[k] = 1.0, np.inf, change[HELD]
        else:
            competence[:, k] *= change[TIMES]
    return replace(network, competence=competence, tau=tau, start=start)


__all__ = ["HELD", "MOST", "TIMES", "Mutants", "changed"]
