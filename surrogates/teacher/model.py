"""Mechanistic reference model: an ODE over the units of the prior network.

    dh_i/dt = (competence[type, i] F_i - h_i) / tau_i

    F = [1 - (1 - basal) prod_activates (1 - s act)] prod_requires (1 - s + s act)
        prod_inhibits (1 - s + s / (1 + (v/K)^n)),           act = v^n (1 + K^n) / (K^n + v^n)

F is monotone in every parent with the edge's sign. v is the source times its gate; for an input
that is not gated by a node, act = gate c^n / (K^n + c^n) at its concentration c and K carries its
unit; at a drug target c is the dose in units of the one of half effect.
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
    NODE_CHANNELS,
    NODES,
    OUTPUT_CHANNELS,
    OUTPUTS,
    basal_inputs,
)
from surrogates.contract import Cells, Decision
from surrogates.phenotype import RANGES
from surrogates.prior.graph import Network, load_network
from surrogates.steady_states import SteadyStates
from surrogates.teacher import kernels
from surrogates.teacher.parameters import (
    Equations,
    Results,
    Situations,
    compile_parameters,
    tables,
    teacher_parameters,
)
from surrogates.trajectory import Conditions, Trajectory, simulate
from surrogates.variants import ByAbundance, refuse_lines

MAX_STEP = 1.5  # [min] longest internal step
PARALLEL_FROM = 4096  # cells; smaller batches stay on one thread
RELAXATION_TAU, RELAXATION_STEP, RELAXATION_STEPS = 240.0, 4.0, 1500  # search of a steady state


class Teacher:
    """The mechanistic model behind the cell-model contract."""

    name = "teacher"
    inputs = INPUT_CHANNELS
    nodes = NODE_CHANNELS
    outputs = OUTPUT_CHANNELS
    genotypes = GENOTYPES

    def __init__(self, network: Network | None = None) -> None:
        self.network = load_network() if network is None else network
        basal, static, self._dynamic = compile_parameters(self.network, teacher_parameters())
        self._tables = tables(static, basal, self.network.competence)
        self.hash = _hash(basal, *static, *self._dynamic, self.network.tau, self.network.competence)
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
        kernels.drive_cells(self._equations(self.network.tau, 1.0), _situations(cells), out)
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
        model, arrays = self._equations(tau, dt / n_steps), _situations(cells)
        results = Results(out.state, np.empty((n, len(OUTPUTS)), np.float32), out.outputs)
        n_threads = get_num_threads() if n >= PARALLEL_FROM else 1
        bounds = np.linspace(0, n, n_threads + 1).astype(int).tolist()

        def advance(first: int, last: int) -> None:
            kernels.step_cells(first, last, model, arrays, n_steps, results)

        if n_threads == 1:
            advance(0, n)
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                list(pool.map(advance, bounds[:-1], bounds[1:]))

    def _equations(self, tau: np.ndarray, step: float) -> Equations:
        ratio = step / tau.astype(np.float64)
        gain = -np.expm1(-ratio)
        with np.errstate(invalid="ignore", divide="ignore"):
            correction = np.where(ratio > 1e-8, 1.0 - gain / ratio, 0.0)
        return Equations(
            self._tables,
            self._dynamic,
            gain.astype(np.float32),
            correction.astype(np.float32),
            self._heads,
            RANGES,
        )


def _situations(cells: Cells) -> Situations:
    found = cells.contiguous()
    return Situations(found.state, found.inputs, found.genotype, found.cell_type)


def _hash(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


__all__ = ["Teacher"]
