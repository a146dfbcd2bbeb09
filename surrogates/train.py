"""Train the ensemble on samples of the teacher: regression of the drive of every unit.

    loss = sum_units mean_rows[w (F - target)^2] / variance_unit,   w ~ 1 / (target + LOW_DRIVE)^2

averaged over members, each of which sees the trajectories in its own bootstrap weights and starts
from its own draw. Units share no weights, so their relative weight in the loss does not matter.
Everything follows from the configuration and its seeds; a run that was stopped goes on from its
last checkpoint to the same weights.
"""

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from surrogates.cell_model import MonotoneUnits, Sources
from surrogates.datasets.sampling import Rows, Sampling, sample, split
from surrogates.gradient import drive_loss
from surrogates.network import Network, load_network
from surrogates.parameters import LARGEST_DRIVE, random_raw
from surrogates.registry import Weights, save_weights
from surrogates.teacher import Teacher
from surrogates.uncertainty import calibrate, fit_domain

VARIANCE_FLOOR = 1e-4  # of a drive; a unit that hardly moves is not magnified beyond this
LOW_DRIVE = 0.15  # half way from absolute to relative errors: what a drug leaves counts
BETAS = (0.9, 0.98)
DRIVE_SHARE = 0.95  # of what the kernel can take, split among the parents and the bias of a unit
WARM_UP = 0.1  # share of the steps
Progress = Callable[[str, float], None]  # what is being done, share done


@dataclass(frozen=True)
class Config:
    """What a training run is; see `configs/tme-cell.toml`."""

    name: str = "tme-cell"
    seed: int = 1
    n_members: int = 5
    steps: int = 16000
    batch: int = 2048
    learning_rate: float = 0.1
    validation_share: float = 0.1
    checkpoint_every: int = 500
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, eq=False)
class Batches:
    """Training rows, float32: sources, drives before competence, and how much each row counts."""

    sources: np.ndarray  # (n_rows, n_sources + 1), the last one 1
    target: np.ndarray  # (n_rows, n_units), F
    factor: np.ndarray  # (n_rows, n_units), w / variance, 0 where the type has no competence
    bootstrap: np.ndarray  # (n_rows, n_members)
    tables: tuple  # parent, gate, n_parents, see `gradient.drive_loss`

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Batch of `rows`, values of one source or unit side by side."""
        arrays = (self.sources, self.target, self.factor, self.bootstrap)
        return tuple(np.ascontiguousarray(a[rows].T) for a in arrays)


def train(config_path: str | Path, out_dir: str | Path, progress: Progress | None = None) -> Path:
    """Train from a configuration file into `out_dir`; returns the folder of weights and card."""
    from surrogates.evaluate import card_of  # evaluate needs a trained model, as does training

    config = load_config(config_path)
    report = progress or (lambda _what, _share: None)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    teacher, network = Teacher(), load_network()
    report("sampling the teacher", 0.0)
    training, validation = split(
        sample(teacher, config.sampling), config.validation_share, config.seed
    )
    units = fit(network, training, config, folder / "checkpoint.safetensors", report)
    weights = Weights(units.raw(), with_domain(network, units, training, validation))
    save_weights(folder, weights)
    report("evaluating", 0.0)
    card_of(folder, config, teacher, progress=report)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    return folder


def load_config(path: str | Path) -> Config:
    """Read a configuration; unknown keys are refused by name."""
    table = tomllib.loads(Path(path).read_text("utf-8"))
    sampling = _checked(Sampling, table.pop("sampling", {}), f"{path} [sampling]")
    return _checked(Config, table | {"sampling": sampling}, str(path))


def _checked(kind: type, values: dict, where: str):
    unknown = values.keys() - kind.__dataclass_fields__.keys()
    if unknown:
        known = list(kind.__dataclass_fields__)
        msg = f"{where}: unknown keys {sorted(unknown)}; known are {known}"
        raise ValueError(msg)
    return kind(**values)


def fit(
    network: Network, rows: Rows, config: Config, checkpoint: Path, report: Progress
) -> MonotoneUnits:
    """Minimise the loss with Adam on a one-cycle learning rate, from the checkpoint if any."""
    batches = prepare(network, rows, config)
    units = MonotoneUnits(network, random_raw(network, config.n_members, config.seed))
    learned = [units.theta, units.bias, units.share]
    optimiser = torch.optim.Adam(learned, lr=config.learning_rate, betas=BETAS)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: cycle(step / config.steps))
    limit = torch.from_numpy(DRIVE_SHARE * LARGEST_DRIVE / (1.0 + network.n_parents)).float()
    start = _restore(checkpoint, learned, optimiser, rate, config.steps)
    for step in range(start, config.steps):
        batch = batches.take(rows_of_step(config, step, len(rows)))
        loss = drive_loss(*units.acting(), batches.tables, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            units.theta.clamp_(max=limit[:, None, None])
            units.bias.clamp_(-limit[:, None], limit[:, None])
        rate.step()
        if (step + 1) % 50 == 0:
            report(f"training, loss {float(loss.detach()):.4f}", (step + 1) / config.steps)
        if (step + 1) % config.checkpoint_every == 0:
            _store(checkpoint, learned, optimiser, step + 1)
    return units


def cycle(done: float) -> float:
    """Share of the learning rate at a share of the run: warm up, then a cosine down to nothing."""
    if done < WARM_UP:
        return 0.05 + 0.95 * done / WARM_UP
    return 0.5 * (1.0 + math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP)))


def prepare(network: Network, rows: Rows, config: Config) -> Batches:
    """Divide the competence out of the targets and weigh units, members and trajectories."""
    with torch.no_grad():
        arrays = (rows.state, rows.inputs, rows.genotype)
        sources = Sources()(*(torch.from_numpy(a) for a in arrays)).numpy()
    target, mask = uncompetent(network, rows)
    count = mask.sum(axis=0)
    mean = (target * mask).sum(axis=0) / count
    variance = (((target - mean) ** 2) * mask).sum(axis=0) / count
    scale = 1.0 / np.maximum(variance, VARIANCE_FLOOR) / (config.batch * config.n_members)
    numbers, where = np.unique(rows.trajectory, return_inverse=True)
    draw = np.random.default_rng([config.seed, config.n_members])
    bootstrap = draw.poisson(1.0, (len(numbers), config.n_members))[where]
    padded = np.concatenate([sources, np.ones_like(sources[:, :1])], axis=1)
    one = network.n_sources
    tables = (np.where(network.parent < 0, one, network.parent).astype(np.int32),
              np.where(network.gate < 0, one, network.gate).astype(np.int32), network.n_parents)
    closeness = 1.0 / (target + LOW_DRIVE) ** 2
    closeness *= count / (closeness * mask).sum(axis=0)
    values = (padded, target, mask * scale * closeness, bootstrap)
    return Batches(*(np.ascontiguousarray(v, np.float32) for v in values), tables)


def uncompetent(network: Network, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """F of every unit from the teacher's drives, and a mask of the units the type has."""
    competence = network.competence[rows.cell_type].copy()
    mask = (competence > 0).astype(np.float32)
    competence[:, network.n_nodes :] = mask[:, network.n_nodes :]
    return rows.target / np.where(mask > 0, competence, 1.0) * mask, mask


def rows_of_step(config: Config, step: int, n_rows: int) -> np.ndarray:
    """Row numbers of a step's batch: a function of seed and step, so that runs can resume."""
    draw = np.random.default_rng([config.seed, config.n_members, step])
    return draw.integers(0, n_rows, config.batch)


def with_domain(network: Network, units: MonotoneUnits, training: Rows, validation: Rows):
    """The domain of the training rows, its limits set on the validation rows."""
    from surrogates.trained import spread_and_distance

    domain = fit_domain(training.inputs, training.genotype)
    disagreement, distance = spread_and_distance(network, units.raw(), domain, validation)
    return calibrate(domain, distance, disagreement)


def _store(path: Path, learned: list, optimiser: torch.optim.Optimizer, step: int) -> None:
    tensors = {"step": torch.tensor(step)}
    for k, parameter in enumerate(learned):
        state = optimiser.state[parameter]
        tensors |= {f"{k}.value": parameter.detach(), f"{k}.first": state["exp_avg"],
                    f"{k}.second": state["exp_avg_sq"]}
    beside = path.with_suffix(".writing")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, beside)
    beside.replace(path)


def _restore(path: Path, learned: list, optimiser, rate, total: int) -> int:
    if not path.exists():
        return 0
    tensors = load_file(path)
    step = int(tensors["step"])
    for k, parameter in enumerate(learned):
        parameter.data.copy_(tensors[f"{k}.value"])
        optimiser.state[parameter] = {
            "step": torch.tensor(float(step)),
            "exp_avg": tensors[f"{k}.first"].clone(),
            "exp_avg_sq": tensors[f"{k}.second"].clone(),
        }
    rate.last_epoch = step
    for group, base in zip(optimiser.param_groups, rate.base_lrs, strict=True):
        group["lr"] = base * cycle(step / total)
    return step


__all__ = ["Config", "fit", "load_config", "train"]
