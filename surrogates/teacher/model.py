"""Mechanistic reference model: an ODE over the units of the prior network.

    dh_i/dt = (competence[type, i] F_i - h_i) / tau_i

    F = [1 - (1 - basal) prod_activates (1 - s act)] prod_requires (1 - s + s act)
        prod_inhibits (1 - s + s / (1 + (v/K)^n)),           act = v^n (1 + K^n) / (K^n + v^n)

F is monotone in every parent with the edge's sign. v is the source times its gate; for an input
that is not gated by a node, act = gate c^n / (K^n + c^n) at its concentration c and K carries its
unit.
Strength s, K, n of every edge and the basal activities are rows of `prior/teacher.tsv`, with
literature magnitudes; time constants and competences are the network's own (`prior/nodes.tsv`,
`prior/competence.tsv`). The equations are integrated by `teacher.kernels`.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import get_num_threads

from surrogates.channels import (
    GENOTYPES,
    INPUT_CHANNELS,
    INPUTS,
    LOG,
    NODE_CHANNELS,
    NODES,
    OUTPUT_CHANNELS,
    OUTPUTS,
    SATURATING,
    TRANSFORM_A,
    TRANSFORM_B,
    TRANSFORM_KIND,
    basal_inputs,
    read_table,
)
from surrogates.phenotype import HEAD_COMPETENCE, RANGES
from surrogates.prior.graph import SOURCES, Edge, Network, load_network
from surrogates.teacher import kernels
from surrogates.trajectory import Trajectory, simulate

BASAL = "basal"
MAX_STEP = 1.5  # [min] longest internal step
PARALLEL_FROM = 4096  # cells; smaller batches stay on one thread
RELAXATION_TAU, RELAXATION_STEP, RELAXATION_STEPS = 240.0, 4.0, 1500  # search of a steady state
_ROLES = {
    "activates": kernels.ACTIVATES,
    "requires": kernels.REQUIRES,
    "inhibits": kernels.INHIBITS,
}


@dataclass
class Out:
    """What a step writes: state, outputs, their epistemic spread, and whether to trust them."""

    state: np.ndarray
    outputs: np.ndarray
    sigma: np.ndarray
    in_domain: np.ndarray


class Teacher:
    """The mechanistic model behind the cell-model contract."""

    name = "teacher"
    inputs = INPUT_CHANNELS
    nodes = NODE_CHANNELS
    outputs = OUTPUT_CHANNELS
    genotypes = GENOTYPES

    def __init__(self, network: Network | None = None) -> None:
        self.network = load_network() if network is None else network
        self._basal, self._static, self._dynamic = compile_parameters(
            self.network, teacher_parameters()
        )
        self.hash = _hash(
            (self._basal, *self._static, *self._dynamic, self.network.tau, self.network.competence)
        )
        self._tables = (
            self._static,
            self._basal,
            self.network.competence,
            TRANSFORM_KIND,
            TRANSFORM_A,
            TRANSFORM_B,
            len(GENOTYPES),
        )
        self._steady: dict[tuple[int, int], np.ndarray] = {}

    def allocate(self, n: int) -> Out:
        """Room for the results of `n` cells."""
        return Out(
            np.zeros((n, len(NODES)), np.float32),
            np.zeros((n, len(OUTPUTS)), np.float32),
            np.zeros((n, len(OUTPUTS)), np.float32),
            np.ones(n, bool),
        )

    def step(self, state, inputs, genotype, cell_type, dt, *, out) -> None:
        """Advance every cell by dt [min] at constant inputs into `out`, in place if need be."""
        arrays = (state, inputs, genotype, cell_type)
        fractions = np.empty((len(state), len(OUTPUTS)), np.float32)
        self._integrate(arrays, self.network.tau, dt, MAX_STEP, (out.state, fractions, out.outputs))
        out.sigma[:] = 0.0
        out.in_domain[:] = True

    def drive(self, state, inputs, genotype, cell_type) -> np.ndarray:
        """Drives float32 (n, n_units): F x competence of the nodes, then the heads' fractions."""
        out = np.empty((len(state), self.network.n_units), np.float32)
        arrays = _contiguous(state, inputs, genotype, cell_type)
        kernels.drive_cells(self._model(self.network.tau, 1.0), arrays, out)
        return out

    def initial_state(self, cell_type, genotype) -> np.ndarray:
        """Drug-free steady state of each type and genotype at the basal inputs, cached per pair.

        Bistable memories start from `start` of the node table: off, but on in fibroblasts.
        """
        pairs = list(
            zip(np.asarray(cell_type).tolist(), np.asarray(genotype).tolist(), strict=True)
        )
        missing = sorted(set(pairs) - self._steady.keys())
        if missing:
            self._steady.update(zip(missing, self._relax(missing), strict=True))
        return np.array([self._steady[pair] for pair in pairs], np.float32).reshape(-1, len(NODES))

    def simulate(self, **conditions: Any) -> Trajectory:
        """Follow one cell; see `surrogates.trajectory.simulate`."""
        return simulate(self, **conditions)

    def with_network(self, network: Network) -> "Teacher":
        """The same equations with other competences and time constants."""
        return Teacher(network)

    def _relax(self, pairs: list[tuple[int, int]]) -> np.ndarray:
        """Fixed points of (type, genotype) pairs, slow nodes hurried along."""
        cell_type = np.array([pair[0] for pair in pairs], np.int8)
        genotype = np.array([pair[1] for pair in pairs], np.int32)
        state = np.ascontiguousarray(
            self.network.start * self.network.competence[cell_type, : len(NODES)]
        )
        arrays = (state, basal_inputs(len(pairs)), genotype, cell_type)
        fractions = np.empty((len(pairs), len(OUTPUTS)), np.float32)
        tau = np.minimum(self.network.tau, np.float32(RELAXATION_TAU))
        tau[np.isinf(self.network.tau)] = np.inf  # held, see `mutations`
        self._integrate(
            arrays,
            tau,
            RELAXATION_STEP * RELAXATION_STEPS,
            RELAXATION_STEP,
            (state, fractions, np.empty_like(fractions)),
        )
        return state

    def _integrate(self, arrays, tau, dt, longest, out) -> None:
        n_steps = max(1, int(np.ceil(dt / longest - 1e-9)))
        model, n = self._model(tau, dt / n_steps), len(arrays[0])
        n_threads = get_num_threads() if n >= PARALLEL_FROM else 1
        bounds = np.linspace(0, n, n_threads + 1).astype(int).tolist()

        def advance(*rows: int) -> None:
            kernels.step_cells(rows, model, arrays, n_steps, out)

        if n_threads == 1:
            advance(0, n)
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(advance, bounds[:-1], bounds[1:]))

    def _model(self, tau: np.ndarray, step: float) -> tuple:
        ratio = step / tau.astype(np.float64)
        gain = -np.expm1(-ratio)
        with np.errstate(invalid="ignore", divide="ignore"):
            correction = np.where(ratio > 1e-8, 1.0 - gain / ratio, 0.0)
        return (
            self._tables,
            self._dynamic,
            gain.astype(np.float32),
            correction.astype(np.float32),
            HEAD_COMPETENCE,
            RANGES,
        )


def teacher_parameters() -> dict[tuple[str, str, str], tuple[float, float, float]]:
    """(source, target, gate) -> (strength, half, exponent); source `basal` gives basal activity."""
    return {
        (row["source"], row["target"], row["gate"]): (
            float(row["strength"]),
            float(row["half"]),
            float(row["exponent"]),
        )
        for row in read_table("teacher")
    }


def compile_parameters(network: Network, parameters: dict) -> tuple[np.ndarray, tuple, tuple]:
    """Basal activities, then edges that inputs decide, then edges that nodes take part in."""
    basal = np.zeros(network.n_units, np.float32)
    static: list[tuple] = []
    dynamic: list[tuple] = []
    start = [0]
    for unit, edges in enumerate(network.edges):
        # a head may share its name with nothing among the targets, so the name identifies the unit
        basal[unit] = parameters.get((BASAL, network.units[unit], ""), (0.0, 0.0, 0.0))[0]
        for edge in edges:
            row = _edge_row(edge, unit, parameters)
            (dynamic if _touches_node(edge) else static).append(row)
        start.append(len(dynamic))
    return basal, _static_arrays(static), (np.array(start, np.int32), *_dynamic_arrays(dynamic))


def _edge_row(edge: Edge, unit: int, parameters: dict) -> tuple:
    key = (edge.source, edge.target, edge.gate)
    if key not in parameters:
        msg = f"the teacher has no parameters for edge {edge.source} -> {edge.target} {edge.gate}"
        raise ValueError(msg)
    gate = SOURCES.index(edge.gate) if edge.gate else -1
    return (SOURCES.index(edge.source), gate, unit, _ROLES[edge.role], *parameters[key])


def _touches_node(edge: Edge) -> bool:
    return edge.source in NODES or edge.gate in NODES


def _static_arrays(rows: list[tuple]) -> tuple:
    source, gate, target, role, strength, half, exponent = map(np.array, zip(*rows, strict=True))
    kind = np.full(len(SOURCES), -1)
    kind[len(NODES) : len(NODES) + len(INPUTS)] = TRANSFORM_KIND
    is_dose = np.isin(kind[source], (SATURATING, LOG))
    return (
        source.astype(np.int32),
        gate.astype(np.int32),
        target.astype(np.int32),
        role.astype(np.int8),
        strength,
        half,
        exponent.astype(np.float64),
        is_dose,
    )


def _dynamic_arrays(rows: list[tuple]) -> tuple:
    source, gate, _, role, strength, half, exponent = map(np.array, zip(*rows, strict=True))
    if np.any(exponent != np.round(exponent)):
        msg = "exponents of edges between nodes must be whole numbers"
        raise ValueError(msg)
    return (
        source.astype(np.int32),
        gate.astype(np.int32),
        role.astype(np.int8),
        strength.astype(np.float32),
        (half**exponent).astype(np.float32),
        exponent.astype(np.int32),
    )


def _contiguous(state, inputs, genotype, cell_type) -> tuple:
    return (
        np.ascontiguousarray(state, np.float32),
        np.ascontiguousarray(inputs, np.float32),
        np.ascontiguousarray(genotype, np.int32),
        np.ascontiguousarray(cell_type, np.int8),
    )


def _hash(arrays: tuple) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


__all__ = ["Out", "Teacher", "compile_parameters", "teacher_parameters"]
