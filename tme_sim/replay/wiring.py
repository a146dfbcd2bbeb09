"""The signaling network as a cell's panel draws it: what is known of a cell, and what acts on it.

A run records some nodes of the cell model, not all. An edge between two recorded nodes is drawn as
it is; where only nodes that are not recorded lie between two that are, the shortest path through
them is drawn as one edge with the product of its signs, and names what it leads over.
"""

from collections.abc import Iterable
from typing import Any

from surrogates.channels import DOSE_A, DOSE_B, NODES, OCCUPIED, OUTPUTS, read_table
from surrogates.drugs import SHIPPED, Drug
from surrogates.prior.graph import shipped_edges
from tme_sim.output.run import Run
from tme_sim.replay.mutations import carried, direction, own_mutations

MAX_VIA_FROM_OUTSIDE = 4  # nodes that a path from an input or alteration may lead over:
# HGF, MET, RAS, RAF, MEK, ERK
MAX_VIA = 1  # that a path between recorded nodes may lead over; longer ones are too many to read
SHIPPED_WIRING = ("tme-cell", "teacher")  # the cell models that have the shipped network
Path = tuple[int, tuple[str, ...]]  # sign, nodes between
Children = dict[str, list[tuple[str, int]]]  # what a node acts on, with the sign


def wiring(run: Run) -> dict[str, Any] | None:
    """Nodes, inputs and edges to draw; None where the cell model has another network."""
    recorded = {n for n, c in run.columns.items() if c["source"] in ("node", "output", "input")}
    nodes = [name for name in NODES if _column(name, "node", recorded) in run.columns]
    outputs = [name for name in OUTPUTS if _column(name, "output", recorded) in run.columns]
    if str(run.provenance.get("surrogate")) not in SHIPPED_WIRING or not nodes:
        return None
    rows = {row["name"]: row for row in read_table("inputs")} | _drug_rows(run)
    inputs = [row for name, row in rows.items() if name in run.fields or f"input:{name}" in recorded
              or run.columns.get(name, {}).get("source") == "input"]  # fmt: skip
    own = own_mutations(run)
    outside = [*(row["name"] for row in inputs), *carried(run)]
    children = shipped_children()
    children |= {name: _acts_on(drug, children) for name, drug in _drugs(run).items()}
    children |= {m: [(n, direction(c)) for n, c in changes.items()] for m, changes in own.items()}
    layers = {row["name"]: row["layer"] for row in read_table("nodes")}
    return {
        "nodes": [{"name": name, "layer": layers[name]} for name in nodes],
        "inputs": [
            {"name": row["name"], "transform": row["transform"],
             "a": float(row["a"]), "b": float(row["b"])}
            for row in inputs
        ],
        "outputs": [{"name": c["name"], "high": float(c["high"])}
                    for c in read_table("outputs") if c["name"] in outputs],
        "mutations": own,
        "edges": paths(outside, nodes, MAX_VIA_FROM_OUTSIDE, children)
        + paths(nodes, [*nodes, *outputs], MAX_VIA, children),
    }  # fmt: skip


def _drugs(run: Run) -> dict[str, Drug]:
    """Shipped drugs that the run has as substrates."""
    return {name: drug for name, drug in SHIPPED.items() if name in run.fields}


def _drug_rows(run: Run) -> dict[str, dict[str, str]]:
    """How a drug's concentration is drawn: on a logarithmic scale, from a tenth of its lowest K."""
    found = {}
    for name, drug in _drugs(run).items():
        half = min(binding.half for binding in drug.bindings)
        scale = {"transform": "log", "a": str(DOSE_A * half), "b": str(DOSE_B * half)}
        found[name] = {"name": name} | scale
    return found


def _acts_on(drug: Drug, children: Children) -> list[tuple[str, int]]:
    """What the targets of a drug act on."""
    return [child for b in drug.bindings for child in children.get(b.target + OCCUPIED, ())]


def paths(
    sources: Iterable[str], targets: Iterable[str], max_via: int, children: Children
) -> list[dict[str, Any]]:
    """The shortest path from each source to each target through nodes that are neither."""
    known, wanted = set(sources), set(targets)
    found = []
    for start in sorted(known):
        reached: dict[str, Path] = {}
        layer: dict[str, Path] = {start: (1, ())}
        for _ in range(max_via + 1):
            layer = _onward(layer, children, start)
            fresh = {name: path for name, path in layer.items() if name not in reached}
            reached |= fresh
            layer = {name: path for name, path in fresh.items() if name not in known | wanted}
        found += [
            {"source": start, "target": name, "sign": sign, "via": list(via)}
            for name, (sign, via) in sorted(reached.items())
            if name in wanted and name != start
        ]
    return found


def _onward(layer: dict[str, Path], children: Children, start: str) -> dict[str, Path]:
    """One edge further from every node of a layer."""
    onward: dict[str, Path] = {}
    for name, (sign, via) in layer.items():
        between = via if name == start else (*via, name)
        for child, acts in children.get(name, ()):
            if child not in between and child != start:
                onward.setdefault(child, (sign * acts, between))
    return onward


def shipped_children() -> Children:
    """What each input, alteration and node of the shipped network acts on."""
    children: Children = {}
    for edge in shipped_edges():
        children.setdefault(edge.source, []).append((edge.target, edge.sign))
    return children


def _column(name: str, source: str, recorded: set[str]) -> str:
    """The column that holds a channel; one whose name was taken has its source before it."""
    return f"{source}:{name}" if f"{source}:{name}" in recorded else name
