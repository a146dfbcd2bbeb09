"""Whether a run file and its checkpoints are what was written, and what of them still is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from tme_sim.output import layout, past, situations
from tme_sim.output.layout import TABLES, Extent, RunFileError
from tme_sim.output.opening import reading
from tme_sim.output.seal import SealedFile
from tme_sim.scenario.units import time_in_words
from tme_sim.state import checkpoint

UNREADABLE = (OSError, KeyError, RuntimeError, ValueError)  # what h5py raises
TOLD = 3  # places that are named; more are counted


class Verdict(NamedTuple):
    """What a check found."""

    faults: tuple[str, ...]  # in words; none where all is as it was written
    note: str  # what is known of a file that is not sealed
    frames: np.ndarray  # bool (n_frames,): whether all of it can be read, and is what was written
    rows: dict[str, tuple[int, int]]  # of each table: whole ones, from the first on, and all

    @property
    def is_whole(self) -> bool:
        """Whether everything that can be read is what was written."""
        return not self.faults


def check(path: Path, checkpoints: Path) -> Verdict:
    """Read and verify all of a run file and of the checkpoints in a folder.

    Raises:
        RunFileError: it is no run file, or nothing of it can be read.
    """
    saved = checkpoint.ticks(checkpoints)
    states = {tick: checkpoint.read(checkpoints, tick) for tick in saved}
    faults = [f"{checkpoints}: tick {tick} cannot be read" for tick in saved if not states[tick]]
    note = ""
    with reading(path, tolerant=True) as (file, sealed):
        try:
            extent = Extent(*(int(n) for n in file.attrs["committed"]))
            if sealed is not None:
                faults += _blocks(sealed)
            elif layout.must_be_sealed(file.attrs):
                faults.append("its checksums are missing or damaged")
            if sealed is None:
                own = [s["recorder"] for s in states.values() if s and _is_of(s, file)]
                faults += _other_past(file, extent, own[-1:])
                note = _reach(file, own[-1:])
            frames, rows = whole_frames(file, extent), whole_rows(file, extent)
        except UNREADABLE as err:
            msg = f"{path}: is damaged where it says what it holds; nothing of it can be read"
            raise RunFileError(msg) from err
    return Verdict(tuple(faults) + _lost(frames, rows), note, frames, rows)


def whole_frames(file: h5py.File, extent: Extent) -> np.ndarray:
    """Which frames can be read in all that they hold."""
    counted = min(_whole(dataset, extent.frames) for dataset in file["frames"].values())
    start, count = (file["frames"][name][:counted] for name in ("start", "count"))
    n_clones = whole_rows(file, extent)["clones"][0]
    found = np.zeros(extent.frames, bool)
    for k in range(counted):
        found[k] = _can_read(file, k, slice(start[k], start[k] + count[k]), n_clones)
    return found


def whole_rows(file: h5py.File, extent: Extent) -> dict[str, tuple[int, int]]:
    """How many rows of each table can be read, from the first on, and how many there are."""
    lengths = {name: getattr(extent, name) for name in (*TABLES, "metrics")}
    return {
        name: (min(_whole(dataset, n) for dataset in file[name].values()), n)
        for name, n in lengths.items()
    }


def _can_read(file: h5py.File, frame: int, rows: slice, n_clones: int) -> bool:
    """Whether all of a frame can be read, and its clones are known."""
    try:
        for dataset in file["cells"].values():
            dataset[rows]
        for group in ("fields", situations.GROUP):
            for dataset in file.get(group, {}).values():
                dataset[frame]
        return bool(np.max(file["cells/clone"][rows], initial=-1) < n_clones)
    except UNREADABLE:
        return False


def _whole(dataset: h5py.Dataset, n_rows: int) -> int:
    """Rows that can be read, from the first on."""
    whole = 0
    try:
        for rows in past.pieces(dataset, n_rows):
            dataset[rows]
            whole = rows.stop
    except UNREADABLE:
        pass
    return whole


def _lost(frames: np.ndarray, rows: dict[str, tuple[int, int]]) -> tuple[str, ...]:
    found = []
    if not frames.all():
        found.append(f"{np.sum(~frames)} of {len(frames)} frames cannot be read")
    found += [f"only {whole} of {n} rows of {name} can be read" for name, (whole, n) in rows.items()
              if whole < n]  # fmt: skip
    return tuple(found)


def _blocks(sealed: SealedFile) -> list[str]:
    """Blocks that are not what was sealed, in words."""
    bad = sealed.verify_all()
    told = [f"{sealed.place(block)} are not what was written" for block in bad[:TOLD]]
    more = [f"and {len(bad) - TOLD} more blocks"] if len(bad) > TOLD else []
    return told + more


def _is_of(state: dict[str, Any], file: h5py.File) -> bool:
    recorder = state["recorder"]
    return "checksums" in recorder and recorder["run"] == file.attrs.get("run")


def _other_past(file: h5py.File, extent: Extent, last: list[dict[str, Any]]) -> Iterator[str]:
    """Data sets that are not what they were at a checkpoint, in words."""
    for recorder in last:
        lengths = past.lengths(Extent(*recorder["extent"]))
        held = past.lengths(extent)
        for name, known in recorder["checksums"].items():
            n_rows = lengths[name.split("/")[0]]
            if n_rows > held[name.split("/")[0]]:
                yield f"{name} ends before its checkpoint"
            elif _sum(file, name, n_rows) != known:
                yield f"{name} is not what it was at its checkpoint"


def _sum(file: h5py.File, name: str, n_rows: int) -> int | None:
    try:
        return past.checksum(file[name], n_rows)
    except UNREADABLE:
        return None


def _reach(file: h5py.File, last: list[dict[str, Any]]) -> str:
    """How far a file without a seal was verified."""
    if file.attrs["format_version"] < layout.SEALED_SINCE:
        return "of a format without checksums: only what cannot be read was found"
    if not last:
        return "not finished, and without a checkpoint to compare it with"
    frame = int(last[0]["extent"][0]) - 1
    upto = f" up to {time_in_words(float(file['frames/time'][frame]))}" if frame >= 0 else ""
    return f"not finished; compared with its last checkpoint{upto}"
