"""Train by a configuration file, keep the weights, and measure them: the card beside the weights.

The one place that knows both training (`training.pipeline`) and evaluation, which know nothing of
each other's course.
"""

from pathlib import Path

from surrogates.evaluation.evaluate import card_of
from surrogates.evaluation.real_data import find_data
from surrogates.network.parameters import Raw
from surrogates.prior.graph import load_network
from surrogates.registry import find_weights, load_weights, save_weights
from surrogates.teacher.model import Teacher
from surrogates.training.config import load_config
from surrogates.training.optimiser import Progress, write_curves
from surrogates.training.pipeline import train_weights

CURVE_FILE = "curves.csv"


def train(
    config_path: str | Path,
    out_dir: str | Path,
    progress: Progress | None = None,
    data: str | Path | None = None,
    start: str | Path | None = None,
) -> Path:
    """Train from a configuration file into `out_dir`; returns the folder of weights and card.

    With a folder of public data (`data`) and steps for it in the configuration, measurements enter
    in a last stage; without one the card says that none did.
    From a folder of weights (`start`) the regression of drives is skipped: training goes on there,
    from the scaffold's weights without their residual.
    """
    config = load_config(config_path)
    report = progress or (lambda _what, _share: None)
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    trained = train_weights(config, folder, report, find_data(data) if data else None, _raw(start))
    save_weights(folder, trained.weights)
    write_curves(folder / CURVE_FILE, trained.curves)
    report("evaluating", 0.0)
    card_of(folder, config, Teacher(), stages=trained.stages, progress=report)
    for checkpoint in folder.glob("checkpoint-*.safetensors"):  # until here a run may be stopped
        checkpoint.unlink()
    return folder


def _raw(start: str | Path | None) -> Raw | None:
    """Parameters of a folder of weights."""
    return None if start is None else load_weights(find_weights(path=start), load_network()).raw


__all__ = ["train"]
