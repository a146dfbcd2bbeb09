"""Mesa's interface over columns at 1e5 cells, beside stock Mesa with one object per agent.

    python tests/benchmarks/cells.py [--cells 1e5] [--repeat 7]

Times are medians in one run; `asked` are the limits that the project set itself.
"""

import argparse
import gc
import statistics
import time

import mesa
import numpy as np

from tme_sim.agents.population_model import PopulationModel
from tme_sim.state.columns import Population

ASKED = {  # [ms] at 1e5 cells
    "create": 50.0,
    "get": 5.0,
    "agg": 5.0,
    "select(mask)": 5.0,
}
N_NODES, N_INPUTS, N_OUTPUTS = 97, 60, 60  # about those of the shipped network


class Columns(PopulationModel):
    """Cells as rows."""

    def __init__(self, n):
        super().__init__(rng=1)
        self.population = Population(N_NODES, N_INPUTS, N_OUTPUTS, capacity=n)
        self.tick_index, self.time, self.lineage = 0, 0.0, []
        self.population.append(n, id=np.arange(1, n + 1), volume=np.linspace(2e3, 4e3, n))


class Grown(mesa.Agent):
    """A stock agent."""

    def __init__(self, model, volume):
        super().__init__(model)
        self.volume = volume


class Objects(mesa.Model):
    """Cells as objects."""

    def __init__(self, n):
        super().__init__(rng=1)
        for volume in np.linspace(2e3, 4e3, n).tolist():
            Grown(self, volume)


def work(model):
    """What is timed, by name."""
    every = model.agents
    mask = np.arange(len(every)) % 3 == 0
    return {
        "get": lambda: every.get("volume"),
        "set": lambda: every.set("volume", 2.5e3),
        "agg": lambda: every.agg("volume", np.mean),
        "select(mask)": lambda: (
            every.select(mask)
            if isinstance(model, Columns)
            else every.select(lambda cell: cell.unique_id % 3 == 1)
        ),
        "sort": lambda: every.sort("volume"),
        "groupby": lambda: every.groupby("volume").count(),
        "shuffle": lambda: every.shuffle(),
    }


def milliseconds(function, repeat):
    """Median wall time."""
    times = []
    for _ in range(repeat):
        gc.collect()
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def measured(kind, n, repeat):
    """Times of one kind of model, by name."""
    times = {"create": milliseconds(lambda: kind(n), repeat)}
    return times | {name: milliseconds(do, repeat) for name, do in work(kind(n)).items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=float, default=1e5)
    parser.add_argument("--repeat", type=int, default=7)
    given = parser.parse_args()
    ours = measured(Columns, int(given.cells), given.repeat)
    stock = measured(Objects, int(given.cells), 2)
    print(f"{int(given.cells):,} agents, Mesa {mesa.__version__}, milliseconds")
    print(f"{'':14s}{'columns':>12s}{'asked':>10s}{'stock Mesa':>14s}")
    for name, spent in ours.items():
        limit = f"{ASKED[name]:.0f}" if name in ASKED else ""
        print(f"{name:14s}{spent:12.2f}{limit:>10s}{stock[name]:14.1f}")


if __name__ == "__main__":
    main()
