"""Let the ensemble run freely, and differentiate where it arrives after many ticks.

The sweeps are those of `network.torch.relax` and of inference, of the scaffold alone: a residual is
found after it. Time constants are fixed here: drives are learned, the prior's times stay. Kernels:
`training.rollout_kernels`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import get_num_threads
from torch import Tensor

from surrogates.network.kernels.unit import UnitArrays
from surrogates.network.torch import MonotoneUnits, Sources
from surrogates.prior.graph import Network
from surrogates.training.rollout_kernels import (
    LANES,
    NodeTables,
    TileCourse,
    pull_tile,
    roll_tile,
)


@dataclass(frozen=True, eq=False)
class Course:
    """What cells meet while they run; inputs hold within a segment.

    `segment` and `length` [min] are per sweep; `reads` are rising numbers of sweeps done, at which
    the states are wanted.
    """

    start: np.ndarray  # float32 (n, n_nodes)
    inputs: np.ndarray  # float32 (n_segments, n, n_inputs), raw units
    genotype: np.ndarray  # int32 (n,)
    competence: np.ndarray  # float32 (n, n_nodes)
    segment: np.ndarray  # int (n_sweeps,)
    length: np.ndarray  # float (n_sweeps,)
    reads: np.ndarray  # int (n_reads,)

    def __post_init__(self) -> None:
        rising = (np.diff(self.reads) > 0).all()
        if not rising or not 1 <= self.reads[0] <= self.reads[-1] <= len(self.length):
            msg = f"reads must rise from 1 to {len(self.length)} sweeps; got {self.reads.tolist()}"
            raise ValueError(msg)


class Roller:
    """Rollouts of one network's scaffold; `wanted` nodes are read, others may rest.

    A node from which no path leads to a wanted one keeps falling towards 0: it changes nothing
    that is read.
    """

    def __init__(self, network: Network, wanted: np.ndarray | None = None) -> None:
        one, n = network.n_sources, network.n_nodes
        used = np.ones(n, bool) if wanted is None else ancestors(network, wanted)
        self._tables = NodeTables(
            np.where(network.parent < 0, one, network.parent)[:n].astype(np.int32),
            np.where(network.gate < 0, one, network.gate)[:n].astype(np.int32),
            network.n_parents[:n],
            used,
        )
        self._sources = Sources()

    def __call__(self, units: MonotoneUnits, course: Course) -> Tensor:
        """States (n_reads, n, n_nodes) at the reads, differentiable in what the units learn."""
        paces, pace = np.unique(course.length, return_inverse=True)
        tau = units.tau().detach().numpy().astype(np.float64)
        gain = -np.expm1(-paces[:, None, None] / tau) / len(tau)
        fixed, competence, start = self._tiles(course)
        segment = course.segment.astype(np.int64)
        tiles = TileCourse(fixed, competence, segment, pace, gain.astype(np.float32))
        acting = units.acting()
        run: Callable[..., Tensor] = _Rollout.apply  # torch gives it no type
        reading = (start, course.reads.astype(np.int64), len(course.start))
        return run(*acting, self._tables, tiles, reading)

    def _tiles(self, course: Course) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fixed sources, competences and start, cells side by side in tiles."""
        n_segments, n = course.inputs.shape[:2]
        none = torch.zeros((n, 0))
        genotype = torch.from_numpy(course.genotype)
        rows = [
            self._sources(none, torch.from_numpy(inputs), genotype).numpy()
            for inputs in course.inputs
        ]
        fixed = np.concatenate([np.array(rows), np.ones((n_segments, n, 1), np.float32)], axis=2)
        return (tiled(fixed.transpose(1, 0, 2)), tiled(course.competence), tiled(course.start))


class _Rollout(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        weight: Tensor,
        bias: Tensor,
        share: Tensor,
        tables: NodeTables,
        course: TileCourse,
        reading: tuple[np.ndarray, np.ndarray, int],
    ) -> Tensor:
        acting = UnitArrays(
            *(np.ascontiguousarray(t.detach().numpy()) for t in (weight, bias, share))
        )
        start, reads, n = reading
        states = np.empty((len(start), len(course.segment) + 1, *start.shape[1:]), np.float32)
        states[:, 0] = start
        _each_tile(lambda k: roll_tile(acting, tables, _part(course, k), states[k]), len(states))
        ctx.record = acting, tables, course, states, reads
        return torch.from_numpy(untiled(states[:, reads], n))

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        acting, tables, course, states, reads = ctx.record
        pull = tiled(outer.numpy().transpose(1, 0, 2), repeat=False)
        gradients = tuple(np.zeros((len(states), *a.shape)) for a in acting)
        _each_tile(
            lambda k: pull_tile(
                acting,
                tables,
                _part(course, k),
                states[k],
                reads,
                pull[k],
                UnitArrays(*(g[k] for g in gradients)),
            ),
            len(states),
        )
        return *(torch.from_numpy(g.sum(axis=0).astype(np.float32)) for g in gradients), *[None] * 3


def _part(course: TileCourse, tile: int) -> TileCourse:
    return course._replace(fixed=course.fixed[tile], competence=course.competence[tile])


def _each_tile(work: Callable[[int], None], n_tiles: int) -> None:
    """Tiles on as many threads as numba may use; the kernels hold no interpreter lock."""
    with ThreadPoolExecutor(get_num_threads()) as pool:
        list(pool.map(work, range(n_tiles)))


def tiled(rows: np.ndarray, *, repeat: bool = True) -> np.ndarray:
    """Rows (n, ...) as tiles (n_tiles, ..., LANES), filled up with the last row or with zeros."""
    n_missing = -len(rows) % LANES
    filling = rows[-1:] if repeat else np.zeros_like(rows[-1:])
    full = np.concatenate([rows, np.repeat(filling, n_missing, axis=0)])
    tiles = full.reshape(-1, LANES, *rows.shape[1:])
    return np.ascontiguousarray(np.moveaxis(tiles, 1, -1), np.float32)


def untiled(tiles: np.ndarray, n: int) -> np.ndarray:
    """The first n rows (n_reads, n, n_nodes) of tiles (n_tiles, n_reads, n_nodes, LANES)."""
    rows = np.moveaxis(tiles, (1, 3), (0, 2))
    return np.ascontiguousarray(rows.reshape(rows.shape[0], -1, rows.shape[-1])[:, :n])


def ancestors(network: Network, wanted: np.ndarray) -> np.ndarray:
    """Nodes (n_nodes,) that are wanted or from which a path leads to a wanted one."""
    found = np.zeros(network.n_nodes, bool)
    queue = [int(node) for node in wanted]
    while queue:
        node = queue.pop()
        if not found[node]:
            found[node] = True
            read = np.concatenate([network.parent[node], network.gate[node]])
            queue += read[(read >= 0) & (read < network.n_nodes)].tolist()
    return found


__all__ = ["Course", "Roller", "ancestors"]
