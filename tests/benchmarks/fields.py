"""The field solver beside two baselines of our own, and its error in several tissues.

    python tests/benchmarks/fields.py [--part table|speed|errors] [--dim 2|3] [--size N]

Errors are relative to a converged reference on the same voxels, so they are those of time and of
the linear algebra: the field solver in float64, substeps of which none is longer than half of the
time since the tick began, every solve to its tightest tolerance. On a small grid the reference
itself is checked against forward Euler far below its stability limit, extrapolated to dt = 0.
`l2` is the norm of the error over that of the field, `max` the largest error over the largest
concentration. Times are medians in one run, all methods in float32 on the same threads.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # one name of a module, one cache of kernels

from tests.benchmarks.baselines import Box, Explicit, LineSplit
from tme_sim.bench import fields as table
from tme_sim.bench.substrates import CHANGE, KINDS, TICK, Tissue
from tme_sim.compute.launch import set_threads
from tme_sim.fields import Grid, Microenvironment, Substrate

EDGES = {2: 1000, 3: 100}
SMALL = {2: 60, 3: 24}  # edges of the grid on which the reference is checked
RUNGS = 10  # the first substeps of the reference are 2^-10 of a tick
HOUR = 60.0  # [min]
ASKED = 1e-3  # error of a field
USUAL = 0.01  # step of line-split solvers [min]
SHORTEST_RUN = 1.5e-4  # steps [min] that are still run, not extrapolated
JUDGED = 2  # ticks after which the methods are compared
TIMED = 25  # steps of a baseline per measured time
LATER = 4  # ticks after the first whose worst error is reported
OXYGEN = KINDS[0]


@dataclass(frozen=True)
class Oxygen:
    """Oxygen in a tissue: what is exchanged in each voxel [1/min], or [mmHg/min] for `maximum`."""

    grid: Grid
    wall: float | None
    uptake: np.ndarray | float = 0.0
    maximum: np.ndarray | float = 0.0
    vessels: np.ndarray | float = 0.0

    def environment(self, dtype: str, **options: int) -> Microenvironment:
        """Oxygen at 38 mmHg everywhere."""
        boundary = {} if self.wall is None else {"all": self.wall}
        oxygen = Substrate("oxygen", OXYGEN.diffusivity, OXYGEN.decay, OXYGEN.start, boundary)
        return Microenvironment(self.grid, [oxygen], dtype=dtype, **options)

    def set_exchange(self, env: Microenvironment) -> None:
        """Hand over the rates as they are now."""
        env.set_exchange("oxygen", uptake=self.uptake)
        env.set_saturating_uptake("oxygen", self.maximum, 1.0)
        env.set_vessels("oxygen", self.vessels, 60.0)

    def grown(self, random: np.random.Generator) -> Oxygen:
        """The tissue a tick later: every uptake rises by 0 to 2 %, on average by 1 %."""
        factor = 1.0 + 2.0 * CHANGE * random.random(self.grid.shape)
        return replace(self, uptake=self.uptake * factor, maximum=self.maximum * factor)

    def box(self) -> Box:
        """The same for the baselines, which know first-order uptake only."""
        shape, voxel = self.grid.shape, self.grid.voxel
        return Box(shape, voxel, OXYGEN.diffusivity, OXYGEN.decay, self.wall, self.uptake)


def packed(grid: Grid) -> Oxygen:
    """The ball of cells that `tme-sim bench fields` measures."""
    return Oxygen(grid, 38.0, Tissue(grid, 1, "float64").rates["oxygen", "uptake"])


def scattered(grid: Grid) -> Oxygen:
    """Cells in 30 % of the voxels of the whole box."""
    random = np.random.default_rng(3)
    uptake = 10.0 * random.random(grid.shape) * (random.random(grid.shape) < 0.3)
    return Oxygen(grid, 38.0, uptake)


def tissues(grid: Grid) -> Iterator[tuple[str, Oxygen]]:
    """Tissues whose errors are reported."""
    random = np.random.default_rng(3)
    ball = packed(grid)
    cell = ball.uptake / OXYGEN.uptake
    yield "packed ball, walls at 38", ball
    yield "cells in 30 % of the voxels, walls at 38", scattered(grid)
    vessels = 20.0 * (random.random(grid.shape) < 0.02)
    yield "packed ball with vessels, closed walls", Oxygen(grid, None, ball.uptake, 0.0, vessels)
    yield "saturating uptake, walls at 38", Oxygen(grid, 38.0, 0.0, 1e3 * cell)


def reference_tick(env: Microenvironment) -> None:
    """Advance by a tick in substeps that start short and double."""
    for rung in (RUNGS, *range(RUNGS, 0, -1)):
        env.step(TICK * 0.5**rung)


def error(c: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    """Relative error of a field: l2 and max."""
    gap = c.astype(float) - exact
    return float(np.linalg.norm(gap) / np.linalg.norm(exact)), float(
        np.abs(gap).max() / np.abs(exact).max()
    )


def check_reference(dim: int) -> None:
    """Compare the reference with forward Euler extrapolated to dt = 0, on a small grid."""
    grid = _grid(dim, SMALL[dim])
    tissue = packed(grid)
    env = tissue.environment("float64", substeps=2)
    tissue.set_exchange(env)
    start = env["oxygen"].copy()
    reference_tick(env)
    fields = []
    for part in (0.125, 0.0625):
        explicit = Explicit(tissue.box(), start, part)
        explicit.advance(TICK)
        fields.append(explicit.c)
    l2, worst = error(env["oxygen"], 2.0 * fields[1] - fields[0])
    name = "x".join(str(n) for n in grid.shape if n > 1)
    print(f"reference against fine forward Euler, {name}, first tick: l2 {l2:.1e} max {worst:.1e}")


def report_errors(grid: Grid) -> None:
    """Print the errors of the field solver in every tissue."""
    print(f"{'relative error of':42s} first tick        ticks 2 to {1 + LATER}, worst")
    print(f"{'':42s} l2       max      l2       max")
    for name, tissue in tissues(grid):
        errors = list(_errors_by_tick(tissue))
        later = [max(values) for values in zip(*errors[1:], strict=True)]
        print(f"{name:42s} " + " ".join(f"{value:8.1e}" for value in (*errors[0], *later)))


def _errors_by_tick(tissue: Oxygen) -> Iterator[tuple[float, float]]:
    """The error after the first tick from a uniform start, and after every later one."""
    ours, exact = tissue.environment("float32"), tissue.environment("float64", substeps=2)
    random = np.random.default_rng(5)
    for _ in range(1 + LATER):
        tissue.set_exchange(ours)
        tissue.set_exchange(exact)
        ours.step(TICK)
        reference_tick(exact)
        yield error(ours["oxygen"], exact["oxygen"])
        tissue = tissue.grown(random)


def compare(tissue: Oxygen, repeat: int) -> None:
    """Print time per simulated hour and error of every method, from a settled tissue."""
    env = tissue.environment("float64", substeps=2)
    tissue.set_exchange(env)
    start = env.steady_state("oxygen")
    random = np.random.default_rng(5)
    history = [tissue := tissue.grown(random) for _ in range(JUDGED + 2 * repeat)]
    env["oxygen"][...] = start
    for grown in history[:JUDGED]:
        grown.set_exchange(env)
        reference_tick(env)
    exact = env["oxygen"]
    ours, seconds = _our_hour(history, start.astype(np.float32))
    history = history[:JUDGED]
    print(f"{'':34s} s/hour   ours  l2 error   max   ns/step")
    _print_method("field solver, ticks of 6 min", seconds, seconds, error(ours, exact), None)
    _compare_explicit(history, start, exact, seconds, repeat)
    _compare_line_split(history, start, exact, seconds, repeat)


def _our_hour(history: list[Oxygen], start: np.ndarray) -> tuple[np.ndarray, float]:
    """The field after `JUDGED` ticks, and the seconds that a settled hour takes."""
    env = history[0].environment("float32")
    env["oxygen"][...] = start
    field, seconds = start, []
    for tick, tissue in enumerate(history):
        rates = replace(tissue, uptake=tissue.uptake.astype(np.float32))
        began = time.perf_counter()
        rates.set_exchange(env)
        env.step(TICK)
        seconds.append(time.perf_counter() - began)
        if tick == JUDGED - 1:
            field = env["oxygen"].copy()
    return field, HOUR / TICK * statistics.median(seconds[JUDGED:])


def _compare_explicit(history, start, exact, ours: float, repeat: int) -> None:
    c = start.astype(np.float32)
    for tissue in history:
        method = Explicit(tissue.box(), c)
        method.advance(TICK)
        c = method.c
    step = _step_time(method, repeat)
    name = f"forward Euler at its limit {method.dt:.1e}"
    _print_method(name, step * HOUR / method.dt, ours, error(c, exact), step / c.size)


def _compare_line_split(history, start, exact, ours: float, repeat: int) -> None:
    """Line-split at the usual step, and at the step, found by halving, at which it is as exact."""
    dt, tried = USUAL, []
    while True:
        c = start.astype(np.float64 if tried else np.float32)  # float32 stalls at tiny steps
        for tissue in history:
            method = LineSplit(tissue.box(), c, dt)
            method.advance(TICK)
            c = method.c
        tried.append((dt, error(c, exact)))
        if not tried[1:]:
            usual = method
        close = tried[-1][1][0] <= ASKED and len(tried) > 1
        if close or dt / 2.0 < SHORTEST_RUN:
            break
        dt /= 2.0
    step = _step_time(usual, repeat)
    per_voxel = step / start.size
    _print_method(f"line-split at {USUAL}", step * HOUR / USUAL, ours, tried[0][1], per_voxel)
    order = np.log2(tried[-2][1][0] / tried[-1][1][0])
    last_dt, last = tried[-1]
    dt = last_dt * (ASKED / last[0]) ** (1.0 / order)
    name = f"line-split at {dt:.1e}, as asked"
    _print_method(name, step * HOUR / dt, ours, (ASKED, np.nan), per_voxel)
    print("  l2 error of line-split by dt: ", end="")
    print(", ".join(f"{dt:.1e}: {err[0]:.1e}" for dt, err in tried), f"(order {order:.2f})")


def _step_time(method: Explicit | LineSplit, repeat: int) -> float:
    """Median seconds of a step."""
    times = []
    for _ in range(4 * repeat):
        began = time.perf_counter()
        steps = method.advance(TIMED * method.dt)
        times.append((time.perf_counter() - began) / steps)
    return statistics.median(times)


def _print_method(name, seconds, ours, errors, per_voxel_step) -> None:
    ns = "" if per_voxel_step is None else f"{1e9 * per_voxel_step:8.2f}"
    print(f"{name:33s} {seconds:7.2f} {seconds / ours:5.1f}x ", end="")
    print(f"{errors[0]:8.1e} {errors[1]:8.1e} {ns}", flush=True)


def _grid(dim: int, edge: int) -> Grid:
    return Grid((1 if dim == 2 else edge, edge, edge))


def main() -> None:
    """Parse the options and print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    table.add_arguments(parser)
    parser.add_argument("--part", choices=("speed", "errors", "table"))
    options = parser.parse_args()
    threads = set_threads(options.threads)
    if options.part in (None, "table"):
        table.main(options)
    for dim in (2, 3) if options.dim is None else (options.dim,):
        grid = _grid(dim, options.size or EDGES[dim])
        name = "x".join(str(n) for n in grid.shape if n > 1)
        if options.part in (None, "speed"):
            for what, tissue in (("a ball", packed(grid)), ("30 % of the voxels", scattered(grid))):
                print(f"\noxygen, cells in {what}, {name}, float32, {threads} threads")
                compare(tissue, options.repeat)
        if options.part in (None, "errors"):
            print(f"\n{name}, float32")
            check_reference(dim)
            report_errors(grid)


if __name__ == "__main__":
    main()
