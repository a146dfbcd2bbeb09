"""Drug pairs on melanoma cells, on a fully connected network: the data set has none of its own.

Folder `cellbox_melanoma` (github.com/sanderlab/CellBox, MIT; Yuan 2021,
doi:10.1016/j.cels.2020.11.013; measurements of Korkut 2015, doi:10.7554/eLife.04640):

    expr.csv          89 conditions x 99 nodes, log2 of the fold change to untreated cells
    pert.csv          89 x 99, what was applied; the last 12 columns are the drugs
    node_Index.csv    the names of the nodes

The last 12 nodes are not measured: the authors set each drug's activity to tanh of what was
applied. The input is in proportion to what was applied, up to the activity at the highest dose of
the panel,

    x = tanh(largest) |applied| / largest,    largest: of |applied| of this drug

since tanh makes nearly one of the two doses of drugs that were applied beyond 2. Where nothing is
applied, nothing changes: there is no offset.
"""

from pathlib import Path

import numpy as np

from surrogates.data.own_table import Table
from surrogates.own_network.scaffold import build_scaffold, fully_connected

FOLDER = "cellbox_melanoma"
FILES = ("expr.csv", "pert.csv", "node_Index.csv")
N_DRUGS = 12


def load(folder: Path) -> tuple[Table, tuple[str, ...], np.ndarray]:
    """Conditions and the measured nodes, the names of the drugs and their activities (n, 12)."""
    expression, applied = (np.loadtxt(folder / name, delimiter=",", ndmin=2) for name in FILES[:2])
    names = tuple((folder / FILES[2]).read_text("utf-8").split())
    if expression.shape != applied.shape or expression.shape[1] != len(names):
        msg = (
            f"{folder}: {FILES[0]} is {expression.shape}, {FILES[1]} {applied.shape}, "
            f"{FILES[2]} names {len(names)} nodes"
        )
        raise ValueError(msg)
    nodes, drugs = names[:-N_DRUGS], names[-N_DRUGS:]
    if applied[:, :-N_DRUGS].any():
        msg = f"{folder / FILES[1]}: something is applied to a node that is no drug's"
        raise ValueError(msg)
    network = build_scaffold(fully_connected(drugs, nodes), drugs, nodes).network
    strength = np.abs(applied[:, -N_DRUGS:])
    largest = strength.max(axis=0)
    inputs = strength * (np.tanh(largest) / np.where(largest > 0.0, largest, 1.0))
    return Table(network, inputs, expression[:, :-N_DRUGS]), drugs, np.tanh(strength)
