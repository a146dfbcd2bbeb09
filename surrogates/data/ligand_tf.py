"""Ligands to transcription factors of macrophages, on the signed network of the data set itself.

Folder `lembas_ligand_tf` (github.com/Lauffenburger-Lab/LEMBAS, MIT; Nilsson 2022,
doi:10.1038/s41467-022-30684-y):

    ligandScreen-Ligands.tsv            103 conditions x 60 inputs, 59 ligands and LPS, 0 or 1
    ligandScreen-TFs.tsv                103 conditions x 74 transcription factors, activity 0 to 1
    ligandScreen-Model.tsv              OmniPath edges between 1262 nodes, some without a sign
    CVligandScreen-conditions.tsv       28 published folds of 3 held-out conditions
"""

import csv
from pathlib import Path

import numpy as np

from surrogates.data.own_table import Table
from surrogates.own_network.scaffold import build_scaffold
from surrogates.prior.omnipath import load_signed_table

FOLDER = "lembas_ligand_tf"
FILES = (
    "ligandScreen-Ligands.tsv",
    "ligandScreen-TFs.tsv",
    "ligandScreen-Model.tsv",
    "CVligandScreen-conditions.tsv",
)


def load(folder: Path) -> tuple[Table, dict[str, np.ndarray]]:
    """The table and the held-out rows of every published fold."""
    names, inputs, x = _matrix(folder / FILES[0])
    same, readouts, y = _matrix(folder / FILES[1])
    if names != same:
        msg = f"{folder}: {FILES[0]} and {FILES[1]} list different conditions"
        raise ValueError(msg)
    edges = load_signed_table(folder / FILES[2], unsigned="keep")
    network = build_scaffold(edges, inputs, readouts).network
    folds: dict[str, list[int]] = {}
    for row in _read(folder / FILES[3]):
        if row["Condition"] not in names:
            msg = f"{folder / FILES[3]}: condition {row['Condition']!r} was not measured"
            raise ValueError(msg)
        folds.setdefault(row["Index"], []).append(names.index(row["Condition"]))
    return Table(network, x, y), {name: np.array(held) for name, held in folds.items()}


def _matrix(path: Path) -> tuple[list[str], tuple[str, ...], np.ndarray]:
    """Row names, column names and values of a table whose first column is the condition."""
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines() if line]
    names = [line[0] for line in lines[1:]]
    return names, tuple(lines[0][1:]), np.array([line[1:] for line in lines[1:]], np.float64)


def _read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines(), delimiter="\t"))
