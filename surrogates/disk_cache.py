"""Compile kernels with numba's disk cache, filed under all that they are written in.

numba files a kernel by module, name and line, notices changes of the one file that it stands in,
and reads what it kept before it looks for changes. So a kernel would go stale with an edit of what
it calls elsewhere, and an index that names a class of an older version would end in an error. Here
the name under which a kernel is filed carries a hash of its own file and of those that kernels
share.

What is damaged in the cache counts as missing and is made anew: a process that was killed, a full
disk. Where no folder can be written, kernels are compiled in every process.
"""

import contextlib
import functools
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache

Function = Callable[..., Any]

SHARED = (  # what kernels of this package call or are given, beside what stands in their own file
    "channels.py",
    "metabolism.py",
    "phenotype.py",
    "network/domain.py",
    "network/parameters.py",
    "network/residual.py",
    "network/kernels/*.py",
    "teacher/parameters.py",
    "training/drives.py",
)
N_DIGITS = 12
DIGEST = hashlib.sha256().digest_size


def cached(**options: Any) -> Callable[[Function], Function]:
    """Decorator: ``njit`` with these options and the disk cache."""

    def compiled(function: Function) -> Function:
        own = Path(function.__code__.co_filename).read_bytes()
        key = hashlib.sha256(_shared() + own).hexdigest()[:N_DIGITS]
        function.__qualname__ = f"{function.__qualname__}_{key}"
        kernel: Function = njit(**options)(function)
        vars(kernel)["_cache"] = disk_cache(function)
        return kernel

    return compiled


def disk_cache(function: Function) -> "DiskCache | NullCache":
    """The cache of a dispatcher of numba; one that keeps nothing where no folder can be written."""
    try:
        return DiskCache(function)
    except RuntimeError:
        return NullCache()


class DiskCache(FunctionCache):
    """numba's cache, which no file in it and no disk can bring down."""

    def __init__(self, function: Function) -> None:
        super().__init__(function)
        name, stamp = self._impl.filename_base, self._impl.locator.get_source_stamp()
        self._cache_file = _Files(self.cache_path, f"{name}.sum", stamp)

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keep a compiled kernel, where the disk lets."""
        with contextlib.suppress(OSError):
            super().save_overload(signature, compiled)


class _Files(IndexDataCacheFile):
    """An index and its files of compiled code; each begins with the hash of the rest."""

    def _load_index(self) -> dict[Any, str]:
        try:
            *made_for, names = self._whole(self._index_path)
        except Exception:  # missing, damaged, or of classes that are gone
            return {}
        return dict(names) if made_for == [self._version, self._source_stamp] else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._whole(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _whole(self, path: str) -> Any:
        content = Path(path).read_bytes()
        digest, data = content[:DIGEST], content[DIGEST:]
        if hashlib.sha256(data).digest() != digest:
            msg = f"{path} is damaged"
            raise OSError(msg)  # numba takes compiled code for missing then
        return pickle.loads(data)

    def _write(self, path: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(content).digest() + content)


@functools.cache
def _shared() -> bytes:
    root = Path(__file__).parent
    files = [file for pattern in SHARED for file in sorted(root.glob(pattern))]
    return b"\0".join(file.read_bytes() for file in files)


__all__ = ["cached", "disk_cache"]
