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

import functools
import hashlib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numba.core.registry import CPUDispatcher

from tme_sim.compute.compiling import body_of_a_loop
from tme_sim.compute.launch import (
    Function,
    Layout,
    compiled_once,
    filed_under,
    flattened,
    of_flat,
)
from tme_sim.compute.loops import (
    CUDA_FORMS,
    OPTIONS,
    add_up,
    cuda_strip,
    grid_of_chunks,
    parallel_chunks,
    serial_chunks,
    serial_sums,
)

PARALLEL_CHUNKS = 24  # below it launches over threads cost about what they save
THREADS = 128  # of a CUDA block


class Kernel:
    """A body and its loops over chunks, each compiled when first used.

    Called as kernel(n_chunks, *args) with arrays, numbers, tuples and NamedTuples of both; arrays
    in device memory select the CUDA form.
    """

    n_sums = 0

    def __init__(self, function: Function) -> None:
        self.function = function
        self._body = body_of_a_loop(function)
        self.serial = self._loop(serial_chunks, "serial", self._body)
        self._threaded: dict[Layout, Function] = {}
        self._cuda: dict[Layout, Any] = {}  # of numba, indexed by their grids

    def _loop(self, template: Function, kind: str, body: Function, **options: bool) -> Function:
        names = {"body": body, "prange": nb.prange, "np": np, "add_up": add_up}
        names["n_sums"] = self.n_sums
        loop = filed_under(template(version_of(self.function)), self.function, kind, names)
        made: Function = compiled_once(loop, **OPTIONS, **options)
        return made

    def __call__(self, n_chunks: int, *args: object) -> np.ndarray | None:
        """Run the body for every chunk."""
        if _on_device(args):
            self._launch(n_chunks, args)
        elif n_chunks >= PARALLEL_CHUNKS:
            self._share(n_chunks, args)
        else:
            self.serial(n_chunks, *args)
        return None

    def _share(self, n_chunks: int, args: tuple[object, ...]) -> None:
        """Run on all threads; a parallel loop takes no NamedTuples, so they travel flat."""
        layout, flat = flattened(args)
        if layout not in self._threaded:
            body = of_flat(self._body, layout, body_of_a_loop)
            loop = self._loop(parallel_chunks, "threaded", body, parallel=True)
            self._threaded[layout] = loop
        self._threaded[layout](n_chunks, *flat)

    def _launch(self, n_chunks: int, args: tuple[object, ...]) -> None:
        """Run on CUDA; small host arrays travel as tuples of numbers."""
        from numba import cuda  # only where there is a device, or a simulator of one

        layout, flat = flattened(args)
        if layout not in self._cuda:
            body = of_flat(_on_cuda(self.function, {}), layout, cuda.jit(device=True))
            names = {"body": body, "cuda": cuda}
            loop = filed_under(
                grid_of_chunks(version_of(self.function)), self.function, "cuda", names
            )
            self._cuda[layout] = cuda.jit(loop)
        device_args = tuple(tuple(a) if isinstance(a, np.ndarray) else a for a in flat)
        if n_chunks > 0:
            self._cuda[layout][int(n_chunks), THREADS](n_chunks, device_args)


class Reduction(Kernel):
    """A kernel that returns sums: its body gets an array `partial` (n_sums, parts) before `args`.

    The body writes its sums to partial[:, part(chunk)]; the parts are then added from first to
    last.
    """

    def __init__(self, n_sums: int, function: Function) -> None:
        self.n_sums = n_sums
        super().__init__(function)
        self.serial = self._loop(serial_sums, "sums", self._body)

    def __call__(self, n_chunks: int, *args: object) -> np.ndarray:
        """Run the body for every chunk; returns the sums, float64 (n_sums,)."""
        if _on_device(args):
            from numba import cuda  # as above

            partial = cuda.device_array((self.n_sums, int(n_chunks) * THREADS))
            self._launch(n_chunks, (partial, *args))
            return np.asarray(add_up(partial.copy_to_host()))
        if n_chunks < PARALLEL_CHUNKS:
            return np.asarray(self.serial(n_chunks, *args))
        partial = np.empty((self.n_sums, n_chunks))
        self._share(n_chunks, (partial, *args))
        return np.asarray(add_up(partial))


def _on_device(args: tuple[object, ...]) -> bool:
    return any(hasattr(arg, "copy_to_host") for arg in args)


class Driver:
    """A function that calls kernels: compiled whole for small grids, run by Python for large.

    `is_small` says of the function's first argument whether one thread is as good as many.
    """

    def __init__(self, function: Function, is_small: Callable[[np.ndarray], bool]) -> None:
        self.interpreted, self.is_small = function, is_small

    @functools.cached_property
    def compiled(self) -> Function:
        """One function, with the serial form of every kernel."""
        function = self.interpreted
        known, used = function.__globals__, function.__code__.co_names
        names = {name: _serial_form(known[name]) for name in used if name in known}
        names["__name__"] = function.__module__
        source = types.FunctionType(function.__code__, names, function.__name__)
        source.__qualname__ = f"{function.__qualname__}_{version_of(function)[:16]}"
        source.__module__ = function.__module__
        made: Function = compiled_once(source, **OPTIONS)
        return made

    def __call__(self, *args: Any) -> Any:
        """Run compiled where arrays, as the second argument, lie on the host and are small."""
        small = isinstance(args[1], np.ndarray) and self.is_small(args[0])
        return (self.compiled if small else self.interpreted)(*args)


def kernel(function: Function) -> Kernel:
    """Make a kernel of a body."""
    return Kernel(function)


def reduction(n_sums: int) -> Callable[[Function], Reduction]:
    """Make a kernel that returns `n_sums` sums."""
    return lambda function: Reduction(n_sums, function)


def driver(is_small: Callable[[np.ndarray], bool]) -> Callable[[Function], Driver]:
    """Make a driver of a function that calls kernels."""
    return lambda function: Driver(function, is_small)


def to_device(device: str) -> Function:
    """A function that puts an array where kernels of this device, cpu or cuda, work on it."""
    if device == "cpu":
        return lambda array: array
    if device != "cuda":
        msg = f"kernels work on 'cpu' or 'cuda', not on {device!r}"
        raise ValueError(msg)
    from numba import cuda  # only where it is asked for

    if not cuda.is_available():
        msg = "'cuda' was asked for, but no CUDA device was found; use 'cpu'"
        raise ValueError(msg)
    put: Function = cuda.to_device
    return put


def copy(to: Any, array: Any) -> None:
    """Copy an array into another on the same device."""
    if isinstance(to, np.ndarray):
        np.copyto(to, array)
    else:
        to.copy_to_device(array)


def version_of(function: Function) -> str:
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


def _on_cuda(function: Function, made: dict[Any, Function]) -> Function:
    """Make a device function of a body, with the device form of every inline function it calls."""
    from numba import cuda  # as in Kernel

    names: dict[str, Any] = {"cuda": cuda, "__name__": function.__module__}
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if name == "strip":
            value = _on_cuda(cuda_strip, made)
        if isinstance(value, CPUDispatcher):
            if value not in made:
                made[value] = _on_cuda(CUDA_FORMS.get(value, value.py_func), made)
            value = made[value]
        if name not in names and value is not None:
            names[name] = value
    copy = types.FunctionType(function.__code__, names, function.__name__)
    on_device: Function = cuda.jit(copy, device=True)
    return on_device
