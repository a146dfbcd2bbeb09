"""What a model leaves of subjects under the same treatments: a Gaussian process over both.

    left[l, p] = f[l, p] + g[l, p] + noise,   f ~ N(0, K (x) T),  g ~ N(0, v I (x) T)

over subjects l (cell lines) and treatments p (drugs and doses). K = sum_m v_m K_m is how alike
subjects are by what is known of them (expression, mutations), T = sum_q t_q T_q how alike
treatments are (any drug, the same target, the same drug, smooth in dose). g is what is a subject's
own and tells nothing of another one; without it the measurements of a subject would count as so
many independent ones. All variances and that of the noise are those of highest evidence
(Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, section 5.4.1), under wide
log-normal priors around an even start. With eigenvectors of K + v I and of T the covariance is
diagonal (Stegle 2011, NIPS 24:630, "Efficient inference in matrix-variate Gaussian models"), so
that nothing larger than subjects or treatments is ever decomposed.

Missing measurements are filled by what the others let expect, to convergence: the prediction and
the quadratic form of the evidence are those of the known ones, its determinant is that of the full
table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

LOG_SPREAD = 3.0  # of a variance around its start, natural logarithm
ROUNDS = 2  # of filling gaps and finding variances
FILL_ROUNDS, FILL_TOLERANCE = 500, 1e-5  # the latter of the largest measurement


@dataclass(frozen=True, eq=False)
class KernelPart:
    """f of all subjects (n_subjects, n_treatments) and the variances found.

    `subjects` are v_m, the last one v; `treatments` t_q; the trace of a kernel over training
    subjects, or over treatments, is their number.
    """

    predicted: np.ndarray
    subjects: np.ndarray
    treatments: np.ndarray
    noise: float
    evidence: float  # logarithm


def fit_kernel_part(
    left: np.ndarray,
    train: np.ndarray,
    subjects: Sequence[np.ndarray],
    treatments: Sequence[np.ndarray],
) -> KernelPart:
    """Variances from the training subjects, f for all.

    Args:
        left: (n_subjects, n_treatments), not a number where nothing was measured; rows that are
            not in training are not read.
        train: bool (n_subjects,).
        subjects: K_m, each (n_subjects, n_subjects), positive semidefinite, of any scale.
        treatments: T_q, each (n_treatments, n_treatments), likewise.

    Raises:
        ValueError: a kernel of another shape, or without any variance.
    """
    n, n_treatments = left.shape
    known = [_scaled(kernel, n, train, "subjects") for kernel in subjects]
    alike = [
        _scaled(kernel, n_treatments, np.ones(n_treatments, bool), "treatments")
        for kernel in treatments
    ]
    measured = left[train]
    missing = np.isnan(measured)
    table = _Table(
        np.where(missing, 0.0, measured),
        missing,
        np.array([*(k[np.ix_(train, train)] for k in known), np.eye(len(measured))]),
        np.array(alike),
    )
    log = _find_variances(table)
    shares, over, noise = table.variances(log)
    between = np.einsum("m,mlk->lk", shares[:-1], np.array(known)[:, :, train])
    predicted = between @ table.whitened(log) @ np.einsum("q,qpr->pr", over, table.treatments)
    return KernelPart(predicted, shares, over, noise, -table.cost(log))


def _find_variances(table: "_Table") -> np.ndarray:
    """Logarithms of the variances of highest evidence; gaps of the table are filled with them."""
    n_subjects, n_treatments = len(table.subjects) - 1, len(table.treatments)
    size = max(float((table.filled**2).mean()), 1e-12)
    start = np.log(
        [
            *np.full(n_subjects + 1, 1.0 / (n_subjects + 1)),
            *np.full(n_treatments, 0.5 * size / n_treatments),
            0.5 * size,
        ]
    )
    log = start
    for _ in range(ROUNDS):
        table.fill(log)
        log = minimize(
            lambda at: table.cost(at) + 0.5 * (((at - start) / LOG_SPREAD) ** 2).sum(),
            log,
            method="L-BFGS-B",
        ).x
    table.fill(log)
    return log


class _Table:
    """Measurements of the training subjects with gaps filled, and their covariance."""

    def __init__(
        self, filled: np.ndarray, missing: np.ndarray, subjects: np.ndarray, treatments: np.ndarray
    ) -> None:
        self.filled, self.missing = filled, missing
        self.subjects, self.treatments = subjects, treatments

    def variances(self, log: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Of subjects, of treatments, of the noise."""
        n = len(self.subjects)
        value = np.exp(log)
        return value[:n], value[n:-1], float(value[-1])

    def cost(self, log: np.ndarray) -> float:
        """Minus the log evidence, without the constant."""
        rotated, variance, _, _ = self._diagonal(log)
        return float(0.5 * (rotated**2 / variance + np.log(variance)).sum())

    def whitened(self, log: np.ndarray) -> np.ndarray:
        """Inverse of the covariance times the measurements, as a table."""
        rotated, variance, first, second = self._diagonal(log)
        table: np.ndarray = first @ (rotated / variance) @ second.T
        return table

    def fill(self, log: np.ndarray) -> None:
        """Gaps as the known measurements let expect them, where `whitened` is 0.

        No entry of the inverse's diagonal is larger than 1 / noise, so that steps of the noise
        converge.
        """
        noise = self.variances(log)[2]
        for _ in range(FILL_ROUNDS if self.missing.any() else 0):
            step = np.where(self.missing, noise * self.whitened(log), 0.0)
            self.filled = self.filled - step
            if np.abs(step).max() < FILL_TOLERANCE * np.abs(self.filled).max():
                break

    def _diagonal(self, log: np.ndarray) -> tuple[np.ndarray, ...]:
        """Measurements and variances in the eigenvectors, and these."""
        shares, over, noise = self.variances(log)
        a, first = np.linalg.eigh(np.einsum("m,mlk->lk", shares, self.subjects))
        b, second = np.linalg.eigh(np.einsum("q,qpr->pr", over, self.treatments))
        variance = np.outer(a.clip(min=0.0), b.clip(min=0.0)) + noise
        return first.T @ self.filled @ second, variance, first, second


def _scaled(kernel: np.ndarray, n: int, train: np.ndarray, what: str) -> np.ndarray:
    if kernel.shape != (n, n):
        msg = f"a kernel of {what} has shape {kernel.shape}; needed is {(n, n)}"
        raise ValueError(msg)
    size = float(np.diag(kernel)[train].mean())
    if not size > 0.0:
        msg = f"a kernel of {what} has no variance"
        raise ValueError(msg)
    return kernel / size


__all__ = ["KernelPart", "fit_kernel_part"]
