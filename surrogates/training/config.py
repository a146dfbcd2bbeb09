"""What a training run is: the configuration file, read and checked.

Tables of the file belong to the stages: `[sampling]`, `[relabelling]`, `[rollouts]`,
`[measurements]`, `[residual]`; see `configs/tme-cell.toml`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from surrogates.data.sampling import Sampling
from surrogates.training.measurements import Measurements
from surrogates.training.residual import ResidualTable
from surrogates.training.rollout_stage import Relabelling, Rollouts

Table = TypeVar("Table", Sampling, Relabelling, Rollouts, Measurements, ResidualTable, "Config")


@dataclass(frozen=True)
class Config:
    """What a training run is; see `configs/tme-cell.toml`."""

    name: str = "tme-cell"
    seed: int = 1
    n_members: int = 5
    joint: tuple[str, ...] = ()  # heads that are one product, see `parameters`
    starts: int = 1  # draws that every unit of a member starts from
    start_steps: int = 0  # of regression before the best of them is taken
    steps: int = 16000
    batch: int = 2048
    learning_rate: float = 0.1
    validation_share: float = 0.1
    checkpoint_every: int = 500
    sampling: Sampling = field(default_factory=Sampling)
    relabelling: Relabelling = field(default_factory=Relabelling)
    rollouts: Rollouts = field(default_factory=Rollouts)
    measurements: Measurements = field(default_factory=Measurements)
    residual: ResidualTable = field(default_factory=ResidualTable)


def load_config(path: str | Path) -> Config:
    """Read a configuration.

    Raises:
        ValueError: a key is unknown; it is named with those that are known.
    """
    table = tomllib.loads(Path(path).read_text("utf-8"))

    def part(kind: type[Table], name: str) -> Table:
        return _check(kind, table.pop(name, {}), f"{path} [{name}]")

    parts = {
        "sampling": part(Sampling, "sampling"),
        "relabelling": part(Relabelling, "relabelling"),
        "rollouts": part(Rollouts, "rollouts"),
        "measurements": part(Measurements, "measurements"),
        "residual": part(ResidualTable, "residual"),
    }
    return _check(Config, table | parts, str(path))


def _check(kind: type[Table], values: Mapping[str, Any], where: str) -> Table:
    known = [field.name for field in fields(kind)]
    if unknown := values.keys() - set(known):
        msg = f"{where}: unknown keys {sorted(unknown)}; known are {known}"
        raise ValueError(msg)
    settings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return kind(**settings)


__all__ = ["Config", "load_config"]
