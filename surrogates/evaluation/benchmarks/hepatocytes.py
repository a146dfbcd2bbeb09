"""Tumor and primary hepatocytes: new pairs of ligand and inhibitor, new inhibitors.

Scored is log2 of the fluorescence, one plate per phosphoprotein and kind of cell.
"""

from functools import partial
from pathlib import Path

import numpy as np

from surrogates.data import hepatocytes, observation
from surrogates.data.hepatocytes import (
    CELLS,
    FOLDER,
    INHIBITORS,
    LIGANDS,
    READOUTS,
    SPLITS,
    TIMES,
    Table,
    load,
    readings,
)
from surrogates.evaluation import baselines
from surrogates.evaluation.folds import FoldCache, Models, Progress, code_of
from surrogates.evaluation.metrics import rmse
from surrogates.evaluation.table import Row

N_FOLDS, SEED = 5, 1


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """Error of log2 fluorescence for both kinds of cells and both splits."""
    report = progress or (lambda _what, _share: None)
    out = []
    for k, (file, (title, cell_type, genotype)) in enumerate(CELLS.items()):
        path = folder / FOLDER / file
        stored = FoldCache(
            cache,
            FOLDER,
            [path, Path(__file__), *code_of(observation, baselines, hepatocytes)],
        )
        table, found = load(path), {}
        for name, model in models.by_name().items():
            report(f"{title}, {name}", 0.5 * k)
            found[name] = stored.array(
                title, partial(readings, model, cell_type, genotype), contender=model.hash
            )
        for split in SPLITS:
            report(f"{title}, {split}", 0.5 * k + 0.2)
            rivals = stored.get(f"rivals {title} {split}", partial(_rivals, table, split))
            predicted = {name: _observed(table, nodes, split) for name, nodes in found.items()}
            predicted |= {name: np.array(values) for name, values in rivals.items()}
            out.append(_row(title, split, table, predicted))
    return sorted(out, key=lambda row: row.split)


def folds(table: Table, split: str) -> np.ndarray:
    """Fold of every row: inhibitors one by one, or pairs in five parts."""
    group = table.groups(split)
    if split == SPLITS[1]:
        return group
    n_pairs = len(LIGANDS) * len(INHIBITORS)
    fold: np.ndarray = (np.random.default_rng(SEED).permutation(n_pairs) % N_FOLDS)[group]
    return fold


def _observed(table: Table, nodes: np.ndarray, split: str) -> np.ndarray:
    """Log2 fluorescence expected from nodes, offset and scale from the other folds."""
    node = nodes[table.ligand, table.inhibitor, table.time, table.readout][:, None]
    fold, out = folds(table, split), np.empty(len(node))
    for k in np.unique(fold):
        train = fold != k
        layer = observation.fit(node[train], table.y[train, None], plate=table.readout[train])
        out[~train] = layer.predict(node, table.readout)[~train, 0]
    return out


def _rivals(table: Table, split: str) -> dict[str, list[float]]:
    """Mean of readout and time, ridge and boosting: all of them and what they do to each other."""
    readout, time, ligand, inhibitor = (
        (codes[:, None] == np.arange(size)).astype(float)
        for codes, size in (
            (table.readout, len(READOUTS)),
            (table.time, len(TIMES)),
            (table.ligand, len(LIGANDS)),
            (table.inhibitor, len(INHIBITORS)),
        )
    )
    crossed = [
        (readout[:, :, None] * other[:, None]).reshape(len(readout), -1)
        for other in (time, ligand, inhibitor)
    ]
    x = np.column_stack([readout, time, ligand, inhibitor, *crossed])
    fold, group = folds(table, split), table.groups(split)
    condition = (table.readout * len(TIMES) + table.time).tolist()
    out = {name: np.empty(len(fold)) for name in ("mean", "ridge", "boosting")}
    for k in np.unique(fold):
        held = fold == k
        found = baselines.rivals(x, table.y, ~held, condition=condition, group=group)
        for name, values in found.items():
            out[name][held] = values[held]
    return {name: values.round(5).tolist() for name, values in out.items()}


def _row(title: str, split: str, table: Table, predicted: dict[str, np.ndarray]) -> Row:
    error = {name: rmse(table.y, values) for name, values in predicted.items()}
    n_readouts = len(np.unique(table.readout))
    return Row.of(
        FOLDER,
        title,
        split,
        "RMSE",
        error,
        n=len(table.y),
        note=f"Log2 fluorescence of {n_readouts} phosphoproteins. IKK, JNK and mTOR "
        "inhibitors act as a loss of their node; LPS, p38 and GSK3 inhibitors left "
        "out (no input, no node).",
    )


__all__ = ["FOLDER", "rows"]
