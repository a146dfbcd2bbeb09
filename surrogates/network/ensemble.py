"""The trained network behind the cell-model contract, on CPU (numba) or CUDA (torch)."""

from dataclasses import replace

import numpy as np

from surrogates.channels import (
    GENOTYPES,
    INPUT_CHANNELS,
    NODE_CHANNELS,
    NODES,
    OUTPUT_CHANNELS,
    OUTPUTS,
    basal_inputs,
)
from surrogates.intervals import Intervals
from surrogates.network.cpu import CpuNetwork
from surrogates.network.domain import Domain
from surrogates.network.parameters import Raw, effective, sweeps
from surrogates.prior.graph import Network
from surrogates.teacher.model import Out
from surrogates.trajectory import GROWTH, Trajectory, simulate

_DTYPES = (np.float32, np.float32, np.int32, np.int8)  # of state, inputs, genotype, cell type
RELAXATION_TAU, RELAXATION_STEP, RELAXATION_SWEEPS = 30.0, 6.0, 600  # search of a steady state


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
        self._backend = self._cpu if device == "cpu" else _on_cuda(network, raw, domain, device)
        self._tau = np.where(np.isinf(acting.tau), acting.tau, np.float32(RELAXATION_TAU))
        self._steady: dict[tuple[int, int], np.ndarray] = {}

    def allocate(self, n: int) -> Out:
        """Room for the results of `n` cells, on the host."""
        return Out(
            np.zeros((n, len(NODES)), np.float32),
            np.zeros((n, len(OUTPUTS)), np.float32),
            np.zeros((n, len(OUTPUTS)), np.float32),
            np.ones(n, bool),
        )

    def step(self, state, inputs, genotype, cell_type, dt, *, out) -> None:
        """Advance every cell by dt [min] at constant inputs, into `out`; see `network.torch`.

        Sweeps last about 3 min whatever the tick, so ticks of 3, 6 and 12 min follow one
        trajectory; dt = 0 reads the heads and leaves the state as it is.
        """
        n_sweeps, length = sweeps(dt)
        results = (out.state, out.outputs, out.sigma, out.in_domain)
        arrays = tuple(
            np.ascontiguousarray(array, dtype)
            for array, dtype in zip((state, inputs, genotype, cell_type), _DTYPES, strict=True)
        )
        self._backend.run(arrays, n_sweeps, length, results)

    def initial_state(self, cell_type, genotype) -> np.ndarray:
        """Drug-free steady state of each type and genotype at the basal inputs, cached per pair."""
        pairs = list(
            zip(np.asarray(cell_type).tolist(), np.asarray(genotype).tolist(), strict=True)
        )
        missing = sorted(set(pairs) - self._steady.keys())
        if missing:
            self._steady.update(zip(missing, self._relax(missing), strict=True))
        return np.array([self._steady[pair] for pair in pairs], np.float32).reshape(-1, len(NODES))

    def simulate(self, **conditions) -> Trajectory:
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

    def _relax(self, pairs: list[tuple[int, int]]) -> np.ndarray:
        """Fixed points of (type, genotype) pairs, all nodes relaxing equally fast."""
        cell_type = np.array([pair[0] for pair in pairs], np.int8)
        genotype = np.array([pair[1] for pair in pairs], np.int32)
        start = self.network.start * self.network.competence[cell_type, : len(NODES)]
        out = self.allocate(len(pairs))
        arrays = (
            np.ascontiguousarray(start, np.float32),
            basal_inputs(len(pairs)),
            genotype,
            cell_type,
        )
        results = (out.state, out.outputs, out.sigma, out.in_domain)
        self._cpu.run_with(arrays, RELAXATION_SWEEPS, RELAXATION_STEP, results, tau=self._tau)
        return out.state


def _on_cuda(network: Network, raw: Raw, domain: Domain, device: str):
    from surrogates.network.torch import TorchNetwork  # torch loads only where it computes

    return TorchNetwork(network, raw, domain, device)
