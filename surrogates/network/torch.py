"""The trained network in torch: what training differentiates and what runs on CUDA.

The equations are those of `parameters`; a tick is a number of equal sweeps of about 3 min

    h_i <- competence_i mean_m[(1 - e_mi) F_mi] + h_i mean_m[e_mi],   e_mi = exp(-sweep / tau_mi)

node after node in the order of the table: a node reads the newest values of those above it, so
that a cascade of fast nodes passes a signal on within a sweep and fast feedback stays calm. Every
member reads the one shared state. Heads are read at the end, per member: their mean
becomes the physical outputs, their spread sigma. With a residual (see there) it moves the drives of
nodes, read anew at the start of every sweep. On CPU the same numbers come from `network.cpu`.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from surrogates.channels import (
    FULL,
    GENOTYPES,
    OCCUPANCY,
    RAMP,
    TRANSFORM_A,
    TRANSFORM_B,
    TRANSFORM_KIND,
)
from surrogates.contract import Cells, Decision
from surrogates.metabolism import (
    BIOMASS_PYRUVATE,
    GLUCOSE_HALF,
    OXYGEN_HALF,
    OXYGEN_PER_PYRUVATE,
)
from surrogates.network.domain import COUNTED, PRESENT, Domain
from surrogates.network.parameters import Raw, either
from surrogates.network.residual import Residual
from surrogates.phenotype import LOG as LOG_SCALE
from surrogates.phenotype import RANGES
from surrogates.prior.graph import Network

BUCKETS = (1, 2, 3, 5, 8, 12)  # units of similar numbers of parents share one matrix product
CHUNK = 50_000  # cells per launch, so that a million fit on a small device


class MonotoneUnits(nn.Module):
    """Drives F of all units of all members, from the values of the sources."""

    sign: Tensor  # buffers
    either: Tensor
    is_joint: Tensor
    prior_tau: Tensor

    def __init__(self, network: Network, raw: Raw) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.from_numpy(raw.theta.copy()))
        self.bias = nn.Parameter(torch.from_numpy(raw.bias.copy()))
        self.share = nn.Parameter(torch.from_numpy(raw.share.copy()))
        self.tempo = nn.Parameter(torch.from_numpy(raw.tempo.copy()))
        self.residual = None if raw.residual is None else ResidualTerm(raw.residual)
        self.n_nodes = network.n_nodes
        self.n_groups, self.joint = raw.n_groups, raw.joint
        self.register_buffer("sign", torch.from_numpy(network.sign[None, :, :, None].copy()))
        self.register_buffer("either", torch.from_numpy(either(network)[None, :, :, None]))
        self.register_buffer("is_joint", torch.zeros(network.n_units, dtype=torch.bool))
        self.is_joint[list(raw.joint)] = True
        self.register_buffer("prior_tau", torch.from_numpy(network.tau.copy()))
        self._whole = _register_buckets(self, network, np.arange(network.n_units), "units")
        self.waves = waves(network)
        self._waves = [
            _register_buckets(self, network, nodes, f"wave{k}")
            for k, nodes in enumerate(self.waves)
        ]

    def raw(self) -> Raw:
        """Parameters as numpy arrays."""
        return Raw(
            theta=_on_host(self.theta),
            bias=_on_host(self.bias),
            share=_on_host(self.share),
            tempo=_on_host(self.tempo),
            residual=None if self.residual is None else self.residual.numbers,
            joint=self.joint,
        )

    def forward(self, sources: Tensor) -> Tensor:
        """F of shape (n_cells, n_members, n_units) from sources (n_cells, n_sources) in [0, 1].

        That of the scaffold, without the residual.
        """
        return self._drive(sources, self.acting(), self._whole)

    def wave(self, sources: Tensor, acting: "Acting", k: int) -> Tensor:
        """F of the nodes `waves[k]` alone; `acting` as that method returns it."""
        return self._drive(sources, acting, self._waves[k])

    def _drive(self, sources: Tensor, acting: "Acting", names: list[str]) -> Tensor:
        padded = torch.cat([sources, torch.ones_like(sources[:, :1])], dim=1)
        parts = [self._bucket(padded, acting, name) for name in names[1:]]
        return torch.cat(parts, dim=2)[:, :, self.get_buffer(names[0])]

    def acting(self) -> "Acting":
        """Signed weights, biases and shares of the mix."""
        weight = self.sign * nn.functional.softplus(self.theta)
        weight = torch.where(self.either, self.theta, weight)
        return Acting(weight, self.bias, torch.softmax(self.share, dim=-1)[..., :-1])

    def tau(self) -> Tensor:
        """Time constants (n_members, n_nodes) [min], within a factor 2 of the prior's."""
        return self.prior_tau * torch.exp2(torch.tanh(self.tempo))

    def _bucket(self, padded: Tensor, acting: "Acting", name: str) -> Tensor:
        units, parent, gate = (self.get_buffer(f"{name}_{part}") for part in _PARTS)
        n_units, width = parent.shape
        z = (padded[:, parent] * padded[:, gate]).transpose(0, 1)
        w = acting.weight[:, units, :width].permute(1, 2, 0, 3).reshape(n_units, width, -1)
        b = acting.bias[:, units].transpose(0, 1).reshape(n_units, 1, -1)
        f = rational_sigmoid(torch.baddbmm(b, z, w))
        factors = acting.bias.shape[-1] // self.n_groups
        f = f.reshape(n_units, len(padded), -1, self.n_groups, factors)
        terms = f[..., 0]
        for k in range(1, factors):
            terms = terms * f[..., k]
        part = acting.share[:, units].transpose(0, 1)[:, None]
        mix = (terms * part).sum(dim=-1)
        if self.joint:
            whole = terms.prod(dim=-1) * part.sum(dim=-1)
            mix = torch.where(self.is_joint[units, None, None], whole, mix)
        return mix.permute(1, 2, 0)


class Acting(NamedTuple):
    """What acts of the parameters, see `parameters.Effective`."""

    weight: Tensor  # (n_members, n_units, max_parents, hidden), signed
    bias: Tensor  # (n_members, n_units, hidden)
    share: Tensor  # (n_members, n_units, groups)


def _on_host(parameter: Tensor) -> np.ndarray:
    array: np.ndarray = parameter.detach().cpu().numpy().copy()
    return array


_PARTS = ("units", "parent", "gate")


def rational_sigmoid(y: Tensor) -> Tensor:
    """Increasing from 0 to 1 with tails 1 / (2 y^2), one division and no exponential."""
    v = y * (1.0 + y.abs())
    return 0.5 + 0.5 * v / (1.0 + v.abs())


def waves(network: Network) -> list[np.ndarray]:
    """Nodes in the order of the table, cut where one reads another that comes before it."""
    cuts, start = [], 0
    for node in range(network.n_nodes):
        read = np.concatenate([network.parent[node], network.gate[node]])
        if ((read >= start) & (read < node)).any():
            cuts.append(node)
            start = node
    return np.split(np.arange(network.n_nodes), cuts)


def _register_buckets(
    module: nn.Module, network: Network, units: np.ndarray, prefix: str
) -> list[str]:
    """Index tables of each bucket of some units; source index n_sources is the constant 1.

    Returns the name of the table that puts the units back in order, then those of the buckets.
    """
    one, n_parents = network.n_sources, network.n_parents[units]
    names, order, low = [f"{prefix}_order"], [], -1
    widest = max(int(network.n_parents.max()), 1)
    for width in sorted({min(b, widest) for b in BUCKETS} | {widest}):
        chosen = units[(n_parents > low) & (n_parents <= width)]
        low = width
        if not len(chosen):
            continue
        name = f"{prefix}_{width}"
        parent, gate = network.parent[chosen, :width], network.gate[chosen, :width]
        tables = (chosen, np.where(parent < 0, one, parent), np.where(gate < 0, one, gate))
        for part, table in zip(_PARTS, tables, strict=True):
            module.register_buffer(f"{name}_{part}", torch.from_numpy(table.astype(np.int64)))
        names.append(name)
        order.append(chosen)
    position = np.argsort(np.concatenate(order), kind="stable")
    module.register_buffer(names[0], torch.from_numpy(position))
    return names


class ResidualTerm(nn.Module):
    """Rho of a residual (n_cells, n_nodes) from the sources; its numbers are not learned here."""

    read: Tensor  # buffers
    bias: Tensor
    write: Tensor

    def __init__(self, residual: Residual) -> None:
        super().__init__()
        self.numbers = residual
        for name, array in residual.arrays().items():
            self.register_buffer(name, torch.from_numpy(array.copy()))

    def forward(self, sources: Tensor) -> Tensor:
        """Values between -LARGEST and LARGEST."""
        return nn.functional.softsign(sources @ self.read.T + self.bias) @ self.write.T


def add_residual(drive: Tensor, rho: Tensor) -> Tensor:
    """Drives in [0, 1] moved by rho towards 0 or 1."""
    return drive * (1.0 - rho.abs()) + rho.clamp(min=0.0)


class Sources(nn.Module):
    """Put state, transformed inputs and genotype bits side by side (see `channels`)."""

    is_occupancy: Tensor  # buffers
    is_ramp: Tensor
    a: Tensor
    scale: Tensor
    bit: Tensor

    def __init__(self) -> None:
        super().__init__()
        kind, a, b = TRANSFORM_KIND, TRANSFORM_A, TRANSFORM_B
        occupied, ramp = kind == OCCUPANCY, kind == RAMP
        scale = np.where(occupied, np.log1p(b / np.where(a > 0, a, 1.0)), b - a)
        scale = np.where(ramp | occupied, scale, 1.0)
        tables = {"is_occupancy": occupied, "is_ramp": ramp, "a": a, "scale": scale}
        for name, table in tables.items():
            tensor = torch.from_numpy(np.asarray(table))
            dtype = torch.bool if tensor.dtype == torch.bool else torch.float32
            self.register_buffer(name, tensor.to(dtype))
        self.register_buffer("bit", torch.arange(len(GENOTYPES), dtype=torch.int32))

    def forward(self, state: Tensor, inputs: Tensor, genotype: Tensor) -> Tensor:
        """Sources (n_cells, n_sources) of raw inputs and int32 genotype bits."""
        bits = ((genotype[:, None] >> self.bit) & 1).to(state.dtype)
        return torch.cat([state, self.transform(inputs), bits], dim=1)

    def transform(self, raw: Tensor) -> Tensor:
        """Raw inputs to [0, 1], as `transform.transform_inputs`."""
        positive = raw.clamp(min=0.0)
        within = positive.clamp(max=FULL)
        dose = within / (1.0 - within)
        occupied = (torch.log(1.0 + dose / self.a.clamp(min=1e-30)) / self.scale).clamp(max=1.0)
        ramp = ((raw - self.a) / self.scale).clamp(0.0, 1.0)
        saturating = positive / (positive + torch.where(self.is_ramp, 1.0, self.a))
        return torch.where(self.is_occupancy, occupied, torch.where(self.is_ramp, ramp, saturating))


def relax(
    units: MonotoneUnits, sources: Tensor, competence: Tensor, *, n_sweeps: int, length: float
) -> Tensor:
    """Nodes after `n_sweeps` sweeps of `length` [min] at constant inputs, members averaged."""
    keep = torch.exp(-length / units.tau())
    acting, n_nodes = units.acting(), units.n_nodes
    sources = sources.clone()
    for _ in range(n_sweeps):
        rho = None if units.residual is None else units.residual(sources)
        for k, nodes in enumerate(units.waves):
            low, high = int(nodes[0]), int(nodes[-1]) + 1
            drive = units.wave(sources, acting, k)
            if rho is not None:
                drive = add_residual(drive, rho[:, None, low:high])
            update = ((1.0 - keep[:, low:high]) * drive).mean(dim=1)
            remaining = sources[:, low:high] * keep[:, low:high].mean(dim=0)
            sources[:, low:high] = competence[:, low:high] * update + remaining
    return sources[:, :n_nodes]


class TorchNetwork(nn.Module):
    """The ensemble on a torch device, float32, host arrays in and out: twin of `network.cpu`."""

    competence: Tensor  # buffers
    low: Tensor
    high: Tensor
    mean: Tensor
    whiten: Tensor
    most: Tensor

    def __init__(self, network: Network, raw: Raw, domain: Domain, device: str) -> None:
        super().__init__()
        self.units, self.sources, self.heads = MonotoneUnits(network, raw), Sources(), Heads()
        self.register_buffer("competence", torch.from_numpy(network.competence.copy()))
        for name, array in domain.arrays().items():
            if name != "limits":
                self.register_buffer(name, torch.from_numpy(array.copy()))
        self._limits = tuple(float(limit) for limit in domain.limits)
        self._device = torch.device(device)
        self.to(self._device)

    @torch.no_grad()
    def run(self, cells: Cells, n_sweeps: int, length: float, out: Decision) -> None:
        """Advance the cells; see `network.cpu.CpuNetwork.run`."""
        for first in range(0, len(cells), CHUNK):
            rows = slice(first, first + CHUNK)
            part = cells.take(rows)
            arrays = (part.state, part.inputs, part.genotype, part.cell_type)
            tensors = (torch.from_numpy(array).to(self._device) for array in arrays)
            found = self(*tensors, n_sweeps, length)
            out.put(rows, Decision(*(value.cpu().numpy() for value in found)))

    def forward(
        self,
        state: Tensor,
        inputs: Tensor,
        genotype: Tensor,
        cell_type: Tensor,
        n_sweeps: int,
        length: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """New state, outputs, sigma and whether each cell is in the domain."""
        n_nodes = self.units.n_nodes
        competence = self.competence[cell_type.long()]
        sources = self.sources(state, inputs, genotype)
        known = self._known(inputs, sources[:, n_nodes:])
        state = relax(self.units, sources, competence, n_sweeps=n_sweeps, length=length)
        sources = torch.cat([state, sources[:, n_nodes:]], dim=1)
        fractions = self.units(sources)[:, :, n_nodes:]
        heads = competence[:, None, n_nodes:]
        outputs = self.heads(fractions.mean(dim=1, keepdim=True), inputs[:, None], heads)[:, 0]
        members = self.heads(fractions, inputs[:, None], heads)
        sigma = members.std(dim=1, correction=0)
        known &= (sigma / self.heads.width).amax(dim=1) <= self._limits[1]
        return state, outputs, sigma, known

    def _known(self, inputs: Tensor, features: Tensor) -> Tensor:
        inside = ((inputs >= self.low) & (inputs <= self.high)).all(dim=1)
        distance = ((features - self.mean) @ self.whiten.T).square().sum(dim=1)
        counts = [(features[:, first:end] > float(PRESENT)).sum(dim=1) for first, end in COUNTED]
        inside &= (torch.stack(counts, dim=1) <= self.most).all(dim=1)
        return inside & (distance <= self._limits[0])


class Heads(nn.Module):
    """`phenotype.outputs_from_fractions` on tensors (n_cells, n_members, n_outputs)."""

    is_log: Tensor  # buffers
    low: Tensor
    width: Tensor
    log_ratio: Tensor

    def __init__(self) -> None:
        super().__init__()
        width = RANGES.high - RANGES.low
        self.register_buffer("is_log", torch.from_numpy(RANGES.scale == LOG_SCALE))
        for name, table in {
            "low": RANGES.low,
            "width": width,
            "log_ratio": RANGES.log_ratio,
        }.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(table)))

    def forward(self, fraction: Tensor, inputs: Tensor, competence: Tensor) -> Tensor:
        """Physical outputs of fractions, raw inputs and competences."""
        at = RANGES.columns
        log = self.low * (torch.exp(self.log_ratio * fraction) - 1.0) * competence
        linear = self.low + self.width * fraction * competence
        out = torch.where(self.is_log, log, linear)
        glucose = _realised(out[..., at.glucose], inputs[..., at.glucose_input], GLUCOSE_HALF)
        oxygen = _realised(out[..., at.oxygen], inputs[..., at.oxygen_input], OXYGEN_HALF)
        pyruvate = 2.0 * glucose
        built_in = BIOMASS_PYRUVATE * out[..., at.growth]
        overflow = pyruvate - oxygen / OXYGEN_PER_PYRUVATE - built_in
        wanted = fraction[..., at.lactate] * competence[..., at.lactate] * pyruvate
        secreted = torch.maximum(wanted, overflow).clamp(min=0.0)
        out[..., at.lactate] = torch.minimum(secreted, pyruvate)
        return out


def _realised(capacity: Tensor, concentration: Tensor, half: float) -> Tensor:
    positive = concentration.clamp(min=0.0)
    return capacity * positive / (half + positive)
