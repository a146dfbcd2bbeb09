"""The trained network behind the cell-model contract, on CPU (numba) or CUDA (torch)."""

from dataclasses import replace
from typing import Protocol, Unpack

import numpy as np
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
from surrogates.intervals import GROWTH, Intervals
from surrogates.network.cpu import CpuNetwork
from surrogates.network.domain import Domain
from surrogates.network.parameters import Raw, effective, sweeps
from surrogates.prior.graph import Network
from surrogates.steady_states import SteadyStates
from surrogates.trajectory import Conditions, Trajectory, simulate
from surrogates.variants import ByAbundance, refuse_lines

RELAXATION_TAU, RELAXATION_STEP, RELAXATION_SWEEPS = 30.0, 6.0, 600  # search of a steady state


class Backend(Protocol):
    """Where the equations are evaluated: `network.cpu` or `network.torch`."""

    def run(self, cells: Cells, n_sweeps: int, length: float, out: Decision) -> None:
        """Advance the cells by `n_sweeps` of `length` [min]; of no length, read the heads only."""


class TmeCell:
    """An ensemble of scaffolded monotone networks that shares one state per cell."""

    inputs = INPUT_CHANNELS
    nodes = NODE_CHANNELS
    outputs = OUTPUT_CHANNELS
    genotypes = GENOTYPES

    def __init__(
        self,
        network: Network,
        raw: Raw,
        domain: Domain,
        *,
        name: str,
        hash: str,
        device: str = "cpu",
        intervals: Intervals | None = None,
    ) -> None:
        self.network, self.raw, self.domain = network, raw, domain
        self.intervals = intervals
        self.name, self.hash, self.device = name, hash, device
        acting = effective(raw, network)
        self._cpu = CpuNetwork(network, acting, domain)
        self._backend: Backend = (
            self._cpu if device == "cpu" else _on_cuda(network, raw, domain, device)
        )
        self._tau = np.where(np.isinf(acting.tau), acting.tau, np.float32(RELAXATION_TAU))
        self._steady = SteadyStates(self._relax)
        self._by_abundance = ByAbundance(self)

    def allocate(self, n: int) -> Decision:
        """Room for the results of `n` cells, on the host."""
        return Decision.allocate(n)

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """Advance every cell by dt [min] at constant inputs, into `out`; see `network.torch`.

        Sweeps last about 3 min whatever the tick, so ticks of 3, 6 and 12 min follow one
        trajectory; dt = 0 reads the heads and leaves the state as it is.
        """
        refuse_lines(cells, self.name)
        if cells.abundance is not None:
            self._by_abundance.step(cells, dt, out=out)
            return
        n_sweeps, length = sweeps(dt)
        self._backend.run(cells.contiguous(), n_sweeps, length, out)

    def initial_state(self, cell_type: ArrayLike, genotype: ArrayLike) -> np.ndarray:
        """Drug-free steady state of each type and genotype at the basal inputs, cached per pair."""
        return self._steady(cell_type, genotype)

    def simulate(self, **conditions: Unpack[Conditions]) -> Trajectory:
        """Follow one cell; `std` is the spread of members run freely, `interval` calibrated."""
        trajectory = simulate(self, **conditions)
        if self.raw.n_members == 1:
            return trajectory
        runs = [simulate(self.member(m), **conditions) for m in range(self.raw.n_members)]
        columns = (*NODES, *OUTPUTS, GROWTH)
        spread = {name: np.std([run[name] for run in runs], axis=0) for name in columns}
        return replace(trajectory, spread=spread, intervals=self.intervals)

    def member(self, index: int) -> "TmeCell":
        """One member of the ensemble alone: sigma is 0, the domain is judged by inputs only."""
        return TmeCell(
            self.network,
            self.raw.member(index),
            self.domain,
            device=self.device,
            name=f"{self.name}[{index}]",
            hash=f"{self.hash}[{index}]",
        )

    def with_network(self, network: Network) -> "TmeCell":
        """The same weights on a network with other competences and time constants."""
        return TmeCell(
            network,
            self.raw,
            self.domain,
            name=self.name,
            hash=self.hash,
            device=self.device,
            intervals=self.intervals,
        )

    def _relax(self, cell_type: np.ndarray, genotype: np.ndarray) -> np.ndarray:
        """Fixed points of types and genotypes, all nodes relaxing equally fast."""
        n, competence = len(cell_type), self.network.competence[cell_type, : len(NODES)]
        start = np.ascontiguousarray(self.network.start * competence, np.float32)
        cells, out = Cells(start, basal_inputs(n), genotype, cell_type), self.allocate(n)
        self._cpu.run(cells, RELAXATION_SWEEPS, RELAXATION_STEP, out, tau=self._tau)
        return out.state


def _on_cuda(network: Network, raw: Raw, domain: Domain, device: str) -> "Backend":
    from surrogates.network.torch import TorchNetwork  # torch loads only where it computes

    return TorchNetwork(network, raw, domain, device)
