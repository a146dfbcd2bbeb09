"""The hash that says whether two runs have the same result."""

import hashlib

import h5py
import numpy as np

from tme_sim.output.layout import TABLES, Extent


def digest(file: h5py.File, extent: Extent) -> str:
    """SHA-256 over frames, cells, fields, clones, lineage, events and metrics of a run file.

    Each array enters with its name, type and shape, frame by frame, so that the value does not
    depend on how HDF5 stores it; wall times, provenance and padding do not enter.
    """
    hasher = hashlib.sha256()
    frames = file["frames"]
    starts, counts = frames["start"][: extent.frames], frames["count"][: extent.frames]
    for name in ("time", "tick", "count"):
        _add(hasher, f"frames/{name}", frames[name][: extent.frames])
    for name in sorted(file["cells"]):
        dataset = file["cells"][name]
        for start, count in zip(starts, counts, strict=True):
            _add(hasher, f"cells/{name}", dataset[start : start + count])
    for name in sorted(file["fields"]):
        dataset = file["fields"][name]
        for k in range(extent.frames):
            _add(hasher, f"fields/{name}", dataset[k])
    for table, columns in TABLES.items():
        for column in columns:
            values = file[table][column.name][: getattr(extent, table)]
            _add(hasher, f"{table}/{column.name}", values)
    metrics = file["metrics/values"]
    _add_text(hasher, "metrics/columns", [str(name) for name in metrics.attrs["columns"]])
    _add(hasher, "metrics/values", metrics[: extent.metrics])
    return hasher.hexdigest()


def _add(hasher: "hashlib._Hash", name: str, values: np.ndarray) -> None:
    if values.dtype == object:
        _add_text(hasher, name, [text.decode() for text in values])
        return
    hasher.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
    hasher.update(np.ascontiguousarray(values).tobytes())


def _add_text(hasher: "hashlib._Hash", name: str, texts: list[str]) -> None:
    hasher.update(f"{name} text ({len(texts)},)\n".encode())
    for text in texts:
        encoded = text.encode()
        hasher.update(f"{len(encoded)}:".encode() + encoded)
