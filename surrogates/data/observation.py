"""See a node as an experiment saw it: measured = offset + scale x node, per plate and readout.

An antibody, a reporter and a median of arcsinh counts each have their own zero and unit. Offset and
scale are fitted by weighted least squares on the training split alone,

    min sum_i w_i (y_i - offset - scale x_i)^2,    noise^2 = sum_i w_i (...)^2 / sum_i w_i,

missing values (not a number) left out. A scale that comes out negative would turn the node's
meaning around, so it is set to 0 and the readout is predicted by its mean. Where a node hardly
moves on a plate (LEAST_SPREAD) its scale there would be a ratio of noise to nothing: the plate
then takes the scale that all plates have in common, around its own mean.
"""

from dataclasses import dataclass

import numpy as np

LEAST_SPREAD = 0.01  # sd of a node, which lies in [0, 1], below which a plate tells no scale
TINY = 1e-12  # variance of a node that does not move at all


@dataclass(frozen=True, eq=False)
class Observation:
    """What a plate makes of a node; rows are plates, the last one all plates pooled."""

    offset: np.ndarray  # (n_plates + 1, n_readouts)
    scale: np.ndarray  # (n_plates + 1, n_readouts)
    noise: np.ndarray  # (n_plates + 1, n_readouts), sd of what is left on the training split

    def predict(self, node: np.ndarray, plate: np.ndarray | None = None) -> np.ndarray:
        """Measurements (n, n_readouts) expected for nodes (n, n_readouts) on plates (n,).

        A plate without training measurements of a readout, or no plate, takes the pooled fit.
        """
        row = self._row(len(node), plate)
        expected: np.ndarray = self.offset[row] + self.scale[row] * node
        return expected

    def gain(self, n: int, plate: np.ndarray | None = None) -> np.ndarray:
        """Scale (n, n_readouts) of `n` measurements on plates (n,)."""
        gain: np.ndarray = self.scale[self._row(n, plate)]
        return gain

    def sd(self, n: int, plate: np.ndarray | None = None) -> np.ndarray:
        """Noise (n, n_readouts) of `n` measurements on plates (n,)."""
        noise: np.ndarray = self.noise[self._row(n, plate)]
        return noise

    def _row(self, n: int, plate: np.ndarray | None) -> np.ndarray:
        n_plates = len(self.offset) - 1
        if plate is None:
            return np.full(n, n_plates)
        plate = np.asarray(plate)
        return np.where((plate >= 0) & (plate < n_plates), plate, n_plates)


def fit(
    node: np.ndarray,
    measured: np.ndarray,
    *,
    plate: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Observation:
    """Offset, scale and noise from the training split.

    Args:
        node: (n, n_readouts), the model's value behind each measurement.
        measured: (n, n_readouts), not a number where nothing was measured.
        plate: int (n,), counted from 0; None for one plate.
        weight: (n, n_readouts), for instance 1 / variance; None for equal weights.
    """
    if node.shape != measured.shape:
        msg = f"nodes have shape {node.shape}, measurements {measured.shape}; they must agree"
        raise ValueError(msg)
    known = np.isfinite(measured)
    weight = known.astype(float) if weight is None else np.where(known, weight, 0.0)
    plate = np.full(len(node), 0) if plate is None else np.asarray(plate)
    n_plates = int(plate.max(initial=-1)) + 1
    y = np.where(known, measured, 0.0)
    common = _common_scale(node, y, weight, plate)
    pooled = _line(node, y, weight, common)
    lines = [
        _line(node[on], y[on], weight[on], common) for on in (plate == p for p in range(n_plates))
    ]
    tables = np.array([*(_or(line, pooled) for line in lines), pooled])
    return Observation(*np.moveaxis(tables, 1, 0))


def _common_scale(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, plate: np.ndarray
) -> np.ndarray:
    """Scale (n_readouts,) from deviations around each plate's own mean; 0 where nothing moves."""
    variance, covariance = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for p in np.unique(plate):
        _, _, dx, dy, w = _centred(x[plate == p], y[plate == p], weight[plate == p])
        variance += np.nansum(w * dx * dx, axis=0)
        covariance += np.nansum(w * dx * dy, axis=0)
    moves = variance > TINY * np.maximum(weight.sum(axis=0), TINY)
    return np.maximum(np.where(moves, covariance / np.where(moves, variance, 1.0), 0.0), 0.0)


def _line(x: np.ndarray, y: np.ndarray, weight: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Offset, scale, noise (3, n_readouts); not a number where nothing was measured."""
    mean_x, mean_y, dx, dy, weight = _centred(x, y, weight)
    total = weight.sum(axis=0)
    safe = np.where(total > 0.0, total, np.nan)
    variance = (weight * dx * dx).sum(axis=0) / safe
    covariance = (weight * dx * dy).sum(axis=0) / safe
    tells = variance > LEAST_SPREAD**2
    scale = np.where(tells, covariance / np.where(tells, variance, 1.0), common)
    scale = np.maximum(scale, 0.0)
    rest = np.where(weight > 0.0, dy - scale * dx, 0.0)
    noise = np.sqrt((weight * rest * rest).sum(axis=0) / safe)
    return np.array([mean_y - scale * mean_x, scale, noise])


def _centred(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weighted means, deviations from them, and the weights."""
    total = weight.sum(axis=0)
    safe = np.where(total > 0.0, total, np.nan)
    mean_x, mean_y = (weight * x).sum(axis=0) / safe, (weight * y).sum(axis=0) / safe
    return mean_x, mean_y, x - mean_x, y - mean_y, weight


def _or(line: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(line[0]), line, pooled)


__all__ = ["Observation", "fit"]
