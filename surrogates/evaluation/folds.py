"""Score the contenders of a data set fold by fold, and keep what was computed.

A fold's result is a JSON file named after data set, entry and contender. It carries the sha256 of
everything that decides it (data files, source of the code that reads them, settings, weights), so
that an unchanged fold is read and a changed one computed again; a run that was stopped goes on
where it was.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypeVar

import numpy as np

from surrogates.variants import NetworkModel

Progress = Callable[[str, float], None]  # what is being done, share done
Value = TypeVar("Value")  # JSON


class Models(NamedTuple):
    """The two cell models that stand in every table, named as its columns."""

    network: NetworkModel
    teacher: NetworkModel

    def by_name(self) -> dict[str, NetworkModel]:
        """Contender -> model."""
        return self._asdict()


def code_of(*code: ModuleType | Callable[..., object]) -> list[Path]:
    """Source files of modules, or of functions in them, that decide a result."""
    return [Path(inspect.getfile(part)) for part in code]


@dataclass(frozen=True, eq=False)
class FoldCache:
    """Results of one data set under `folder`; without a folder everything is computed.

    `files` are the data files and the sources whose content decides the results, usually
    `[folder / "measured.csv", Path(__file__)]`; `settings` what else does.
    """

    folder: Path | None
    data_set: str
    files: Sequence[Path]
    settings: Mapping[str, object] = field(default_factory=dict)

    def get(self, entry: str, compute: Callable[[], Value], *, contender: str = "") -> Value:
        """`compute()`, or what it returned for the same files, settings and `contender`.

        The result must be JSON; `contender` is the hash of the model that is scored, empty for
        rivals that need none.
        """
        if self.folder is None:
            return compute()
        key = self._key(contender)
        label = f"{entry}-{contender[:12]}" if contender else entry
        path = self.folder / self.data_set / f"{label.replace('/', '_')}.json"
        if path.is_file():
            stored = json.loads(path.read_text("utf-8"))
            if stored["key"] == key:
                known: Value = stored["value"]
                return known
        value = compute()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".writing")
        unfinished.write_text(json.dumps({"key": key, "value": value}), "utf-8")
        unfinished.replace(path)
        return value

    def array(
        self, entry: str, compute: Callable[[], np.ndarray], *, contender: str = ""
    ) -> np.ndarray:
        """The same for an array, which is a list in the file."""
        return np.array(self.get(entry, lambda: compute().tolist(), contender=contender))

    def _key(self, contender: str) -> str:
        digest = hashlib.sha256()
        for path in self.files:
            digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
        digest.update(json.dumps([dict(self.settings), contender], sort_keys=True).encode())
        return digest.hexdigest()


__all__ = ["FoldCache", "Models", "Progress", "code_of"]
