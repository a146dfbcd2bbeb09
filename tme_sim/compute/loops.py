"""Loops over bodies, and what bodies say, on one thread, on many, and on CUDA.

Every function here is compiled by numba. Those that make a loop fill in, by name, what they know
only when it is compiled (see ``launch.filed_under``): `body`, `prange`, `cuda`. Their argument is
part of the key of numba's disk cache, in which a loop finds only what its closure holds.

A body over chunks says `strip`, `part`, `barrier` and `is_first`; `CUDA_FORMS` has what these, and
sums in lanes, mean where a chunk is a block of threads.
"""

# ruff: noqa: ANN001, ANN002, ANN201, ANN202, B018, F821 - compiled by the types it meets

from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np

from tme_sim.compute.compiling import inline
from tme_sim.compute.lanes import add_products, add_row

OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}

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


@nb.njit(**OPTIONS)
def add_up(partial):
    """Sum every row of an array from first to last."""
    result = np.zeros(partial.shape[0])
    for row in range(partial.shape[0]):
        for value in partial[row]:
            result[row] += value
    return result


def serial(fingerprint: str) -> Callable[..., object]:
    """Body of one index after another."""

    def loop(n, args):
        fingerprint
        for i in range(n):
            body(i, *args)

    return loop


def parallel(fingerprint: str) -> Callable[..., object]:
    """Body of every index, shared among threads."""

    def loop(n, args):
        fingerprint
        for i in prange(n):
            body(np.int64(i), *args)  # numba's own index is unsigned

    return loop


def grid(fingerprint: str) -> Callable[..., object]:
    """Body of every index, shared among the threads of a grid."""

    def loop(n, args):
        fingerprint
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            body(i, *args)

    return loop


def serial_chunks(version: str) -> Callable[..., object]:
    """Body of one chunk after another."""

    def loop(n_chunks, *args):
        version
        for chunk in range(n_chunks):
            body(chunk, *args)

    return loop


def parallel_chunks(version: str) -> Callable[..., object]:
    """Body of every chunk, shared among threads."""

    def loop(n_chunks, *args):
        version
        for chunk in prange(n_chunks):
            body(np.int64(chunk), *args)  # numba's own index is unsigned

    return loop


def grid_of_chunks(version: str) -> Callable[..., object]:
    """Body of every chunk, shared among blocks of threads."""

    def loop(n_chunks, args):
        version
        for chunk in range(cuda.blockIdx.x, n_chunks, cuda.gridDim.x):
            body(chunk, *args)

    return loop


def serial_sums(version: str) -> Callable[..., object]:
    """Body of one chunk after another; returns the sums, `n_sums` of them."""

    def sums(n_chunks, *args):
        version
        partial = np.empty((n_sums, n_chunks))
        for chunk in range(n_chunks):
            body(chunk, partial, *args)
        return add_up(partial)

    return sums


def cuda_strip(n):
    """Every thread's share of n elements."""
    return range(cuda.threadIdx.x, n, cuda.blockDim.x)


def _cuda_part(chunk):
    return chunk * cuda.blockDim.x + cuda.threadIdx.x


def _cuda_barrier():
    cuda.syncthreads()


def _cuda_is_first():
    return cuda.threadIdx.x == 0


def _cuda_add_row(total, row):
    cuda.syncthreads()  # a row may just have been written by other threads
    for k in range(cuda.threadIdx.x, row.size, cuda.blockDim.x):
        total += row[k]
    cuda.syncthreads()
    return total


def _cuda_add_products(total, left, right):
    cuda.syncthreads()
    for k in range(cuda.threadIdx.x, left.size, cuda.blockDim.x):
        total += left[k] * right[k]
    cuda.syncthreads()
    return total


CUDA_FORMS: dict[Any, Callable[..., Any]] = {
    part: _cuda_part,
    is_first: _cuda_is_first,
    barrier: _cuda_barrier,
    add_row: _cuda_add_row,
    add_products: _cuda_add_products,
}
