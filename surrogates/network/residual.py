"""A learned term beside the scaffold's drive: what no edge says, small, gated and counted.

    z_r = b_r + sum_s V_rs x_s,   a_r = z_r / (1 + |z_r|)        x: sources as a sweep begins
    rho_i = sum_r G_ir a_r,       sum_r |G_ir| <= LARGEST        G: rows are the gates of the nodes
    u_i = competence_i (F_i (1 - |rho_i|) + max(rho_i, 0))

The drive stays in [0, 1] and is the scaffold's where a node's gate is closed (G_i = 0). The term is
one for all members, so that their spread is not touched by it; it carries no signs, so what the
scaffold promises about signs holds up to LARGEST at most. `share` says how much of the drives it
is. How it is found: `training.residual`.
"""

from dataclasses import dataclass, fields
from typing import TypedDict

import numpy as np

from surrogates.network.kernels.arrays import ResidualWeights

LARGEST = 0.5  # of a drive; the scaffold keeps the larger part


@dataclass(frozen=True, eq=False)
class Residual:
    """The term's numbers, float32."""

    read: np.ndarray  # V (rank, n_sources)
    bias: np.ndarray  # b (rank,)
    write: np.ndarray  # G (n_nodes, rank)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays by name, as the weight file stores them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def as_kernel_arrays(self) -> ResidualWeights:
        """The arrays as the kernels take them, and whose gate is open."""
        read, bias, write = (
            np.ascontiguousarray(a, np.float32) for a in (self.read, self.bias, self.write)
        )
        return ResidualWeights(read, bias, write, (write != 0.0).any(axis=1))


def no_residual(n_nodes: int, n_sources: int) -> Residual:
    """All gates closed, at no cost."""
    return Residual(
        np.zeros((0, n_sources), np.float32),
        np.zeros(0, np.float32),
        np.zeros((n_nodes, 0), np.float32),
    )


def check(residual: Residual, n_nodes: int, n_sources: int) -> str:
    """What is wrong with a term that was read from a file, in words; nothing if all is well."""
    rank = len(residual.bias)
    expected = {"read": (rank, n_sources), "bias": (rank,), "write": (n_nodes, rank)}
    for name, array in residual.arrays().items():
        if array.shape != expected[name]:
            return (
                f"residual {name} has shape {array.shape}, the scaffold of this version needs "
                f"{expected[name]}; train it again"
            )
    most = float(np.abs(residual.write).sum(axis=1, dtype=np.float64).max(initial=0.0))
    if not most <= LARGEST * (1.0 + 1e-6):
        return f"the residual reaches {most:.3g} of a drive; at most {LARGEST} is allowed"
    return ""


class Share(TypedDict):
    """How much of the drives the term is, as the card states it."""

    overall: float
    worst: float
    worst_node: str
    n_open: int


def share(
    drive: np.ndarray, with_residual: np.ndarray, mask: np.ndarray, names: tuple[str, ...]
) -> Share:
    """Mean |residual| over mean |drive|, overall and of the node with the largest share.

    `drive` without and `with_residual` with the term (n, n_nodes); `mask`: what counts.
    """
    moved = (np.abs(with_residual - drive) * mask).sum(axis=0, dtype=np.float64)
    whole = (np.abs(drive) * mask).sum(axis=0, dtype=np.float64)
    by_node = moved / np.maximum(whole, 1e-12)
    worst = int(by_node.argmax())
    return {
        "overall": float(moved.sum() / whole.sum()),
        "worst": float(by_node[worst]),
        "worst_node": names[worst] if by_node[worst] > 0.0 else "",
        "n_open": int((moved > 0.0).sum()),
    }


__all__ = ["LARGEST", "Residual", "check", "no_residual", "share"]
