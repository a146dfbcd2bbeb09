"""How the parts of kernels are compiled, and what numba compiles while one listens."""

import contextlib
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from numba import njit
from numba.core import event
from numba.core.registry import CPUDispatcher

COMPILE = "numba:compile"  # numba's name of the event
Function = TypeVar("Function", bound=Callable[..., Any])


def inline(function: Function) -> Function:
    """Decorator: compile a function as part of the kernels that call it."""
    return _compiled(function)


def body_of_a_loop(function: Function) -> Function:
    """Compile a function for a loop alone: only kernels can call what is returned.

    It has no entries for Python and C, which numba else makes: each holds all its code once more,
    and bodies take many arrays.
    """
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function: Function, **options: Any) -> Function:
    made: Function = njit(error_model="numpy", forceinline=True, **options)(function)
    return made


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
    """Call ``begun`` before a kernel is compiled in this process, and ``ended`` after it.

    A kernel that numba finds in its disk cache is not compiled. While it compiles, Python's search
    for cyclic garbage waits: amid its many objects that would take a seventh of the time.
    """
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
        self._collects = False

    def on_start(self, event: event.Event) -> None:
        """Numba begins to compile a function."""
        self._depth += 1
        if self._depth == 1:
            self._collects = gc.isenabled()
            gc.disable()
            self._begun(Kernel.of(event.data["dispatcher"]))

    def on_end(self, event: event.Event) -> None:
        """Numba is done with a function."""
        self._depth -= 1
        if self._depth == 0:
            if self._collects:
                gc.enable()
            self._ended(Kernel.of(event.data["dispatcher"]))
