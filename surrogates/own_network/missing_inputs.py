"""Estimate inputs that were not recorded, by the gradient of the likelihood of what was measured.

A missing entry is u = sigmoid(a) in [0, 1]; a ~ N(logit(mean of the known entries), 1) and is
fitted together with the weights of one member. The gradient reaches u through the scaffold
(`own_network.kernels.adjoint`) and through the linear part, whose likelihood, the coefficients
integrated out, is for every component j

    left_j ~ N(0, s_j^2 (K(u) + alpha_j)),   K = x x^T + what siblings share
"""

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn

from surrogates.own_network.linear_part import LinearPart

EDGE = 0.02  # of [0, 1], where no first guess is put: sigmoids have no slope there


class MissingInputs(nn.Module):
    """Inputs (n, n_inputs) of which some are parameters.

    Raises:
        ValueError: an input is known in no condition.
    """

    def __init__(self, inputs: np.ndarray, names: tuple[str, ...]) -> None:
        super().__init__()
        missing = np.isnan(inputs)
        if missing.all(axis=0).any():
            unknown = [name for name, gone in zip(names, missing.all(axis=0), strict=True) if gone]
            msg = f"inputs {unknown} are known in no condition; leave them out of the scaffold"
            raise ValueError(msg)
        mean = np.nanmean(inputs, axis=0).clip(EDGE, 1.0 - EDGE)
        guess = np.broadcast_to(np.log(mean / (1.0 - mean)), inputs.shape)[missing]
        self.missing: Tensor
        self.known: Tensor
        self.guess: Tensor
        self.register_buffer("missing", torch.from_numpy(missing))
        self.register_buffer("known", torch.from_numpy(np.where(missing, 0.0, inputs)).float())
        self.register_buffer("guess", torch.from_numpy(guess).float())
        self.logit = nn.Parameter(self.guess.clone())

    def forward(self) -> Tensor:
        """All inputs, the missing ones as estimated so far."""
        return self.known.masked_scatter(self.missing, torch.sigmoid(self.logit))

    def penalty(self) -> Tensor:
        """Minus the log prior of the missing entries."""
        return 0.5 * (self.logit - self.guess).square().sum()

    def __call__(self) -> Tensor:
        """See `forward`."""
        found: Tensor = super().__call__()
        return found

    def numpy(self) -> np.ndarray:
        """All inputs as estimated."""
        return self.forward().detach().numpy().astype(np.float64)


def marginal_cost(prior: LinearPart, left: Tensor, inputs: Tensor) -> Tensor:
    """Minus the log likelihood of what a scaffold leaves, (n, n_readouts), by inputs."""
    n = len(left)
    free = scipy.linalg.null_space(np.ones((1, n))) if prior.offset else np.eye(n)
    free, component, alpha, signal = (
        torch.from_numpy(a).double() for a in (free, prior.component, prior.alpha, prior.signal)
    )
    x = inputs.double()
    shared = x[:, torch.from_numpy(prior.shared)].sum(dim=1)
    covariance = free.T @ (x @ x.T + torch.outer(shared, shared)) @ free
    spread = covariance + alpha[:, None, None] * torch.eye(len(covariance), dtype=torch.float64)
    factor = torch.linalg.cholesky(spread)
    rotated = (free.T @ left.double() @ component).T[:, :, None]
    white = torch.linalg.solve_triangular(factor, rotated, upper=False)[:, :, 0]
    log_size = torch.diagonal(factor, dim1=1, dim2=2).log().sum()
    cost: Tensor = 0.5 * (white.square().sum(dim=1) / signal).sum() + log_size
    return cost
