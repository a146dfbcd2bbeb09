"""Loops over a body, before they have one: ``launch`` gives them their globals and compiles them.

A closure value is part of the key of numba's disk cache: with another fingerprint, the loop is
compiled anew.
"""

# ruff: noqa: ANN001, ANN201, ANN202, B018, F821 - `body`, `prange`, `cuda` come with the globals

import numpy as np


def serial(fingerprint):
    """Items one after the other."""

    def loop(n, args):
        fingerprint
        for i in range(n):
            body(i, *args)

    return loop


def parallel(fingerprint):
    """Items shared out to threads."""

    def loop(n, args):
        fingerprint
        for i in prange(n):
            body(np.int64(i), *args)  # numba's own index is unsigned

    return loop


def grid(fingerprint):
    """Items shared out to the threads of a grid on CUDA."""

    def loop(n, args):
        fingerprint
        for i in range(cuda.grid(1), n, cuda.gridsize(1)):
            body(i, *args)

    return loop
