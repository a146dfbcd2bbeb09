"""Scores of predictions: R2, root mean square error, correlation."""

import numpy as np


def r2(truth: np.ndarray, found: np.ndarray) -> float:
    """1 - mean squared error / variance of the measurements scored."""
    return float(1.0 - ((found - truth) ** 2).mean() / truth.var())


def rmse(truth: np.ndarray, found: np.ndarray) -> float:
    """Root mean square error; what was not measured (NaN) is left out."""
    return float(np.sqrt(np.nanmean((found - truth) ** 2)))


def pearson(found: np.ndarray, truth: np.ndarray) -> float:
    """Correlation over all values."""
    return float(np.corrcoef(found.ravel(), truth.ravel())[0, 1])


__all__ = ["pearson", "r2", "rmse"]
