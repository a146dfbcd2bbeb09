"""Write a file whole or not at all, and never over another kind of file."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tme_sim.errors import InputError

INPUTS = (".yaml", ".yml", ".py", ".tsv", ".npz", ".safetensors")  # of a user, never outputs
HDF5 = b"\x89HDF\r\n\x1a\n"


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """A place beside ``path`` to write to; what is there in the end is moved to ``path``.

    Folders are made. What was at ``path`` stays until then, and where writing fails.

    Raises:
        InputError: ``path`` is a folder, a run file or an input, or cannot be written.
    """
    _refuse_another_kind(path)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as err:
        msg = f"{path}: cannot be written: {err.strerror or err}"
        raise InputError(msg) from err
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the system say which file it was about, where it does not."""
    try:
        yield
    except OSError as err:
        if err.filename is not None or err.errno is None:
            raise
        raise OSError(err.errno, os.strerror(err.errno), str(path)) from err


def synced(*paths: Path) -> None:
    """Wait until files, or the names in folders, are on the disk: a power cut costs them not."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            with naming(path):
                os.fsync(handle)
        finally:
            os.close(handle)


def _refuse_another_kind(path: Path) -> None:
    if path.is_dir():
        msg = f"{path}: is a folder; a file name is needed"
        raise InputError(msg)
    if not path.is_file():
        return
    with path.open("rb") as file:
        is_run = file.read(len(HDF5)) == HDF5
    if is_run or path.suffix in INPUTS:
        kind = "a run file" if is_run else f"a {path.suffix} file, which may be an input"
        msg = f"{path}: is {kind}; choose another name"
        raise InputError(msg)
