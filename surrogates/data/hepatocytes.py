"""Tumor and primary hepatocytes after ligands and inhibitors: new pairs, new inhibitors.

Phosphoproteins of HepG2 cells and primary human hepatocytes at 0, 30 and 180 min, seven ligands by
seven inhibitors (Alexopoulos 2010, Mol Cell Proteomics 9:1849, doi:10.1074/mcp.M110.000406), as
MIDAS tables: TR: what was done, DA: when [min], DV: fluorescence. Scored is its log2, one plate per
phosphoprotein and kind of cell; the cell models see HepG2 as tumor cells with a RAS mutation (NRAS
Q61L) and primary hepatocytes as epithelium.

Inhibitors of MEK and PI3K are inputs; of IKK, JNK and mTOR there is none, so their nodes lose most
of their abundance instead. LPS, p38 and GSK3 have neither input nor node and are left out for all
contenders, as are readouts without a node.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from surrogates.channels import NODES
from surrogates.data import observation
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.evaluation import baselines
from surrogates.evaluation.folds import FoldCache, Models, Progress
from surrogates.evaluation.table import Row
from surrogates.variants import with_abundance

FOLDER = "cellnopt_data"
CELLS = {  # file -> title, cell type, genotype
    "MCP_HepG2mod4.csv": ("HepG2", "tumor", ("NRAS_Q61",)),
    "MCP_PriHumod5.csv": ("primary hepatocytes", "epithelium", ()),
}
LIGANDS = {  # column -> input and a saturating level [nM]
    "NOCYTO": {},
    "IFNG": {"IFNg": 1.0},
    "TNFA": {"TNF": 1.0},
    "IL1A": {"IL1": 0.2},
    "IL6": {"IL6": 2.0},
    "IGF1": {"IGF1": 10.0},
    "TGFA": {"EGF": 10.0},
}
INHIBITORS = {  # column -> inputs [uM], or a node that loses abundance
    "NOINHIB": {},
    "MP2K2/MP2K1i": {"trametinib": 0.5},
    "pi3ki": {"pictilisib": 5.0},
    "ikki": "IKK",
    "MK08/MK09i": "JNK",
    "MTORi": "mTORC1",
}
LEFT = 0.1  # abundance of a node that is inhibited
READOUTS = {  # phosphoprotein -> node
    "akt": "AKT",
    "MK03/MK01": "ERK",
    "GSK3A/GSK3B": "AKT",
    "IKBA": "IKK",
    "MK08/MK09": "JNK",
    "KS6B1": "S6K",
    "KS6A1": "ERK",
    "STAT3": "STAT3",
    "JUN": "JNK",
    "creb": "ERK",
    "IRS1_s": "S6K",
    "MP2K2/MP2K1": "MEK",
    "P53": "p53",
}
TIMES = (0.0, 30.0, 180.0)  # [min]
BEFORE = -30.0  # [min] of an inhibitor before the ligand
STARVED = {"EGF": 0.0, "IGF1": 0.0, "FGF2": 0.0}
N_FOLDS, SEED = 5, 1
SPLITS = ("new pairs of ligand and inhibitor", "new inhibitors")


@dataclass(frozen=True, eq=False)
class Table:
    """Log2 fluorescence of one kind of cells, one row per measurement."""

    y: np.ndarray  # (n,)
    ligand: np.ndarray  # int (n,), into LIGANDS
    inhibitor: np.ndarray  # int (n,), into INHIBITORS
    time: np.ndarray  # int (n,), into TIMES
    readout: np.ndarray  # int (n,), into READOUTS

    def groups(self, split: str) -> np.ndarray:
        """What a split holds out together (n,)."""
        if split == SPLITS[1]:
            return self.inhibitor
        return self.ligand * len(INHIBITORS) + self.inhibitor


def load(path: Path) -> Table:
    """Read a MIDAS table."""
    raw = pd.read_csv(path, skipinitialspace=True)
    done = raw.filter(regex="^TR:").apply(pd.to_numeric, errors="coerce").fillna(0.0)
    ligand = _which(done, list(LIGANDS))
    inhibitor = _which(done, list(INHIBITORS))
    parts = []
    for k, name in enumerate(READOUTS):
        if f"DV:{name}" not in raw:
            continue
        minute = pd.to_numeric(raw[f"DA:{name}"]).to_numpy(float)
        value = pd.to_numeric(raw[f"DV:{name}"], errors="coerce").to_numpy(float)
        keep = (ligand >= 0) & (inhibitor >= 0) & np.isin(minute, TIMES) & (value > 0.0)
        time = np.searchsorted(TIMES, minute[keep])
        parts.append(
            (np.log2(value[keep]), ligand[keep], inhibitor[keep], time, np.full(keep.sum(), k))
        )
    return Table(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _which(done: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Index of the one column TR:name that is set, -1 where it is none of them."""
    table = done[[f"TR:{name}" for name in names]].to_numpy() > 0.0
    return np.where(table.any(axis=1), table.argmax(axis=1), -1)


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """Error of log2 fluorescence for both kinds of cells and both splits."""
    report = progress or (lambda _what, _share: None)
    out = []
    for k, (file, (title, cell_type, genotype)) in enumerate(CELLS.items()):
        path = folder / FOLDER / file
        kept = FoldCache(
            cache,
            FOLDER,
            [path, Path(__file__), Path(observation.__file__), Path(baselines.__file__)],
        )
        table, found = load(path), {}
        for name, model in models.items():
            report(f"{title}, {name}", 0.5 * k)
            found[name] = np.array(
                kept.get(
                    title,
                    lambda m=model, c=cell_type, g=genotype: readings(m, c, g).tolist(),
                    contender=model.hash,
                )
            )
        for split in SPLITS:
            report(f"{title}, {split}", 0.5 * k + 0.2)
            rivals = kept.get(f"rivals {title} {split}", lambda t=table, s=split: _rivals(t, s))
            predicted = {name: _observed(table, nodes, split) for name, nodes in found.items()}
            predicted |= {name: np.array(values) for name, values in rivals.items()}
            out.append(_row(title, split, table, predicted))
    return sorted(out, key=lambda row: row.split)


def readings(model, cell_type: str, genotype: tuple[str, ...]) -> np.ndarray:
    """Nodes (n_ligands, n_inhibitors, n_times, n_readouts) of a cell model."""
    columns = [NODES.index(node) for node in READOUTS.values()]
    parts = []
    for inhibitor in INHIBITORS.values():
        drug = inhibitor if isinstance(inhibitor, dict) else {}
        treated = (
            model
            if isinstance(inhibitor, dict)
            else with_abundance(model, {inhibitor: LEFT}, cell_type=cell_type)
        )
        dishes = [
            Condition(((MEDIUM, STARVED), (BEFORE, drug), (0.0, ligand)), cell_type, genotype)
            for ligand in LIGANDS.values()
        ]
        parts.append(follow(treated, dishes, TIMES).nodes[:, :, columns].transpose(1, 0, 2))
    return np.stack(parts, axis=1)


def folds(table: Table, split: str) -> np.ndarray:
    """Fold of every row: inhibitors one by one, or pairs in five parts."""
    group = table.groups(split)
    if split == SPLITS[1]:
        return group
    n_pairs = len(LIGANDS) * len(INHIBITORS)
    return (np.random.default_rng(SEED).permutation(n_pairs) % N_FOLDS)[group]


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
    error = {
        name: float(np.sqrt(((values - table.y) ** 2).mean())) for name, values in predicted.items()
    }
    n_readouts = len(np.unique(table.readout))
    return Row(
        FOLDER,
        title,
        split,
        "RMSE",
        **error,
        n=len(table.y),
        note=f"Log2 fluorescence of {n_readouts} phosphoproteins. IKK, JNK and mTOR "
        "inhibitors act as a loss of their node; LPS, p38 and GSK3 inhibitors left "
        "out (no input, no node).",
    )


__all__ = ["FOLDER", "load", "readings", "rows"]
