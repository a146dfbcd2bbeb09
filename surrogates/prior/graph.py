"""Load the prior-knowledge network: who acts on whom, with which sign, through which gate.

Units are the nodes followed by the output heads. Every unit has fixed parents among nodes, inputs
(transformed to [0, 1], see `channels`) and genotype bits. An edge with a gate acts as the product

    effective parent = x_source * x_gate

and has one of three roles: `activates` (any of them is enough), `requires` (an activator without
which the others do nothing), `inhibits`. The drive is u_i = competence[type, i] * F_i(parents) for
nodes; for heads u_i = F_i and the competence multiplies the physical output (see `phenotype`).
F_i is monotone in every parent with the edge's sign. Nodes relax with tau_i [min].

Edges: `prior/edges.tsv`, evidence `direct` (curated, OmniPath / DoRothEA), `literature`,
`definition` or `assumed`, with references.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surrogates.channels import (
    CELL_TYPES,
    GENOTYPES,
    INPUTS,
    NODES,
    OUTPUTS,
    UnknownName,
    find,
    read_table,
)
from surrogates.prior.edge import Edge
from surrogates.prior.omnipath import load_signed_table

SOURCES = NODES + INPUTS + GENOTYPES
UNITS = NODES + OUTPUTS


@dataclass(frozen=True, eq=False)
class Network:
    """The scaffold as arrays; parents index the concatenation [nodes, inputs, genotype bits].

    Padded tables are (n_units, max_parents): `parent` and `gate` hold -1 where there is none,
    `sign` 0 on padding and where an edge may take either sign. `unit` names are nodes then heads;
    `tau` [min] and `start` (where the search for a steady state begins) are per node. `inputs` and
    `backgrounds` (genotype bits) are the sources that nothing acts on; `outputs` are the units that
    are read: the heads, or the measured nodes of a network that has none.
    """

    units: tuple[str, ...]
    sources: tuple[str, ...]
    inputs: tuple[str, ...]
    backgrounds: tuple[str, ...]
    outputs: tuple[str, ...]
    edges: tuple[tuple[Edge, ...], ...]  # per unit, in the order of the tables
    parent: np.ndarray  # int32
    gate: np.ndarray  # int32
    sign: np.ndarray  # float32, +1 / -1 / 0
    required: np.ndarray  # bool
    n_parents: np.ndarray  # int32 (n_units,)
    is_head: np.ndarray  # bool (n_units,)
    tau: np.ndarray  # float32 (n_nodes,) [min]
    start: np.ndarray  # float32 (n_nodes,)
    competence: np.ndarray  # float32 (n_types, n_units)

    @property
    def n_nodes(self) -> int:
        """Units that hold state; the rest are heads."""
        return len(self.tau)

    @property
    def n_units(self) -> int:
        """Nodes and heads."""
        return len(self.units)

    @property
    def n_sources(self) -> int:
        """Nodes, inputs and genotype bits."""
        return len(self.sources)


def load_network(extra: Sequence[Edge] = ()) -> Network:
    """The shipped network, with a user's own edges added; unknown names are refused by name."""
    rows = read_table("nodes")
    edges = (*shipped_edges(), *extra)
    for edge in edges:
        _check_names(edge)
    return assemble(
        edges,
        nodes=NODES,
        heads=OUTPUTS,
        inputs=INPUTS,
        backgrounds=GENOTYPES,
        outputs=OUTPUTS,
        tau=np.array([row["tau"] for row in rows], np.float32),
        start=np.array([row["start"] for row in rows], np.float32),
        competence=_competence(),
    )


def assemble(  # noqa: PLR0913
    edges: Iterable[Edge],
    *,
    nodes: tuple[str, ...],
    heads: tuple[str, ...] = (),
    inputs: tuple[str, ...],
    backgrounds: tuple[str, ...] = (),
    outputs: tuple[str, ...],
    tau: np.ndarray,
    start: np.ndarray,
    competence: np.ndarray,
) -> Network:
    """Put edges between known names into the padded tables of a `Network`."""
    units, sources = nodes + heads, nodes + inputs + backgrounds
    unit_of = {name: i for i, name in enumerate(units)}
    source_of = {name: i for i, name in enumerate(sources)}
    by_unit: list[list[Edge]] = [[] for _ in units]
    for edge in edges:
        by_unit[unit_of[edge.target]].append(edge)
    width = max(len(found) for found in by_unit)
    parent = np.full((len(units), width), -1, np.int32)
    gate = np.full((len(units), width), -1, np.int32)
    sign = np.zeros((len(units), width), np.float32)
    required = np.zeros((len(units), width), bool)
    for i, found in enumerate(by_unit):
        for k, edge in enumerate(found):
            parent[i, k] = source_of[edge.source]
            gate[i, k] = source_of[edge.gate] if edge.gate else -1
            sign[i, k] = edge.sign
            required[i, k] = edge.role == "requires"
    return Network(
        units=units,
        sources=sources,
        inputs=inputs,
        backgrounds=backgrounds,
        outputs=outputs,
        edges=tuple(tuple(found) for found in by_unit),
        parent=parent,
        gate=gate,
        sign=sign,
        required=required,
        n_parents=np.array([len(found) for found in by_unit], np.int32),
        is_head=np.arange(len(units)) >= len(nodes),
        tau=tau,
        start=start,
        competence=competence,
    )


def shipped_edges() -> list[Edge]:
    """Edges of `prior/edges.tsv`."""
    return [
        Edge(
            row["source"],
            row["target"],
            1 if row["sign"] == "+" else -1,
            row["role"],
            row["gate"],
            row["kind"],
            row["evidence"],
            row["reference"],
        )
        for row in read_table("edges")
    ]


def load_omnipath(path: str | Path, genes: Mapping[str, str]) -> list[Edge]:
    """Edges of an OmniPath-style table between the nodes of this network (see `prior.omnipath`).

    Gene symbols are looked up in `genes` (symbol -> node); rows between unmapped genes are skipped
    and rows without a sign are refused, since the shipped network signs every edge.
    """
    return load_signed_table(path, names=genes)


def check(network: Network) -> list[str]:
    """Problems of the wiring, in words; empty when it is sound.

    Every output must be reachable from an input, every node must have a path from an input or a
    genotype, every input must reach an output, and no pair may carry both signs.
    """
    outputs = _outputs(network)
    children = _children(network)
    from_inputs = reach(children, network.inputs)
    from_any = reach(children, network.inputs + network.backgrounds)
    problems = [
        f"output {name!r} is not reached from any input"
        for name in network.outputs
        if outputs[name] not in from_inputs
    ]
    problems += [
        f"node {name!r} has no path from an input or genotype"
        for name in network.units[: network.n_nodes]
        if name not in from_any
    ]
    problems += [
        f"input {name!r} reaches no output"
        for name in network.inputs
        if not reach(children, (name,)) & set(outputs.values())
    ]
    return problems + _contradictions(network)


def _outputs(network: Network) -> dict[str, str]:
    """Output -> how `_children` calls it."""
    heads = {name for name, head in zip(network.units, network.is_head, strict=True) if head}
    return {name: _head(name) if name in heads else name for name in network.outputs}


def _head(name: str) -> str:
    """What the wiring calls a head, since an input and a head may share a name."""
    return f"head {name}"


def _children(network: Network) -> dict[str, set[str]]:
    """Source name -> what it acts on."""
    children: dict[str, set[str]] = {}
    for unit, edges in enumerate(network.edges):
        name = network.units[unit]
        child = _head(name) if network.is_head[unit] else name
        for edge in edges:
            for source in filter(None, (edge.source, edge.gate)):
                children.setdefault(source, set()).add(child)
    return children


def reach(children: Mapping[str, set[str]], start: Iterable[str]) -> set[str]:
    """Whatever can be reached along `children`, the start itself only if something acts on it."""
    seen: set[str] = set()
    queue = list(start)
    while queue:
        for child in children.get(queue.pop(), ()):
            if child not in seen:
                seen.add(child)
                queue.append(child)
    return seen


def _contradictions(network: Network) -> list[str]:
    signs: dict[tuple[str, str, str], set[int]] = {}
    for edges in network.edges:
        for edge in edges:
            signs.setdefault((edge.source, edge.target, edge.gate), set()).add(edge.sign)
    return [
        f"{source} -> {target} carries both signs"
        for (source, target, _), both in signs.items()
        if len(both) > 1
    ]


def _check_names(edge: Edge) -> None:
    for name in filter(None, (edge.source, edge.gate)):
        find(name, SOURCES, f"source of {edge.target!r}:")
    find(edge.target, UNITS, f"target of {edge.source!r}:")
    if edge.sign == 0:
        msg = f"edge {edge.source} -> {edge.target} needs a sign in this network"
        raise ValueError(msg)


def _competence() -> np.ndarray:
    table = np.ones((len(CELL_TYPES), len(UNITS)), np.float32)
    for row in read_table("competence"):
        unit = find(row["unit"], UNITS, "competence of unit")
        table[:, unit] = [float(row[name]) for name in CELL_TYPES]
    return table


__all__ = [
    "SOURCES",
    "UNITS",
    "Edge",
    "Network",
    "UnknownName",
    "assemble",
    "check",
    "load_network",
    "load_omnipath",
    "shipped_edges",
]
