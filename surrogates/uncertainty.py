"""Say whether a cell's situation is one the network was trained on, and how far members disagree.

A cell is in the domain when
    every raw input lies in the training box,
    its transformed inputs and genotype x are no further from the training cloud than
        |L (x - mean)|^2 <= limit,   L'L the inverse covariance: catches combinations,
    and no output's spread over members exceeds a share of its range.
Limits are set so that COVERAGE of held-out situations like the training ones are inside.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from surrogates.channels import GENOTYPES, INPUTS, transform_inputs

COVERAGE = 0.995
RIDGE = 1e-3  # added to the variances: a nearly constant input must not decide alone
N_FEATURES = len(INPUTS) + len(GENOTYPES)
BOX_SLACK = 1e-4  # share of the width; float32 round trips of a limit stay inside


@dataclass(frozen=True, eq=False)
class Domain:
    """The training domain; arrays float32."""

    low: np.ndarray  # (n_inputs,) raw units
    high: np.ndarray  # (n_inputs,)
    mean: np.ndarray  # (N_FEATURES,)
    whiten: np.ndarray  # (N_FEATURES, N_FEATURES), lower triangular
    limits: np.ndarray  # (2,): squared distance, disagreement

    def tuple(self) -> tuple:
        """The values as the kernel takes them."""
        return (self.low, self.high, self.mean, self.whiten, self.limits[0], self.limits[1])


def everywhere() -> Domain:
    """A domain without borders, for a network whose domain is not known yet."""
    n = len(INPUTS)
    return Domain(
        np.full(n, -np.inf, np.float32),
        np.full(n, np.inf, np.float32),
        np.zeros(N_FEATURES, np.float32),
        np.zeros((N_FEATURES, N_FEATURES), np.float32),
        np.full(2, np.inf, np.float32),
    )


def features(inputs: np.ndarray, genotype: np.ndarray) -> np.ndarray:
    """Transformed inputs and genotype bits side by side, (n, N_FEATURES)."""
    bits = (genotype[:, None] >> np.arange(len(GENOTYPES))) & 1
    return np.concatenate([transform_inputs(inputs), bits], axis=1).astype(np.float32)


def fit_domain(inputs: np.ndarray, genotype: np.ndarray) -> Domain:
    """Box and cloud of training situations; limits are still open (see `calibrate`)."""
    x = features(inputs, genotype).astype(np.float64)
    covariance = np.cov(x, rowvar=False) + RIDGE * np.eye(N_FEATURES)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    slack = BOX_SLACK * (high - low)
    arrays = (low - slack, high + slack, x.mean(axis=0), whiten, np.full(2, np.inf))
    return Domain(*(np.ascontiguousarray(a, np.float32) for a in arrays))


def calibrate(domain: Domain, distance: np.ndarray, disagreement: np.ndarray) -> Domain:
    """Set the limits from held-out situations: half of what is refused falls to each."""
    share = 1.0 - 0.5 * (1.0 - COVERAGE)
    limits = np.array([np.quantile(distance, share), np.quantile(disagreement, share)])
    return Domain(domain.low, domain.high, domain.mean, domain.whiten, limits.astype(np.float32))


def distances(domain: Domain, inputs: np.ndarray, genotype: np.ndarray) -> np.ndarray:
    """Squared distance of every situation from the training cloud."""
    x = (features(inputs, genotype) - domain.mean) @ domain.whiten.T
    return (x * x).sum(axis=1)


def clamp(domain: Domain, inputs: np.ndarray) -> np.ndarray:
    """Inputs moved into the training box."""
    return np.clip(inputs, domain.low, domain.high)


@njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def outside_box(inputs, domain):
    """Whether any raw input of one cell leaves the box; not a number is outside."""
    low, high = domain[0], domain[1]
    for k in range(inputs.size):  # noqa: SIM110 (compiled)
        if not (low[k] <= inputs[k] <= high[k]):
            return True
    return False


@njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def distance_tile(x, first, domain, out):
    """Squared distances of the lanes of a tile; features are rows of x from `first` on."""
    mean, whiten = domain[2], domain[3]
    n_features, lanes = mean.size, out.size
    centred = np.empty((n_features, lanes), np.float32)
    part = np.empty(lanes, np.float32)
    for k in range(n_features):
        row, source, centre = centred[k], x[first + k], mean[k]
        for j in range(lanes):
            row[j] = source[j] - centre
    for j in range(lanes):
        out[j] = np.float32(0.0)
    for r in range(n_features):
        weights = whiten[r]
        for j in range(lanes):
            part[j] = np.float32(0.0)
        for k in range(r + 1):
            row, w = centred[k], weights[k]
            for j in range(lanes):
                part[j] += w * row[j]
        for j in range(lanes):
            out[j] += part[j] * part[j]
