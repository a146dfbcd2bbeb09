"""Breast cancer lines after EGF and inhibitors, by mass cytometry.

68 lines starved, given an inhibitor for 15 min, then EGF; medians of arcsinh counts of 32 markers
from 0 to 60 min in two courses (Tognetti 2021, Cell Syst 12:401, doi:10.1016/j.cels.2021.04.002;
Gabor 2021, Mol Syst Biol 17:e10402, doi:10.15252/msb.202110402, CC BY). What is read is the change
of a marker since EGF was added; courses of a line are averaged. Kinase inhibitors of mTOR and PKC
have no input of the cell models, so their treatments are left out, as are markers without a node.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from surrogates.channels import NODES
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.trajectory import Surrogate

FOLDER, FILE = "breast_cytof", "Median_allsamples.csv.gz"
MARKERS = {  # marker -> node
    "p-MEK": "MEK",
    "p-ERK": "ERK",
    "p-p90RSK": "ERK",
    "p-CREB": "ERK",
    "p-Akt(Ser473)": "AKT",
    "p-AKT(Thr308)": "AKT",
    "p-GSK3b": "AKT",
    "p-4EBP1": "mTORC1",
    "p-S6K": "mTORC1",
    "p-S6": "S6K",
    "p-STAT1": "STAT1",
    "p-STAT3": "STAT3",
    "p-NFkB": "NFkB",
    "p-AMPK": "AMPK",
    "p-JNK": "JNK",
    "p-SRC": "SRC_FAK",
    "p-FAK": "SRC_FAK",
    "p-SMAD23": "SMAD23",
    "p-p53": "p53",
}
NOT_MARKERS = ("cell_line", "treatment", "time", "time_course", "dmt$cellcount", "IdU", "GAPDH")
TREATMENTS = {  # inhibitors at the doses of saturated targets [uM], 15 min before EGF
    "EGF": {},
    "iEGFR": {"erlotinib": 5.0},
    "iMEK": {"trametinib": 0.5},
    "iPI3K": {"pictilisib": 5.0},
}
STARVED = {"EGF": 0.0, "IGF1": 0.0, "FGF2": 0.0, "VEGF": 0.0, "CSF1": 0.0, "TGFb": 0.0}
EGF = 16.0  # [nM], 100 ng/ml
INHIBITOR_AT = -15.0  # [min]
TIMES = (5.5, 7.0, 9.0, 13.0, 17.0, 23.0, 30.0, 40.0, 60.0)  # [min]; others count as the nearest


@dataclass(frozen=True, eq=False)
class Table:
    """Changes since EGF, one row per line, treatment and time."""

    line: np.ndarray  # int (n,), into lines
    treatment: np.ndarray  # int (n,), into TREATMENTS
    time: np.ndarray  # int (n,), into TIMES
    change: np.ndarray  # (n, n_markers), not a number where missing
    lines: tuple[str, ...]
    before: np.ndarray  # (n_lines, n_levels), all markers before EGF

    @property
    def condition(self) -> np.ndarray:
        """What was done and when, as one code."""
        code: np.ndarray = self.treatment * len(TIMES) + self.time
        return code


def load(folder: Path) -> Table:
    """Read the medians and take the changes since EGF was added."""
    raw = pd.read_csv(folder / FOLDER / FILE)
    raw = raw[raw.treatment.isin(list(TREATMENTS))].dropna(subset=["time"])
    levels = [name for name in raw.columns if name not in NOT_MARKERS]
    keys = ["cell_line", "treatment", "time_course"]
    start = raw[raw.time == 0.0].groupby(keys)[levels].mean()
    later = raw[raw.time > 0.0].copy()
    later["time"] = _nearest(later.time.to_numpy())
    later = later.groupby([*keys, "time"])[list(MARKERS)].mean().reset_index()
    zero = start.reindex(pd.MultiIndex.from_frame(later[keys]))[list(MARKERS)].to_numpy()
    later[list(MARKERS)] = later[list(MARKERS)].to_numpy() - zero
    table = later.groupby(["cell_line", "treatment", "time"])[list(MARKERS)].mean().reset_index()
    before = start.xs("EGF", level="treatment").groupby("cell_line").mean()
    lines = tuple(before.index)
    table = table[table.cell_line.isin(lines)]
    return Table(
        line=table.cell_line.map(lines.index).to_numpy(),
        treatment=table.treatment.map(list(TREATMENTS).index).to_numpy(),
        time=table.time.to_numpy(),
        change=table[list(MARKERS)].to_numpy(),
        lines=lines,
        before=before.to_numpy(),
    )


def _nearest(minutes: np.ndarray) -> np.ndarray:
    """Index of the planned time nearest to each time taken."""
    nearest: np.ndarray = np.abs(minutes[:, None] - np.array(TIMES)).argmin(axis=1)
    return nearest


def readings(model: Surrogate) -> np.ndarray:
    """Change of each marker's node (n_treatments, n_times, n_markers) since EGF, by a cell model.

    Cells were starved, then treated 15 min before EGF.
    """
    dishes = [
        Condition(((MEDIUM, STARVED), (INHIBITOR_AT, drug), (0.0, {"EGF": EGF})))
        for drug in TREATMENTS.values()
    ]
    nodes = follow(model, dishes, [0.0, *TIMES], tick=3.0).nodes
    columns = [NODES.index(node) for node in MARKERS.values()]
    change: np.ndarray = (nodes[1:] - nodes[0])[:, :, columns].transpose(1, 0, 2)
    return change
