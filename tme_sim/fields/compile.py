"""Compile the field kernels twice: serial, and with their outer `prange` over threads.

A `body` is plain compiled code. A `kernel` loops over blocks with `prange`; called from Python it
uses threads if its first array is large enough. A `driver` calls many kernels on many levels: on a
small grid it is one compiled function with serial kernels, as a Python call per kernel would cost
more than the work; on a large grid the same source is run by Python. Which form runs depends on
the shape of the arrays alone, never on the number of threads.
"""

import types

import numba as nb
import numpy as np

PARALLEL_VOXELS = 20_000  # below it a launch over threads costs more than it saves
_OPTIONS = {"cache": True, "error_model": "numpy", "nogil": True}

body = nb.njit(**_OPTIONS)


class Kernel:
    """One kernel in its serial and its threaded form, compiled when first used."""

    def __init__(self, function):
        self.serial = nb.njit(**_OPTIONS)(function)
        # numba's disk cache tells functions apart by qualified name, not by compile options
        twin = types.FunctionType(function.__code__, function.__globals__, function.__name__)
        twin.__qualname__ = f"{function.__qualname__}_threaded"
        twin.__module__ = function.__module__
        self.threaded = nb.njit(parallel=True, **_OPTIONS)(twin)

    def __call__(self, *args):
        """Run the threaded form if the first array is worth it."""
        first = args[0] if isinstance(args[0], np.ndarray) else args[1]
        return (self.threaded if first.size >= PARALLEL_VOXELS else self.serial)(*args)


kernel = Kernel


class Driver:
    """A function that calls kernels: compiled whole for small grids, run by Python for large."""

    def __init__(self, function):
        self.interpreted = function
        names = dict(function.__globals__)
        for name, value in names.items():
            if isinstance(value, Kernel):
                names[name] = value.serial
            elif isinstance(value, Driver):
                names[name] = value.compiled
        twin = types.FunctionType(function.__code__, names, function.__name__)
        twin.__qualname__ = f"{function.__qualname__}_compiled"
        twin.__module__ = function.__module__
        self.compiled = nb.njit(**_OPTIONS)(twin)

    def __call__(self, *args):
        """Run by Python if the first array is worth it."""
        form = self.interpreted if args[0].size >= PARALLEL_VOXELS else self.compiled
        return form(*args)


driver = Driver
