"""Compile kernels with numba's disk cache, filed under all that they are written in.

numba files a kernel by module, name and line, notices changes of the one file that it stands in,
and reads what it kept before it looks for changes. So a kernel would go stale with an edit of what
it calls elsewhere, and an index that names a class of an older version would end in an error. Here
the name under which a kernel is filed carries a hash of its own file and of those that kernels
share.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

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


def cached(**options: Any) -> Callable[[Function], Function]:
    """Decorator: ``njit`` with these options and the disk cache."""

    def compiled(function: Function) -> Function:
        own = Path(function.__code__.co_filename).read_bytes()
        key = hashlib.sha256(_shared() + own).hexdigest()[:N_DIGITS]
        function.__qualname__ = f"{function.__qualname__}_{key}"
        kernel: Function = njit(cache=True, **options)(function)
        return kernel

    return compiled


@functools.cache
def _shared() -> bytes:
    root = Path(__file__).parent
    files = [file for pattern in SHARED for file in sorted(root.glob(pattern))]
    return b"\0".join(file.read_bytes() for file in files)


__all__ = ["cached"]
