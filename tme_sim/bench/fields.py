"""Time the field solver: 2D 1000 x 1000 and 3D 100^3 voxels with 1, 4 and 10 substrates.

Columns:
    solve     time of one substep of one substrate [ms]
    tick      time of a tick of 6 min once the tissue is settled, in which sources and sinks grow
              by 1 %, handing them over included [ms]
    first     the same for the first tick from a uniform start [ms]
    cycles    multigrid cycles of a tick, all substrates
    residual  largest error that a solve was left with, relative to the field
    ns        time of a tick over voxels and substrates [ns]
    B         bytes kept per voxel and substrate, without the arrays handed over
    work      bytes per voxel of work space, shared by all substrates: what the microenvironment
              holds for it and the most that numpy allocates during a tick
    share     of the machine's copy bandwidth, measured in the same run on arrays far larger than
              the caches (a copy of n bytes moves 2 n)

The share counts only what one iteration, a step of conjugate gradients with a V(1,1)-cycle as
preconditioner, has to move if every array goes through the processor once per pass. On every level
the way down reads the right side and the diagonal and writes the correction (3 numbers a voxel),
the way up reads these three and writes the correction (4); all levels together are 8/7 of the
finest in 3D and 4/3 in 2D. On the finest, one pass turns the correction into the search direction
and applies the matrix (reads correction, direction and diagonal, writes direction and product: 5),
another advances solution and residual (reads both, direction and product, writes both: 6). Setting
up a solve, estimating errors in time and closing the budget move more and are counted as none, so
the share is a lower bound of the traffic; a grid that fits into the caches may exceed 100 %.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numba as nb
import numpy as np

from tme_sim.bench.substrates import TICK, Tissue
from tme_sim.compute.launch import set_threads
from tme_sim.errors import InputError
from tme_sim.fields import Grid, Microenvironment, StepReport

EDGES = {2: 1000, 3: 100}  # voxels
COUNTS = (1, 4, 10)
SETTLE = 3  # ticks after the first, before any is measured
HANDED_OVER = ("source", "uptake", "maximum", "permeability_area", "fixed")
COPIED = 2**26  # bytes per thread of the copies that measure the bandwidth
COPIES = 7
CYCLE_NUMBERS, FINEST_NUMBERS = 7, 11  # moved per voxel of every level, and of the finest
HEADER = "voxels      n    solve    tick   first cycles residual     ns   B  work share"


@dataclass(frozen=True)
class Measured:
    """One row of the table; times in ms, sizes in bytes."""

    shape: tuple[int, int, int]
    n_substrates: int
    solve_ms: float
    tick_ms: float
    first_tick_ms: float
    substeps: int
    cycles: int
    residual: float
    ns_per_voxel_substrate: float
    bytes_per_voxel_substrate: float
    workspace_bytes_per_voxel: float
    copy_share: float

    def line(self) -> str:
        """The row as text of at most 80 columns."""
        edges = "x".join(str(n) for n in self.shape if n > 1)
        return (
            f"{edges:11s} {self.n_substrates:2d} {self.solve_ms:8.2f} {self.tick_ms:7.1f} "
            f"{self.first_tick_ms:7.1f} {self.cycles:6d} {self.residual:8.1e} "
            f"{self.ns_per_voxel_substrate:6.1f} {self.bytes_per_voxel_substrate:3.0f} "
            f"{self.workspace_bytes_per_voxel:5.1f} {self.copy_share:5.0%}"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tme-sim bench fields`."""
    parser.add_argument("--dim", type=int, choices=(2, 3), help="measure 2D or 3D only")
    parser.add_argument("--substrates", type=int, choices=COUNTS, help="one number of them only")
    parser.add_argument("--size", type=int, metavar="N", help="voxels along each edge of the box")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="medians of N ticks")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(options: argparse.Namespace) -> int:
    """Measure, print the table or the JSON object; returns the exit code."""
    for name, least in (("size", 2), ("repeat", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            msg = f"--{name} must be at least {least}, not {value}"
            raise InputError(msg)
    threads = set_threads(options.threads)
    bandwidth = copy_bandwidth(threads)
    if not options.json:
        print(
            f"{threads} threads, copy bandwidth {bandwidth / 1e9:.1f} GB/s; times in ms\n{HEADER}"
        )
    rows = []
    for dim in (2, 3) if options.dim is None else (options.dim,):
        edge = options.size or EDGES[dim]
        for n in COUNTS if options.substrates is None else (options.substrates,):
            grid = Grid((1, edge, edge) if dim == 2 else (edge, edge, edge))
            rows.append(measure(grid, n, repeat=options.repeat, bandwidth=bandwidth))
            if not options.json:
                print(rows[-1].line(), flush=True)
    if options.json:
        cases = [asdict(row) for row in rows]
        print(json.dumps({"threads": threads, "copy_bandwidth": bandwidth, "cases": cases}))
    return 0


def measure(grid: Grid, n_substrates: int, *, repeat: int, bandwidth: float) -> Measured:
    """Median times of the first tick and of a settled one; `bandwidth` in bytes/s."""
    tissue = Tissue(grid, n_substrates)
    env = tissue.environment()
    start = env.state()
    _tick(tissue, env)  # compiles or loads every kernel
    first = []
    for _ in range(min(repeat, 3)):
        env.restore(start)
        first.append(_tick(tissue, env)[0])
    for _ in range(SETTLE):
        tissue.grow()
        _tick(tissue, env)
    times, reports = [], []
    for _ in range(repeat):
        tissue.grow()
        seconds, report = _tick(tissue, env)
        times.append(seconds)
        reports.append(report)
    seconds = statistics.median(times)
    report = reports[int(np.argsort(times)[len(times) // 2])]
    substeps = sum(one.substeps for one in report.values())
    moved = report.cycles * cycle_bytes(grid, env.dtype.itemsize)
    return Measured(
        shape=grid.shape,
        n_substrates=n_substrates,
        solve_ms=1e3 * seconds / substeps,
        tick_ms=1e3 * seconds,
        first_tick_ms=1e3 * statistics.median(first),
        substeps=substeps,
        cycles=report.cycles,
        residual=report.residual,
        ns_per_voxel_substrate=1e9 * seconds / grid.n_voxels / n_substrates,
        bytes_per_voxel_substrate=_saved_bytes(env) / grid.n_voxels / n_substrates,
        workspace_bytes_per_voxel=(env.workspace_bytes + _allocated_bytes(tissue, env))
        / grid.n_voxels,
        copy_share=moved / seconds / bandwidth,
    )


def cycle_bytes(grid: Grid, itemsize: int) -> float:
    """Bytes that one iteration has to move (see the docstring of the module)."""
    levels = 4 / 3 if grid.dim == 2 else 8 / 7
    return (CYCLE_NUMBERS * levels + FINEST_NUMBERS) * itemsize * grid.n_voxels


def copy_bandwidth(threads: int) -> float:
    """Bytes read and written per second by the best of several copies, numpy's or threaded."""
    source = np.ones(COPIED * threads // 8)
    target = np.zeros_like(source)
    copies: tuple[Callable[..., object], ...] = (np.copyto, _copy)
    best = min(_seconds(copy, target, source) for copy in copies for _ in range(COPIES))
    return 2 * source.nbytes / best


@nb.njit(parallel=True)
def _copy(target: np.ndarray, source: np.ndarray) -> None:
    for i in nb.prange(source.size):
        target[i] = source[i]


def _seconds(function: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def _tick(tissue: Tissue, env: Microenvironment) -> tuple[float, StepReport]:
    """One tick with the rates as they are; seconds it took, and the report."""
    start = time.perf_counter()
    tissue.set_exchange(env)
    report = env.step(TICK)
    return time.perf_counter() - start, report


def _saved_bytes(env: Microenvironment) -> int:
    """Bytes of all that a checkpoint saves of the fields but the arrays handed over."""
    return sum(
        array.nbytes
        for saved in env.state().values()
        for term, array in saved.items()
        if isinstance(array, np.ndarray) and term not in HANDED_OVER
    )


def _allocated_bytes(tissue: Tissue, env: Microenvironment) -> int:
    """Most bytes that numpy allocates during a tick."""
    tissue.grow()
    tissue.set_exchange(env)
    tracemalloc.start()
    try:
        env.step(TICK)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
