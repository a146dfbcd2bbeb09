"""Phosphoproteins of tumor and primary hepatocytes after ligands and inhibitors.

HepG2 cells and primary human hepatocytes at 0, 30 and 180 min, seven ligands by
seven inhibitors (Alexopoulos 2010, Mol Cell Proteomics 9:1849, doi:10.1074/mcp.M110.000406), as
MIDAS tables: TR: what was done, DA: when [min], DV: fluorescence. The cell models see HepG2 as
tumor cells with a RAS mutation (NRAS Q61L) and primary hepatocytes as epithelium.

Inhibitors of MEK and PI3K are inputs; of IKK, JNK and mTOR there is none, so their nodes lose most
of their abundance instead. LPS, p38 and GSK3 have neither input nor node and are left out, as are
readouts without a node.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from surrogates.channels import NODES
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.variants import NetworkModel, with_abundance

FOLDER = "cellnopt_data"
CELLS = {  # file -> title, cell type, genotype
    "MCP_HepG2mod4.csv": ("HepG2", "tumor", ("NRAS_Q61",)),
    "MCP_PriHumod5.csv": ("primary hepatocytes", "epithelium", ()),
}
LIGANDS: dict[str, dict[str, float]] = {  # column -> input and a saturating level [nM]
    "NOCYTO": {},
    "IFNG": {"IFNg": 1.0},
    "TNFA": {"TNF": 1.0},
    "IL1A": {"IL1": 0.2},
    "IL6": {"IL6": 2.0},
    "IGF1": {"IGF1": 10.0},
    "TGFA": {"EGF": 10.0},
}
INHIBITORS: dict[
    str, dict[str, float] | str
] = {  # column -> inputs [uM], or a node that loses abundance
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
        pair: np.ndarray = self.ligand * len(INHIBITORS) + self.inhibitor
        return pair


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


def readings(model: NetworkModel, cell_type: str, genotype: tuple[str, ...]) -> np.ndarray:
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
