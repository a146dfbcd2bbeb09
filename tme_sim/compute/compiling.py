"""Hear which kernels numba compiles; one that it finds in its disk cache is not compiled."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from numba.core import event
from numba.core.registry import CPUDispatcher

COMPILE = "numba:compile"  # numba's name of the event


@dataclass(frozen=True)
class Kernel:
    """A compiled function that Python calls, with all that it calls in turn."""

    name: str
    module: str
    kept: bool  # in numba's disk cache, for later processes

    @classmethod
    def of(cls, dispatcher: CPUDispatcher) -> "Kernel":
        """What a dispatcher of numba compiles."""
        function = dispatcher.py_func
        return cls(function.__name__, function.__module__, dispatcher.stats.cache_path is not None)

    def __str__(self) -> str:
        return f"{self.name.strip('_')} ({'.'.join(self.module.split('.')[1:3])})"


@contextlib.contextmanager
def listening(begun: Callable[[Kernel], None], ended: Callable[[Kernel], None]) -> Iterator[None]:
    """Call ``begun`` before a kernel is compiled in this process, and ``ended`` after it."""
    listener = _Outermost(begun, ended)
    event.register(COMPILE, listener)
    try:
        yield
    finally:
        event.unregister(COMPILE, listener)


class _Outermost(event.Listener):
    """Leaves out what is compiled as a part of something else; numba compiles under one lock."""

    def __init__(self, begun: Callable[[Kernel], None], ended: Callable[[Kernel], None]) -> None:
        self._begun, self._ended = begun, ended
        self._depth = 0

    def on_start(self, event: event.Event) -> None:
        """Numba begins to compile a function."""
        self._depth += 1
        if self._depth == 1:
            self._begun(Kernel.of(event.data["dispatcher"]))

    def on_end(self, event: event.Event) -> None:
        """Numba is done with a function."""
        self._depth -= 1
        if self._depth == 0:
            self._ended(Kernel.of(event.data["dispatcher"]))
