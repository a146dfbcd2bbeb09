"""The numbers of the teacher's equations, and the arrays in which its kernels read them.

Strength s, half K and exponent n of every edge, and basal activities, are rows of
`prior/teacher.tsv`. Edges are of two kinds: static ones are decided by inputs and genotype alone,
in dynamic ones a node takes part.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from surrogates.channels import (
    GENOTYPES,
    INPUTS,
    NODES,
    OCCUPANCY,
    SATURATING,
    TRANSFORM_A,
    TRANSFORM_B,
    TRANSFORM_KIND,
    read_table,
)
from surrogates.phenotype import Ranges
from surrogates.prior.graph import SOURCES, Edge, Network
from surrogates.teacher.kernels import ACTIVATES, INHIBITS, REQUIRES

BASAL = "basal"  # source of a row that holds a basal activity
Parameters = Mapping[tuple[str, str, str], tuple[float, float, float]]
_ROLES = {"activates": ACTIVATES, "requires": REQUIRES, "inhibits": INHIBITS}


class StaticEdges(NamedTuple):
    """Edges that inputs and genotype alone decide, each (n_edges,)."""

    source: np.ndarray  # int32, index into `graph.SOURCES`
    gate: np.ndarray  # int32, the same; -1 for none
    target: np.ndarray  # int32, unit
    role: np.ndarray  # int8
    strength: np.ndarray  # float64
    half: np.ndarray  # float64, in the unit of a concentration, 1 for a dose at a target
    exponent: np.ndarray  # float64
    is_dose: np.ndarray  # bool, acts at its raw concentration
    is_occupancy: np.ndarray  # bool, acts at the dose that its occupancy stands for


class DynamicEdges(NamedTuple):
    """Edges that a node takes part in, unit by unit, each (n_edges,) but the first."""

    start: np.ndarray  # int32 (n_units + 1,), where the edges of a unit begin
    source: np.ndarray  # int32
    gate: np.ndarray  # int32
    role: np.ndarray  # int8
    strength: np.ndarray  # float32
    half_n: np.ndarray  # float32, K^n
    exponent: np.ndarray  # int32


class Tables(NamedTuple):
    """What holds for all steps."""

    static: StaticEdges
    basal: np.ndarray  # float32 (n_units,)
    competence: np.ndarray  # float32 (n_types, n_units)
    kind: np.ndarray  # transforms of the inputs, see `channels.transform_value`
    a: np.ndarray
    b: np.ndarray
    n_genotypes: int


class Equations(NamedTuple):
    """The equations for steps of one length."""

    tables: Tables
    dynamic: DynamicEdges
    gain: np.ndarray  # float32 (n_nodes,), 1 - exp(-step / tau)
    correction: np.ndarray  # float32 (n_nodes,), 1 - gain tau / step
    head_competence: np.ndarray  # float32 (n_types, n_outputs)
    ranges: Ranges


class Situations(NamedTuple):
    """What the cells are and meet; see `contract.Cells`."""

    state: np.ndarray
    inputs: np.ndarray
    genotype: np.ndarray
    cell_type: np.ndarray


class Results(NamedTuple):
    """Where results go; the state may be that of the situations."""

    state: np.ndarray  # float32 (n, n_nodes)
    fractions: np.ndarray  # float32 (n, n_outputs), of the heads
    outputs: np.ndarray  # float32 (n, n_outputs)


def teacher_parameters() -> Parameters:
    """(source, target, gate) -> (strength, half, exponent); source `basal` gives basal activity."""
    return {
        (row["source"], row["target"], row["gate"]): (
            float(row["strength"]),
            float(row["half"]),
            float(row["exponent"]),
        )
        for row in read_table("teacher")
    }


def compile_parameters(
    network: Network, parameters: Parameters
) -> tuple[np.ndarray, StaticEdges, DynamicEdges]:
    """Basal activities, then edges that inputs decide, then edges that nodes take part in."""
    basal = np.zeros(network.n_units, np.float32)
    static: list[_Row] = []
    dynamic: list[_Row] = []
    start = [0]
    for unit, edges in enumerate(network.edges):
        # a head may share its name with nothing among the targets, so the name identifies the unit
        basal[unit] = parameters.get((BASAL, network.units[unit], ""), (0.0, 0.0, 0.0))[0]
        for edge in edges:
            row = _row(edge, unit, parameters)
            (dynamic if _touches_node(edge) else static).append(row)
        start.append(len(dynamic))
    return basal, _static_edges(static), _dynamic_edges(np.array(start, np.int32), dynamic)


def tables(static: StaticEdges, basal: np.ndarray, competence: np.ndarray) -> Tables:
    """With the transforms of the inputs, which travel as arguments: cached code keeps globals."""
    transforms = (TRANSFORM_KIND, TRANSFORM_A, TRANSFORM_B)
    return Tables(static, basal, competence, *transforms, len(GENOTYPES))


class _Row(NamedTuple):
    """One edge."""

    source: int
    gate: int
    target: int
    role: int
    strength: float
    half: float
    exponent: float


def _row(edge: Edge, unit: int, parameters: Parameters) -> _Row:
    key = (edge.source, edge.target, edge.gate)
    if key not in parameters:
        msg = f"the teacher has no parameters for edge {edge.source} -> {edge.target} {edge.gate}"
        raise ValueError(msg)
    gate = SOURCES.index(edge.gate) if edge.gate else -1
    return _Row(SOURCES.index(edge.source), gate, unit, _ROLES[edge.role], *parameters[key])


def _touches_node(edge: Edge) -> bool:
    return edge.source in NODES or edge.gate in NODES


def _static_edges(rows: list[_Row]) -> StaticEdges:
    source, gate, target, role, strength, half, exponent = map(np.array, zip(*rows, strict=True))
    kind = np.full(len(SOURCES), -1)
    kind[len(NODES) : len(NODES) + len(INPUTS)] = TRANSFORM_KIND
    return StaticEdges(
        source.astype(np.int32),
        gate.astype(np.int32),
        target.astype(np.int32),
        role.astype(np.int8),
        strength,
        half,
        exponent.astype(np.float64),
        is_dose=kind[source] == SATURATING,
        is_occupancy=kind[source] == OCCUPANCY,
    )


def _dynamic_edges(start: np.ndarray, rows: list[_Row]) -> DynamicEdges:
    source, gate, _, role, strength, half, exponent = map(np.array, zip(*rows, strict=True))
    if np.any(exponent != np.round(exponent)):
        msg = "exponents of edges between nodes must be whole numbers"
        raise ValueError(msg)
    return DynamicEdges(
        start,
        source.astype(np.int32),
        gate.astype(np.int32),
        role.astype(np.int8),
        strength.astype(np.float32),
        half_n=(half**exponent).astype(np.float32),
        exponent=exponent.astype(np.int32),
    )


__all__ = [
    "DynamicEdges",
    "Equations",
    "Results",
    "Situations",
    "StaticEdges",
    "Tables",
    "compile_parameters",
    "tables",
    "teacher_parameters",
]
