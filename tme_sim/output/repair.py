"""Copy what is whole of a damaged run file into a new one."""

import uuid
from pathlib import Path

import h5py
import numpy as np

from tme_sim.errors import InputError
from tme_sim.output import balances, inputs, layout, past, situations
from tme_sim.output.check import UNREADABLE, whole_frames, whole_rows
from tme_sim.output.layout import Extent, RunFileError
from tme_sim.output.opening import reading
from tme_sim.output.run import Run, open_run
from tme_sim.output.seal import seal
from tme_sim.state.lock import locked

MAY_BE_LOST = (balances.GROUP, inputs.GROUP, situations.GROUP, "timers")


def repair(path: Path, output: Path, *, force: bool = False) -> Run:
    """Copy the whole frames of a run, and the rows of its tables up to the first damage.

    The copy says what it lacks; where it lacks nothing, it is the run that it was.

    Raises:
        InputError: the output exists, or is the file itself.
        RunFileError: it is no run file, or what it says of itself cannot be read.
    """
    if output.exists() and (not force or output.resolve() == path.resolve()):
        msg = f"{output} exists; choose another file with -o"
        raise InputError(msg)
    part = output.with_name(output.name + ".part")
    with locked(output):
        try:
            with reading(path, tolerant=True) as (old, _), h5py.File(part, "w") as new:
                _copy(old, new, path)
            seal(part)
            part.replace(output)
        finally:
            part.unlink(missing_ok=True)
    return open_run(output)


def _copy(old: h5py.File, new: h5py.File, path: Path) -> None:
    try:
        extent = Extent(*(int(n) for n in old.attrs["committed"]))
        frames, rows = whole_frames(old, extent), whole_rows(old, extent)
        new.attrs.update({name: old.attrs[name] for name in old.attrs if name != "stop_reason"})
        new.attrs["stop_reason"] = layout.stop_reason(old.attrs)
        for name in ("scenario", "provenance"):
            old.copy(old[name], new, name)
        kept = np.flatnonzero(frames)
        n_rows = _copy_frames(old, new, kept)
        for name, (n, _) in rows.items():
            past.copy_group(old, new, name, n)
    except UNREADABLE as err:
        msg = f"{path}: is damaged where it says what it holds; nothing can be copied out of it"
        raise RunFileError(msg) from err
    for name in MAY_BE_LOST:
        _copy_if_whole(old, new, name)
    tables = {name: n for name, (n, _) in rows.items()}
    whole = Extent(frames=len(kept), rows=n_rows, **tables)
    new.attrs["committed"] = np.array(whole, "i8")
    new.attrs["format_version"] = layout.FORMAT_VERSION
    if whole != extent or not new.attrs["stop_reason"]:
        new.attrs["run"] = uuid.uuid4().hex
        new.attrs["complete"] = False
        held = {"frames": (whole.frames, extent.frames)} | rows
        lost = [f"{n - kept} of {n} {name} lost" for name, (kept, n) in held.items() if kept < n]
        new.attrs["stop_reason"] = f"{layout.REPAIRED}: {', '.join(lost) or 'its end'}"


def _copy_if_whole(old: h5py.File, new: h5py.File, name: str) -> None:
    try:
        if name in old and name not in new:
            old.copy(old[name], new, name)
    except UNREADABLE:
        new.pop(name, None)


def _copy_frames(old: h5py.File, new: h5py.File, kept: np.ndarray) -> int:
    """Copy these frames one behind the other; returns the rows that they take."""
    chunk = old["cells/id"].chunks[0]
    starts, counts = old["frames/start"], old["frames/count"]
    places = np.cumsum([0, *(layout.padded(int(counts[k]), chunk) for k in kept)])
    for group in ("frames", "cells", "fields", situations.GROUP):
        if group not in old:
            continue
        target = new.create_group(group, track_order=group in ("cells", "fields"))
        for name, source in old[group].items():
            copy = past.empty_like(
                source, target, name, places[-1] if group == "cells" else len(kept)
            )
            for j, k in enumerate(kept):
                if group == "cells":
                    n = int(counts[k])
                    copy[places[j] : places[j] + n] = source[int(starts[k]) : int(starts[k]) + n]
                else:
                    copy[j] = places[j] if (group, name) == ("frames", "start") else source[k]
    return int(places[-1])
