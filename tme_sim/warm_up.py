"""Compile the kernels of a run side by side, where numba's disk cache does not have them yet.

Numba compiles one kernel at a time in a process and keeps it on disk. What a run needs falls into
parts that need nothing of one another, so each is compiled by a process of its own, which runs it
on a few cells or voxels (``python -m tme_sim.warm_up PART``): its kernels are those that this
calls. A process says which kernel it compiles, and with an empty line that it is done.

A run with few cells begins when what it needs is there. Loops over threads, which many cells need,
and solves in float64, which a starved tissue may need, are compiled beside it, by a process that
nobody waits for.
"""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np

from tme_sim.compute.compiling import Kernel, listening

TICKS = 3
HEAVY = 100  # work of a launch that is heavy even on a few cells: with more cells it uses threads
NETWORK = "surrogates.network."  # where the kernels of the part of this name live

ONCE = "once on this machine"
EVERY_START = "in every start (no folder to keep them can be written; NUMBA_CACHE_DIR names one)"

Report = Callable[[str], None]  # says what is compiled; an empty text: nothing any more


@contextlib.contextmanager
def compiling(report: Report, parts: Collection[str]) -> Iterator[None]:
    """Report what is compiled, and compile ``parts`` of a run side by side with the first of it.

    Nothing happens where all kernels are in the cache. Otherwise a process for each part begins
    together with the first kernel that is compiled here, and after this one they are waited for:
    from then on what they compiled is found in the cache. Whatever they could not compile is
    compiled here when it is needed.
    """
    compilation = _Compilation(report, parts if len(os.sched_getaffinity(0)) > 1 else ())
    with listening(compilation.begin, compilation.end):
        try:
            yield
        finally:
            compilation.stop()


class _Compilation:
    """What is compiled here and by the workers, and how far it is."""

    def __init__(self, report: Report, parts: Collection[str]) -> None:
        self._report = report
        self._parts = parts
        self._workers: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        self._has_begun = False
        self._every_start = False  # no folder to keep kernels in
        self._n_done = 0
        self._current: dict[object, str] = {}  # what each worker compiles; None: what is here
        self._lock = threading.Lock()

    def begin(self, kernel: Kernel) -> None:
        """A kernel has to be compiled here; with the first one the workers begin."""
        self._every_start = not kernel.kept
        self._note(None, str(kernel))
        if kernel.kept:
            here = "network" if kernel.module.startswith(NETWORK) else None
            for part in self._parts:
                if part != here:
                    self._start(part)
            self._has_begun = bool(self._parts)
            self._parts = ()

    def end(self, _kernel: Kernel) -> None:
        """A kernel has been compiled here: wait for the workers, if there still are any."""
        self._note(None, "")
        while self._readers:
            self._readers.pop().join()
        if self._has_begun:
            self._has_begun = False
            with contextlib.suppress(OSError):
                self._workers.append(_worker(LATER, subprocess.DEVNULL))

    def stop(self) -> None:
        """End workers that are still at work: the run is over, or was broken off."""
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def _start(self, part: str) -> None:
        with contextlib.suppress(OSError):  # no process can be started: all is compiled here
            worker = _worker(part)
            self._workers.append(worker)
            self._readers.append(threading.Thread(target=self._follow, args=(worker,)))
            self._readers[-1].start()

    def _follow(self, worker: subprocess.Popen[str]) -> None:
        for line in worker.stdout or ():
            self._note(worker, line.strip())
        self._note(worker, "")
        worker.wait()

    def _note(self, who: object, kernel: str) -> None:
        with self._lock:
            if kernel:
                self._current[who] = kernel
            else:
                self._n_done += self._current.pop(who, None) is not None
            names = ", ".join(self._current.values())
            done = f"{self._n_done} done, now " if self._n_done else ""
            how = EVERY_START if self._every_start else ONCE
            self._report(f"compiling kernels, {how}: {done}{names}" if names else "")


def _worker(part: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "tme_sim.warm_up", part],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.DEVNULL,  # what fails there fails again here, with its message
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def _network() -> None:
    """Bring a cell to its steady state; bind drugs; transform inputs, as a caption does."""
    import surrogates
    from surrogates.channels import basal_inputs
    from surrogates.occupancy import SHIPPED_TABLE
    from surrogates.transform import transform_inputs

    surrogates.load().initial_state([0], [0])
    two = np.ones((2, len(SHIPPED_TABLE.names)))  # a single row has a layout of its own
    SHIPPED_TABLE.occupancy(two, np.zeros(2))
    transform_inputs(basal_inputs())


def _fields(dtype: type = np.float32) -> None:
    """Solve a substrate that has every term."""
    from tme_sim.fields import Grid, Microenvironment, Substrate

    grid = Grid(shape=(1, 8, 8), voxel=20.0)
    somewhere = np.eye(8)[None]
    env = Microenvironment(
        grid, [Substrate("oxygen", diffusivity=1e5, decay_rate=0.1)], dtype=dtype
    )
    env.set_exchange("oxygen", source=somewhere, uptake=0.1 * somewhere)
    env.set_saturating_uptake("oxygen", maximum=somewhere, half_saturation=1.0)
    env.set_vessels("oxygen", permeability_area=somewhere, plasma=40.0)
    env.step(12.0)


def _cells() -> None:
    """Let the cells of a small tissue live and die."""
    from tme_sim.model.tumor_model import TumorModel
    from tme_sim.scenario import load_scenario

    model = TumorModel(load_scenario(Path(__file__).with_suffix(".yaml")))
    for _ in range(TICKS):
        model.step()


def _later() -> None:
    """The same cells, as if they were so many that threads are worth while; a step in float64."""
    from tme_sim.compute import launch

    launch.PARALLEL_FROM = HEAVY
    _cells()
    _fields(np.float64)


PARTS = {"network": _network, "fields": _fields, "cells": _cells}
LATER = "later"


if __name__ == "__main__":
    with listening(lambda kernel: print(kernel, flush=True), lambda _kernel: print(flush=True)):
        (PARTS | {LATER: _later})[sys.argv[1]]()
