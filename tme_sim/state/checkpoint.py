"""Keep the whole state of a model in files that survive a kill at any moment.

A checkpoint is a zip of arrays (numpy's npz) and a JSON tree that refers to them, so dtypes and
bits come back exactly, and the zip's checksums tell a damaged file. It is written beside its place
and moved there when it is safely on disk; older ones are removed only after that.
"""

import json
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.errors import InputError
from tme_sim.files import naming, synced

FORMAT = 1
_NAME = re.compile(r"tick_(\d{10})\.npz")
_TREE = "tree"
_DAMAGE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, EOFError, RuntimeError),
    *(MemoryError, zlib.error, zipfile.BadZipFile, zipfile.LargeZipFile),
)


def save(folder: Path | str, tick: int, state: dict[str, Any], *, keep: int | None = None) -> Path:
    """Write the checkpoint of a tick, then remove all but the newest ``keep`` (None: keep all).

    Args:
        folder: where the checkpoints of one run live; made if needed.
        tick: ticks done.
        state: nested dicts, lists and tuples of arrays, numbers, strings, booleans and None.
        keep: at least 2, so that a damaged newest file leaves one to fall back on.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps({"format": FORMAT, "state": _pack(state, arrays, "state")})
    arrays[_TREE] = np.frombuffer(tree.encode(), dtype=np.uint8)
    path = path_of(folder, tick)
    partial = path.with_suffix(".partial")
    with naming(partial), partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    synced(folder)
    for left_by_a_kill in folder.glob("*.partial"):
        left_by_a_kill.unlink()
    if keep is not None:
        for old in ticks(folder)[: -max(keep, 2)]:
            path_of(folder, old).unlink(missing_ok=True)
    return path


def path_of(folder: Path | str, tick: int) -> Path:
    """The file of a tick's checkpoint."""
    return Path(folder) / f"tick_{tick:010d}.npz"


def load(folder: Path | str, *, at_most: int | None = None) -> tuple[int, dict[str, Any]]:
    """Newest readable (tick, state), not after tick ``at_most``; damaged files are passed over.

    Raises:
        InputError: there is none.
    """
    found = find(folder, at_most=at_most)
    if found is None:
        limit = "" if at_most is None else f" at or before tick {at_most}"
        msg = f"{folder} holds no readable checkpoint{limit}"
        raise InputError(msg)
    return found


def find(
    folder: Path | str,
    *,
    at_most: int | None = None,
    fault: Callable[[dict[str, Any]], str] = lambda _state: "",
) -> tuple[int, dict[str, Any]] | None:
    """As ``load``, or None; states of which ``fault`` tells a fault are passed over."""
    folder = Path(folder)
    for tick in reversed(ticks(folder)):
        if at_most is not None and tick > at_most:
            continue
        path = path_of(folder, tick)
        try:
            state = _read(path)
            wrong = fault(state)
        except _DAMAGE as error:
            wrong = f"cannot be read ({error})"
        if not wrong:
            return tick, state
        warnings.warn(f"{path} {wrong}; using the one before it", stacklevel=2)
    return None


def read(folder: Path | str, tick: int) -> dict[str, Any] | None:
    """The state of a tick; None where it cannot be read."""
    try:
        return _read(path_of(folder, tick))
    except _DAMAGE:
        return None


def clear(folder: Path | str) -> None:
    """Remove the checkpoints of a run that is no more."""
    for tick in ticks(folder):
        path_of(folder, tick).unlink(missing_ok=True)


def ticks(folder: Path | str) -> list[int]:
    """Ticks of the checkpoints in a folder, readable or not, in order."""
    if not Path(folder).is_dir():
        return []
    found = (_NAME.fullmatch(path.name) for path in Path(folder).iterdir())
    return sorted(int(match[1]) for match in found if match)


def _read(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as arrays:
        content = json.loads(arrays[_TREE].tobytes())
        if content["format"] != FORMAT:
            msg = f"format {content['format']}, but this version reads format {FORMAT}"
            raise ValueError(msg)
        state: dict[str, Any] = _unpack(content["state"], arrays)
        return state


def _pack(value: object, arrays: dict[str, np.ndarray], place: str) -> object:
    """JSON form of a value; anything JSON cannot hold becomes a one-entry dict that names it."""
    match value:
        case np.ndarray() | np.generic():
            name = f"a{len(arrays)}"
            arrays[name] = np.asarray(value)
            if arrays[name].dtype.hasobject:
                msg = f"{place} is an array of objects, which a checkpoint cannot hold"
                raise TypeError(msg)
            return {"scalar" if isinstance(value, np.generic) else "array": name}
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_pack(item, arrays, f"{place}[{k}]") for k, item in enumerate(value)]
        case tuple():
            return {"tuple": _pack(list(value), arrays, place)}
        case dict():
            pairs = [[key, _pack(item, arrays, f"{place}.{key}")] for key, item in value.items()]
            return {"dict": pairs}
    msg = f"{place} is a {type(value).__name__}, which a checkpoint cannot hold"
    raise TypeError(msg)


def _unpack(packed: Any, arrays: np.lib.npyio.NpzFile) -> Any:
    if isinstance(packed, list):
        return [_unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    match kind:
        case "array":
            return arrays[content]
        case "scalar":
            return arrays[content][()]
        case "tuple":
            return tuple(_unpack(content, arrays))
    return {key: _unpack(item, arrays) for key, item in content}
