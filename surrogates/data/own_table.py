"""Conditions and measurements that come with a network of their own."""

from dataclasses import dataclass

import numpy as np

from surrogates.prior.graph import Network


@dataclass(frozen=True, eq=False)
class Table:
    """Conditions (n, n_inputs) in [0, 1] and what was measured in them (n, n_readouts)."""

    network: Network
    inputs: np.ndarray
    measured: np.ndarray


__all__ = ["Table"]
