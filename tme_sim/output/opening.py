"""Open a run file to read: of a known format, verified where it is sealed, nothing of elsewhere."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py

from tme_sim.errors import InputError
from tme_sim.output import layout
from tme_sim.output.layout import RunFileError
from tme_sim.output.seal import SealedFile, open_sealed
from tme_sim.state.lock import is_locked

_IN_PIECES = (KeyError, OSError, RuntimeError)  # what h5py raises where a kill hit a write
_HOSTILE = (ValueError, TypeError, LookupError, MemoryError)  # what follows from damage or intent


@contextlib.contextmanager
def reading(path: Path, *, tolerant: bool = False) -> Iterator[tuple[h5py.File, SealedFile | None]]:
    """An open run file, and its verified bytes where it is sealed.

    Args:
        path: of the file.
        tolerant: leave it to the reader what to do where something cannot be read.

    Raises:
        RunFileError: there is no such file, it is no run file, of a newer format, being written,
            or what is read of it is not what was written.
    """
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        msg = f"{path}: {what}; a run file is needed, such as tme-sim run writes"
        raise RunFileError(msg)
    sealed = _sealed(path, tolerant=tolerant)
    with contextlib.ExitStack() as stack:
        if sealed is not None:
            stack.enter_context(sealed)
        try:
            file = stack.enter_context(_open(path, sealed))
            _check_format(file, path)
            yield file, sealed
        except Exception as err:
            found = None if tolerant else _in_words(err, path, sealed)
            if found is None:
                raise
            raise found from err
        # HDF5 may go on without what it could not read
        if sealed is not None and sealed.damaged and not tolerant:
            raise _damage(path, sealed)


def refuse_unsealed(file: h5py.File, path: Path, sealed: SealedFile | None) -> None:
    """Refuse a file that ended and has no seal, which it had in the end.

    Raises:
        RunFileError: says what may have happened.
    """
    if sealed is not None or not layout.must_be_sealed(file.attrs):
        return
    if is_locked(path):
        raise _busy(path)
    msg = (
        f"{path}: ended, but its checksums are missing: it was cut, changed by another program, or "
        f"its writer was killed in its last moment; tme-sim check {path} tells what is whole"
    )
    raise RunFileError(msg)


def own_data(group: h5py.Group, path: Path) -> list[h5py.Dataset]:
    """Every data set of a file.

    What a kill has left in pieces cannot be read by anyone, and is passed over.

    Raises:
        RunFileError: one lies elsewhere: so a file could show any other of its reader's.
    """
    found: list[h5py.Dataset] = []
    names: list[str] = []
    with contextlib.suppress(*_IN_PIECES):
        names += group
    for name in names:
        with contextlib.suppress(*_IN_PIECES):
            link = group.get(name, getlink=True)
            item = group[name] if isinstance(link, h5py.HardLink) else None
            if isinstance(item, h5py.Group):
                found += own_data(item, path)
            elif item is None or (isinstance(item, h5py.Dataset) and _lies_elsewhere(item)):
                where = f"{group.name}/{name}"
                msg = f"{path}: {where} is data of another place, which no run file holds; not read"
                raise RunFileError(msg)
            elif isinstance(item, h5py.Dataset):
                found.append(item)
    return found


def _sealed(path: Path, *, tolerant: bool) -> SealedFile | None:
    try:
        return open_sealed(path)
    except RunFileError:
        if tolerant:
            return None
        raise


def _open(path: Path, sealed: SealedFile | None) -> h5py.File:
    try:
        return h5py.File(sealed or path, "r")
    except BlockingIOError as err:
        raise _busy(path) from err
    except OSError as err:
        if sealed is not None and sealed.damaged:
            raise
        cause = "is truncated" if "truncated" in str(err) else "is no run file of tme-sim"
        msg = f"{path}: {cause} ({err})"
        raise RunFileError(msg) from err


def _in_words(err: Exception, path: Path, sealed: SealedFile | None) -> RunFileError | None:
    """What an error says of the file; None where it says nothing."""
    if isinstance(err, InputError):
        return None
    if sealed is not None and sealed.damaged:
        return _damage(path, sealed)
    if isinstance(err, (*_IN_PIECES, *_HOSTILE)):
        return RunFileError(f"{path}: is damaged or not whole: {str(err).strip(chr(34))}")
    return None


def _damage(path: Path, sealed: SealedFile) -> RunFileError:
    place = sealed.place(sealed.damaged[-1])
    msg = f"{path}: is damaged: {place} are not what was written; see tme-sim check {path}"
    return RunFileError(msg)


def _busy(path: Path) -> RunFileError:
    msg = f"{path}: a simulation is still writing this file; look again when it has ended"
    return RunFileError(msg)


def _lies_elsewhere(dataset: h5py.Dataset) -> bool:
    return bool(dataset.external) or dataset.is_virtual


def _check_format(file: h5py.File, path: Path) -> None:
    found = file.attrs.get("format")
    if found != layout.FORMAT:
        msg = f"{path}: is no run file of tme-sim: its format is {found!r}, not {layout.FORMAT!r}"
        raise RunFileError(msg)
    format_version = int(file.attrs["format_version"])
    if format_version > layout.FORMAT_VERSION:
        msg = (
            f"{path}: has run file format {format_version}, but this version of tme-sim reads up "
            f"to {layout.FORMAT_VERSION}; a newer tme-sim can read it"
        )
        raise RunFileError(msg)
