"""Cells with mutations that a user defines: the same network with some of its nodes changed.

A mutation is a mapping of nodes to changes. `times` multiplies the competence of the node, the
abundance of what it stands for (0 is loss, 5 an amplification to five times as much); `held` keeps
the node at a value in [0, 1], whatever acts on it. A cell that carries several has all of them.
Bits of the genotype above those of `channels.GENOTYPES` are these mutations, in their order.

No training data show what they do: cells that carry one are always outside the training domain.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from surrogates.channels import GENOTYPES, NODES, cell_type_code, find, genotype_bits
from surrogates.prior.graph import Network
from surrogates.trajectory import Trajectory

TIMES, HELD = "times", "held"
MOST = 31 - len(GENOTYPES)  # that the genotype, an int32, has room for
_KNOWN = np.int32((1 << len(GENOTYPES)) - 1)
Changes = Mapping[str, Mapping[str, float]]  # node -> {times: x} or {held: x}


class Mutants:
    """A cell model (the network or the teacher) and a user's own mutations of it."""

    def __init__(self, model, mutations: Mapping[str, Changes]) -> None:
        if len(mutations) > MOST:
            msg = f"{len(mutations)} mutations are defined; a genotype has room for {MOST}"
            raise ValueError(msg)
        self.model, self.mutations = model, dict(mutations)
        self.genotypes = (*GENOTYPES, *mutations)
        self.inputs, self.nodes, self.outputs = model.inputs, model.nodes, model.outputs
        self.name, self.hash = model.name, model.hash
        self._variants: dict[int, tuple] = {}

    @property
    def domain(self):
        """Training domain of the network."""
        return self.model.domain

    def allocate(self, n: int):
        """As the model."""
        return self.model.allocate(n)

    def initial_state(self, cell_type, genotype) -> np.ndarray:
        """Drug-free steady state of each type and genotype, its changes of nodes included."""
        cell_type, genotype = np.asarray(cell_type), np.asarray(genotype)
        state = self.model.initial_state(cell_type, genotype & _KNOWN)
        for rows, model, _ in self._mutants(genotype):
            state[rows] = model.initial_state(cell_type[rows], genotype[rows] & _KNOWN)
        return state

    def step(self, state, inputs, genotype, cell_type, dt, *, out) -> None:
        """Advance every cell; those that carry a user's mutation by a changed network."""
        state, inputs = np.asarray(state), np.asarray(inputs)
        genotype, cell_type = np.asarray(genotype), np.asarray(cell_type)
        mutants = [  # taken before the step: `out` may share the state
            (
                rows,
                model,
                _hold(state[rows], held),
                (inputs[rows], genotype[rows] & _KNOWN, cell_type[rows]),
            )
            for rows, model, held in self._mutants(genotype)
        ]
        self.model.step(state, inputs, genotype & _KNOWN, cell_type, dt, out=out)
        for rows, model, start, situation in mutants:
            again = model.allocate(len(rows))
            model.step(start, *situation, dt, out=again)
            for name in ("state", "outputs", "sigma"):
                getattr(out, name)[rows] = getattr(again, name)
            out.in_domain[rows] = False

    def simulate(self, *, cell_type="tumor", genotype=(), state=None, **conditions) -> Trajectory:
        """Follow one cell; see `trajectory.simulate`. A mutant is never in the domain."""
        bits = genotype_bits(genotype, self.genotypes)
        known = [name for name in genotype if name in GENOTYPES]
        found = self._mutants(np.array([bits]))
        if not found:
            return self.model.simulate(
                cell_type=cell_type, genotype=known, state=state, **conditions
            )
        _, model, held = found[0]
        kind = np.array([cell_type_code(cell_type)], np.int8)
        start = self.initial_state(kind, [bits]) if state is None else np.asarray(state)[None]
        course = model.simulate(
            cell_type=cell_type, genotype=known, **conditions, state=_hold(start, held)[0]
        )
        return replace(course, in_domain=np.zeros_like(course.in_domain), intervals=None)

    def over(self, model) -> "Mutants":
        """The same mutations of another cell model."""
        return Mutants(model, self.mutations)

    def _mutants(self, genotype: np.ndarray) -> list[tuple]:
        """Rows that carry mutations of the user's, their model and the nodes it holds."""
        own = np.asarray(genotype) >> len(GENOTYPES)
        return [
            (np.flatnonzero(own == bits), *self._variant(bits))
            for bits in np.unique(own[own > 0]).tolist()
        ]

    def _variant(self, bits: int) -> tuple:
        if bits not in self._variants:
            carried = [c for k, c in enumerate(self.mutations.values()) if bits >> k & 1]
            held = {
                node: change[HELD]
                for changes in carried
                for node, change in changes.items()
                if HELD in change
            }
            network = self.model.network
            for changes in carried:
                network = changed(network, changes)
            columns = np.array([NODES.index(node) for node in held], int)
            values = np.array(list(held.values()), np.float32)
            self._variants[bits] = (self.model.with_network(network), (columns, values))
        return self._variants[bits]


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


def _hold(state: np.ndarray, held: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A copy of the states with the held nodes at their values."""
    state = np.array(state, np.float32)
    state[:, held[0]] = held[1]
    return state


__all__ = ["HELD", "MOST", "TIMES", "Mutants", "changed"]
