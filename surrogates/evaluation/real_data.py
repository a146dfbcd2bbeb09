"""Score a cell model on the public data sets that lie in a user's folder.

Each has a module in `evaluation.benchmarks`. Those whose sub-folder is absent are skipped, which is
said, as are those that need an extra that is not installed.
"""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from surrogates.evaluation.benchmarks import (
    boolean,
    cellbox,
    cytof,
    growth,
    hepatocytes,
    ligand_tf,
    marm,
    petab,
    viability,
)
from surrogates.evaluation.card import render as render_card
from surrogates.evaluation.folds import Models, Progress
from surrogates.evaluation.table import Row, from_entries, render
from surrogates.registry import load_card, weights_hash, write_card

DATA_VARIABLE = "TME_SIM_DATA"  # where the data sets lie, unless a folder is named
ENTRY = "real_data"  # of the card


class Benchmark(Protocol):
    """What a module of `evaluation.benchmarks` offers."""

    FOLDER: str

    def rows(
        self, folder: Path, models: Models, cache: Path | None, progress: Progress
    ) -> list[Row]:
        """Scores of all contenders."""


BENCHMARKS: tuple[Benchmark, ...] = (
    boolean,
    cellbox,
    cytof,
    growth,
    hepatocytes,
    ligand_tf,
    marm,
    petab,
    viability,
)


@dataclass(frozen=True)
class Scores:
    """Rows of all data sets that were found, and what was left out."""

    rows: tuple[Row, ...]
    skipped: tuple[str, ...]

    def text(self) -> str:
        """The table, then what was skipped."""
        parts = [render(self.rows), *(f"- skipped: {reason}" for reason in self.skipped)]
        return "\n".join(parts) + "\n"


def find_data(folder: str | Path | None) -> Path | None:
    """The folder named, or the one that TME_SIM_DATA names, or None; one that is absent is told."""
    named = folder or os.environ.get(DATA_VARIABLE)
    if not named:
        return None
    path = Path(named)
    wanted = sorted(module.FOLDER for module in BENCHMARKS)
    if not any((path / name).is_dir() for name in wanted):
        what = "has none of the data sets" if path.is_dir() else "is not a folder"
        msg = f"data folder {str(path)!r} {what}; expected sub-folders named {wanted}"
        raise FileNotFoundError(msg)
    return path


def default_cache() -> Path:
    """Where scores of folds are kept between calls."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tme-sim" / "folds"


def score(
    folder: Path, models: Models, *, cache: Path | None = None, progress: Progress | None = None
) -> Scores:
    """Rows of every data set in `folder`."""
    rows: list[Row] = []
    skipped: list[str] = []
    for k, module in enumerate(BENCHMARKS):
        if not (folder / module.FOLDER).is_dir():
            skipped.append(f"{module.FOLDER}: no such folder in {folder.name}")
            continue
        try:
            rows += module.rows(folder, models, cache, _part(progress, k, len(BENCHMARKS)))
        except ModuleNotFoundError as error:  # an extra that says what to install
            skipped.append(f"{module.FOLDER}: {error}")
    return Scores(tuple(rows), tuple(skipped))


def keep_in_card(weights: Path, scores: Scores) -> bool:
    """Store the rows in the card of a folder of weights, if it can be written to.

    Rows of data sets that were not scored this time stay, unless they were of other weights.
    """
    card, digest = load_card(weights), weights_hash(weights)
    old = card.get(ENTRY, {})
    fresh = {row.data_set for row in scores.rows}
    known = old.get("rows", []) if old.get("hash") == digest else []
    known = [row for row in from_entries(known) if row.data_set not in fresh]
    rows = sorted((*known, *scores.rows), key=lambda row: row.data_set)
    card[ENTRY] = {"hash": digest, "rows": [asdict(row) for row in rows]}
    try:
        write_card(weights, card, render_card(card))
    except OSError:
        return False
    return True


def _part(progress: Progress | None, k: int, n: int) -> Callable[[str, float], None]:
    """Progress of one of n data sets."""
    if progress is None:
        return lambda _what, _share: None
    return lambda what, share: progress(what, (k + share) / n)


__all__ = ["BENCHMARKS", "Scores", "default_cache", "find_data", "keep_in_card", "score"]
