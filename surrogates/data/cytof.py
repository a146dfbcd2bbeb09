"""Breast cancer lines after EGF and inhibitors, by mass cytometry: new cell lines.

68 lines starved, given an inhibitor for 15 min, then EGF; medians of arcsinh counts of 32 markers
from 0 to 60 min in two courses (Tognetti 2021, Cell Syst 12:401, doi:10.1016/j.cels.2021.04.002;
Gabor 2021, Mol Syst Biol 17:e10402, doi:10.15252/msb.202110402, CC BY). Scored is the change of a
marker since EGF was added, for whole lines held out (two cultures of a line stay together), against
the mean of the training lines for the marker, treatment and time. Courses of a line are averaged.

A line enters the cell models by its levels before EGF, as abundances of nodes (`abundance`); it
enters the rivals by the same levels. Kinase inhibitors of mTOR and PKC have no input of the cell
models, so their treatments are left out for all contenders, as are markers without a node.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from surrogates.channels import NODES
from surrogates.data import abundance, observation
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.evaluation import baselines
from surrogates.evaluation.folds import FoldCache, Models, Progress
from surrogates.evaluation.table import Row
from surrogates.variants import with_abundance

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
VARIED = (
    "EGFR",
    "RAS",
    "RAF_dimer",
    "MEK",
    "ERK",
    "DUSP6",
    "SPRY2",
    "PI3K",
    "PTEN",
    "AKT",
    "TSC",
    "mTORC1",
    "S6K",
    "STAT1",
    "STAT3",
    "NFkB",
    "AMPK",
    "JNK",
    "SRC_FAK",
    "SMAD23",
    "p53",
)  # nodes whose abundance may differ between lines
N_SCORES = 8  # principal components of the levels before EGF
N_FOLDS, SEED = 5, 1
SPLIT = "new cell lines"
SHOWN = {"p-ERK": "p-ERK", "p-MEK": "p-MEK", "p-Akt(Ser473)": "p-AKT S473", "p-S6": "p-S6"}


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
        return self.treatment * len(TIMES) + self.time


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
    return np.abs(minutes[:, None] - np.array(TIMES)).argmin(axis=1)


def folds(lines: tuple[str, ...]) -> np.ndarray:
    """Fold (n_lines,) of every line; second cultures of a line (name_2) go with the first."""
    stems = [name.removesuffix("_2") for name in lines]
    names = sorted(set(stems))
    order = np.random.default_rng(SEED).permutation(len(names)) % N_FOLDS
    return np.array([order[names.index(stem)] for stem in stems])


def readings(model) -> np.ndarray:
    """Change of each marker's node (n_treatments, n_times, n_markers) since EGF, by a cell model.

    Cells were starved, then treated 15 min before EGF.
    """
    dishes = [
        Condition(((MEDIUM, STARVED), (INHIBITOR_AT, drug), (0.0, {"EGF": EGF})))
        for drug in TREATMENTS.values()
    ]
    nodes = follow(model, dishes, [0.0, *TIMES], tick=3.0).nodes
    columns = [NODES.index(node) for node in MARKERS.values()]
    return (nodes[1:] - nodes[0])[:, :, columns].transpose(1, 0, 2)


def sensitivities(model, base: np.ndarray) -> np.ndarray:
    """d reading / d ln abundance (n_varied, n_treatments, n_times, n_markers)."""
    weaker = [readings(with_abundance(model, {node: abundance.STEP})) for node in VARIED]
    return (np.array(weaker) - base) / np.log(abundance.STEP)


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """Error of the changes of all markers with a node, and of four well known ones."""
    report = progress or (lambda _what, _share: None)
    table = load(folder)
    fold = folds(table.lines)[table.line]
    kept = FoldCache(
        cache,
        FOLDER,
        [
            folder / FOLDER / FILE,
            Path(__file__),
            Path(abundance.__file__),
            Path(observation.__file__),
        ],
    )
    found = {}
    for name, model in models.items():
        report(f"breast lines, {name}", 0.1)
        found[name] = np.array(
            kept.get("model", lambda m=model: _all_folds(m, table, fold), contender=model.hash)
        )
    parts = []
    for k in range(N_FOLDS):
        report(f"breast lines, rivals, fold {k + 1}", 0.2 + 0.15 * k)
        parts.append(kept.get(f"rivals {k}", lambda k=k: _rivals(table, fold != k)))
    for name in ("mean", "ridge", "boosting"):
        by_fold = np.array([part[name] for part in parts])
        found[name] = by_fold[fold, np.arange(len(fold))]
    return _table_rows(table, found)


def _all_folds(model, table: Table, fold: np.ndarray) -> list:
    """Predicted changes (n, n_markers), each from the folds without the row's line."""
    base = readings(model)
    slope = sensitivities(model, base)
    out = np.empty_like(table.change)
    for k in range(N_FOLDS):
        out[fold == k] = _predict(base, slope, table, fold != k)[fold == k]
    return out.round(5).tolist()


def _predict(base: np.ndarray, slope: np.ndarray, table: Table, train: np.ndarray) -> np.ndarray:
    """Observation layer and abundances from the training rows, for all rows."""
    at = (table.treatment, table.time)
    node = base[at]
    layer = observation.fit(node[train], table.change[train])
    seen = layer.predict(node)
    known = np.isin(np.arange(len(table.lines)), table.line[train])
    z = abundance.scores(table.before, known, N_SCORES)
    z = np.column_stack([np.ones(len(z)), z])[table.line]
    features = [
        abundance.products(slope[:, *at, m].T * layer.scale[-1, m], z) for m in range(len(MARKERS))
    ]
    rest = table.change - seen
    use = train[:, None] & np.isfinite(rest)
    stacked = np.concatenate([f[use[:, m]] for m, f in enumerate(features)])
    left = np.concatenate([rest[use[:, m], m] for m in range(len(MARKERS))])
    lines = np.concatenate([table.line[use[:, m]] for m in range(len(MARKERS))])
    factors, _ = abundance.fit(stacked, left, lines)
    return seen + np.column_stack([f @ factors for f in features])


def _rivals(table: Table, train: np.ndarray) -> dict[str, list]:
    """Mean, ridge and boosting (n, n_markers): condition, time and all levels before EGF."""
    condition = table.condition
    codes = np.unique(condition)
    x = np.column_stack(
        [condition[:, None] == codes, np.log(np.array(TIMES))[table.time], table.before[table.line]]
    ).astype(float)
    found = {"mean": [], "ridge": [], "boosting": []}
    for m in range(len(MARKERS)):
        y = table.change[:, m]
        predicted = baselines.rivals(
            x, y, train & np.isfinite(y), condition=condition.tolist(), group=table.line
        )
        for name, values in predicted.items():
            found[name].append(values.round(5))
    return {name: np.column_stack(columns).tolist() for name, columns in found.items()}


def _table_rows(table: Table, found: dict[str, np.ndarray]) -> list[Row]:
    names = list(MARKERS)
    note = (
        "Change of the arcsinh median since EGF; treatments EGF, iMEK, iEGFR, iPI3K. A line "
        "enters by its levels before EGF. Left out: mTOR and PKC inhibitors (no such input) "
        f"and {table.before.shape[1] - len(MARKERS)} markers without a node. Asked: 20 % below "
        "the mean."
    )
    rows = [_row(table, found, "19 markers together", names, note)]
    return rows + [_row(table, found, shown, [name], "") for name, shown in SHOWN.items()]


def _row(table: Table, found: dict, what: str, markers: list[str], note: str) -> Row:
    columns = [list(MARKERS).index(name) for name in markers]
    truth = table.change[:, columns]
    error = {
        name: float(np.sqrt(np.nanmean((np.asarray(values)[:, columns] - truth) ** 2)))
        for name, values in found.items()
    }
    return Row(
        FOLDER,
        what,
        SPLIT,
        "RMSE",
        **error,
        target=f"<={0.8 * error['mean']:.3f}",
        n=int(np.isfinite(truth).sum()),
        note=note,
    )


__all__ = ["FOLDER", "load", "rows"]
