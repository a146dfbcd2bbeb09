"""Breast cancer lines after EGF and inhibitors: whole lines held out.

Scored is the change of a marker since EGF was added (two cultures of a line stay together),
against the mean of the training lines for the marker, treatment and time. A line enters the cell
models by its levels before EGF, as abundances of nodes (`data.abundance`); it enters the rivals by
the same levels.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from surrogates.data import abundance, cytof, observation
from surrogates.data.cytof import FILE, FOLDER, MARKERS, TIMES, Table, load, readings
from surrogates.evaluation import baselines
from surrogates.evaluation.folds import FoldCache, Models, Progress, code_of
from surrogates.evaluation.metrics import rmse
from surrogates.evaluation.table import Row
from surrogates.variants import NetworkModel, with_abundance

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


def folds(lines: tuple[str, ...]) -> np.ndarray:
    """Fold (n_lines,) of every line; second cultures of a line (name_2) go with the first."""
    stems = [name.removesuffix("_2") for name in lines]
    names = sorted(set(stems))
    order = np.random.default_rng(SEED).permutation(len(names)) % N_FOLDS
    return np.array([order[names.index(stem)] for stem in stems])


def sensitivities(model: NetworkModel, base: np.ndarray) -> np.ndarray:
    """d reading / d ln abundance (n_varied, n_treatments, n_times, n_markers)."""
    weaker = [readings(with_abundance(model, {node: abundance.STEP})) for node in VARIED]
    slope: np.ndarray = (np.array(weaker) - base) / np.log(abundance.STEP)
    return slope


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """Error of the changes of all markers with a node, and of four well known ones."""
    report = progress or (lambda _what, _share: None)
    table = load(folder)
    fold = folds(table.lines)[table.line]
    stored = FoldCache(
        cache,
        FOLDER,
        [
            folder / FOLDER / FILE,
            Path(__file__),
            *code_of(abundance, observation, cytof, baselines),
        ],
    )
    found = {}
    for name, model in models.by_name().items():
        report(f"breast lines, {name}", 0.1)
        found[name] = stored.array(
            "model", partial(_all_folds, model, table, fold), contender=model.hash
        )
    parts = []
    for k in range(N_FOLDS):
        report(f"breast lines, rivals, fold {k + 1}", 0.2 + 0.15 * k)
        parts.append(stored.get(f"rivals {k}", partial(_rivals, table, fold != k)))
    for name in ("mean", "ridge", "boosting"):
        by_fold = np.array([part[name] for part in parts])
        found[name] = by_fold[fold, np.arange(len(fold))]
    return _table_rows(table, found)


def _all_folds(model: NetworkModel, table: Table, fold: np.ndarray) -> np.ndarray:
    """Predicted changes (n, n_markers), each from the folds without the row's line."""
    base = readings(model)
    slope = sensitivities(model, base)
    out = np.empty_like(table.change)
    for k in range(N_FOLDS):
        out[fold == k] = _predict(base, slope, table, fold != k)[fold == k]
    return out.round(5)


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
    predicted: np.ndarray = seen + np.column_stack([f @ factors for f in features])
    return predicted


def _rivals(table: Table, train: np.ndarray) -> dict[str, list[list[float]]]:
    """Mean, ridge and boosting (n, n_markers): condition, time and all levels before EGF."""
    condition = table.condition
    codes = np.unique(condition)
    x = np.column_stack(
        [condition[:, None] == codes, np.log(np.array(TIMES))[table.time], table.before[table.line]]
    ).astype(float)
    found: dict[str, list[np.ndarray]] = {"mean": [], "ridge": [], "boosting": []}
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


def _row(
    table: Table, found: Mapping[str, np.ndarray], what: str, markers: list[str], note: str
) -> Row:
    columns = [list(MARKERS).index(name) for name in markers]
    truth = table.change[:, columns]
    error = {name: rmse(truth, values[:, columns]) for name, values in found.items()}
    return Row.of(
        FOLDER,
        what,
        SPLIT,
        "RMSE",
        error,
        target=f"<={0.8 * error['mean']:.3f}",
        n=int(np.isfinite(truth).sum()),
        note=note,
    )


__all__ = ["FOLDER", "rows"]
