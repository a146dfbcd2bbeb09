"""Refuse a run file whose parts are not those of ``layout``, before anything of it is believed.

A file may come from anyone. What is checked costs no more than opening its data sets: that each is
there, of a fitting type and shape, and as long as the extent says; that no part is declared larger
than the bytes of the file can be; that codes stand for something.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tme_sim.output import past
from tme_sim.output.balances import GROUP as BALANCES
from tme_sim.output.layout import NAMED, REQUIRED_COLUMNS, TABLES, Extent, RunFileError
from tme_sim.output.situations import GROUP as SITUATIONS

GROUPS = ("scenario", "provenance", "frames", "cells", "fields", "metrics", *TABLES)
FRAMES = {"time": "f", "tick": "iu", "start": "iu", "count": "iu"}
METRICS = ("time", "burden", "births", "deaths", "arrivals", "n_clones",
           "share_out_of_domain", "sigma_mean")  # fmt: skip
FACTS = ("surrogate", "surrogate_hash", "evidence", "tme_sim", "machine", "started")
DENSEST = 200  # bytes that one byte of the file can hold: twice what lzf reaches
NUMBERS = "biuf"


def check(file: h5py.File, data: Sequence[h5py.Dataset], path: Path) -> None:
    """Refuse a file that is not laid out as a run.

    Args:
        file: the run file.
        data: every data set of it.
        path: what messages call it.

    Raises:
        RunFileError: the first part that is wrong, by its name in the file.
    """
    try:
        fault = next(_faults(file, data, path.stat().st_size), "")
    except (
        AttributeError,
        IndexError,
        KeyError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as err:
        fault = str(err).strip('"')
    if fault:
        msg = f"{path}: is damaged or not whole: {fault}"
        raise RunFileError(msg)


def rows(dataset: h5py.Dataset, start: int, end: int) -> np.ndarray:
    """Rows of a column of cells.

    Raises:
        ValueError: there are fewer, or a code among them stands for nothing.
    """
    values: np.ndarray = dataset[start:end]
    name = dataset.name.rpartition("/")[2]
    if len(values) != end - start:
        msg = f"{dataset.name} has fewer rows than its frame"
        raise ValueError(msg)
    if name in NAMED:
        check_codes(values, 0, len(dataset.attrs["categories"]), dataset.name)
    elif name == "clone":
        check_codes(values, -1, int(dataset.file.attrs["committed"][-1]), dataset.name)
    elif name in ("position", "radius") and not np.isfinite(values).all():
        msg = f"{dataset.name} holds what is no number"
        raise ValueError(msg)
    return values


def resolved(text: str) -> dict[str, Any]:
    """A scenario as a run file holds it.

    Raises:
        ValueError: it is none.
    """
    found = json.loads(text)
    groups = found.get("cells") if isinstance(found, dict) else None
    if not isinstance(groups, dict) or not all(_is_group(g) for g in groups.values()):
        msg = "/scenario/resolved is no scenario"
        raise ValueError(msg)
    return _in_todays_words(dict(found))


def _in_todays_words(found: dict[str, Any]) -> dict[str, Any]:
    """A scenario of format 1 or 2, whose drugs named an input and a potency, in words of today.

    What a drug acts as was its own name, or the class whose input it shared.
    """
    from surrogates.drugs import SHIPPED

    drugs, substrates = found.get("drugs"), found.get("substrates")
    if not isinstance(drugs, dict) or not isinstance(substrates, dict):
        return found
    changed = {}
    for name, drug in drugs.items():
        known = dict(drug)
        if "input" in known:
            shared = known.pop("input")
            known.pop("potency", None)
            known["acts_as"] = next((n for n in (name, shared) if n in SHIPPED), None)
            changed[name] = known
    sensed = {
        name: {**substrates[name], "input": name if drug["acts_as"] else None}
        for name, drug in changed.items()
        if name in substrates
    }
    return {**found, "drugs": {**drugs, **changed}, "substrates": {**substrates, **sensed}}


def _is_group(group: Any) -> bool:
    """Whether it is a group of cells as far as readers take its word: type and supply as text."""
    if not isinstance(group, dict) or not isinstance(group.get("type"), str):
        return False
    return isinstance(group.get("supply"), str) and bool(
        re.match(r"-?\d+(\.\d+)?(e[-+]?\d+)? ", group["supply"])
    )


def check_codes(values: np.ndarray, low: int, end: int, name: str) -> None:
    """Refuse codes that stand for nothing.

    Raises:
        ValueError: one lies outside ``low`` to ``end - 1``.
    """
    if values.size and not (values.min() >= low and values.max() < end):
        msg = f"{name} holds codes beyond the {end} that have a meaning"
        raise ValueError(msg)


def _faults(file: h5py.File, data: Sequence[h5py.Dataset], n_bytes: int) -> Iterator[str]:
    """What is wrong, the first part first."""
    extent = Extent(*(int(n) for n in file.attrs["committed"]))
    if min(extent) < 0:
        yield "`committed` is negative"
    for name in GROUPS:
        if not isinstance(file.get(name), h5py.Group):
            yield f"/{name} is no group"
    yield from _too_large(data, extent, n_bytes)
    yield from _scenario(file)
    yield from _facts(file)
    yield from _frames(file["frames"], extent)
    yield from _cells(file["cells"], extent)
    yield from _fields(file, extent)
    yield from _tables(file, extent)
    yield from _others(file, extent)


def _too_large(data: Sequence[h5py.Dataset], extent: Extent, n_bytes: int) -> Iterator[str]:
    """Data sets of which more is committed than the file has bytes for."""
    lengths = past.lengths(extent)
    for dataset in data:
        if not dataset.shape:
            continue
        first, *wide = dataset.shape
        n = float(min(first, lengths.get(dataset.name.split("/")[1], first)))
        chunk = float(np.prod(dataset.chunks or (), dtype=float)) if n else 0.0
        if max(n * float(np.prod(wide)), chunk) * dataset.dtype.itemsize > DENSEST * n_bytes:
            yield f"{dataset.name} is declared larger than what the file can hold"


def _scenario(file: h5py.File) -> Iterator[str]:
    scenario = file["scenario"]
    for name in ("source", "resolved"):
        if not h5py.check_string_dtype(scenario[name].dtype) or scenario[name].shape != ():
            yield f"/scenario/{name} is no text"
    given = scenario.attrs
    for name, shapes in {
        "seed": ((),),
        "voxel": ((),),
        "size": ((2,), (3,)),
        "shape": ((3,),),
    }.items():
        value = np.asarray(given[name])
        if value.dtype.kind not in NUMBERS or value.shape not in shapes or not (value >= 0).all():
            yield f"{name} of /scenario is wrong"
    if not (isinstance(given["name"], str) and given["voxel"] > 0 and min(given["shape"]) > 0):
        yield "name, voxel or shape of /scenario is wrong"


def _facts(file: h5py.File) -> Iterator[str]:
    origin = file["provenance"].attrs
    for name, value in origin.items():
        if not isinstance(value, str | int | np.integer):
            yield f"{name} of /provenance is neither text nor a whole number"
    for name in FACTS:
        if name not in origin:
            yield f"/provenance lacks {name}"
    timers = file.get("timers")  # no result, and written last: a kill may leave it in pieces
    for name, value in () if timers is None else timers.attrs.items():
        if np.ndim(value) or not np.isfinite(float(value)):
            yield f"{name} of /timers is no number"


def _frames(group: h5py.Group, extent: Extent) -> Iterator[str]:
    for name, kinds in FRAMES.items():
        yield from _column(group[name], extent.frames, kinds)
    for name in set(group) - set(FRAMES):
        yield f"/frames/{name} is unknown"
    time = group["time"][: extent.frames]
    start, count = (group[name][: extent.frames].astype(float) for name in ("start", "count"))
    if not (np.isfinite(time).all() and (np.diff(time) > 0).all()):
        yield "/frames/time does not rise"
    if extent.frames and not (
        min(start.min(), count.min()) >= 0 and (start + count).max() <= extent.rows
    ):
        yield "/frames names rows that are not there"


def _cells(group: h5py.Group, extent: Extent) -> Iterator[str]:
    missing = [name for name in REQUIRED_COLUMNS if name not in group]
    if missing:
        yield f"/cells lacks {', '.join(missing)}"
    yield from _codes(group)
    for name, dataset in group.items():
        wide = (3,) if name in ("position", "direction") else ()
        yield from _column(dataset, extent.rows, NUMBERS, wide)
        for key in ("units", "meaning", "source"):
            if not isinstance(dataset.attrs[key], str):
                yield f"{key} of /cells/{name} is no text"


def _codes(group: h5py.Group) -> Iterator[str]:
    for name in NAMED:
        if not _are_texts(group[name].attrs["categories"]) or group[name].dtype.kind not in "iu":
            yield f"/cells/{name} has no names of its codes"
    for name in ("id", "clone"):
        if group[name].dtype.kind not in "iu":
            yield f"/cells/{name} holds no whole numbers"


def _fields(file: h5py.File, extent: Extent) -> Iterator[str]:
    shape = tuple(int(n) for n in file["scenario"].attrs["shape"])
    for dataset in file["fields"].values():
        yield from _column(dataset, extent.frames, "f", shape)
        if not isinstance(dataset.attrs["units"], str):
            yield f"{dataset.name} has no unit"


def _tables(file: h5py.File, extent: Extent) -> Iterator[str]:
    for table, columns in TABLES.items():
        for column in columns:
            dataset = file[table][column.name]
            text = h5py.check_string_dtype(dataset.dtype) is not None
            if text != (column.dtype[0] in "tS"):
                yield f"{dataset.name} is of another type"
            kinds = "OS" if text else np.dtype(column.dtype).kind
            yield from _column(dataset, getattr(extent, table), kinds)
    values = file["metrics/values"]
    names = values.attrs["columns"]
    if not (_are_texts(names) and _are_texts(values.attrs["column_units"])):
        yield "/metrics/values has no names of its columns"
    if not len(names) == len(set(names)) == len(values.attrs["column_units"]):
        yield "/metrics/values has other names than columns"
    yield from _column(values, extent.metrics, "f", (len(names),))
    groups = (f"n_{name}" for name in file["cells/group"].attrs["categories"])
    for name in {*METRICS, *groups} - set(names):
        yield f"/metrics/values lacks {name}"


def _others(file: h5py.File, extent: Extent) -> Iterator[str]:
    for drug in file.get(BALANCES, {}).values():
        for dataset in drug.values():
            names = dataset.attrs["columns"]
            if not _are_texts(names) or not isinstance(dataset.attrs["units"], str):
                yield f"{dataset.name} has no names"
            yield from _column(dataset, len(names), "f")
            if dataset.shape != (len(names),):
                yield f"{dataset.name} has other names than numbers"
    if SITUATIONS in file:
        group = file[SITUATIONS]
        n_sample, n_inputs = group["inputs"].shape[1:]
        yield from _column(group["inputs"], extent.frames, "f", (n_sample, n_inputs))
        for name in ("genotype", "type"):
            yield from _column(group[name], extent.frames, "iu", (n_sample,))
        if not _are_texts(group["inputs"].attrs["channels"]):
            yield "/situations/inputs has no names"


def _column(
    dataset: h5py.Dataset, n_rows: int, kinds: str, wide: tuple[int, ...] = ()
) -> Iterator[str]:
    """Whether a data set has so many rows, each of a shape, of some kinds of numbers."""
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        yield f"{dataset.name} is no data set"
    elif dataset.ndim != 1 + len(wide) or dataset.shape[1:] != wide:
        yield f"{dataset.name} has the shape {dataset.shape}"
    elif dataset.shape[0] < n_rows:
        yield f"{dataset.name} has {dataset.shape[0]} rows, but {n_rows} are committed"
    elif dataset.dtype.kind not in kinds or dataset.dtype.names:
        yield f"{dataset.name} is of another type"


def _are_texts(values: Any) -> bool:
    return np.ndim(values) == 1 and all(isinstance(value, str) for value in values)
