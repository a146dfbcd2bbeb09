"""Fit the cell model's units to a network and measurements of the user's own, at steady state.

    measured = offset + scale h + linear part + noise,   h = F(h, inputs) on the user's scaffold

An ensemble of members that differ in their first weights; their mean is the prediction and their
spread says how little the data decide. A member is fitted by gradients of the steady state
(`steady_state`) on the likelihood in which offset and linear part are integrated out
(`linear_part`), plus penalties: L2 and L1 on the weights, and on how far the weights of siblings
(the drugs of a panel) are from their mean.

What is missing is NaN. A measurement that is missing has no part in the loss; an input that was
not recorded is estimated by the gradient of the likelihood (`missing_inputs`).

Example::

    from surrogates.own_network import Settings, fit
    from surrogates.own_network.scaffold import build_scaffold
    from surrogates.prior.omnipath import load_signed_table

    edges = load_signed_table("my_network.tsv", unsigned="keep")
    scaffold = build_scaffold(edges, inputs=("EGF", "TNF"), readouts=("MYC", "FOS", "RELA"))
    print(scaffold)                                  # what is reached, left out, contradictory
    model = fit(scaffold.network, conditions, measured, Settings(n_members=5))
    model.predict(new_conditions)                    # (n, 3), the mean of the members
    model.spread(new_conditions)                     # (n, 3), their standard deviation
    model.linear_share                               # of the variance, what is not the scaffold's

`conditions` (n, 2) are inputs in [0, 1] in the order of `inputs`, `measured` (n, 3) readouts in
the order of `readouts` on any scale; either may have gaps (NaN).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from surrogates.network.parameters import Raw
from surrogates.own_network.linear_part import LinearPart, fit_linear_part
from surrogates.own_network.missing_inputs import MissingInputs, marginal_cost
from surrogates.own_network.steady_state import MAX_SWEEPS, TOLERANCE, Memory, SteadyState
from surrogates.prior.graph import Network
from surrogates.training.optimiser import BETAS, one_cycle

TRAINING_LIMITS = (1e-4, 12)  # every search starts from the solution of the step before
FAR = 1e-3  # a steady state that is not found to FAR is told
SIGNED_GAIN, UNSIGNED_GAIN = 2.0, 0.2  # summed over the parents of a unit, at the start
INPUT_GAIN, UNSIGNED_INPUT_GAIN = 2.5, 0.2  # of a single edge
GAIN_SPREAD = 0.5  # relative, of the first weights
RANGE = 4.0  # standard deviations of a readout over the range of its node
LEAST_KNOWN = 2  # measurements of a readout
MISSING_ROUNDS = 5  # of fitting the prior of the linear part and filling gaps
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
        mean: np.ndarray = self.members_predict(inputs).mean(axis=0)
        return mean

    def spread(self, inputs: np.ndarray) -> np.ndarray:
        """Standard deviation over the members, (n, n_readouts)."""
        deviation: np.ndarray = self.members_predict(inputs).std(axis=0)
        return deviation

    def members_predict(self, inputs: np.ndarray) -> np.ndarray:
        """Every member by itself, (n_members, n, n_readouts)."""
        scaffold, linear = self.parts(inputs)
        total: np.ndarray = scaffold + linear
        return total

    def parts(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the scaffold and what offset and linear part give, (n_members, n, n_readouts)."""
        inputs = _check(inputs, len(self.network.inputs), "inputs")
        scaffold = [
            observe(member, self.network, inputs, offset=self.settings.offset)
            for member in self.members
        ]
        linear = [
            self.prior.predict(left, inputs, linear=self.settings.linear) for left in self.left
        ]
        return np.array(scaffold), np.array(linear)

    def raw(self) -> Raw:
        """Parameters of all members as the cell model's own units take them."""
        parts = [member.raw(self.network) for member in self.members]
        return Raw(
            np.concatenate([part.theta for part in parts]),
            np.concatenate([part.bias for part in parts]),
            np.concatenate([part.share for part in parts]),
            np.concatenate([part.tempo for part in parts]),
        )


def fit(
    network: Network,
    inputs: np.ndarray,
    measured: np.ndarray,
    settings: Settings,
    progress: Progress | None = None,
) -> OwnNetwork:
    """Fit an ensemble.

    Args:
        network: as from `scaffold.build_scaffold`, without heads.
        inputs: (n, n_inputs) in [0, 1], what was done in every condition; gaps (NaN) are
            estimated with the first member and then taken as known.
        measured: (n, n_readouts), any unit; gaps (NaN) have no part in the loss.
        settings: how to fit.
        progress: told which member is fitted and the share done.

    Raises:
        ValueError: shapes that do not match, values out of range, an input that is never known or
            a readout known fewer than twice, readouts of which none ever differs, siblings that
            are no inputs.
    """
    inputs, measured = _check_conditions(network, inputs, measured)
    missing = _missing_entries(network, measured)
    if np.isnan(inputs).any():
        inputs = _estimate_inputs(network, inputs, measured, missing, settings)
    prior, measured = _prior(network, inputs, measured, missing, settings)
    data = _Data(inputs, measured, missing, prior)
    members = _fit_members(network, data, settings, progress)
    explained = [observe(m, network, inputs, offset=settings.offset) for m in members]
    left = tuple(
        prior.fill(measured - scaffold, missing, linear=settings.linear) for scaffold in explained
    )
    share = np.mean(
        [_linear_share(prior, a, b, settings) for a, b in zip(explained, left, strict=True)]
    )
    return OwnNetwork(network, settings, members, prior, left, float(share))


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
        msg = (
            f"no steady state after {MAX_SWEEPS} sweeps: states still change by "
            f"{memory.change:.2g}; a larger `shrinkage` makes the network contract"
        )
        raise RuntimeError(msg)
    difference: np.ndarray = found if offset else found[1:] - found[:1]
    return difference


@dataclass(frozen=True, eq=False)
class _Data:
    """Inputs, measurements with gaps filled by a guess, where the gaps were, the linear prior."""

    inputs: np.ndarray
    measured: np.ndarray
    missing: np.ndarray
    prior: LinearPart


def _prior(
    network: Network,
    inputs: np.ndarray,
    measured: np.ndarray,
    missing: np.ndarray,
    settings: Settings,
) -> tuple[LinearPart, np.ndarray]:
    """The linear part's prior, and the measurements with gaps as it expects them."""
    mean = np.nanmean(measured, axis=0) if settings.offset else np.zeros(measured.shape[1])
    filled = np.where(missing, mean, measured)
    for _ in range(MISSING_ROUNDS if missing.any() else 1):
        prior = fit_linear_part(
            inputs, filled, offset=settings.offset, siblings=_siblings(network, settings)
        )
        filled = prior.fill(filled, missing)
    return prior, filled


def _estimate_inputs(
    network: Network,
    inputs: np.ndarray,
    measured: np.ndarray,
    missing: np.ndarray,
    settings: Settings,
) -> np.ndarray:
    """The inputs, those that are missing as the likelihood's gradient finds them."""
    unknown = MissingInputs(inputs, network.inputs)
    guess = unknown.numpy()
    prior, filled = _prior(network, guess, measured, missing, settings)
    _fit_member(network, _Data(guess, filled, missing, prior), settings, 0, unknown)
    return np.where(np.isnan(inputs), unknown.numpy(), inputs)


def _fit_members(
    network: Network, data: _Data, settings: Settings, progress: Progress | None
) -> tuple[SteadyState, ...]:
    members = []
    for k in range(settings.n_members):
        if progress:
            progress(f"member {k + 1} of {settings.n_members}", k / settings.n_members)
        members.append(_fit_member(network, data, settings, k))
    return tuple(members)


def _fit_member(
    network: Network,
    data: _Data,
    settings: Settings,
    number: int,
    unknown: MissingInputs | None = None,
) -> SteadyState:
    """One member, and the missing inputs with it where there are any."""
    member = SteadyState(network, first_parameters(network, data.measured, settings, number))
    memory = Memory(network, _with_control(data.inputs, offset=settings.offset))
    misfit = _Misfit(data, settings)
    penalty = _Penalty(member, network, settings)
    learned = [*member.parameters(), *(unknown.parameters() if unknown else ())]
    optimiser = torch.optim.Adam(learned, lr=settings.learning_rate, betas=BETAS)
    converged = {}  # the last parameters with a steady state that was found
    rate = one_cycle(optimiser, settings.learning_rate, settings.steps)
    for _ in range(settings.steps):
        acting, given = member.acting(), unknown() if unknown else None
        found = member(acting, memory, TRAINING_LIMITS, _torch_with_control(given, settings))
        if memory.change <= TRAINING_LIMITS[0]:
            converged = {name: value.clone() for name, value in member.state_dict().items()}
        explained = found if settings.offset else found[1:] - found[:1]
        loss = misfit(explained, given) + penalty(acting[0], member.scale)
        if unknown:
            loss = loss + unknown.penalty()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        rate.step()
    member.load_state_dict(converged or member.state_dict())
    return member


class _Misfit:
    """Minus the log likelihood of what is measured, offset and linear part integrated out."""

    def __init__(self, data: _Data, settings: Settings) -> None:
        self.prior, self.linear = data.prior, settings.linear
        tables = (
            data.measured,
            data.prior.basis.T,
            data.prior.component,
            data.prior.precision(linear=settings.linear),
        )
        self.truth, self.basis, self.component, self.precision = (
            torch.from_numpy(table.astype(np.float32)) for table in tables
        )
        self.missing = torch.from_numpy(data.missing)
        self.expected = np.zeros_like(data.measured)  # of what is left, where nothing is known

    def __call__(self, explained: torch.Tensor, given: torch.Tensor | None) -> torch.Tensor:
        left = self.truth - explained
        if self.missing.any():  # one round of `LinearPart.fill`
            guess = np.where(self.missing, self.expected, left.detach().numpy())
            self.expected = self.prior.predict(guess, self.prior.inputs, linear=self.linear)
            left = torch.where(self.missing, torch.from_numpy(self.expected).float(), left)
        if given is not None and self.linear:
            return marginal_cost(self.prior, left, given).float()
        rotated = self.basis @ (left @ self.component)
        return 0.5 * (self.precision * rotated * rotated).sum()


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
    size = np.where(
        from_input,
        np.where(either, UNSIGNED_INPUT_GAIN, INPUT_GAIN),
        np.where(either, UNSIGNED_GAIN, SIGNED_GAIN) / network.n_parents[unit],
    )
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
        parent = member.wiring.scaffold.edges.parent
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
            deviation = part - (sums / self.count)[self.group]
            total = total + settings.pooling * deviation.square().sum()
        return total


def _linear_share(
    prior: LinearPart, explained: np.ndarray, left: np.ndarray, settings: Settings
) -> float:
    linear = prior.predict(left, prior.inputs, linear=settings.linear)
    parts = [((part - part.mean(axis=0)) ** 2).sum() for part in (explained, linear)]
    return float(parts[1] / max(sum(parts), 1e-30))


def _with_control(inputs: np.ndarray, *, offset: bool) -> np.ndarray:
    return inputs if offset else np.concatenate([np.zeros_like(inputs[:1]), inputs])


def _torch_with_control(given: torch.Tensor | None, settings: Settings) -> torch.Tensor | None:
    if given is None or settings.offset:
        return given
    return torch.cat([torch.zeros_like(given[:1]), given])


def _check_conditions(
    network: Network, inputs: np.ndarray, measured: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and measurements as numbers, of matching shapes and in range."""
    inputs = _check(inputs, len(network.inputs), "inputs", gaps=True)
    measured = _check(measured, len(network.outputs), "measured", gaps=True)
    if len(inputs) != len(measured) or len(inputs) < 3:
        msg = f"inputs of {len(inputs)} and measurements of {len(measured)} conditions; "
        raise ValueError(msg + "there must be as many, and three at least")
    known = inputs[~np.isnan(inputs)]
    if known.size and (known.min() < 0.0 or known.max() > 1.0):
        msg = f"inputs reach from {known.min():g} to {known.max():g}; they must be in [0, 1]"
        raise ValueError(msg)
    return inputs, measured


def _missing_entries(network: Network, measured: np.ndarray) -> np.ndarray:
    """Where nothing was measured."""
    missing: np.ndarray = np.isnan(measured)
    known = (~missing).sum(axis=0)
    if known.min() < LEAST_KNOWN:
        rare = [name for name, n in zip(network.outputs, known, strict=True) if n < LEAST_KNOWN]
        msg = f"readouts {rare} are measured in fewer than {LEAST_KNOWN} conditions; leave them out"
        raise ValueError(msg)
    return missing


def _siblings(network: Network, settings: Settings) -> np.ndarray:
    unknown = sorted(set(settings.siblings) - set(network.inputs))
    if unknown:
        msg = f"siblings {unknown} are not among the inputs {list(network.inputs)}"
        raise ValueError(msg)
    return np.isin(network.inputs, settings.siblings)


def _check(values: np.ndarray, width: int, what: str, *, gaps: bool = False) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or values.shape[1] != width:
        msg = f"{what} of shape {values.shape}; needed are (n_conditions, {width})"
        raise ValueError(msg)
    wrong = np.isinf(values) if gaps else ~np.isfinite(values)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        msg = f"{what}: no value in condition {row}, column {column} (both counted from 0)"
        raise ValueError(msg)
    return values


__all__ = ["OwnNetwork", "Settings", "fit"]
