"""Hold the numbers that training finds, raw as they are learned and effective as they act.

Every unit i (node or output head) of member m is a small monotone network of its scaffold parents:

    z_j = x_source * x_gate                                      in [0, 1], one per edge
    y_k = b_k + sum_j s_j softplus(theta_jk) z_j                 s_j: the edge's sign, hard
    f_k = 1/2 + 1/2 v / (1 + |v|),   v = y_k (1 + |y_k|)         rational sigmoid, tails 1 / (2 y^2)
    F_i = sum_g share_g prod_(k in g) f_k,   share >= 0, sum(share) <= 1

An edge of unknown sign (s_j = 0) weighs theta_jk itself. How many sigmoids there are and how they
are grouped is what the arrays say: 3 terms of 3 in tme-cell, one alone on large scaffolds. A head
that needs all of its parents at once may be `joint`: one product of all its sigmoids,
F_i = sum(share) prod_k f_k, which six necessary parents fit far better than sums of products of 3.

A product of increasing positive functions increases, and so does a positive mix of them: F rises
with every activator and falls with every inhibitor, whatever is learned. Products are what gates,
requirements and enzyme inhibition look like; sums of sigmoids of the same size fit them worse.
tau_i = prior tau x a factor in [1/2, 2], which regression of drives leaves at 1. A term without a
scaffold may be added to the drives of nodes, one for all members: `residual`.
"""

from dataclasses import dataclass, replace

import numpy as np

from surrogates.network.residual import Residual
from surrogates.prior.graph import Network

GROUPS = 3  # terms of the mix
FACTORS = 3  # sigmoids multiplied in a term
HIDDEN = GROUPS * FACTORS
SWEEP = 3.0  # [min]; ticks of 3, 6 and 12 min are the same sweeps, so the same to the bit
OPEN = 2.0  # added to the biases that a joint head starts from
LARGEST_DRIVE = 1000.0  # |y_k|; the kernel multiplies three denominators 1 + |v| <= 1e6 in float32


@dataclass(frozen=True, eq=False)
class Raw:
    """What the optimiser sees; float32, member first."""

    theta: np.ndarray  # (n_members, n_units, max_parents, hidden)
    bias: np.ndarray  # (n_members, n_units, hidden)
    share: np.ndarray  # (n_members, n_units, groups + 1), logits; the last term is silence
    tempo: np.ndarray  # (n_members, n_nodes), logit of the factor on tau
    residual: Residual | None = None  # shared by the members
    joint: tuple[int, ...] = ()  # heads that are one product, as units

    @property
    def n_members(self) -> int:
        """How many networks there are."""
        return len(self.theta)

    @property
    def n_groups(self) -> int:
        """Terms of the mix."""
        return int(self.share.shape[-1]) - 1

    def arrays(self) -> dict[str, np.ndarray]:
        """What every member has its own of, by name, as the weight file stores it."""
        return {"theta": self.theta, "bias": self.bias, "share": self.share, "tempo": self.tempo}

    def member(self, index: int) -> "Raw":
        """An ensemble of one."""
        if not 0 <= index < self.n_members:
            msg = f"member {index} does not exist; there are {self.n_members}, counted from 0"
            raise ValueError(msg)
        one = slice(index, index + 1)
        return replace(
            self,
            theta=self.theta[one].copy(),
            bias=self.bias[one].copy(),
            share=self.share[one].copy(),
            tempo=self.tempo[one].copy(),
        )


@dataclass(frozen=True, eq=False)
class Effective:
    """What acts: signed weights, biases, shares of the mix, time constants [min]."""

    weight: np.ndarray  # (n_members, n_units, max_parents, hidden)
    bias: np.ndarray  # (n_members, n_units, hidden)
    share: np.ndarray  # (n_members, n_units, groups)
    tau: np.ndarray  # (n_members, n_nodes) [min]
    residual: Residual | None = None
    joint: tuple[int, ...] = ()


def random_raw(network: Network, n_members: int, seed: int, joint: tuple[int, ...] = ()) -> Raw:
    """Untrained parameters: the same scaffold and signs, random strengths.

    Sigmoids of joint heads start open, or their product would be nothing.
    """
    draw = np.random.default_rng(seed)
    n_units, width = network.parent.shape
    theta = draw.normal(0.5, 0.7, (n_members, n_units, width, HIDDEN))
    bias = draw.normal(0.0, 1.0, (n_members, n_units, HIDDEN))
    bias[:, list(joint)] += OPEN
    share = draw.normal(0.0, 0.1, (n_members, n_units, GROUPS + 1))
    share[..., -1] -= 2.0
    return Raw(
        theta.astype(np.float32),
        bias.astype(np.float32),
        share.astype(np.float32),
        np.zeros((n_members, network.n_nodes), np.float32),
        joint=joint,
    )


def effective(raw: Raw, network: Network) -> Effective:
    """Turn raw parameters into acting ones (float64 inside, float32 out)."""
    theta, share = raw.theta.astype(np.float64), raw.share.astype(np.float64)
    sign = network.sign[None, :, :, None]
    weight = np.where(either(network)[None, :, :, None], theta, sign * np.logaddexp(0.0, theta))
    logits = np.exp(share - share.max(axis=-1, keepdims=True))
    mix = (logits / logits.sum(axis=-1, keepdims=True))[..., :-1]
    factor = 2.0 ** np.tanh(raw.tempo.astype(np.float64))
    largest = (np.abs(raw.bias) + np.abs(weight).sum(axis=2)).max()
    if not largest < LARGEST_DRIVE:
        msg = f"weights reach a drive of {largest:.3g}; the kernel is exact below {LARGEST_DRIVE}"
        raise ValueError(msg)
    return Effective(
        weight=np.ascontiguousarray(weight, np.float32),
        bias=np.ascontiguousarray(raw.bias, np.float32),
        share=np.ascontiguousarray(mix, np.float32),
        tau=np.ascontiguousarray(network.tau * factor, np.float32),
        residual=raw.residual,
        joint=raw.joint,
    )


def either(network: Network) -> np.ndarray:
    """Edges whose sign is left to training, bool (n_units, max_parents)."""
    unsigned: np.ndarray = (network.sign == 0.0) & (network.parent >= 0)
    return unsigned


def sweeps(dt: float) -> tuple[int, float]:
    """Number of inner sweeps of a tick of `dt` [min] and the length of each [min]."""
    n_sweeps = max(1, int(np.floor(dt / SWEEP + 0.5)))
    return n_sweeps, dt / n_sweeps
