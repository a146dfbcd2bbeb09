"""Folds of a data set with a network of its own: our method and its rivals, fitted and kept."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from surrogates.evaluation.folds import FoldCache
from surrogates.own_network.fit import Settings, fit
from surrogates.prior.graph import Network

PENALTIES = np.geomspace(0.03, 30.0, 13)  # of the ridge, chosen by generalised cross validation
CONTENDERS = ("network", "mean", "ridge", "boosting")
Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Table:
    """Conditions (n, n_inputs) in [0, 1] and what was measured in them (n, n_readouts)."""

    network: Network
    inputs: np.ndarray
    measured: np.ndarray


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
        kept = cache.get(name, lambda held=held: _predict(table, held, settings))
        predicted = {c: np.array(kept[c]) for c in CONTENDERS}
        results.append(Fold(name, table.measured[held], predicted, kept["linear_share"]))
    return results


def pearson(found: np.ndarray, truth: np.ndarray) -> float:
    """Correlation over all conditions and readouts."""
    return float(np.corrcoef(found.ravel(), truth.ravel())[0, 1])


def _predict(table: Table, held: np.ndarray, settings: Settings) -> dict:
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
