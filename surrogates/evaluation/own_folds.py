"""Folds of a data set with a network of its own: our method and its rivals, fitted and kept."""

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from surrogates.data import own_table
from surrogates.data.own_table import Table
from surrogates.evaluation.folds import FoldCache, Progress, code_of
from surrogates.own_network import kernels, linear_part, scaffold, steady_state
from surrogates.own_network.fit import Settings, fit

PENALTIES = np.geomspace(0.03, 30.0, 13)  # of the ridge, chosen by generalised cross validation
CONTENDERS = ("network", "mean", "ridge", "boosting")
CODE = code_of(own_table, fit, linear_part, steady_state, kernels, scaffold)
"""Sources that decide what comes of a fold, with this one and the data set's own."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Held-out rows by name, what was measured there, and what every contender predicted."""

    name: str
    truth: np.ndarray
    predicted: dict[str, np.ndarray]
    linear_share: float


def run_folds(
    table: Table,
    folds: dict[str, np.ndarray],
    settings: Settings,
    cache: FoldCache,
    progress: Progress,
) -> list[Fold]:
    """Every fold's predictions; `folds` are the held-out rows by name, the rest is training."""
    results = []
    for k, (name, held) in enumerate(folds.items()):
        progress(f"fold {name}", k / len(folds))
        found = cache.get(name, partial(_predict, table, held, settings))
        predicted = {c: np.array(found[c]) for c in CONTENDERS}
        results.append(Fold(name, table.measured[held], predicted, found["linear_share"]))
    return results


def _predict(table: Table, held: np.ndarray, settings: Settings) -> dict[str, Any]:
    train = np.setdiff1d(np.arange(len(table.inputs)), held)
    x, y, new = table.inputs[train], table.measured[train], table.inputs[held]
    model = fit(table.network, x, y, settings)
    predicted = {"network": model.predict(new), **rivals(x, y, new)}
    rounded = {name: np.round(values, 5).tolist() for name, values in predicted.items()}
    return rounded | {"linear_share": round(model.linear_share, 4)}


def rivals(x: np.ndarray, y: np.ndarray, new: np.ndarray) -> dict[str, np.ndarray]:
    """Mean of training, ridge and gradient boosting, readout by readout."""
    from sklearn.ensemble import GradientBoostingRegressor  # weight: a second of import
    from sklearn.linear_model import RidgeCV

    boosted = [
        GradientBoostingRegressor(n_estimators=40, max_depth=2, random_state=0)
        .fit(x, column)
        .predict(new)
        for column in y.T
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ridge = RidgeCV(PENALTIES).fit(x, y).predict(new)
    return {
        "mean": np.tile(y.mean(axis=0), (len(new), 1)),
        "ridge": ridge,
        "boosting": np.array(boosted).T,
    }
