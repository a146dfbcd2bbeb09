"""Let genotypes change: at divisions, and before the run in the tumor that the patch stands for.

At a division one daughter acquires each mutation with its rate per division (Lea and Coulson's
setting). Where a group represents a larger tumor, that tumor grew from one cell under the same
rates: its mutants are a Luria-Delbruck jackpot, of which the patch is a sample.

Reference: Lea and Coulson 1949, doi:10.1007/BF02986080.
"""

from typing import TYPE_CHECKING

import numpy as np

from tme_sim.compute.random import Stream, poisson, uniforms
from tme_sim.fields import Microenvironment
from tme_sim.processes.process import Clock, Mutant, Pending
from tme_sim.state.columns import Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

READS = ("id", "genotype")
WRITES = ("genotype",)
_CLONE_SIZE, _MEMBERSHIP = 0, 1  # draws of a clone, and of a cell of the patch


def advance(
    population: Population,
    env: Microenvironment,
    pending: Pending,
    *,
    coupling: "Coupling",
    clock: Clock,
) -> Pending:
    """Let the daughters of the tick mutate; notes the mutants in the order of rows.

    Each gains one mutation at most: a second one in the same division is left to a later one.
    """
    rows = pending.born
    ids = population["id"][rows]
    genotype = population["genotype"][rows]
    unchanged = np.ones(ids.size, dtype=bool)
    mutants: list[Mutant] = []
    for bit, rate in coupling.mutation_rates.items():
        hit = unchanged & (uniforms(clock.seed, Stream.MUTATION, clock.tick, ids, bit) < rate)
        hit &= (genotype >> bit) & 1 == 0
        genotype[hit] |= np.int32(1 << bit)
        unchanged &= ~hit
        mutants += [Mutant(rows.start + int(k), bit) for k in np.flatnonzero(hit)]
    return pending._replace(mutants=tuple(sorted(mutants)))


def standing_clones(
    ids: np.ndarray, *, represents: float, rate: float, bit: int, seed: int
) -> np.ndarray:
    """Which cells of a patch are mutants from before the run, and of which clone.

    Args:
        ids: of the cells of the patch, each a random cell of the tumor.
        represents: cells N of the tumor that the patch stands for.
        rate: of the mutation, per division.
        bit: of the mutation in the genotype, to key the draws.
        seed: seed of the run.

    Returns:
        for each cell the number of its clone in ``clone_sizes``, or -1.
    """
    sizes = clone_sizes(rate, represents, bit=bit, seed=seed)
    ends = np.cumsum(sizes / max(represents, sizes.sum()))
    clone = np.searchsorted(ends, uniforms(seed, Stream.MUTATION, bit, ids, _MEMBERSHIP))
    return np.where(clone < sizes.size, clone, -1)


def clone_sizes(rate: float, n: float, *, bit: int, seed: int) -> np.ndarray:
    """Cells in each mutant clone of a tumor that grew from one cell to ``n`` without death.

    Poisson(rate n) mutations happened; a mutation's clone has now at least s cells with
    probability 1 / s: it arose before the tumor had n / s cells.
    """
    key = seed, Stream.MUTATION, bit
    n_clones = poisson(rate * n, *key, 0, 0)
    u = uniforms(*key, np.arange(1, n_clones + 1), _CLONE_SIZE)
    return np.minimum(np.floor(1.0 / u), n)
