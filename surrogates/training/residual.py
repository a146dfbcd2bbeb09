"""Find the residual: regress what the finished scaffold leaves of the teacher's drives.

    loss = sum_nodes mean_rows[w (u - target)^2] / variance_node + penalty sum_i |G_i|

with w and variance as in `train`, u the members' mean drive with the term, |G_i| how far the gate
of a node is open (see `residual`). The scaffold stands still, so nothing that it says is unlearned;
gates start closed, and one that does not save a share `margin` of its node's error on validation
courses is closed again. What stays open is therefore an upper bound on what edges are missing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from surrogates.network.residual import LARGEST, Residual
from surrogates.network.torch import MonotoneUnits, add_residual
from surrogates.training.optimiser import BETAS, Progress, one_cycle

CHUNK = 4096  # rows evaluated at a time


@dataclass(frozen=True)
class ResidualTable:
    """The last stage: rank of the term, and steps spent on it (0: there is none)."""

    rank: int = 4
    steps: int = 0
    batch: int = 2048
    learning_rate: float = 0.01
    penalty: float = 1e-3
    margin: float = 0.02


@dataclass(frozen=True, eq=False)
class Remainder:
    """Rows for the regression of what is left, nodes only, float32."""

    sources: Tensor  # (n_rows, n_sources)
    drive: Tensor  # (n_rows, n_nodes), mean over members, before competence
    target: Tensor
    weight: Tensor  # so that its sum over rows is 1 / variance

    def error(self, residual: Residual) -> np.ndarray:
        """Weighted squared error of every node with a residual."""
        read, bias, write = (torch.from_numpy(a) for a in residual.arrays().values())
        rho = nn.functional.softsign(self.sources @ read.T + bias) @ write.T
        return (
            (self.weight * (add_residual(self.drive, rho) - self.target).square())
            .sum(dim=0)
            .numpy()
        )


class Gated(nn.Module):
    """What is learned: V, b, the directions of G and its gates, which start closed."""

    def __init__(self, rank: int, n_sources: int, n_nodes: int, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.read = nn.Parameter(torch.randn(rank, n_sources, generator=draw) / n_sources**0.5)
        self.bias = nn.Parameter(torch.zeros(rank))
        self.direction = nn.Parameter(torch.randn(n_nodes, rank, generator=draw))
        self.gate = nn.Parameter(torch.zeros(n_nodes))

    def write(self) -> Tensor:
        """G (n_nodes, rank); its rows sum to |gate| <= LARGEST."""
        unit = self.direction / self.direction.abs().sum(dim=1, keepdim=True).clamp(min=1e-12)
        return LARGEST * torch.tanh(self.gate)[:, None] * unit

    def forward(self, sources: Tensor) -> Tensor:
        """Rho (n_rows, n_nodes)."""
        return nn.functional.softsign(sources @ self.read.T + self.bias) @ self.write().T

    def numbers(self) -> Residual:
        """The term as it acts."""
        return Residual(*(t.detach().numpy().copy() for t in (self.read, self.bias, self.write())))


def remainder_of(
    units: MonotoneUnits, sources: np.ndarray, target: np.ndarray, factor: np.ndarray
) -> Remainder:
    """What the scaffold leaves of the targets; `factor` (n_rows, n_units) says what counts."""
    n, x = units.n_nodes, torch.from_numpy(np.ascontiguousarray(sources))
    with torch.no_grad():
        drive = torch.cat([units(part).mean(dim=1)[:, :n] for part in x.split(CHUNK)])
    return Remainder(
        x, drive, *(torch.from_numpy(np.ascontiguousarray(a[:, :n])) for a in (target, factor))
    )


def fit_residual(
    rows: Remainder, validation: Remainder, table: ResidualTable, seed: int, report: Progress
) -> tuple[Residual | None, dict[str, np.ndarray]]:
    """The term, none if no gate stays open, and the curve of its loss."""
    n_rows, n_nodes = rows.drive.shape
    gated = Gated(table.rank, rows.sources.shape[1], n_nodes, seed)
    optimiser = torch.optim.Adam(gated.parameters(), lr=table.learning_rate, betas=BETAS)
    rate = one_cycle(optimiser, table.learning_rate, table.steps)
    curve: dict[str, list[float]] = {"step": [], "residual": []}
    for step in range(table.steps):
        draw = np.random.default_rng([seed, table.rank, step])
        chosen = torch.from_numpy(draw.integers(0, n_rows, table.batch))
        rho = gated(rows.sources[chosen])
        error = add_residual(rows.drive[chosen], rho) - rows.target[chosen]
        loss = (rows.weight[chosen] * error.square()).sum() * (n_rows / table.batch)
        optimiser.zero_grad(set_to_none=True)
        (loss + table.penalty * gated.write().abs().sum()).backward()
        optimiser.step()
        rate.step()
        if (step + 1) % 50 == 0:
            curve["step"].append(step + 1)
            curve["residual"].append(float(loss.detach()))
            report(f"residual, loss {curve['residual'][-1]:.4f}", (step + 1) / table.steps)
    found = validated(gated.numbers(), validation, table.margin)
    return found, {name: np.array(values) for name, values in curve.items()}


def validated(residual: Residual, validation: Remainder, margin: float) -> Residual | None:
    """The term with every gate closed that saves less than `margin` of its node's error."""
    closed = Residual(residual.read, residual.bias, np.zeros_like(residual.write))
    better = validation.error(residual) < (1.0 - margin) * validation.error(closed)
    if not better.any():
        return None
    return Residual(residual.read, residual.bias, residual.write * better[:, None])


__all__ = ["Gated", "Remainder", "ResidualTable", "fit_residual", "remainder_of"]
