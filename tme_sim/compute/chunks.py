"""Compile kernels over chunks of a grid for one thread, for many, and for CUDA, from one source.

A kernel's body is a plain function `body(chunk, *args)` that handles one chunk of the work and
writes only this. Its innermost loops run over `strip(n)`: on the CPU all of range(n), so that they
vectorise; on CUDA, where a chunk is a block of threads, every thread's share of it. How the work
is cut into chunks depends on the grid alone: no result depends on the number of threads. Nor does
one depend on how the compiler makes vectors: it may neither reorder nor contract, and sums over a
strip are taken in lanes (see `lanes`).

A `Driver` calls many kernels. On a small grid it is one compiled function, as a Python call per
kernel would cost more than the work; on a large one the same source is run by Python, and every
kernel in it uses threads.
"""

# ruff: noqa: ANN001, ANN002, ANN201, ANN202 - kernels carry no annotations

import functools
import hashlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numba.core.registry import CPUDispatcher

from tme_sim.compute.lanes import add_products, add_row
from tme_sim.compute.launch import compiled_once, filed_under

PARALLEL_CHUNKS = 24  # below it launches over threads cost about what they save
THREADS = 128  # of a CUDA block
_OPTIONS = {"error_model": "numpy", "nogil": True}


class Kernel:
    """A body and its loops over chunks, each compiled when first used.

    Called as kernel(n_chunks, *args) with arrays, numbers and tuples of both; arrays in device
    memory select the CUDA form.
    """

    n_sums = 0

    def __init__(self, function: Callable) -> None:
        self.function = function
        self._body = nb.njit(forceinline=True, **_OPTIONS)(function)
        self.serial = self._loop(_serial_loop, "serial")
        self._threaded = self._loop(_threaded_loop, "threaded", parallel=True)
        self._cuda = None

    def _loop(self, template: Callable, kind: str, **options: bool) -> Callable:
        names = {"body": self._body, "prange": nb.prange, "np": np, "add_up": add_up}
        names["n_sums"] = self.n_sums
        loop = filed_under(template(version_of(self.function)), self.function, kind, names)
        return compiled_once(loop, **_OPTIONS, **options)

    def __call__(self, n_chunks: int, *args: object) -> np.ndarray | None:
        """Run the body for every chunk."""
        if any(hasattr(arg, "copy_to_host") for arg in args):
            self._launch(n_chunks, args)
        elif n_chunks >= PARALLEL_CHUNKS:
            self._threaded(n_chunks, *args)
        else:
            self.serial(n_chunks, *args)

    def _launch(self, n_chunks: int, args: tuple) -> None:
        """Run on CUDA; small host arrays travel as tuples of numbers."""
        from numba import cuda

        if self._cuda is None:
            names = {"body": _on_cuda(self.function, {}), "cuda": cuda}
            loop = filed_under(_cuda_loop(version_of(self.function)), self.function, "cuda", names)
            self._cuda = cuda.jit(loop)
        device_args = tuple(tuple(a) if isinstance(a, np.ndarray) else a for a in args)
        if n_chunks > 0:
            self._cuda[int(n_chunks), THREADS](n_chunks, device_args)


class Reduction(Kernel):
    """A kernel that returns sums: its body gets an array `partial` (n_sums, parts) before `args`.

    The body writes its sums to partial[:, part(chunk)]; the parts are then added from first to
    last.
    """

    def __init__(self, n_sums: int, function: Callable) -> None:
        self.n_sums = n_sums
        super().__init__(function)
        self.serial = self._loop(_serial_sums, "sums")

    def __call__(self, n_chunks: int, *args: object) -> np.ndarray:
        """Run the body for every chunk; returns the sums, float64 (n_sums,)."""
        if any(hasattr(arg, "copy_to_host") for arg in args):
            from numba import cuda

            partial = cuda.device_array((self.n_sums, int(n_chunks) * THREADS))
            self._launch(n_chunks, (partial, *args))
            return add_up(partial.copy_to_host())
        if n_chunks < PARALLEL_CHUNKS:
            return self.serial(n_chunks, *args)
        partial = np.empty((self.n_sums, n_chunks))
        self._threaded(n_chunks, partial, *args)
        return add_up(partial)


class Driver:
    """A function that calls kernels: compiled whole for small grids, run by Python for large.

    `is_small` says of the function's first argument whether one thread is as good as many.
    """

    def __init__(self, function: Callable, is_small: Callable[[np.ndarray], bool]) -> None:
        self.interpreted, self.is_small = function, is_small

    @functools.cached_property
    def compiled(self) -> Callable:
        """One function, with the serial form of every kernel."""
        function = self.interpreted
        known, used = function.__globals__, function.__code__.co_names
        names = {name: _serial_form(known[name]) for name in used if name in known}
        names["__name__"] = function.__module__
        source = types.FunctionType(function.__code__, names, function.__name__)
        source.__qualname__ = f"{function.__qualname__}_{version_of(function)[:16]}"
        source.__module__ = function.__module__
        return compiled_once(source, **_OPTIONS)

    def __call__(self, *args: Any) -> Any:
        """Run compiled where arrays, as the second argument, lie on the host and are small."""
        small = isinstance(args[1], np.ndarray) and self.is_small(args[0])
        return (self.compiled if small else self.interpreted)(*args)


def kernel(function: Callable) -> Kernel:
    """Make a kernel of a body."""
    return Kernel(function)


def reduction(n_sums: int) -> Callable[[Callable], Reduction]:
    """Make a kernel that returns `n_sums` sums."""
    return lambda function: Reduction(n_sums, function)


def driver(is_small: Callable[[np.ndarray], bool]) -> Callable[[Callable], Driver]:
    """Make a driver of a function that calls kernels."""
    return lambda function: Driver(function, is_small)


def to_device(device: str) -> Callable:
    """A function that puts an array where kernels of this device, cpu or cuda, work on it."""
    if device == "cpu":
        return lambda array: array
    if device != "cuda":
        msg = f"kernels work on 'cpu' or 'cuda', not on {device!r}"
        raise ValueError(msg)
    from numba import cuda

    if not cuda.is_available():
        msg = "'cuda' was asked for, but no CUDA device was found; use 'cpu'"
        raise ValueError(msg)
    return cuda.to_device


def copy(to: Any, array: Any) -> None:
    """Copy an array into another on the same device."""
    if isinstance(to, np.ndarray):
        np.copyto(to, array)
    else:
        to.copy_to_device(array)


inline = nb.njit(forceinline=True, **_OPTIONS)  # part of a body
strip = range  # which of n elements to handle


@inline
def part(chunk):
    """Where the sums over a strip belong."""
    return chunk


@inline
def barrier():
    """Wait until all that is handled alongside has come here."""


@inline
def is_first():
    """Whether to handle what comes once per chunk."""
    return True


@nb.njit(**_OPTIONS)
def add_up(partial):
    """Sum every row of an array from first to last."""
    result = np.zeros(partial.shape[0])
    for row in range(partial.shape[0]):
        for value in partial[row]:
            result[row] += value
    return result


def version_of(function: Callable) -> str:
    """Hash of the sources of a function's package and of this one.

    Part of the key of numba's disk cache, which notices changes in a kernel's own file only.
    """
    return _hash_of(Path(function.__code__.co_filename).parent)


@functools.cache
def _hash_of(package: Path) -> str:
    folders = package, Path(__file__).parent
    files = (path for folder in folders for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _serial_form(value: object) -> object:
    """What stands for a kernel or driver inside a compiled driver."""
    if isinstance(value, Kernel):
        return value.serial
    return value.compiled if isinstance(value, Driver) else value


def _serial_loop(version: str) -> Callable:
    def loop(n_chunks, *args):
        version  # noqa: B018 - a closure value is part of the key of numba's disk cache
        for chunk in range(n_chunks):
            body(chunk, *args)  # noqa: F821

    return loop


def _threaded_loop(version: str) -> Callable:
    def loop(n_chunks, *args):
        version  # noqa: B018
        for chunk in prange(n_chunks):  # noqa: F821
            body(np.int64(chunk), *args)  # noqa: F821 - numba's own index is unsigned

    return loop


def _cuda_loop(version: str) -> Callable:
    def loop(n_chunks, args):
        version  # noqa: B018
        for chunk in range(cuda.blockIdx.x, n_chunks, cuda.gridDim.x):  # noqa: F821
            body(chunk, *args)  # noqa: F821

    return loop


def _on_cuda(function: Callable, made: dict[Callable, Callable]) -> Callable:
    """Make a device function of a body, with the device form of every inline function it calls."""
    from numba import cuda

    forms = {
        part: _cuda_part,
        is_first: _cuda_is_first,
        barrier: _cuda_barrier,
        add_row: _cuda_add_row,
        add_products: _cuda_add_products,
    }
    names = {"cuda": cuda, "__name__": function.__module__}
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if name == "strip":
            value = _on_cuda(_cuda_strip, made)
        if isinstance(value, CPUDispatcher):
            if value not in made:
                made[value] = _on_cuda(forms.get(value, value.py_func), made)
            value = made[value]
        if name not in names and value is not None:
            names[name] = value
    copy = types.FunctionType(function.__code__, names, function.__name__)
    return cuda.jit(copy, device=True)


def _cuda_strip(n):
    return range(cuda.threadIdx.x, n, cuda.blockDim.x)  # noqa: F821


def _cuda_part(chunk):
    return chunk * cuda.blockDim.x + cuda.threadIdx.x  # noqa: F821


def _cuda_barrier():
    cuda.syncthreads()  # noqa: F821


def _cuda_is_first():
    return cuda.threadIdx.x == 0  # noqa: F821


def _cuda_add_row(total, row):
    cuda.syncthreads()  # noqa: F821 - a row may just have been written by other threads
    for k in range(cuda.threadIdx.x, row.size, cuda.blockDim.x):  # noqa: F821
        total += row[k]
    cuda.syncthreads()  # noqa: F821
    return total


def _cuda_add_products(total, left, right):
    cuda.syncthreads()  # noqa: F821
    for k in range(cuda.threadIdx.x, left.size, cuda.blockDim.x):  # noqa: F821
        total += left[k] * right[k]
    cuda.syncthreads()  # noqa: F821
    return total


def _serial_sums(version: str) -> Callable:
    def sums(n_chunks, *args):
        version  # noqa: B018
        partial = np.empty((n_sums, n_chunks))  # noqa: F821
        for chunk in range(n_chunks):
            body(chunk, partial, *args)  # noqa: F821
        return add_up(partial)

    return sums
