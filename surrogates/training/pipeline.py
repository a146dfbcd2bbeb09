"""Train the ensemble on samples of the teacher: regression of the drive of every unit.

    loss = sum_units mean_rows[w (F - target)^2] / variance_unit,   w ~ 1 / (target + LOW_DRIVE)^2

averaged over members, each of which sees the trajectories in its own bootstrap weights and starts
from its own draws: several for every unit, of which the best after a short regression goes on,
since some end where a sharp switch is never found. Units share no weights, so their relative
weight in the loss does not matter.
After it come, as far as the configuration gives them steps, on-policy rows and rollouts
(`training.rollout_stage`) and measurements (`measurements`); the loss of drives stays in every sum.
Last, if asked for, a residual beside the scaffold, which then stands still (`training.residual`).
Everything follows from the configuration and its seeds; a run that was stopped goes on from the
checkpoints of its stages to the same weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from surrogates.channels import find
from surrogates.contract import Cells
from surrogates.data import marm
from surrogates.data.sampling import Rows, join, sample, split
from surrogates.evaluation.fidelity import drive_of
from surrogates.network.domain import Domain, calibrate, distances, everywhere, fit_domain
from surrogates.network.ensemble import TmeCell
from surrogates.network.parameters import Raw, random_raw
from surrogates.network.torch import MonotoneUnits, Sources
from surrogates.phenotype import HIGH, LOW
from surrogates.prior.graph import Network, load_network
from surrogates.registry import Weights
from surrogates.teacher.model import Teacher
from surrogates.training.config import Config
from surrogates.training.drives import Batch, UnitTables, drive_errors, drive_loss
from surrogates.training.measurements import PlateLikelihood
from surrogates.training.optimiser import Progress, Stage, minimise
from surrogates.training.residual import Remainder, fit_residual, remainder_of
from surrogates.training.rollout_stage import draw_pool, rollout_loss
from surrogates.training.rollouts import Roller

VARIANCE_FLOOR = 1e-4  # of a drive; a unit that hardly moves is not magnified beyond this
LOW_DRIVE = 0.15  # half way from absolute to relative errors: what a drug leaves counts
JUDGED = 16  # batches that choose among starts
MEASURED = marm.FOLDER  # sub-folder of the measurements that train
Loss = Callable[[int], torch.Tensor]  # of a step


@dataclass(frozen=True, eq=False)
class Batches:
    """Training rows, float32: sources, drives before competence, and how much each row counts."""

    sources: np.ndarray  # (n_rows, n_sources + 1), the last one 1
    target: np.ndarray  # (n_rows, n_units), F
    factor: np.ndarray  # (n_rows, n_units), w / variance, 0 where the type has no competence
    bootstrap: np.ndarray  # (n_rows, n_members)
    tables: UnitTables

    def take(self, rows: np.ndarray) -> Batch:
        """Batch of `rows`, values of one source or unit side by side."""
        arrays = (self.sources, self.target, self.factor, self.bootstrap)
        return Batch(*(np.ascontiguousarray(a[rows].T) for a in arrays))


@dataclass(frozen=True, eq=False)
class Trained:
    """Weights with their domain, and what every stage did."""

    weights: Weights
    stages: list[dict[str, str | float]]
    curves: dict[str, dict[str, np.ndarray]]


def train_weights(
    config: Config,
    folder: Path,
    report: Progress,
    data: Path | None = None,
    start: Raw | None = None,
) -> Trained:
    """Train by a configuration; checkpoints of the stages are left in `folder`.

    Args:
        config: what to do.
        folder: exists; a run that was stopped goes on from the checkpoints in it.
        report: told what is being done and the share done.
        data: folder of public data sets; without it no measurement enters.
        start: weights to go on from, which skips the regression of drives.
    """
    teacher, network = Teacher(), load_network()
    report("sampling the teacher", 0.0)
    training, validation = split(
        sample(teacher, config.sampling), config.validation_share, config.seed
    )
    stages = Training(network, teacher, config, folder, report)
    first = None if start is None else MonotoneUnits(network, replace(start, residual=None))
    units = stages.run(training, validation, data, first)
    domain = with_domain(network, units, training, validation)
    raw = stages.with_residual(units, training, validation)
    return Trained(Weights(raw, domain), stages.stages, stages.curves)


class Training:
    """The stages in their order; `curves` and `stages` say afterwards what they did."""

    def __init__(
        self, network: Network, teacher: Teacher, config: Config, folder: Path, report: Progress
    ) -> None:
        self._network, self._teacher, self._config = network, teacher, config
        self._folder, self._report = folder, report
        self.curves: dict[str, dict[str, np.ndarray]] = {}
        self.stages: list[dict[str, str | float]] = []

    def run(
        self, rows: Rows, validation: Rows, data: Path | None, units: MonotoneUnits | None = None
    ) -> MonotoneUnits:
        """All stages; with `units` given, those after the regression of drives."""
        config = self._config
        if units is None:
            units = self._start(rows)
            self._regress(units, rows, "drives", config.steps, config.learning_rate)
            self._record("drives", units, validation)
        else:
            if set(units.joint) != set(joint_units(self._network, config)):
                msg = (
                    f"the weights to go on from have the joint heads "
                    f"{[self._network.units[k] for k in units.joint]}, the configuration "
                    f"{list(config.joint)}"
                )
                raise ValueError(msg)
            self._record("weights gone on from", units, validation)
        rows = self._relabelled(units, rows, validation)
        losses = {"drives": drive_losses(units, self._network, rows, config)}
        for ticks, steps in zip(config.rollouts.ticks, config.rollouts.steps, strict=True):
            losses["rollouts"] = self._rollouts(units, rows, ticks, config.rollouts.weight)
            self._minimise(units, losses, f"rollouts-{ticks}", steps, config.rollouts.learning_rate)
            self._record(f"rollouts of {ticks} ticks", units, validation)
        if data is not None and (data / MEASURED).is_dir() and config.measurements.steps:
            self._measured(units, losses, data)
            self._record("measurements", units, validation)
        return units

    def _start(self, rows: Rows) -> MonotoneUnits:
        """Members whose every unit is the best of `config.starts` draws after `start_steps`."""
        config, network = self._config, self._network
        raw = random_raw(
            network, config.n_members * config.starts, config.seed, joint_units(network, config)
        )
        drawn = MonotoneUnits(network, raw)
        if config.starts == 1:
            return drawn
        batches = prepare(network, rows, config)
        batches = replace(batches, bootstrap=np.tile(batches.bootstrap, config.starts))
        self._minimise(
            drawn,
            {"drives": _drive_loss(drawn, batches, config)},
            "starts",
            config.start_steps,
            config.learning_rate,
        )
        chosen = best_starts(drawn, batches, config)
        raw, units = drawn.raw(), np.arange(network.n_units)
        best = replace(
            raw,
            theta=raw.theta[chosen, units],
            bias=raw.bias[chosen, units],
            share=raw.share[chosen, units],
            tempo=raw.tempo[: config.n_members],
        )
        return MonotoneUnits(network, best)

    def with_residual(self, units: MonotoneUnits, rows: Rows, validation: Rows) -> Raw:
        """What the units have learned, with a residual if the configuration gives it steps."""
        table = self._config.residual
        if not table.steps:
            return units.raw()
        found, self.curves["residual"] = fit_residual(
            self._remainder(units, rows),
            self._remainder(units, validation),
            table,
            self._config.seed,
            self._report,
        )
        raw = replace(units.raw(), residual=found)
        self._record("residual", MonotoneUnits(self._network, raw), validation)
        return raw

    def _remainder(self, units: MonotoneUnits, rows: Rows) -> Remainder:
        config = self._config
        batches = prepare(self._network, rows, config)
        weight = batches.factor * np.float32(config.batch * config.n_members / len(rows))
        return remainder_of(units, batches.sources[:, :-1], batches.target, weight)

    def _relabelled(self, units: MonotoneUnits, rows: Rows, validation: Rows) -> Rows:
        """Training rows with those that the network's own rollouts visit, round after round."""
        table = self._config.relabelling
        for k in range(table.rounds):
            self._report(f"on-policy rows, round {k + 1}", 0.0)
            model = TmeCell(self._network, units.raw(), everywhere(), name="in training", hash="")
            sampling = replace(
                self._config.sampling,
                seed=self._config.sampling.seed + 1000 + k,
                n_trajectories=table.n_trajectories,
            )
            rows = join(rows, sample(self._teacher, sampling, follower=model))
            self._regress(units, rows, f"on-policy-{k + 1}", table.steps, table.learning_rate)
            self._record(f"on-policy rows {k + 1}", units, validation)
        return rows

    def _rollouts(self, units: MonotoneUnits, rows: Rows, ticks: int, weight: float) -> Loss:
        """Loss of rollouts of so many ticks as a function of the step."""
        seed, table = self._config.seed, self._config.rollouts
        pool = draw_pool(self._teacher, rows, table.n_courses, ticks, seed)
        roll = Roller(self._network)

        def loss(step: int) -> torch.Tensor:
            draw = np.random.default_rng([seed, ticks, step])
            chosen = draw.integers(0, table.n_courses, table.batch)
            return weight * rollout_loss(units, roll, self._network, pool, chosen)

        return loss

    def _measured(self, units: MonotoneUnits, losses: dict[str, Loss], data: Path) -> None:
        table = self._config.measurements
        likelihood = PlateLikelihood(self._network, marm.training(data))
        losses["measurements"] = lambda _step: table.weight * likelihood(units)
        self._minimise(units, losses, "measurements", table.steps, table.learning_rate)

    def _regress(
        self, units: MonotoneUnits, rows: Rows, name: str, steps: int, rate: float
    ) -> None:
        losses = {"drives": drive_losses(units, self._network, rows, self._config)}
        self._minimise(units, losses, name, steps, rate)

    def _minimise(
        self,
        units: MonotoneUnits,
        losses: Mapping[str, Loss],
        name: str,
        steps: int,
        rate: float,
    ) -> None:
        if not steps:
            return
        path = self._folder / f"checkpoint-{name}.safetensors"
        stage = Stage(name, steps, rate, path, self._config.checkpoint_every)
        self.curves[name] = minimise(
            units,
            lambda step: {k: loss(step) for k, loss in losses.items()},
            stage,
            self._network.n_parents,
            self._report,
        )

    def _record(self, name: str, units: MonotoneUnits, validation: Rows) -> None:
        """How far the drives are from the teacher's on validation rows after a stage."""
        model = TmeCell(self._network, units.raw(), everywhere(), name="in training", hash="")
        error = drive_of(model, validation).mean(axis=1) - validation.target
        per_unit = np.sqrt((error**2).mean(axis=0))
        worst = int(per_unit.argmax())
        self.stages.append(
            {
                "stage": name,
                "drive_rmse": float(np.sqrt((error**2).mean())),
                "worst_unit": self._network.units[worst],
                "worst_rmse": float(per_unit[worst]),
            }
        )


def drive_losses(units: MonotoneUnits, network: Network, rows: Rows, config: Config) -> Loss:
    """Loss of the drives as a function of the step."""
    return _drive_loss(units, prepare(network, rows, config), config)


def _drive_loss(units: MonotoneUnits, batches: Batches, config: Config) -> Loss:
    def loss(step: int) -> torch.Tensor:
        batch = batches.take(rows_of_step(config, step, len(batches.sources)))
        return drive_loss(*units.acting(), batches.tables, batch)

    return loss


def best_starts(units: MonotoneUnits, batches: Batches, config: Config) -> np.ndarray:
    """Which of the drawn members (n_members, n_units) to take: the one of least error.

    Draws of member m are m, m + n_members, ...; errors are those of JUDGED batches.
    """
    errors = [
        drive_errors(
            *units.acting(),
            batches.tables,
            batches.take(rows_of_step(config, step, len(batches.sources))),
        )
        for step in range(JUDGED)
    ]
    error = np.sum(errors, axis=0)
    best: np.ndarray = error.reshape(config.starts, config.n_members, -1).argmin(axis=0)
    return best * config.n_members + np.arange(config.n_members)[:, None]


def joint_units(network: Network, config: Config) -> tuple[int, ...]:
    """Units of `config.joint`; whatever is no head is refused by name."""
    return tuple(
        network.n_nodes + find(name, network.units[network.n_nodes :], "joint head")
        for name in config.joint
    )


def prepare(network: Network, rows: Rows, config: Config) -> Batches:
    """Divide the competence out of the targets and weigh units, members and trajectories."""
    with torch.no_grad():
        arrays = (rows.state, rows.inputs, rows.genotype)
        sources = Sources()(*(torch.from_numpy(a) for a in arrays)).numpy()
    target, mask = without_competence(network, rows)
    count = mask.sum(axis=0)
    mean = (target * mask).sum(axis=0) / count
    variance = (((target - mean) ** 2) * mask).sum(axis=0) / count
    scale = 1.0 / np.maximum(variance, VARIANCE_FLOOR) / (config.batch * config.n_members)
    numbers, where = np.unique(rows.trajectory, return_inverse=True)
    draw = np.random.default_rng([config.seed, config.n_members])
    bootstrap = draw.poisson(1.0, (len(numbers), config.n_members))[where]
    padded = np.concatenate([sources, np.ones_like(sources[:, :1])], axis=1)
    one = network.n_sources
    tables = UnitTables(
        np.where(network.parent < 0, one, network.parent).astype(np.int32),
        np.where(network.gate < 0, one, network.gate).astype(np.int32),
        network.n_parents,
        np.isin(np.arange(network.n_units), joint_units(network, config)),
    )
    closeness = 1.0 / (target + LOW_DRIVE) ** 2
    closeness *= count / (closeness * mask).sum(axis=0)
    return Batches(
        _float32(padded),
        _float32(target),
        _float32(mask * scale * closeness),
        _float32(bootstrap),
        tables,
    )


def _float32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)


def without_competence(network: Network, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """F of every unit from the teacher's drives, and a mask of the units the type has."""
    competence = network.competence[rows.cell_type].copy()
    mask = (competence > 0).astype(np.float32)
    competence[:, network.n_nodes :] = mask[:, network.n_nodes :]
    return rows.target / np.where(mask > 0, competence, 1.0) * mask, mask


def rows_of_step(config: Config, step: int, n_rows: int) -> np.ndarray:
    """Row numbers of a step's batch: a function of seed and step, so that runs can resume."""
    draw = np.random.default_rng([config.seed, config.n_members, step])
    return draw.integers(0, n_rows, config.batch)


def with_domain(network: Network, units: MonotoneUnits, training: Rows, validation: Rows) -> Domain:
    """The domain of the training rows, its limits set on the validation rows."""
    domain = fit_domain(training.inputs, training.genotype)
    disagreement, distance = spread_and_distance(network, units.raw(), domain, validation)
    return calibrate(domain, distance, disagreement)


def spread_and_distance(
    network: Network, raw: Raw, domain: Domain, rows: Rows
) -> tuple[np.ndarray, np.ndarray]:
    """Disagreement (largest sigma over range) and squared distance of every row."""
    model = TmeCell(network, raw, domain, name="in training", hash="")
    out = model.allocate(len(rows))
    model.step(Cells(rows.state, rows.inputs, rows.genotype, rows.cell_type), 0.0, out=out)
    disagreement = (out.sigma / (HIGH - LOW)).max(axis=1)
    return disagreement, distances(domain, rows.inputs, rows.genotype)


__all__ = ["Trained", "Training", "train_weights"]
