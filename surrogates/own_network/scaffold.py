"""Build the scaffold of any signed network: what lies on a path from an input to a readout.

An input is what the experiment sets, so nothing acts on it: edges into inputs are left out, and so
is every node that no input reaches or that reaches no readout, since data cannot say anything about
it. What is left out, and what is wrong with the wiring, is reported in words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from surrogates.channels import UnknownName, find
from surrogates.prior.edge import Edge
from surrogates.prior.graph import Network, assemble, check, reach

TAU = 1.0  # time has no meaning at a steady state


@dataclass(frozen=True, eq=False)
class Scaffold:
    """A network between inputs and readouts, and what was said about its table.

    `left_out` are the nodes on no path from an input to a readout.
    """

    network: Network
    left_out: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        network = self.network
        size = f"{network.n_nodes} nodes and {int(network.n_parents.sum())} edges"
        ends = f"{len(network.inputs)} inputs and {len(network.outputs)} readouts"
        left_out = f"{len(self.left_out)} nodes on no path are left out"
        return "\n".join([f"{size} between {ends}; {left_out}", *self.problems])


def build_scaffold(
    edges: Iterable[Edge], inputs: Sequence[str], readouts: Sequence[str]
) -> Scaffold:
    """The part of a signed network that can carry the inputs to the readouts.

    Args:
        edges: as from `prior.omnipath.load_signed_table`; sign 0 is left to training.
        inputs: names of what the experiment sets; each must be the source of some edge.
        readouts: names of what is measured; each must be the target of some edge.

    Returns:
        Scaffold: its network keeps the order of `inputs` and `readouts`; a readout that no input
        reaches stays in as a constant and is reported.

    Raises:
        UnknownName: an input or readout is not in the table; the nearest name is given.
    """
    edges = [edge for edge in edges if edge.target not in set(inputs)]
    _check_known(edges, inputs, readouts)
    kept = _on_a_path(edges, inputs, readouts)
    nodes = tuple(dict.fromkeys((*readouts, *(edge.target for edge in kept))))
    everything = dict.fromkeys(name for edge in edges for name in (edge.source, edge.target))
    network = assemble(
        kept,
        nodes=nodes,
        inputs=tuple(inputs),
        outputs=tuple(readouts),
        tau=np.full(len(nodes), TAU, np.float32),
        start=np.full(len(nodes), 0.5, np.float32),
        competence=np.ones((1, len(nodes)), np.float32),
    )
    left_out = tuple(name for name in everything if name not in {*nodes, *inputs})
    return Scaffold(network, left_out, tuple(check(network)))


def fully_connected(inputs: Sequence[str], nodes: Sequence[str]) -> list[Edge]:
    """Unsigned edges from every input and every other node to every node."""
    return [
        Edge(source, target, 0, "either", kind="complete")
        for target in nodes
        for source in (*nodes, *inputs)
        if source != target
    ]


def _check_known(edges: list[Edge], inputs: Sequence[str], readouts: Sequence[str]) -> None:
    sources = tuple(dict.fromkeys(name for e in edges for name in (e.source, e.gate) if name))
    targets = tuple(dict.fromkeys(edge.target for edge in edges))
    if not targets:
        msg = "no edges are left between the inputs and the readouts"
        raise UnknownName(msg)
    for name in inputs:
        find(name, sources, "input")
    for name in readouts:
        find(name, targets, "readout")


def _on_a_path(edges: list[Edge], inputs: Sequence[str], readouts: Sequence[str]) -> list[Edge]:
    down = _closure(inputs, [(s, e.target) for e in edges for s in (e.source, e.gate) if s])
    up = _closure(readouts, [(e.target, s) for e in edges for s in (e.source, e.gate) if s])
    return [
        e for e in edges if e.source in down and e.target in up and (not e.gate or e.gate in down)
    ]


def _closure(start: Iterable[str], pairs: list[tuple[str, str]]) -> set[str]:
    """Names that can be reached from `start`, itself included."""
    following: dict[str, set[str]] = {}
    for first, second in pairs:
        following.setdefault(first, set()).add(second)
    return set(start) | reach(following, start)
