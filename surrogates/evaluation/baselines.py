"""Trivial rivals on the same rows: the mean, ridge regression, gradient boosting.

`rivals` serves the data sets: all three are fitted on the training rows alone, the penalty of the
ridge chosen among them by leaving out whole groups (lines, drugs), as the test does.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from surrogates.channels import GENOTYPES
from surrogates.data.sampling import Rows, Sampling, sample
from surrogates.evaluation.metrics import r2
from surrogates.prior.graph import UNITS
from surrogates.teacher.model import Teacher
from surrogates.transform import transform_inputs

COMPARED = (
    "ERK",
    "HIF1A",
    "CyclinD",
    "growth_rate",
    "g1s_rate",
    "g2m_rate",
    "apoptosis_rate",
    "necrosis_rate",
    "PDL1",
)
N_TRAJECTORIES = 1500  # for the rivals; boosting gains little from more
N_TYPES = 6
RIDGE_PENALTIES = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
RIDGE_FOLDS = 5


def baseline_scores(
    teacher: Teacher, sampling: Sampling, held_out: Rows, one_step: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """R2 on the held-out rows by unit: network, mean, ridge, gradient boosting.

    The rivals see what the network sees (state, transformed inputs, genotype) and the cell type.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # weight: a second of import
    from sklearn.linear_model import Ridge

    values = {name: getattr(sampling, name) for name in sampling.__dataclass_fields__}
    values["n_trajectories"] = min(N_TRAJECTORIES, sampling.n_trajectories)
    rows = sample(teacher, Sampling(**values))
    x, x_held = _features(rows), _features(held_out)
    table = {}
    for name in COMPARED:
        k = UNITS.index(name)
        y, y_held = rows.target[:, k], held_out.target[:, k]
        boosting = HistGradientBoostingRegressor(max_iter=150, random_state=0)
        table[name] = {
            "network": one_step["r2"][name],
            "mean": round(r2(y_held, np.full_like(y_held, y.mean())), 5),
            "ridge": round(r2(y_held, Ridge(1.0).fit(x, y).predict(x_held)), 5),
            "gradient boosting": round(r2(y_held, boosting.fit(x, y).predict(x_held)), 5),
        }
    return table


def rivals(
    x: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    *,
    condition: Sequence[Hashable],
    group: np.ndarray,
) -> dict[str, np.ndarray]:
    """Predictions (n,) of mean, ridge and boosting for all rows, fitted on the training rows.

    Args:
        x: features (n, n_features), finite.
        y: measurements (n,), finite on the training rows.
        train: bool (n,), the training rows.
        condition: what was done, of every row; the mean is that of the same condition in training
            and the mean of all training rows where a condition is new.
        group: int (n,), what the split holds out: the ridge's penalty is chosen by leaving groups
            out.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # weight: a second of import

    leaf = int(np.clip(train.sum() // 50, 5, 20))
    boosting = HistGradientBoostingRegressor(
        max_iter=150, learning_rate=0.05, min_samples_leaf=leaf, random_state=0
    )
    return {
        "mean": condition_mean(y, train, condition),
        "ridge": _ridge(x[train], y[train], group[train]).predict(x),
        "boosting": boosting.fit(x[train], y[train]).predict(x),
    }


def condition_mean(y: np.ndarray, train: np.ndarray, condition: Sequence[Hashable]) -> np.ndarray:
    """Mean of the training rows of the same condition, of all training rows where it is new."""
    sums: dict[Hashable, tuple[float, int]] = {}
    for k in np.flatnonzero(train).tolist():
        total, n = sums.get(condition[k], (0.0, 0))
        sums[condition[k]] = (total + float(y[k]), n + 1)
    overall = (float(y[train].sum()), int(train.sum()))
    return np.array([total / n for total, n in (sums.get(c, overall) for c in condition)])


def _ridge(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> Any:  # scikit-learn has no types
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), Ridge())
    n_folds = min(RIDGE_FOLDS, len(np.unique(group)))
    if n_folds < 2:
        return model.fit(x, y)
    search = GridSearchCV(
        model,
        {"ridge__alpha": RIDGE_PENALTIES},
        cv=GroupKFold(n_folds),
        scoring="neg_mean_squared_error",
    )
    return search.fit(x, y, groups=group)


def _features(rows: Rows) -> np.ndarray:
    bits = (rows.genotype[:, None] >> np.arange(len(GENOTYPES))) & 1
    kind = rows.cell_type[:, None] == np.arange(N_TYPES)
    return np.concatenate([rows.state, transform_inputs(rows.inputs), bits, kind], axis=1)
