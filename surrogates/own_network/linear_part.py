"""What a scaffold does not explain: a linear part, shrunk component by component.

    measured - network = offset + x R + noise,   R ~ N(0, s_j^2),  noise ~ N(0, s_j^2 alpha_j)

for every principal component j of the measurements over the training conditions. Readouts that move
together are few (a first component that repeats from condition to condition, many that are noise),
so each component has its own alpha_j, the one of highest evidence (MacKay 1992,
doi:10.1162/neco.1992.4.3.415) under a log-normal prior around their common value. With one alpha
for all this is ridge regression.

Inputs that are alike (`siblings`, the drugs of a panel) share a part of R: a drug that training
never saw is expected to act like their mean. Integrated over R, the training loss of the network is
the Mahalanobis norm of what it leaves, so that the network need not explain what is linear, and
what both can explain is divided by how well each does it.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

ALPHAS = np.geomspace(0.003, 300.0, 60)  # noise over signal of a component
LOG_SPREAD = 1.5  # of alpha over the components, natural logarithm
ROUNDS = 5  # of the common value of alpha
FILL_ROUNDS, FILL_TOLERANCE = 200, 1e-4  # of missing measurements
ROUNDING = 1e-12  # of the largest measurement; differences below it are none
LEAST_NOISE = 0.01  # of the mean variance of a readout: fewer conditions than readouts leave
# components without any variance, which are not known without error


@dataclass(frozen=True, eq=False)
class LinearPart:
    """Prior of the linear part, found on training conditions.

    `inputs` are those conditions (n, n_inputs); `offset` says whether an offset is free or, where
    measurements are differences to a control, none is. `basis` (n, rank) and `eigenvalue` (rank,)
    diagonalise the covariance of the conditions, `component` (n_readouts, n_readouts) that of the
    readouts; `alpha` and `signal` (variance s^2) are one per component.
    """

    inputs: np.ndarray
    shared: np.ndarray
    offset: bool
    basis: np.ndarray
    eigenvalue: np.ndarray
    component: np.ndarray
    alpha: np.ndarray
    signal: np.ndarray

    def precision(self, *, linear: bool = True) -> np.ndarray:
        """Of what the network leaves, in basis and components, (rank, n_readouts).

        Without the linear part all that is left is noise, of the same variance in every component:
        the alphas were found beside a linear part and say nothing without it (components that it
        explains well would weigh hundreds of times as much as the others).
        """
        if not linear:
            noise = (self.signal * self.alpha).mean()
            return np.full((len(self.eigenvalue), len(self.alpha)), 1.0 / noise)
        precision: np.ndarray = 1.0 / (self.signal * (self.eigenvalue[:, None] + self.alpha))
        return precision

    def fill(self, left: np.ndarray, missing: np.ndarray, *, linear: bool = True) -> np.ndarray:
        """`left` with its missing entries (bool) as the others let expect them.

        Where the entries are what the prior expects they add nothing to the gradient of the loss,
        so that it is the loss of the known ones (expectation-maximisation). Entries of `left` that
        are missing hold a first guess.
        """
        left = left.copy()
        for _ in range(FILL_ROUNDS if missing.any() else 0):
            expected = self.predict(left, self.inputs, linear=linear)
            change = np.abs(expected - left)[missing].max()
            left[missing] = expected[missing]
            if change < FILL_TOLERANCE * np.abs(left).max():
                break
        return left

    def predict(self, left: np.ndarray, inputs: np.ndarray, *, linear: bool = True) -> np.ndarray:
        """Offset and linear part (n_new, n_readouts) of `left`, what training conditions left."""
        mean = left.mean(axis=0) if self.offset else np.zeros(left.shape[1])
        if not linear:
            return np.tile(mean, (len(inputs), 1))
        new = _covariance(inputs, self.inputs, self.shared)
        if self.offset:  # around the mean of the training conditions
            new = new - _covariance(self.inputs, self.inputs, self.shared).mean(axis=0)
        rotated = self.basis.T @ ((left - mean) @ self.component)
        shrunk = rotated / (self.eigenvalue[:, None] + self.alpha)
        expected: np.ndarray = mean + (new @ self.basis) @ shrunk @ self.component.T
        return expected


def fit_linear_part(
    inputs: np.ndarray, measured: np.ndarray, *, offset: bool = True, siblings: np.ndarray
) -> LinearPart:
    """Components and their shrinkage, of highest evidence on the training conditions.

    Args:
        inputs: (n, n_inputs).
        measured: (n, n_readouts).
        offset: whether a constant is free; else no input means no effect.
        siblings: bool (n_inputs,), inputs that are expected to act alike.

    Raises:
        ValueError: no readout differs between conditions, or by too much for squares of it.
    """
    n = len(measured)
    free = scipy.linalg.null_space(np.ones((1, n))) if offset else np.eye(n)  # of an offset
    eigenvalue, turn = np.linalg.eigh(free.T @ _covariance(inputs, inputs, siblings) @ free)
    eigenvalue, basis = eigenvalue.clip(min=0.0), free @ turn
    component = np.linalg.svd(basis.T @ measured, full_matrices=True)[2].T
    rotated = basis.T @ measured @ component
    rounding = (ROUNDING * np.abs(measured).max()) ** 2
    if not rounding < float((rotated**2).mean()) < np.inf:
        msg = (
            f"measured from {measured.min():g} to {measured.max():g}: no differences can be fitted"
        )
        raise ValueError(msg)
    alpha = _alphas(eigenvalue, rotated)
    signal = (rotated**2 / (eigenvalue[:, None] + alpha)).mean(axis=0)
    least = LEAST_NOISE * (rotated**2).mean() / alpha
    return LinearPart(
        inputs, siblings, offset, basis, eigenvalue, component, alpha, np.maximum(signal, least)
    )


def _covariance(first: np.ndarray, second: np.ndarray, siblings: np.ndarray) -> np.ndarray:
    """Of the linear part between conditions: of inputs by themselves, and what siblings share."""
    shared = first[:, siblings].sum(axis=1)[:, None] * second[:, siblings].sum(axis=1)
    covariance: np.ndarray = first @ second.T + shared
    return covariance


def _alphas(eigenvalue: np.ndarray, rotated: np.ndarray) -> np.ndarray:
    """Noise over signal of every component."""
    spread = eigenvalue[:, None] + ALPHAS  # (rank, n_alphas)
    scale = np.einsum("rj,ra->ja", rotated**2, 1.0 / spread) / len(rotated)
    cost = 0.5 * (len(rotated) * np.log(scale + 1e-12) + np.log(spread).sum(axis=0))
    log, common = np.log(ALPHAS), cost.sum(axis=0).argmin()
    for _ in range(ROUNDS):
        prior = 0.5 * ((log - log[common]) / LOG_SPREAD) ** 2
        chosen = (cost + prior).argmin(axis=1)
        common = np.abs(log - log[chosen].mean()).argmin()
    alphas: np.ndarray = ALPHAS[chosen]
    return alphas
