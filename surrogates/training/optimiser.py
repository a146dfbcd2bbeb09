"""Descend a sum of losses with Adam on a one-cycle rate; a run that was stopped goes on.

A checkpoint holds the parameters, the moments of the optimiser and the curve so far; since every
step draws its batch from the seed and its number, going on gives the weights of an unbroken run.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from surrogates.network.parameters import LARGEST_DRIVE
from surrogates.network.torch import MonotoneUnits

BETAS = (0.9, 0.98)
DRIVE_SHARE = 0.95  # of what the kernel can take, split among the parents and the bias of a unit
WARM_UP, FIRST_DIVISOR = 0.1, 20.0  # share of the steps; of the rate, at the first one
POINTS = 200  # of a stage's curve, at most
Progress = Callable[[str, float], None]  # what is being done, share done
Curve = dict[str, list[float]]  # steps, and the value of every loss at them


@dataclass(frozen=True)
class Stage:
    """One descent: its name, how long, how fast, and where it leaves its checkpoint."""

    name: str
    steps: int
    learning_rate: float
    checkpoint: Path
    checkpoint_every: int


def minimise(
    units: MonotoneUnits,
    losses: Callable[[int], dict[str, Tensor]],
    stage: Stage,
    n_parents: np.ndarray,
    report: Progress,
) -> dict[str, np.ndarray]:
    """Minimise the sum of `losses` of a step in place; returns the curve, `step` and every loss."""
    learned = [units.theta, units.bias, units.share]
    optimiser = torch.optim.Adam(learned, lr=stage.learning_rate, betas=BETAS)
    limit = torch.from_numpy(DRIVE_SHARE * LARGEST_DRIVE / (1.0 + n_parents)).float()
    start, curve = _restore(stage, learned, optimiser)
    rate = one_cycle(optimiser, stage.learning_rate, stage.steps, start)
    every = max(1, -(-stage.steps // POINTS))
    for step in range(start, stage.steps):
        terms = losses(step)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        with torch.no_grad():
            units.theta.clamp_(max=limit[:, None, None])
            units.bias.clamp_(-limit[:, None], limit[:, None])
        rate.step()
        if (step + 1) % every == 0:
            values = {name: float(term.detach()) for name, term in terms.items()}
            for name, value in ({"step": step + 1} | values).items():
                curve.setdefault(name, []).append(value)
            text = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
            report(f"{stage.name}, loss of {text}", (step + 1) / stage.steps)
        if (step + 1) % stage.checkpoint_every == 0 or step + 1 == stage.steps:
            _store(stage.checkpoint, learned, optimiser, step + 1, curve)
    return {name: np.array(values) for name, values in curve.items()}


def one_cycle(optimiser: Optimizer, rate: float, steps: int, done: int = 0) -> OneCycleLR:
    """Rate of a run of `steps`, `done` of which are behind: warm up, then down to nothing.

    Super-convergence (Smith 2018, arXiv:1708.07120), momentum left as it is.
    """
    total = max(steps, 1) + 1  # rates at both ends
    schedule = partial(
        OneCycleLR,
        optimiser,
        max_lr=rate,
        total_steps=total,
        pct_start=min(
            1.0, max(WARM_UP, 2.0 / total)
        ),  # a step at least: torch divides by its length
        div_factor=FIRST_DIVISOR,
        cycle_momentum=False,
    )
    first = schedule()  # leaves its bounds with the optimiser, where a later start finds them
    return schedule(last_epoch=done - 1) if done else first


def write_curves(path: Path, curves: dict[str, dict[str, np.ndarray]]) -> None:
    """Curves of all stages as a table of stage, step, loss and value."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["stage", "step", "loss", "value"])
        for stage, curve in curves.items():
            for name in curve.keys() - {"step"}:
                table.writerows(
                    (stage, int(step), name, f"{value:.6g}")
                    for step, value in zip(curve["step"], curve[name], strict=True)
                )


def _store(
    path: Path, learned: Sequence[Tensor], optimiser: Optimizer, step: int, curve: Curve
) -> None:
    tensors = {"step": torch.tensor(step)}
    for k, parameter in enumerate(learned):
        state = optimiser.state[parameter]
        tensors |= {
            f"{k}.value": parameter.detach(),
            f"{k}.first": state["exp_avg"],
            f"{k}.second": state["exp_avg_sq"],
        }
    tensors |= {f"curve.{name}": torch.tensor(v, dtype=torch.float64) for name, v in curve.items()}
    unfinished = path.with_suffix(".writing")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished)
    unfinished.replace(path)


def _restore(stage: Stage, learned: Sequence[Tensor], optimiser: Optimizer) -> tuple[int, Curve]:
    if not stage.checkpoint.exists():
        return 0, {}
    tensors = load_file(stage.checkpoint)
    step = int(tensors["step"])
    for k, parameter in enumerate(learned):
        parameter.data.copy_(tensors[f"{k}.value"])
        optimiser.state[parameter] = {
            "step": torch.tensor(float(step)),
            "exp_avg": tensors[f"{k}.first"].clone(),
            "exp_avg_sq": tensors[f"{k}.second"].clone(),
        }
    curve = {
        name.removeprefix("curve."): values.tolist()
        for name, values in tensors.items()
        if name.startswith("curve.")
    }
    return step, curve


__all__ = ["BETAS", "Progress", "Stage", "minimise", "one_cycle", "write_curves"]
