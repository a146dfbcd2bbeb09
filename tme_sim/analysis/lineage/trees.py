"""Trees and clones of a run: who descends from whom, how large clones are, neutral mutations.

The tree of a pedigree: a division is an inner node at which the line of the mother splits into
that of the daughter and her own; the end of a cell (its death, or the end of the run) is a leaf.
Each founder and each arrival begins a tree of its own.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tme_sim.compute.random import Stream, uniforms
from tme_sim.output.pedigree import living
from tme_sim.output.run import Run

NO_PARENT = -1


@dataclass(frozen=True, eq=False)
class Tree:
    """A forest as arrays, parents before their children.

    ``parent`` is -1 at a root; ``time`` [min] is that of the division or of the cell's end;
    ``cell`` is the row in the pedigree whose line the node lies on; ``leaf`` marks ends of cells.
    ``start`` [min] is when the line above a node begins: the parent's time, at a root its birth.
    """

    parent: np.ndarray
    time: np.ndarray
    cell: np.ndarray
    leaf: np.ndarray
    start: np.ndarray

    def __len__(self) -> int:
        return len(self.parent)


def tree_of(pedigree: pd.DataFrame, end: float, *, sample: np.ndarray | None = None) -> Tree:
    """The tree of all cells, or the one that sampled cells span.

    Args:
        pedigree: ``run.pedigree``.
        end: end of the run [min], where the lines of the living end.
        sample: bool (n_cells,), whose lines are kept; divisions where only one side leads to a
            sampled cell disappear. None keeps all, the dead too.
    """
    full = _full_tree(pedigree, end)
    return full if sample is None else _pruned(full, full.leaf & sample[full.cell])


def sample_of_living(
    pedigree: pd.DataFrame, end: float, n: int | None = None, *, seed: int = 0
) -> np.ndarray:
    """Which cells to look at: those of a clone that live at ``end``, or ``n`` of them by lot."""
    chosen: np.ndarray = living(pedigree, end) & (pedigree["clone"] >= 0).to_numpy()
    rows = np.flatnonzero(chosen)
    if n is not None and rows.size > n:
        draw = uniforms(seed, Stream.RECORD, 0, pedigree["id"].to_numpy()[rows], 1)
        chosen[rows[np.argsort(draw, kind="stable")[n:]]] = False
    return chosen


def clone_sizes(run: Run, times: np.ndarray | None = None) -> pd.DataFrame:
    """Living cells of every clone: index time [min], one column per clone index.

    Counted from births and deaths, so at any time; ``times`` are those of the metrics, every tick,
    unless given.
    """
    table = run.pedigree[run.pedigree["clone"] >= 0]
    times = run.metrics["time"].to_numpy() if times is None else np.asarray(times, float)
    counts = {
        index: _counted(cells["birth"], times) - _counted(cells["death"].dropna(), times)
        for index, cells in table.groupby("clone")
    }
    return pd.DataFrame(counts, index=pd.Index(times, name="time")).reindex(
        columns=run.clones["index"].tolist(), fill_value=0
    )


def descendants(pedigree: pd.DataFrame, time: float) -> np.ndarray:
    """Living descendants of every cell at a time [min], itself included, (n_cells,)."""
    row = dict(zip(pedigree["id"].tolist(), range(len(pedigree)), strict=True))
    mother = [row.get(identity, NO_PARENT) for identity in pedigree["mother"].tolist()]
    count = living(pedigree, time).astype(int).tolist()
    for k in range(len(count) - 1, -1, -1):  # daughters stand behind their mothers
        if mother[k] != NO_PARENT:
            count[mother[k]] += count[k]
    return np.array(count, dtype=int)


def neutral_mutations(
    pedigree: pd.DataFrame, time: float, fractions: np.ndarray, *, per_division: float
) -> np.ndarray:
    """Expected number of neutral mutations that at least a share x of the cells carries.

    A neutral mutation needs no simulation: it rides on the tree. With Poisson(mu) new ones in the
    daughter of each division, those of a daughter are carried by her descendants, so

        M(x) = mu #{daughters with at least x N living descendants},

    which for growth without death is mu (1/x - 1) on average (Williams et al. 2016,
    doi:10.1038/ng.3489, in fractions of cells; Durrett 2013, doi:10.1214/11-AAP824). In a diploid
    genome the variant allele frequency is x / 2.

    Args:
        pedigree: of one family or tumor.
        time: of the sample [min].
        fractions: shares x of the living cells, in (0, 1].
        per_division: mu, new neutral mutations per division.

    Returns:
        M(x), (n_fractions,).
    """
    n = int(living(pedigree, time).sum())
    born = (pedigree["origin"] == "birth").to_numpy()
    carried = np.sort(descendants(pedigree, time)[born])
    least = np.asarray(fractions, float) * n * (1.0 - 1e-12)
    return per_division * (carried.size - np.searchsorted(carried, least, side="left"))


def _counted(moments: pd.Series, times: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(moments.to_numpy()), times, side="right")


def _full_tree(pedigree: pd.DataFrame, end: float) -> Tree:
    """Every division and every end in the order of time; a daughter's line begins at a division."""
    n = len(pedigree)
    row = pd.Series(np.arange(n), index=pedigree["id"].to_numpy())
    mother = row.reindex(pedigree["mother"].to_numpy(), fill_value=NO_PARENT).to_numpy()
    birth, death = pedigree["birth"].to_numpy(), pedigree["death"].to_numpy()
    born = np.flatnonzero(mother != NO_PARENT)
    time = np.concatenate([birth[born], np.fmin(death, end)])
    cell = np.concatenate([mother[born], np.arange(n)])
    daughter = np.concatenate([born, np.full(n, NO_PARENT)])
    order = np.lexsort((daughter == NO_PARENT, time))
    time, cell, daughter = time[order], cell[order], daughter[order]
    parent = np.full(time.size, NO_PARENT)
    lowest = [NO_PARENT] * n  # node at the end of each cell's line so far
    for node, (line, new) in enumerate(zip(cell.tolist(), daughter.tolist(), strict=True)):
        parent[node] = lowest[line]
        lowest[line] = node
        if new != NO_PARENT:
            lowest[new] = node
    start = np.where(parent == NO_PARENT, birth[cell], time[parent])
    return Tree(parent, time, cell, daughter == NO_PARENT, start)


def _pruned(tree: Tree, sampled: np.ndarray) -> Tree:
    """Lines to kept leaves only, without nodes that split nothing."""
    n_below = sampled.astype(int)  # kept leaves, or children that lead to one
    for node in range(len(tree) - 1, -1, -1):
        if n_below[node] and tree.parent[node] != NO_PARENT:
            n_below[tree.parent[node]] += 1
    stays = np.flatnonzero(sampled | (n_below > 1))
    number = np.full(len(tree), NO_PARENT)
    number[stays] = np.arange(stays.size)
    above = number.copy()  # nearest node that stays, from each node up
    start = tree.start.copy()
    for node in np.flatnonzero(n_below).tolist():
        over = tree.parent[node]
        if over != NO_PARENT:
            if number[over] == NO_PARENT:
                start[node] = start[over]
            if above[node] == NO_PARENT:
                above[node] = above[over]
    over = tree.parent[stays]
    parent = np.where(over == NO_PARENT, NO_PARENT, above[over])
    return Tree(parent, tree.time[stays], tree.cell[stays], tree.leaf[stays], start[stays])
