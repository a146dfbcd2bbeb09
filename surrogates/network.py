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

import csv
from collections.abc import Mapping, Sequence
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

SOURCES = NODES + INPUTS + GENOTYPES
UNITS = NODES + OUTPUTS
ROLES = ("activates", "requires", "inhibits")


@dataclass(frozen=True)
class Edge:
    """One signed influence, `gate` empty or the name of a source that multiplies it."""

    source: str
    target: str
    sign: int
    role: str
    gate: str = ""
    kind: str = "network"
    evidence: str = "assumed"
    reference: str = ""


@dataclass(frozen=True, eq=False)
class Network:
    """The scaffold as arrays; parents index the concatenation [nodes, inputs, genotype bits].

    Padded tables are (n_units, max_parents): `parent` and `gate` hold -1 where there is none,
    `sign` 0 on padding. `unit` names are nodes then outputs; `tau` [min] and `start` (where the
    search for a steady state begins) are per node.
    """

    units: tuple[str, ...]
    sources: tuple[str, ...]
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
        return len(NODES)

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
    by_unit: list[list[Edge]] = [[] for _ in UNITS]
    for edge in (*shipped_edges(), *extra):
        _check_names(edge)
        by_unit[UNITS.index(edge.target)].append(edge)
    width = max(len(edges) for edges in by_unit)
    parent = np.full((len(UNITS), width), -1, np.int32)
    gate = np.full((len(UNITS), width), -1, np.int32)
    sign = np.zeros((len(UNITS), width), np.float32)
    required = np.zeros((len(UNITS), width), bool)
    for i, edges in enumerate(by_unit):
        for k, edge in enumerate(edges):
            parent[i, k] = SOURCES.index(edge.source)
            gate[i, k] = SOURCES.index(edge.gate) if edge.gate else -1
            sign[i, k] = edge.sign
            required[i, k] = edge.role == "requires"
    rows = read_table("nodes")
    return Network(
        units=UNITS,
        sources=SOURCES,
        edges=tuple(tuple(edges) for edges in by_unit),
        parent=parent,
        gate=gate,
        sign=sign,
        required=required,
        n_parents=np.array([len(edges) for edges in by_unit], np.int32),
        is_head=np.arange(len(UNITS)) >= len(NODES),
        tau=np.array([row["tau"] for row in rows], np.float32),
        start=np.array([row["start"] for row in rows], np.float32),
        competence=_competence(),
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
    """Edges of an OmniPath-style table (source, target, sign, references; tab or comma).

    The sign is a column `sign` (+, -, 1, -1) or the pair `is_stimulation` / `is_inhibition`; gene
    symbols are looked up in `genes` (symbol -> node) and rows between unmapped genes are skipped.
    Rows that are both or neither stimulating and inhibiting carry no sign and are refused.
    """
    text = Path(path).read_text("utf-8")
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    edges = []
    for number, row in enumerate(csv.DictReader(text.splitlines(), delimiter=delimiter), start=2):
        source = row.get("source_genesymbol") or row["source"]
        target = row.get("target_genesymbol") or row["target"]
        if source not in genes or target not in genes:
            continue
        sign = _table_sign(row, f"{path}:{number}")
        role = "activates" if sign > 0 else "inhibits"
        reference = row.get("references", "")
        edges.append(
            Edge(genes[source], genes[target], sign, role, "", "user", "literature", reference)
        )
    return edges


def check(network: Network) -> list[str]:
    """Problems of the wiring, in words; empty when it is sound.

    Every output must be reachable from an input, every node must have a path from an input or a
    genotype, every input must reach an output, and no pair may carry both signs.
    """
    children = _children(network)
    from_inputs = _reach(children, set(INPUTS))
    from_any = _reach(children, set(INPUTS) | set(GENOTYPES))
    problems = [f"output {name!r} is not reached from any input"
                for name in OUTPUTS if ("head", name) not in from_inputs]
    problems += [f"node {name!r} has no path from an input or genotype"
                 for name in NODES if name not in from_any]
    for name in INPUTS:
        reached = _reach(children, {name})
        if not any(isinstance(unit, tuple) for unit in reached):
            problems.append(f"input {name!r} reaches no output")
    return problems + _contradictions(network)


def _children(network: Network) -> dict[str, set]:
    """Source name -> what it acts on, heads marked, since an input and a head may share a name."""
    children: dict[str, set] = {}
    for unit, edges in enumerate(network.edges):
        name = ("head", UNITS[unit]) if network.is_head[unit] else UNITS[unit]
        for edge in edges:
            for source in filter(None, (edge.source, edge.gate)):
                children.setdefault(source, set()).add(name)
    return children


def _reach(children: Mapping[str, set], start: set[str]) -> set:
    seen, queue = set(), list(start)
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
    return [f"{source} -> {target} carries both signs"
            for (source, target, _), both in signs.items() if len(both) > 1]


def _check_names(edge: Edge) -> None:
    for name in filter(None, (edge.source, edge.gate)):
        find(name, SOURCES, f"source of {edge.target!r}:")
    find(edge.target, UNITS, f"target of {edge.source!r}:")
    if edge.role not in ROLES or (edge.role == "inhibits") != (edge.sign < 0):
        msg = f"edge {edge.source} -> {edge.target}: role {edge.role!r} against sign {edge.sign:+d}"
        raise ValueError(msg)


def _table_sign(row: Mapping[str, str], where: str) -> int:
    if row.get("sign"):
        return 1 if row["sign"].strip() in {"+", "1", "+1"} else -1
    plus, minus = (str(row.get(key, "")).lower() in {"1", "true"}
                   for key in ("is_stimulation", "is_inhibition"))
    if plus == minus:
        msg = f"{where}: no sign: is_stimulation and is_inhibition must differ"
        raise ValueError(msg)
    return 1 if plus else -1


def _competence() -> np.ndarray:
    table = np.ones((len(CELL_TYPES), len(UNITS)), np.float32)
    for row in read_table("competence"):
        unit = find(row["unit"], UNITS, "competence of unit")
        table[:, unit] = [float(row[name]) for name in CELL_TYPES]
    return table


__all__ = ["SOURCES", "UNITS", "Edge", "Network", "UnknownName", "check", "load_network",
           "load_omnipath", "shipped_edges"]
