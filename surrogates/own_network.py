"""Fit the cell model's units to a network and measurements of the user's own, at steady state.

    measured = offset + scale h + linear part + noise,   h = F(h, inputs) on the user's scaffold

An ensemble of members that differ in their first weights; their mean is the prediction and their
spread says how little the data decide. A member is fitted by gradients of the steady state
(`steady_state`) on the likelihood in which offset and linear part are integrated out
(`linear_part`), plus penalties: L2 and L1 on the weights, and on how far the weights of siblings
(the drugs of a panel) are from their mean.

Example::

    from surrogates.own_network import Settings, fit
    from surrogates.scaffold import build_scaffold
    from surrogates.signed_table import load_signed_table

    edges = load_signed_table("my_network.tsv", unsigned="keep")
    scaffold = build_scaffold(edges, inputs=("EGF", "TNF"), readouts=("MYC", "FOS", "RELA"))
    print(scaffold)                                  # what is reached, left out, contradictory
    model = fit(scaffold.network, conditions, measured, Settings(n_members=5))
    model.predict(new_conditions)                    # (n, 3), the mean of the members
    model.spread(new_conditions)                     # (n, 3), their standard deviation
    model.linear_share                               # of the variance, what is not the scaffold's

`conditions` (n, 2) are inputs in [0, 1] in the order of `inputs`, `measured` (n, 3) readouts in
the order of `readouts` on any scale.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from surrogates.linear_part import LinearPart, fit_linear_part
from surrogates.network import Network
from surrogates.parameters import Raw
from surrogates.steady_state import MAX_SWEEPS, TOLERANCE, Memory, SteadyState
from surrogates.train import BETAS, cycle

TRAINING_LIMITS = (1e-4, 12)  # every search starts from the solution of the step before
FEW_SWEEPS, FAR = MAX_SWEEPS, 1e-3  # a steady state that is not found to FAR is told
SIGNED_GAIN, UNSIGNED_GAIN = 2.0, 0.2  # summed over the parents of a unit, at the start
INPUT_GAIN, UNSIGNED_INPUT_GAIN = 2.5, 0.2  # of a single edge
GAIN_SPREAD = 0.5  # relative, of the first weights
RANGE = 4.0  # standard deviations of a readout over the range of its node
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Settings:
    """How members are fitted.

    Penalties are in units of the log likelihood: `shrinkage` per squared weight, `sparsity` per
    absolute weight of an edge between nodes, `pooling` per squared distance of a sibling's weight
    from the siblings' mean.
    """

    n_members: int = 5
    seed: int = 1
    steps: int = 300
    learning_rate: float = 0.05
    shrinkage: float = 0.1
    sparsity: float = 0.0
    pooling: float = 0.0
    siblings: tuple[str, ...] = ()  # inputs that are expected to act alike
    groups: int = 1  # of a unit, see `parameters`
    factors: int = 1
    offset: bool = True  # False: measurements are differences to no input at all
    linear: bool = True  # a linear part beside the scaffold


@dataclass(frozen=True, eq=False)
class OwnNetwork:
    """A fitted ensemble; `linear_share` is the linear part's share of the predicted variance."""

    network: Network
    settings: Settings
    members: tuple[SteadyState, ...]
    prior: LinearPart
    left: tuple[np.ndarray, ...]  # per member, what it leaves of the training measurements
    linear_share: float

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Mean of the members, (n, n_readouts)."""
        return self.members_predict(inputs).mean(axis=0)

    def spread(self, inputs: np.ndarray) -> np.ndarray:
        """Standard deviation over the members, (n, n_readouts)."""
        return self.members_predict(inputs).std(axis=0)

    def members_predict(self, inputs: np.ndarray) -> np.ndarray:
        """Every member by itself, (n_members, n, n_readouts)."""
        scaffold, linear = self.parts(inputs)
        return scaffold + linear

    def parts(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the scaffold and what offset and linear part give, (n_members, n, n_readouts)."""
        inputs = _checked(inputs, len(self.network.inputs), "inputs")
        scaffold = [observe(member, self.network, inputs, offset=self.settings.offset)
                    for member in self.members]
        linear = [self.prior.predict(left, inputs, linear=self.settings.linear)
                  for left in self.left]
        return np.array(scaffold), np.array(linear)

    def raw(self) -> Raw:
        """Parameters of all members as the cell model's own units take them."""
        parts = [member.raw(self.network).arrays() for member in self.members]
        return Raw(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def fit(
    network: Network, inputs: np.ndarray, measured: np.ndarray, settings: Settings,
    progress: Progress | None = None,
) -> OwnNetwork:
    """Fit an ensemble.

    Args:
        network: as from `scaffold.build_scaffold`, without heads.
        inputs: (n, n_inputs) in [0, 1], what was done in every condition.
        measured: (n, n_readouts), any unit; no missing values.
        settings: how to fit.
        progress: told which member is fitted and the share done.

    Raises:
        ValueError: shapes that do not match, values that are missing or out of range, siblings
            that are no inputs.
    """
    inputs = _checked(inputs, len(network.inputs), "inputs")
    measured = _checked(measured, len(network.outputs), "measured")
    if len(inputs) != len(measured) or len(inputs) < 3:
        msg = f"inputs of {len(inputs)} and measurements of {len(measured)} conditions; "
        raise ValueError(msg + "there must be as many, and three at least")
    if inputs.min() < 0.0 or inputs.max() > 1.0:
        msg = f"inputs reach from {inputs.min():g} to {inputs.max():g}; they must be in [0, 1]"
        raise ValueError(msg)
    prior = fit_linear_part(inputs, measured, offset=settings.offset,
                            siblings=_siblings(network, settings))
    members = []
    for k in range(settings.n_members):
        if progress:
            progress(f"member {k + 1} of {settings.n_members}", k / settings.n_members)
        members.append(_fit_member(network, inputs, measured, prior, settings, k))
    explained = [observe(m, network, inputs, offset=settings.offset) for m in members]
    left = tuple(measured - scaffold for scaffold in explained)
    share = np.mean([_linear_share(prior, a, b, settings)
                     for a, b in zip(explained, left, strict=True)])
    return OwnNetwork(network, settings, tuple(members), prior, left, float(share))


def observe(
    member: SteadyState, network: Network, inputs: np.ndarray, *, offset: bool
) -> np.ndarray:
    """What the scaffold alone gives, (n, n_readouts); the difference to no input if no `offset`.

    Raises:
        RuntimeError: the member has no steady state that can be found.
    """
    memory = Memory(network, _with_control(inputs, offset=offset))
    with torch.no_grad():
        found = member(member.acting(), memory, (TOLERANCE, MAX_SWEEPS)).numpy()
    if not memory.change < FAR:
        msg = (f"no steady state after {MAX_SWEEPS} sweeps: states still change by "
               f"{memory.change:.2g}; a larger `shrinkage` makes the network contract")
        raise RuntimeError(msg)
    return found if offset else found[1:] - found[:1]


def _fit_member(
    network: Network, inputs: np.ndarray, measured: np.ndarray, prior: LinearPart,
    settings: Settings, number: int,
) -> SteadyState:
    start = first_parameters(network, measured, settings, number)
    member = SteadyState(network, start)
    memory = Memory(network, _with_control(inputs, offset=settings.offset))
    tables = (measured, prior.basis.T, prior.component, prior.precision(linear=settings.linear))
    truth, basis, component, precision = (torch.from_numpy(t.astype(np.float32)) for t in tables)
    penalty = _Penalty(member, network, settings)
    optimiser = torch.optim.Adam(member.parameters(), lr=settings.learning_rate, betas=BETAS)
    settled = {}  # the last parameters with a steady state that was found
    for step in range(settings.steps):
        optimiser.param_groups[0]["lr"] = settings.learning_rate * cycle(step / settings.steps)
        acting = member.acting()
        found = member(acting, memory, TRAINING_LIMITS)
        if memory.change <= TRAINING_LIMITS[0]:
            settled = {name: value.clone() for name, value in member.state_dict().items()}
        left = truth - (found if settings.offset else found[1:] - found[:1])
        turned = basis @ (left @ component)
        loss = 0.5 * (precision * turned * turned).sum() + penalty(acting[0], member.scale)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    member.load_state_dict(settled or member.state_dict())
    return member


def first_parameters(
    network: Network, measured: np.ndarray, settings: Settings, number: int
) -> dict[str, np.ndarray]:
    """Random first weights of one member, small enough for one steady state.

    A unit's parents add up to one gain; the bias puts its drive at 0 when nodes are half on.
    """
    draw = np.random.default_rng([settings.seed, number])
    unit, column = np.nonzero(np.arange(network.parent.shape[1]) < network.n_parents[:, None])
    sign, from_input = network.sign[unit, column], network.parent[unit, column] >= network.n_units
    either = sign == 0
    size = np.where(from_input, np.where(either, UNSIGNED_INPUT_GAIN, INPUT_GAIN),
                    np.where(either, UNSIGNED_GAIN, SIGNED_GAIN) / network.n_parents[unit])
    hidden = settings.groups * settings.factors
    size = size[:, None] * draw.uniform(1.0 - GAIN_SPREAD, 1.0 + GAIN_SPREAD, (len(unit), hidden))
    sign = np.where(either[:, None], draw.choice([-1.0, 1.0], size.shape), sign[:, None])
    weight = sign * size
    bias = np.zeros((network.n_units, hidden))
    np.add.at(bias, unit, np.where(from_input[:, None], 0.0, -0.5 * weight))
    share = np.zeros((network.n_units, settings.groups + 1))
    share[:, -1] = -2.0
    return {
        "theta": np.where(either[:, None], weight, np.log(np.expm1(size))),
        "bias": bias,
        "share": share,
        "scale": RANGE * measured.std(axis=0),
    }


class _Penalty:
    """Minus the log prior of weights and scales."""

    def __init__(self, member: SteadyState, network: Network, settings: Settings) -> None:
        parent = member.wiring.edges[1]
        between = parent < network.n_units
        self.settings = settings
        self.between = torch.from_numpy(between)
        siblings = np.flatnonzero(_siblings(network, settings)) + network.n_units
        self.pooled = torch.from_numpy(~between & np.isin(parent, siblings))
        target = member.wiring.unit[self.pooled.numpy()]
        _, self.group = (torch.from_numpy(a) for a in np.unique(target, return_inverse=True))
        self.count = torch.bincount(self.group).clamp(min=1)[:, None]
        self.first_scale = member.scale.detach().clone().clamp(min=1e-6)

    def __call__(self, weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        settings = self.settings
        total = settings.shrinkage * weight.square().sum()
        total = total + (scale / self.first_scale - 1.0).square().sum()
        if settings.sparsity:
            total = total + settings.sparsity * weight[self.between].abs().sum()
        if settings.pooling and len(self.group):
            part = weight[self.pooled]
            sums = torch.zeros((len(self.count), part.shape[1])).index_add(0, self.group, part)
            apart = part - (sums / self.count)[self.group]
            total = total + settings.pooling * apart.square().sum()
        return total


def _linear_share(prior: LinearPart, explained, left, settings: Settings) -> float:
    linear = prior.predict(left, prior.inputs, linear=settings.linear)
    parts = [((part - part.mean(axis=0)) ** 2).sum() for part in (explained, linear)]
    return float(parts[1] / max(sum(parts), 1e-30))


def _with_control(inputs: np.ndarray, *, offset: bool) -> np.ndarray:
    return inputs if offset else np.concatenate([np.zeros_like(inputs[:1]), inputs])


def _siblings(network: Network, settings: Settings) -> np.ndarray:
    unknown = sorted(set(settings.siblings) - set(network.inputs))
    if unknown:
        msg = f"siblings {unknown} are not among the inputs {list(network.inputs)}"
        raise ValueError(msg)
    return np.isin(network.inputs, settings.siblings)


def _checked(values: np.ndarray, width: int, what: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] != width:
        msg = f"{what} of shape {values.shape}; needed are (n_conditions, {width})"
        raise ValueError(msg)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        msg = f"{what}: no value in condition {row}, column {column} (both counted from 0)"
        raise ValueError(msg)
    return values


__all__ = ["OwnNetwork", "Settings", "fit"]
