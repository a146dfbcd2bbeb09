"""The store of a scan: finished runs by key, written beside and moved, claimed by locks.

- ``manifest.json``: the scan file and the versions it was last run with
- ``results.parquet``, ``.csv``: one row per run: arm, values, seed, status, outcomes, digest;
  beside it other tables and ``figures/``
- ``runs/KEY/``: row.json and, by policy, run.h5: there only once the run is finished; a damaged
  row counts as none, and its run is made again
- ``segments/KEY/``: a shared past with the checkpoint that runs branch from, and a row of its own
- ``work/KEY/``: what is being simulated, or was when somebody was killed
- ``jobs/``: what workers of a SLURM cluster printed
- ``locks/``: held by living processes only; the system frees those of the dead
"""

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

from filelock import FileLock

from tme_sim.errors import InputError
from tme_sim.files import naming, synced
from tme_sim.output.tables import write_csv

RUN_FILE, ROW = "run.h5", "row.json"


class Store:
    """A folder of finished runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """Make the folders.

        Raises:
            InputError: it cannot be written.
        """
        try:
            for name in ("runs", "segments", "work", "locks"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            probe = self.folder / "work" / ".probe"
            probe.touch()
            probe.unlink(missing_ok=True)
        except OSError as err:
            msg = f"{self.folder}: the store cannot be written ({err.strerror})"
            raise InputError(msg) from err

    def place(self, key: str, *, is_run: bool) -> Path:
        """Where a finished run or segment is."""
        return self.folder / ("runs" if is_run else "segments") / key

    def work(self, key: str) -> Path:
        """Where one is made."""
        return self.folder / "work" / key

    def row(self, key: str, *, is_run: bool = True) -> dict[str, Any] | None:
        """The result of a finished run or segment; None where there is none or it is damaged."""
        try:
            found = json.loads((self.place(key, is_run=is_run) / ROW).read_text("utf-8"))
            whole = found["checksum"] == _checksum(found["row"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        row: dict[str, Any] = found["row"]
        return row if whole else None

    def claim(self, key: str) -> FileLock:
        """The right to make one; raises ``filelock.Timeout`` while another process has it."""
        return FileLock(self.folder / "locks" / key, timeout=0)

    def publish(self, key: str, *, is_run: bool, row: dict[str, Any]) -> None:
        """Move what was made into place, whole; a failed run gives way to its repetition."""
        work, place = self.work(key), self.place(key, is_run=is_run)
        work.mkdir(parents=True, exist_ok=True)
        _write_row(work / ROW, row)
        synced(*(path for path in work.iterdir() if path.is_file()), work)
        if place.exists():
            shutil.rmtree(place)
        work.rename(place)
        synced(place.parent)

    def write_row(self, key: str, row: dict[str, Any]) -> None:
        """Replace the result of a finished run."""
        place = self.place(key, is_run=True)
        part = place / f"{ROW}.part"
        _write_row(part, row)
        _move(part, place / ROW)
        synced(place)

    def write_results(self, tables: dict[str, Any], manifest: dict[str, Any]) -> None:
        """Replace the tables, each as Parquet and CSV, and the manifest."""
        with FileLock(self.folder / "locks" / "results"):
            for name, table in tables.items():
                part = self.folder / f"{name}.part"
                with naming(part):
                    table.to_parquet(part, index=False)
                _move(part, self.folder / f"{name}.parquet")
                with naming(part):
                    write_csv(table, part)
                _move(part, self.folder / f"{name}.csv")
            part = self.folder / "manifest.json.part"
            with naming(part):
                part.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
            _move(part, self.folder / "manifest.json")
            synced(self.folder)


def _move(part: Path, path: Path) -> None:
    synced(part)
    part.replace(path)


def _write_row(path: Path, row: dict[str, Any]) -> None:
    with naming(path):
        path.write_text(json.dumps({"row": row, "checksum": _checksum(row)}), "utf-8")


def _checksum(row: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(row).encode())
