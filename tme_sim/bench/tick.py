"""Time whole ticks of a packed disk or ball of tumor cells under the shipped network.

Every cell is asked of the network, divides, dies, walks and pushes; oxygen, glucose, lactate and
HGF diffuse; nothing is saved. The grids are those on which other simulators were measured.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tme_sim.compute.launch import set_threads
from tme_sim.errors import InputError
from tme_sim.model import tick
from tme_sim.model.tumor_model import TumorModel
from tme_sim.scenario import Scenario, load_scenario
from tme_sim.scenario.units import HOUR

EDGE = {  # voxels along each axis, by dimension and number of cells
    (2, 1_000): 50,
    (2, 10_000): 120,
    (2, 100_000): 300,
    (3, 10_000): 50,
    (3, 100_000): 50,
}
SHORTEST_EDGE, EDGE_STEP = 50, 10  # voxels, of other sizes
FILLED = 0.9  # of the domain's edge, by the disk or ball
SITE = {2: 222.4, 3: 2909.6}  # um2, um3 per cell of 2494 um3 in hexagonal or fcc packing at rest
HOLES = 0.02  # sites that stay empty, beside those cut off by the round border
VOXEL = 20.0  # [um]
SUBSTRATES = ("oxygen", "glucose", "lactate", "HGF")
WARM_UP = 3  # ticks, in which kernels are compiled and the packing settles


@dataclass
class Timing:
    """Wall time of every process of every tick that was measured [s]."""

    seconds: dict[str, list[float]]
    substeps: list[int] = field(default_factory=list)
    n_cells: list[int] = field(default_factory=list)

    @property
    def ticks(self) -> list[float]:
        """Wall time of whole ticks [s]."""
        return [sum(spent) for spent in zip(*self.seconds.values(), strict=True)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is measured and how often."""
    parser.add_argument(
        "--cells", "--n", type=float, default=1e5, metavar="N", help="1e5 by default"
    )
    parser.add_argument("--dim", type=int, choices=(2, 3), default=3, help="3 by default")
    parser.add_argument("--threads", type=int, metavar="N", help="all of the machine's by default")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--ticks", type=int, default=10, metavar="K", help="in each round")
    parser.add_argument("--repeat", type=int, default=3, metavar="R", help="rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def main(args: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    return run(args, name="tick", off=())


def run(args: argparse.Namespace, *, name: str, off: Collection[str]) -> int:
    """Measure ticks with the processes ``off`` left out, and print the result."""
    if min(args.cells, args.ticks, args.repeat) < 1:
        msg = "--cells, --ticks and --repeat must be at least 1"
        raise InputError(msg)
    threads = set_threads(args.threads)
    scenario = packed(int(args.cells), args.dim, off=off)
    model = TumorModel(scenario, device=args.device)
    measure(model, WARM_UP, off=off)
    rounds = [measure(model, args.ticks, off=off) for _ in range(args.repeat)]
    found = result(model, rounds) | {"benchmark": name, "threads": threads}
    print(json.dumps(found) if args.json else "\n".join(table(found)))
    return 0


def packed(n: int, dim: int, *, off: Collection[str] = ()) -> Scenario:
    """A disk or ball of ``n`` tumor cells in a box of medium at tissue oxygen."""
    shape, radius = ("disk", "ball")[dim - 2], packed_radius(n, dim)
    edge = EDGE.get((dim, n)) or max(
        SHORTEST_EDGE, EDGE_STEP * math.ceil(2.0 * radius / (FILLED * VOXEL * EDGE_STEP))
    )
    tumor = {
        "type": "tumor",
        "genotype": ["BRAF_V600E"],
        "count": n,
        "placement": {shape: {"radius": f"{radius:.6g} um"}},
    }
    medium = {"oxygen": "38 mmHg", "glucose": "5 mM", "lactate": "1.5 mM", "HGF": "0.02 nM"}
    return load_scenario(
        {
            "format": 1,
            "name": f"packed_{n}_{dim}d",
            "seed": 1,
            "time": {"duration": "30 d", "tick": "6 min"},
            "domain": {"size": [f"{edge * VOXEL} um"] * dim, "voxel": f"{VOXEL} um"},
            "substrates": {name: {"boundary": {"all": medium[name]}} for name in SUBSTRATES},
            "cells": {"tumor": tumor},
            "processes": dict.fromkeys(off, False),
        }
    )


def packed_radius(n: int, dim: int) -> float:
    """Radius [um] of a disk or ball with room for ``n`` cells at rest."""
    volume = n * SITE[dim] * (1.0 + HOLES) * (1.0 + n ** (-1.0 / dim))
    return math.sqrt(volume / math.pi) if dim == 2 else (0.75 * volume / math.pi) ** (1.0 / 3.0)


def measure(model: TumorModel, ticks: int, *, off: Collection[str] = ()) -> Timing:
    """Advance a model by some ticks; the wall time of every process of each is in its timers."""
    timing = Timing({name: [] for name in tick.PROCESSES if name not in off})
    for _ in range(ticks):
        before = dict(model.timers)
        timing.n_cells.append(model.population.n)
        motion = tick.advance(model).motion
        for name, seconds in timing.seconds.items():
            seconds.append(model.timers[name] - before[name])
        timing.substeps.append(motion.substeps if motion is not None else 1)
        model.tick_index += 1
        model.time = model.tick_index * model.dt
    return timing


def result(model: TumorModel, rounds: list[Timing]) -> dict[str, Any]:
    """What was measured, as plain values: medians over all ticks of all rounds."""
    per_hour = HOUR / model.dt
    n_cells = statistics.median(n for one in rounds for n in one.n_cells)
    substeps = statistics.median(n for one in rounds for n in one.substeps)
    of_rounds = [statistics.median(one.ticks) * per_hour for one in rounds]
    processes = {
        name: statistics.median(t for one in rounds for t in one.seconds[name])
        for name in rounds[0].seconds
    }
    steps = {name: substeps if name == "motion" else 1 for name in processes}
    return {
        "seconds_per_simulated_hour": per_hour
        * statistics.median(t for r in rounds for t in r.ticks),
        "lowest_round": min(of_rounds),
        "highest_round": max(of_rounds),
        "n_cells": int(n_cells),
        "dim": model.grid.dim,
        "bytes_per_cell": model.population.bytes_per_cell,
        "peak_memory_bytes": peak_memory(),
        "n_voxels": model.grid.n_voxels,
        "substrates": [name for name in SUBSTRATES if "fields" in processes],
        "cell_model": model.cell_model.name,
        "ticks": sum(len(one.substeps) for one in rounds),
        "tick_minutes": model.dt,
        "substeps": substeps,
        "processes": {name: spent * per_hour for name, spent in processes.items()},
        "ns_per_cell_substep": {
            name: 1e9 * spent / (n_cells * steps[name]) for name, spent in processes.items()
        },
    }


def peak_memory() -> int:
    """Most memory that this process has held [B]."""
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def table(found: dict[str, Any]) -> list[str]:
    """Lines for a terminal of 80 columns."""
    total, per_hour = found["seconds_per_simulated_hour"], HOUR / found["tick_minutes"]
    around = f"{len(found['substrates'])} substrates on {found['n_voxels']:,} voxels"
    lines = [
        f"{found['n_cells']:,} cells in {found['dim']}D, {found['threads']} threads, "
        f"cell model {found['cell_model']}, {around if found['substrates'] else 'no fields'}",
        f"medians over {found['ticks']} ticks of {found['tick_minutes']:g} min, "
        f"motion in {found['substeps']:g} substeps",
        "",
        f"{'process':12s} {'ms per tick':>12s} {'s per hour':>12s} {'share':>7s} "
        f"{'ns per cell and substep':>25s}",
    ]
    for name, spent in found["processes"].items():
        lines.append(
            f"{name:12s} {1e3 * spent / per_hour:12.2f} {spent:12.3f} {spent / total:7.1%} "
            f"{found['ns_per_cell_substep'][name]:25.1f}"
        )
    return [
        *lines,
        f"{'whole tick':12s} {1e3 * total / per_hour:12.2f} {total:12.3f}",
        "",
        f"s per hour: wall time per simulated hour; rounds {found['lowest_round']:.3f} to "
        f"{found['highest_round']:.3f}",
        f"{found['bytes_per_cell']} B per cell in columns, "
        f"{found['peak_memory_bytes'] / 1e9:.2f} GB at most in the process",
    ]
