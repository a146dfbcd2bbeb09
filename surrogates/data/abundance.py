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
    return (sensitivity[:, :, None] * covariates[:, None, :]).reshape(len(sensitivity), -1)


def fit(
    features: np.ndarray, rest: np.ndarray, line: np.ndarray, penalties: Sequence[float] = PENALTIES
) -> tuple[np.ndarray, float]:
    """B, flat, from products and what is left over (n,), both of the training rows.

    A penalty is relative to the mean square of the features of a node and covariate. Beside B the
    sum of squares on lines left out, by which sets of covariates can be compared.
    """
    grams = _Grams(features, rest, line)
    errors = [grams.error(penalty) for penalty in penalties]
    return grams.solve(penalties[int(np.argmin(errors))]), min(errors)


def scores(table: np.ndarray, train: np.ndarray, n: int) -> np.ndarray:
    """First `n` principal component scores (n_lines, n) of a table (n_lines, n_columns).

    Axes, centre and unit variance are those of the training lines (bool).
    """
    centred = table - table[train].mean(axis=0)
    _, _, axes = np.linalg.svd(centred[train], full_matrices=False)
    found = centred @ axes[:n].T
    return found / found[train].std(axis=0)


class _Grams:
    """Normal equations, whole and without each group of lines."""

    def __init__(self, x: np.ndarray, y: np.ndarray, line: np.ndarray) -> None:
        names, code = np.unique(line, return_inverse=True)
        self._x, self._y = x, y
        self._fold = code % min(N_FOLDS, len(names))
        folds = np.unique(self._fold)
        self._gram = np.array([x[self._fold == k].T @ x[self._fold == k] for k in folds])
        self._moment = np.array([x[self._fold == k].T @ y[self._fold == k] for k in folds])

    def error(self, penalty: float) -> float:
        """Sum of squares on the groups left out in turn."""
        total = 0.0
        for k in range(len(self._gram)):
            held = self._fold == k
            rest = self._y[held] - self._x[held] @ self._without(k, penalty)
            total += float(rest @ rest)
        return total

    def solve(self, penalty: float) -> np.ndarray:
        """B from all rows."""
        return _solve(self._gram.sum(axis=0), self._moment.sum(axis=0), penalty)

    def _without(self, k: int, penalty: float) -> np.ndarray:
        gram = self._gram.sum(axis=0) - self._gram[k]
        return _solve(gram, self._moment.sum(axis=0) - self._moment[k], penalty)


def _solve(gram: np.ndarray, moment: np.ndarray, penalty: float) -> np.ndarray:
    size = np.trace(gram) / len(gram)
    if size <= 0.0:
        return np.zeros_like(moment)
    return np.linalg.solve(gram + penalty * size * np.eye(len(gram)), moment)


__all__ = ["STEP", "fit", "products", "scores"]
