"""Score the contenders of a data set fold by fold, and keep what was computed.

A fold's result is a JSON file named after data set, entry and contender. It carries the sha256 of
everything that decides it (data files, source of the code that reads them, settings, weights), so
that an unchanged fold is read and a changed one computed again; a run that was stopped goes on
where it was.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Progress = Callable[[str, float], None]  # what is being done, share done


@dataclass(frozen=True, eq=False)
class Models:
    """The two cell models that stand in every table, both behind the cell-model contract."""

    network: Any
    teacher: Any

    def items(self) -> tuple[tuple[str, Any], ...]:
        """(contender, model) pairs, named as the columns of the table."""
        return ("network", self.network), ("teacher", self.teacher)


@dataclass(frozen=True, eq=False)
class FoldCache:
    """Results of one data set under `folder`; without a folder everything is computed.

    `files` are the data files and the sources whose content decides the results, usually
    `[folder / "measured.csv", Path(__file__)]`; `settings` what else does.
    """

    folder: Path | None
    data_set: str
    files: Sequence[Path]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def get(self, entry: str, compute: Callable[[], Any], *, contender: str = "") -> Any:
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
            kept = json.loads(path.read_text("utf-8"))
            if kept["key"] == key:
                return kept["value"]
        value = compute()
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".writing")
        beside.write_text(json.dumps({"key": key, "value": value}), "utf-8")
        beside.replace(path)
        return value

    def _key(self, contender: str) -> str:
        digest = hashlib.sha256()
        for path in self.files:
            digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
        digest.update(json.dumps([dict(self.settings), contender], sort_keys=True).encode())
        return digest.hexdigest()


__all__ = ["FoldCache", "Models", "Progress"]
