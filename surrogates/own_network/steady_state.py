"""The cell model's units run to steady state on any scaffold, and what is measured of them.

    h = F(h, x)                 units of `parameters`, one member
    measured = scale h + ...    one scale per readout; offsets and the linear part see `linear_part`

x are the inputs in [0, 1]. An edge of unknown sign has the weight theta itself, the others
sign x softplus(theta). Gradients are those of the steady state (`own_network.kernels.adjoint`), so
that no iteration is recorded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surrogates.network.kernels.unit import UnitArrays
from surrogates.network.parameters import Raw
from surrogates.own_network import kernels
from surrogates.own_network.kernels import Children, Edges, Scaffold, Search
from surrogates.prior.graph import Network

TOLERANCE = 1e-5  # of a state
MAX_SWEEPS = 200
Limits = tuple[float, int]  # of a search: tolerance, sweeps


@dataclass(frozen=True, eq=False)
class Wiring:
    """The scaffold edge by edge, sorted by target; what `own_network.kernels` loops over."""

    scaffold: Scaffold
    sign: np.ndarray  # float32 (n_edges,), 0 where either
    unit: np.ndarray  # int64 (n_edges,), target
    column: np.ndarray  # int64 (n_edges,), its place among the parents of the target
    readout: np.ndarray  # int64, units that are measured


def wiring_of(network: Network) -> Wiring:
    """Tables of a network without heads."""
    one = network.n_sources
    unit, column = np.nonzero(np.arange(network.parent.shape[1]) < network.n_parents[:, None])
    parent, gate = network.parent[unit, column], network.gate[unit, column]
    gate = np.where(gate < 0, one, gate)
    start = np.concatenate([[0], np.cumsum(network.n_parents)])
    edges = Edges(*(a.astype(np.int32) for a in (start, parent, gate)))
    source = np.concatenate([parent, gate])
    factor = np.concatenate([gate, parent])
    edge = np.tile(np.arange(len(parent)), 2)
    taking_part = np.flatnonzero(source < one)
    taking_part = taking_part[np.argsort(source[taking_part], kind="stable")]
    count = np.bincount(source[taking_part], minlength=one)
    first = np.concatenate([[0], np.cumsum(count)])
    children = Children(
        *(a.astype(np.int32) for a in (first, edge[taking_part], factor[taking_part]))
    )
    scaffold = Scaffold(_order(network), edges, children, unit.astype(np.int32))
    readout = np.array([network.units.index(name) for name in network.outputs])
    return Wiring(scaffold, network.sign[unit, column], unit, column, readout)


def _order(network: Network) -> np.ndarray:
    """Units by their distance from the inputs, so that one sweep carries a signal far."""
    distance = np.full(network.n_sources, np.iinfo(np.int32).max)
    distance[network.n_units :] = 0
    front = list(range(network.n_units, network.n_sources))
    children: list[list[int]] = [[] for _ in range(network.n_sources)]
    for unit, row in enumerate(network.parent):
        for source in row[row >= 0]:
            children[source].append(unit)
    while front:
        following = []
        for source in front:
            for unit in children[source]:
                if distance[unit] > distance[source] + 1:
                    distance[unit] = distance[source] + 1
                    following.append(unit)
        front = following
    return np.argsort(distance[: network.n_units], kind="stable").astype(np.int32)


class Memory:
    """The last solution of one set of conditions, from which the next search starts."""

    def __init__(self, network: Network, inputs: np.ndarray) -> None:
        n_rows = len(inputs)
        self.x = np.ones((network.n_sources + 1, n_rows), np.float32)
        self.x[: network.n_units] = 0.5
        self.multiplier = np.zeros((network.n_units, n_rows), np.float32)
        self.set_inputs(inputs)
        self.change = np.inf
        self.n_sweeps = 0

    def set_inputs(self, inputs: np.ndarray) -> None:
        """Inputs (n_rows, n_inputs) from now on."""
        self.x[len(self.multiplier) : -1] = inputs.T


class _SteadyState(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0913
        ctx: Any,
        weight: Tensor,
        bias: Tensor,
        share: Tensor,
        inputs: Tensor | None,
        wiring: Wiring,
        memory: Memory,
        limits: Limits,
    ) -> Tensor:
        if inputs is not None:
            memory.set_inputs(inputs.detach().numpy())
        acting = UnitArrays(
            *(np.ascontiguousarray(t.detach().numpy()) for t in (weight, bias, share))
        )
        memory.change, memory.n_sweeps = kernels.relax(
            memory.x, wiring.scaffold, acting, Search(*limits)
        )
        ctx.saved = (acting, wiring, memory, limits)
        return torch.from_numpy(memory.x[wiring.readout].copy())

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        acting, wiring, memory, limits = ctx.saved
        pull = np.zeros_like(memory.multiplier)
        pull[wiring.readout] = outer.numpy()
        search = Search(1e-3, limits[1])
        *gradients, _ = kernels.adjoint(
            memory.x, wiring.scaffold, acting, pull, search, memory.multiplier
        )
        *acting, given = (torch.from_numpy(g) for g in gradients)
        return *acting, given.T if ctx.needs_input_grad[3] else None, None, None, None


class SteadyState(nn.Module):
    """One member: units of `network` at steady state, and the observation of its readouts."""

    def __init__(self, network: Network, start: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.wiring = wiring_of(network)
        self.theta, self.bias, self.share, self.scale = (
            nn.Parameter(torch.from_numpy(start[name].astype(np.float32)))
            for name in ("theta", "bias", "share", "scale")
        )
        self.sign: Tensor
        self.register_buffer("sign", torch.from_numpy(self.wiring.sign[:, None].copy()))

    def acting(self) -> tuple[Tensor, Tensor, Tensor]:
        """Signed weights (n_edges, hidden), biases and shares, as `MonotoneUnits.acting`."""
        weight = torch.where(
            self.sign == 0, self.theta, self.sign * nn.functional.softplus(self.theta)
        )
        return weight, self.bias, torch.softmax(self.share, dim=-1)[:, :-1]

    def forward(
        self,
        acting: tuple[Tensor, Tensor, Tensor],
        memory: Memory,
        limits: Limits = (TOLERANCE, MAX_SWEEPS),
        inputs: Tensor | None = None,
    ) -> Tensor:
        """scale h (n_rows, n_readouts) in the conditions of `memory`, or at `inputs` if given.

        The gradient reaches `inputs` too, (n_rows, n_inputs): those that are not known can be
        estimated.
        """
        solve: Callable[..., Tensor] = _SteadyState.apply  # torch gives it no type
        return self.scale * solve(*acting, inputs, self.wiring, memory, limits).T

    def raw(self, network: Network) -> Raw:
        """The same parameters as `MonotoneUnits` takes them, an ensemble of one."""
        learned, bias, share = (
            parameter.detach().numpy() for parameter in (self.theta, self.bias, self.share)
        )
        theta = np.zeros((*network.parent.shape, learned.shape[1]), np.float32)
        theta[self.wiring.unit, self.wiring.column] = learned
        tempo = np.zeros(network.n_nodes, np.float32)
        return Raw(theta[None], bias[None].copy(), share[None].copy(), tempo[None])
