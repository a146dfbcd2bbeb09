"""Let cell lines differ in how much they have of each node, to first order in log abundance.

A line l with covariates z (levels before treatment, scores of its expression) has competences
c_k exp(a_k), a = B z. To first order its reading x changes by what the model itself says,

    x(l) = x_0 + sum_k J_k a_k,     J_k = dx / d ln c_k   (`surrogates.data.assay`)

so that B, the same for all lines, follows from ridge regression of what the observation layer left
over on the products scale J_k z_p. The model decides where and in which direction a protein can
matter; the lines of the training split decide which covariates tell of it. The penalty is chosen
by leaving out whole lines of the training split.
"""

from collections.abc import Sequence

import numpy as np

STEP = 0.7  # factor on a competence by which a sensitivity is measured
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
N_FOLDS = 5  # of lines, to choose the penalty


def products(sensitivity: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Products (n, n_nodes n_covariates) of scale J (n, n_nodes) and z (n, n_covariates)."""
    pairs: np.ndarray = (sensitivity[:, :, None] * covariates[:, None, :]).reshape(
        len(sensitivity), -1
    )
    return pairs


def fit(
    features: np.ndarray, rest: np.ndarray, line: np.ndarray, penalties: Sequence[float] = PENALTIES
) -> tuple[np.ndarray, float]:
    """B, flat, from products and what is left over (n,), both of the training rows.

    A penalty is relative to the mean square of the features of a node and covariate. The second
    value is the sum of squares on lines left out, by which sets of covariates can be compared.
    """
    from sklearn.linear_model import Ridge  # weight: a second of import
    from sklearn.model_selection import GroupKFold, cross_val_predict

    size = float((features**2).sum()) / features.shape[1] or 1.0
    alphas = size * np.asarray(penalties, float)
    targets = np.tile(rest[:, None], len(alphas))  # one for every penalty: one matrix serves all
    folds = GroupKFold(min(N_FOLDS, len(np.unique(line))))
    ridge = Ridge(alphas, fit_intercept=False, solver="cholesky")
    held_out = cross_val_predict(ridge, features, targets, groups=line, cv=folds)
    errors = ((held_out.reshape(targets.shape) - targets) ** 2).sum(axis=0)
    best = int(np.argmin(errors))
    chosen = Ridge(alphas[best], fit_intercept=False).fit(features, rest)
    return chosen.coef_, float(errors[best])


def scores(table: np.ndarray, train: np.ndarray, n: int) -> np.ndarray:
    """First `n` principal component scores (n_lines, n) of a table (n_lines, n_columns).

    Axes, centre and unit variance are those of the training lines (bool).
    """
    centred = table - table[train].mean(axis=0)
    _, _, axes = np.linalg.svd(centred[train], full_matrices=False)
    found = centred @ axes[:n].T
    scaled: np.ndarray = found / found[train].std(axis=0)
    return scaled


__all__ = ["STEP", "fit", "products", "scores"]
