"""Evaluate the trained ensemble on the CPU, all members on one shared state.

Cells are sorted by type and taken in tiles of one type each, see `network.kernels.tiles`: what a
type is not competent for is exactly zero and costs nothing, and the result of a cell is the same to
the bit for every batch and number of threads. Only the scaffold's edges are touched. Equations:
`parameters`; torch says the same in `network.torch`.
"""

import functools
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import get_num_threads

from surrogates.channels import TRANSFORM_A, TRANSFORM_B, TRANSFORM_KIND
from surrogates.contract import Cells, Decision
from surrogates.network.domain import Domain
from surrogates.network.kernels.arrays import (
    CellArrays,
    Tables,
    Tiles,
    Timing,
    Transforms,
    Weights,
)
from surrogates.network.kernels.drives import BLOCK, WIDEST
from surrogates.network.kernels.tiles import TILE, step_tiles
from surrogates.network.parameters import FACTORS, Effective
from surrogates.network.residual import no_residual
from surrogates.phenotype import RANGES
from surrogates.prior.graph import Network

PARALLEL_FROM = 4  # tiles; below, a second thread costs more than it gives
JOBS = 4  # per thread, so that a thread that is held up is not waited for
# tables travel as arguments: code cached on disk keeps the values of global arrays
_TABLES = Tables(Transforms(TRANSFORM_KIND, TRANSFORM_A, TRANSFORM_B), RANGES)


def pack(network: Network, effective: Effective) -> Weights:
    """Lay out the weights, a product of its own for every gated pair of sources."""
    n_nodes, one = network.n_nodes, network.n_sources
    widest = max(int(network.n_parents.max()), WIDEST) + BLOCK
    parent = np.full((network.n_units, widest), one, np.int32)
    parent[:, : network.parent.shape[1]] = np.where(network.parent < 0, one, network.parent)
    gated = np.argwhere(network.gate >= 0)
    product = np.stack([table[tuple(gated.T)] for table in (network.parent, network.gate)], axis=1)
    parent[tuple(gated.T)] = one + 1 + np.arange(len(gated))
    varies = np.arange(one + 1 + len(gated)) < n_nodes
    varies[one + 1 :] = (product < n_nodes).any(axis=1)
    is_joint = np.isin(np.arange(network.n_units), effective.joint)
    head_share = (effective.share / 2.0**FACTORS)[:, n_nodes:].swapaxes(0, 1)
    residual = effective.residual or no_residual(n_nodes, network.n_sources)
    return Weights(
        n_parents=network.n_parents.astype(np.int32),
        parent=parent,
        product=product,
        varies=varies,
        factor=_factors(effective, widest, is_joint),
        head_share=_heads(head_share, is_joint[n_nodes:]),
        competence=np.ascontiguousarray(network.competence, np.float32),
        is_joint=is_joint[n_nodes:],
        residual=residual.as_kernel_arrays(),
    )


def _heads(share: np.ndarray, is_joint: np.ndarray) -> np.ndarray:
    """Shares (n_heads, n_terms) of (n_heads, n_members, GROUPS).

    Terms of a joint head are the first of every member, then the second: the kernel multiplies
    them, and the first carry what the member's shares add up to.
    """
    table = share.copy()
    table[is_joint] = 2.0**-FACTORS
    table[is_joint, :, 0] = share[is_joint].sum(axis=2)
    table[is_joint] = _group_first(table[is_joint])
    return np.ascontiguousarray(table.reshape(len(table), -1), np.float32)


def _group_first(terms: np.ndarray) -> np.ndarray:
    """Terms (n, n_members, GROUPS, ...) in the order of groups, members; in the same shape."""
    return terms.swapaxes(1, 2).reshape(terms.shape)


def _factors(effective: Effective, width: int, is_joint: np.ndarray) -> np.ndarray:
    """Biases and weights (n_units, n_terms, FACTORS (1 + width)) of every unit's terms."""
    n_members, n_units, n_parents, _ = effective.weight.shape
    table = np.zeros((n_units, n_members, 1 + width, effective.bias.shape[2]), np.float32)
    table[:, :, 0] = effective.bias.swapaxes(0, 1)
    table[:, :, 1 : 1 + n_parents] = effective.weight.swapaxes(0, 1)
    terms = table.reshape(n_units, n_members, 1 + width, -1, FACTORS).transpose(0, 1, 3, 2, 4)
    terms[is_joint] = _group_first(terms[is_joint])
    return np.ascontiguousarray(terms.reshape(n_units, -1, FACTORS * (1 + width)))


class CpuNetwork:
    """The ensemble on numpy arrays; writes into the arrays it is given."""

    def __init__(self, network: Network, effective: Effective, domain: Domain) -> None:
        self._weights = pack(network, effective)
        self._node_share = (effective.share / 2.0**FACTORS)[:, : network.n_nodes]
        self._domain = domain.as_kernel_arrays()
        self._tau = effective.tau.astype(np.float64)

    def run(
        self,
        cells: Cells,
        n_sweeps: int,
        length: float,
        out: Decision,
        *,
        tau: np.ndarray | None = None,
    ) -> None:
        """Advance the cells by `n_sweeps` of `length` [min]; of no length, read the heads only.

        The state of `out` may be that of the cells. `tau`: other time constants (n_members,
        n_nodes) than the model's.
        """
        tau = self._tau if tau is None else tau
        timing = self._timing(n_sweeps if length > 0.0 else 0, length, tau)
        tiles = tiles_of(cells.cell_type)
        arrays = CellArrays(cells.state, cells.inputs, cells.genotype)
        call = (self._weights, self._domain, _TABLES, timing, arrays, out)
        n_threads = get_num_threads() if len(tiles.first) >= PARALLEL_FROM else 1
        if n_threads == 1:
            step_tiles(tiles, *call)
            return
        n_jobs = min(JOBS * n_threads, len(tiles.first))
        cuts = [len(tiles.first) * k // n_jobs for k in range(n_jobs + 1)]
        jobs = [
            _pool(n_threads).submit(step_tiles, _part(tiles, a, b), *call)
            for a, b in itertools.pairwise(cuts)
        ]
        for job in jobs:
            job.result()

    def _timing(self, n_sweeps: int, length: float, tau: np.ndarray) -> Timing:
        """What a sweep adds, competence x gain x share by type, and what it takes away."""
        gain = -np.expm1(-length / tau) / len(tau)
        terms = (gain[..., None] * self._node_share).swapaxes(0, 1)
        competence = self._weights.competence[:, : len(terms), None]
        share = competence * terms.reshape(len(terms), -1)
        return Timing(share.astype(np.float32), gain.sum(axis=0).astype(np.float32), n_sweeps)


def tiles_of(cell_type: np.ndarray) -> Tiles:
    """Cells by type, in stable order, and cut into tiles."""
    order = np.argsort(cell_type, kind="stable")
    counts = np.bincount(cell_type)
    ends = np.cumsum(counts)
    starts = [np.arange(end - n, end, TILE) for n, end in zip(counts, ends, strict=True)]
    kind = np.repeat(np.arange(len(counts)), [len(rows) for rows in starts])
    first = np.concatenate([np.zeros(0, np.int64), *starts])
    return Tiles(order, first, np.minimum(TILE, ends[kind] - first), kind)


def _part(tiles: Tiles, begin: int, end: int) -> Tiles:
    return Tiles(tiles.cell, *(table[begin:end] for table in tiles[1:]))


@functools.cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    """Threads that step tiles; the kernel holds no interpreter lock.

    Threads of our own rather than numba's: one compiled kernel serves both cases, which halves the
    time of a cold start.
    """
    return ThreadPoolExecutor(n_threads, thread_name_prefix="cells")


os.register_at_fork(after_in_child=_pool.cache_clear)
