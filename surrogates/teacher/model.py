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
from typing import Unpack

import numpy as np
from numba import get_num_threads
from numpy.typing import ArrayLike

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
from surrogates.contract import Cells, Decision
from surrogates.phenotype import RANGES
from surrogates.prior.graph import SOURCES, Edge, Network, load_network
from surrogates.steady_states import SteadyStates
from surrogates.teacher import kernels
from surrogates.trajectory import Conditions, Trajectory, simulate
from surrogates.variants import ByAbundance, refuse_lines

BASAL = "basal"
MAX_STEP = 1.5  # [min] longest internal step
PARALLEL_FROM = 4096  # cells; smaller batches stay on one thread
RELAXATION_TAU, RELAXATION_STEP, RELAXATION_STEPS = 240.0, 4.0, 1500  # search of a steady state
_ROLES = {
    "activates": kernels.ACTIVATES,
    "requires": kernels.REQUIRES,
    "inhibits": kernels.INHIBITS,
}


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
        self._heads = np.ascontiguousarray(self.network.competence[:, len(NODES) :])
        self._steady = SteadyStates(self._relax)
        self._by_abundance = ByAbundance(self)

    def allocate(self, n: int) -> Decision:
        """Room for the results of `n` cells."""
        return Decision.allocate(n)

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """Advance every cell by dt [min] at constant inputs into `out`, in place if need be."""
        refuse_lines(cells, self.name)
        if cells.abundance is not None:
            self._by_abundance.step(cells, dt, out=out)
            return
        self._integrate(cells, self.network.tau, dt, MAX_STEP, out)
        out.sigma[:] = 0.0
        out.in_domain[:] = True

    def drive(self, cells: Cells) -> np.ndarray:
        """Drives float32 (n, n_units): F x competence of the nodes, then the heads' fractions."""
        out = np.empty((len(cells), self.network.n_units), np.float32)
        kernels.drive_cells(self._model(self.network.tau, 1.0), _arrays(cells), out)
        return out

    def initial_state(self, cell_type: ArrayLike, genotype: ArrayLike) -> np.ndarray:
        """Drug-free steady state of each type and genotype at the basal inputs, cached per pair.

        Bistable memories start from `start` of the node table: off, but on in fibroblasts.
        """
        return self._steady(cell_type, genotype)

    def simulate(self, **conditions: Unpack[Conditions]) -> Trajectory:
        """Follow one cell; see `surrogates.trajectory.simulate`."""
        return simulate(self, **conditions)

    def with_network(self, network: Network) -> "Teacher":
        """The same equations with other competences and time constants."""
        return Teacher(network)

    def _relax(self, cell_type: np.ndarray, genotype: np.ndarray) -> np.ndarray:
        """Fixed points of types and genotypes, slow nodes hurried along."""
        n, competence = len(cell_type), self.network.competence[cell_type, : len(NODES)]
        start = np.ascontiguousarray(self.network.start * competence, np.float32)
        cells, out = Cells(start, basal_inputs(n), genotype, cell_type), self.allocate(n)
        tau = np.minimum(self.network.tau, np.float32(RELAXATION_TAU))
        tau[np.isinf(self.network.tau)] = np.inf  # held, see `mutations`
        self._integrate(cells, tau, RELAXATION_STEP * RELAXATION_STEPS, RELAXATION_STEP, out)
        return out.state

    def _integrate(
        self, cells: Cells, tau: np.ndarray, dt: float, longest: float, out: Decision
    ) -> None:
        n_steps, n = max(1, int(np.ceil(dt / longest - 1e-9))), len(cells)
        model, arrays = self._model(tau, dt / n_steps), _arrays(cells)
        results = (out.state, np.empty((n, len(OUTPUTS)), np.float32), out.outputs)
        n_threads = get_num_threads() if n >= PARALLEL_FROM else 1
        bounds = np.linspace(0, n, n_threads + 1).astype(int).tolist()

        def advance(*rows: int) -> None:
            kernels.step_cells(rows, model, arrays, n_steps, results)

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
            self._heads,
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


def _arrays(cells: Cells) -> tuple[np.ndarray, ...]:
    """As the kernels take them."""
    found = cells.contiguous()
    return found.state, found.inputs, found.genotype, found.cell_type


def _hash(arrays: tuple) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


__all__ = ["Teacher", "compile_parameters", "teacher_parameters"]
