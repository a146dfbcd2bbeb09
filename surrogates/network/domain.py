"""Say whether a cell's situation is one the network was trained on, and how far members disagree.

A cell is in the domain when
    every raw input lies in the training box,
    no more ligands, occupied drug targets or alterations are present at once than but one in a
        thousand training situations had (present: a transformed value above PRESENT),
    its transformed inputs and genotype x are no further from the training cloud than
        |L (x - mean)|^2 <= limit,   L'L the inverse covariance,
    and no output's spread over members exceeds a share of its range.
Limits of the last two are set so that COVERAGE of held-out situations like the training ones are
inside. Counts are what catches combinations: a cloud of rare single drugs lies so far from its mean
that eight of them at once hardly stand out. The node state is judged only through the spread.

The spread `sigma` is what members make of one shared state: epistemic, and the part of it that
grows over time is that of `simulate(...).std`. A single member has none: its sigma is 0, and its
domain is judged by inputs and genotype alone.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from surrogates.channels import GENOTYPES, INPUTS, SURROUNDINGS
from surrogates.network.kernels.arrays import DomainLimits
from surrogates.transform import transform_inputs

COVERAGE = 0.995
COMMON = 0.999  # share of training situations that have no more present than counts as known
RIDGE = 1e-3  # added to the variances: a nearly constant input must not decide alone
N_FEATURES = len(INPUTS) + len(GENOTYPES)
PRESENT = np.float32(0.05)  # transformed: a twentieth of the receptors, 7 % of a drug's target
COUNTED = np.array(
    [  # first and last + 1 of the features that are counted together
        (0, INPUTS.index("oxygen")),
        (len(SURROUNDINGS), len(INPUTS)),
        (len(INPUTS), N_FEATURES),
    ]
)
BOX_SLACK = 1e-4  # share of the width; float32 round trips of a limit stay inside


@dataclass(frozen=True, eq=False)
class Domain:
    """The training domain; arrays float32."""

    low: np.ndarray  # (n_inputs,) raw units
    high: np.ndarray  # (n_inputs,)
    mean: np.ndarray  # (N_FEATURES,)
    whiten: np.ndarray  # (N_FEATURES, N_FEATURES), lower triangular
    limits: np.ndarray  # (2,): squared distance, disagreement
    most: np.ndarray  # (n_groups,): ligands, drug targets, alterations present at once

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays by name, as the weight file stores them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def as_kernel_arrays(self) -> DomainLimits:
        """The values as the kernels take them."""
        centre = self.whiten.astype(np.float64) @ self.mean
        return DomainLimits(
            low=self.low,
            high=self.high,
            whiten=self.whiten,
            centre=centre.astype(np.float32),
            most_present=self.most,
            groups=COUNTED,
            distance=self.limits[0],
            disagreement=self.limits[1],
        )


def everywhere() -> Domain:
    """A domain without borders, for a network whose domain is not known yet."""
    n = len(INPUTS)
    return Domain(
        np.full(n, -np.inf, np.float32),
        np.full(n, np.inf, np.float32),
        np.zeros(N_FEATURES, np.float32),
        np.zeros((N_FEATURES, N_FEATURES), np.float32),
        np.full(2, np.inf, np.float32),
        np.full(len(COUNTED), np.inf, np.float32),
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
    most = np.quantile(present(x), COMMON, axis=0, method="higher")
    arrays = (low - slack, high + slack, x.mean(axis=0), whiten, np.full(2, np.inf), most)
    return Domain(*(np.ascontiguousarray(a, np.float32) for a in arrays))


def calibrate(domain: Domain, distance: np.ndarray, disagreement: np.ndarray) -> Domain:
    """Set the limits from held-out situations: half of what is refused falls to each."""
    share = 1.0 - 0.5 * (1.0 - COVERAGE)
    limits = np.array([np.quantile(distance, share), np.quantile(disagreement, share)])
    return replace(domain, limits=limits.astype(np.float32))


def present(x: np.ndarray) -> np.ndarray:
    """How many ligands, drug targets and alterations are present in features (n, N_FEATURES)."""
    return np.stack([(x[:, first:end] > PRESENT).sum(axis=1) for first, end in COUNTED], axis=1)


def outlyingness(
    domain: Domain, inputs: np.ndarray, genotype: np.ndarray, disagreement: np.ndarray
) -> np.ndarray:
    """How far out every situation is (n,): inside up to 1, infinite outside the box."""
    counts = present(features(inputs, genotype)) / domain.most
    distance = distances(domain, inputs, genotype) / domain.limits[0]
    score = np.maximum(np.maximum(distance, disagreement / domain.limits[1]), counts.max(axis=1))
    boxed = ((inputs >= domain.low) & (inputs <= domain.high)).all(axis=1)
    return np.where(boxed, score, np.inf)


def distances(domain: Domain, inputs: np.ndarray, genotype: np.ndarray) -> np.ndarray:
    """Squared distance of every situation from the training cloud."""
    x = (features(inputs, genotype) - domain.mean) @ domain.whiten.T
    squared: np.ndarray = (x * x).sum(axis=1)
    return squared


def clamp(domain: Domain, inputs: np.ndarray) -> np.ndarray:
    """Inputs moved into the training box."""
    inside: np.ndarray = np.clip(inputs, domain.low, domain.high)
    return inside
