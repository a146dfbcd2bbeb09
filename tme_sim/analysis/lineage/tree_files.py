"""Write the tree of a run for other programs: Newick text, and tree sequences of tskit."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tme_sim.analysis.lineage.trees import NO_PARENT, Tree, tree_of
from tme_sim.errors import InputError
from tme_sim.output.run import Run
from tme_sim.scenario.units import DAY

if TYPE_CHECKING:
    import tskit

_LEAST_AGE = 1e-6  # [min] between mother and daughter; tskit takes no branch of length 0


def write_newick(path: str | Path, tree: Tree, pedigree: pd.DataFrame) -> None:
    """One tree per line, one line per founder or arrival; leaves carry cell ids, lengths are days.

    The length above a root runs from the founder's birth to the first split.
    """
    days = (tree.time - tree.start) / DAY
    names = pedigree["id"].to_numpy()[tree.cell].tolist()
    parts: list[list[str]] = [[] for _ in range(len(tree))]
    lines = []
    for node in range(len(tree) - 1, -1, -1):  # children stand behind their parents
        name = str(names[node]) if tree.leaf[node] else f"({','.join(reversed(parts[node]))})"
        text = f"{name}:{days[node]:.9g}"
        parts[node] = []
        if tree.parent[node] == NO_PARENT:
            lines.append(f"{text};\n")
        else:
            parts[tree.parent[node]].append(text)
    Path(path).write_text("".join(reversed(lines)), encoding="utf-8")


def tree_sequence(run: Run, sample: np.ndarray | None = None) -> "tskit.TreeSequence":
    """The tree as a ``tskit.TreeSequence``: nodes aged in minutes, mutations on their branches.

    A mother is older than her daughters there: a division in the last tick is put back by 1e-6 min.
    Samples are the lines that live at the end of the run. Each mutation that arose in the run has
    a site of its own, where it changes state 0 into its name. Node metadata hold the cell's id.
    With ``sample``, bool (n_cells,), it is simplified to those cells.

    Raises:
        InputError: tskit is not installed.
    """
    try:
        import tskit  # an extra
    except ImportError as err:
        msg = "tree sequences need the package tskit: pip install 'tme-sim[export]'"
        raise InputError(msg) from err
    table, end = run.pedigree, float(run.metrics["time"].iloc[-1])
    tree, mutated = tree_of(table, end), np.flatnonzero(table["mutation"] != "")
    tables = tskit.TableCollection(sequence_length=max(1, mutated.size))
    tables.time_units = "minutes"
    tables.nodes.metadata_schema = tskit.MetadataSchema({"codec": "json"})
    _add_nodes(tables, tree, table, end, sample_flag=tskit.NODE_IS_SAMPLE)
    child = np.flatnonzero(tree.parent != NO_PARENT)
    tables.edges.set_columns(
        left=np.zeros(child.size),
        right=np.full(child.size, tables.sequence_length),
        parent=tree.parent[child].astype("i4"),
        child=child.astype("i4"),
    )
    first = np.unique(tree.cell, return_index=True)[1]  # on each cell's line
    for site, cell in enumerate(mutated.tolist()):
        name, node = table["mutation"].iat[cell], int(first[cell])
        at_birth = tables.nodes.time[tree.parent[node]] - 0.5 * _LEAST_AGE
        tables.sites.add_row(position=site, ancestral_state="0")
        tables.mutations.add_row(site=site, node=node, derived_state=name, time=at_birth)
    tables.sort()
    if sample is not None:
        tables.simplify(np.flatnonzero(tree.leaf & sample[tree.cell]))
    return tables.tree_sequence()


def _add_nodes(
    tables: "tskit.TableCollection",
    tree: Tree,
    pedigree: pd.DataFrame,
    end: float,
    *,
    sample_flag: int,
) -> None:
    alive = pedigree["death"].isna().to_numpy()[tree.cell] & tree.leaf
    ids = pedigree["id"].to_numpy()[tree.cell].tolist()
    types = pedigree["type"].to_numpy()[tree.cell].tolist()
    ages = _ages(tree, end)
    for sampled, age, identity, kind in zip(alive.tolist(), ages, ids, types, strict=True):
        metadata = {"id": identity, "type": kind}
        tables.nodes.add_row(flags=sample_flag * sampled, time=age, metadata=metadata)


def _ages(tree: Tree, end: float) -> list[float]:
    """Minutes before the end, every node older than those below it."""
    ages: list[float] = (end - tree.time).tolist()
    parents = tree.parent.tolist()
    for node in range(len(tree) - 1, -1, -1):
        if parents[node] != NO_PARENT:
            ages[parents[node]] = max(ages[parents[node]], ages[node] + _LEAST_AGE)
    return ages
