"""One writer at a time."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tme_sim.errors import InputError


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only process that writes an output, until the end or however this process ends.

    Folders are made; of those nothing was written to, none is left.

    Raises:
        InputError: another process is, or there is no place to write.
    """
    file = _beside(path)
    try:
        made = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _opened(file)
    except BlockingIOError as err:
        msg = f"{path} is being written by {err.strerror}; wait for it, or choose another file"
        raise InputError(msg) from err
    except OSError as err:
        msg = f"{path}: cannot be written: {err.strerror} ({err.filename})"
        raise InputError(msg) from err
    with handle:
        try:
            yield
        finally:
            file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # one is not empty: there is an output
                for folder in made:
                    folder.rmdir()


def is_locked(path: Path) -> bool:
    """Whether a process writes an output at this moment."""
    try:
        with _beside(path).open(encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _opened(file: Path) -> TextIO:
    """The file, locked and with the id of this process in it."""
    while True:
        handle = file.open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            handle.seek(0)
            owner = f"process {handle.read().strip()}".strip()
            handle.close()
            raise BlockingIOError(err.errno, owner) from err
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), file.stat()):
                break
        handle.close()  # its owner has just removed it
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
