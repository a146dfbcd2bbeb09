"""The past of a run: copied to where it goes on, and compared with what a checkpoint knows."""

import zlib
from collections.abc import Iterator, Mapping

import h5py
import numpy as np

from tme_sim.output import layout, situations
from tme_sim.output.layout import TABLES, Extent, RunFileError

COPIED_ROWS = 1 << 18  # at a time


def extended(checksum: int, values: np.ndarray) -> int:
    """CRC-32 of rows that follow others; texts enter with their lengths."""
    if values.dtype != object:
        return zlib.crc32(np.ascontiguousarray(values).tobytes(), checksum)
    for text in values:
        encoded = text if isinstance(text, bytes) else str(text).encode()
        checksum = zlib.crc32(b"%d:%b" % (len(encoded), encoded), checksum)
    return checksum


def checksum(dataset: h5py.Dataset, n_rows: int) -> int:
    """CRC-32 of the first rows of a data set."""
    found = 0
    for rows in pieces(dataset, n_rows):
        found = extended(found, dataset[rows])
    return found


def lengths(extent: Extent) -> dict[str, int]:
    """Rows of the data sets of each group that grows."""
    rows = {"frames": extent.frames, "cells": extent.rows, "fields": extent.frames}
    rows |= {situations.GROUP: extent.frames, "metrics": extent.metrics}
    return rows | {name: getattr(extent, name) for name in TABLES}


def copy_whole(old: h5py.File, new: h5py.File, extent: Extent) -> dict[str, int]:
    """Copy what lies within ``extent`` into a new file; returns the checksum of each data set.

    The bookkeeping of HDF5 beyond it may be in pieces where the writer was killed inside a write:
    such a file can be read, but changing it in place corrupts memory.
    """
    new.attrs.update({name: old.attrs[name] for name in old.attrs if name != "stop_reason"})
    new.attrs["format_version"] = layout.FORMAT_VERSION
    new.attrs["complete"] = False
    new.attrs["stop_reason"] = ""
    new.attrs["committed"] = np.array(extent, "i8")
    rows = lengths(extent)
    found: dict[str, int] = {}
    for name, group in old.items():
        if name in rows:
            found |= copy_group(old, new, name, rows[name])
        elif group is not None:  # as h5py gives what a kill left in pieces
            old.copy(group, new, name)
    return found


def copy_group(old: h5py.File, new: h5py.File, name: str, n_rows: int) -> dict[str, int]:
    """Copy the first rows of the data sets of a group; returns the checksum of each."""
    target = new.create_group(name, track_order=name in ("cells", "fields"))
    target.attrs.update(old[name].attrs)
    return {
        f"{name}/{key}": _copy_rows(dataset, target, key, n_rows)
        for key, dataset in old[name].items()
    }


def refuse_another(found: Mapping[str, int], known: Mapping[str, int], path: object) -> None:
    """Refuse a past that is not what it was when a checkpoint was written.

    Raises:
        RunFileError: names the data sets that differ.
    """
    wrong = [name for name in known if found.get(name) != known[name]]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        msg = (
            f"{path}: is damaged: {', '.join(wrong[:3])}{more} is not what was written up to its "
            "checkpoint; an earlier one may still be right: tme-sim branch --at"
        )
        raise RunFileError(msg)


def drop(file: h5py.File, group: str, wanted: set[str]) -> None:
    """Remove what a branch no longer records; half a course would pass for a whole one."""
    for name in set(file[group]) - wanted:
        del file[group][name]


def empty_like(source: h5py.Dataset, group: h5py.Group, name: str, n_rows: int) -> h5py.Dataset:
    """A data set of so many rows, stored as another one is."""
    copy = group.create_dataset(
        name,
        (n_rows, *source.shape[1:]),
        source.dtype,
        maxshape=source.maxshape,
        chunks=source.chunks,
        compression=source.compression,
        shuffle=source.shuffle,
        fletcher32=source.fletcher32,
        fillvalue=source.fillvalue if source.dtype.kind == "f" else None,
    )
    copy.attrs.update(source.attrs)
    return copy


def _copy_rows(source: h5py.Dataset, group: h5py.Group, name: str, n_rows: int) -> int:
    """The first rows of a data set; returns their checksum."""
    copy = empty_like(source, group, name, n_rows)
    found = 0
    for rows in pieces(source, n_rows):
        values = source[rows]
        copy[rows] = values
        found = extended(found, values)
    return found


def pieces(dataset: h5py.Dataset, n_rows: int) -> Iterator[slice]:
    """Rows of whole chunks, as many at a time as fit into memory."""
    chunk = dataset.chunks[0]
    step = chunk if dataset.ndim > 2 else max(chunk, COPIED_ROWS // chunk * chunk)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
