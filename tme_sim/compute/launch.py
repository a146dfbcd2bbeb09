"""Launch kernels that are written once, as the body of one index, on the CPU or on CUDA.

A body is a plain function ``body(i, *columns)`` that writes element ``i`` of its columns only:

    def drift(i, position, velocity, dt):
        position[i] += velocity[i] * dt

    launch(drift, n, position, velocity, dt)

An argument may be a NamedTuple of arrays and numbers, which the body reads by its fields: it
travels flat, since numba's parallel loops take no NamedTuple, and is put together again for every
item, which costs nothing once compiled.

On the CPU it becomes a serial loop for few items and a parallel loop for many (a parallel launch
costs 50 us), on CUDA a loop over the grid. Every variant is compiled when first used and kept in
numba's disk cache. Since a loop writes its own element only, no result depends on the variant or
on the number of threads.
"""

import enum
import functools
import hashlib
import itertools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numba as nb
import numpy as np
from numba.core.registry import CPUDispatcher

from surrogates.disk_cache import disk_cache
from tme_sim.compute import loops
from tme_sim.compute.compiling import body_of_a_loop
from tme_sim.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
PARALLEL_FROM = 20_000  # items; below this, starting threads costs more than it saves
N_DIGITS = 12  # of a hash in the name under which a kernel is filed
_CUDA_BLOCK = 128
_CONFIG: Any = nb.config  # filled in from the environment, where types do not see it
_CONSTANTS = (bool, int, float, str, tuple, np.generic)  # globals that numba freezes

Function = Callable[..., Any]
Layout = tuple[Any, ...]  # class of each argument, None but for NamedTuples; () without any


def launch(body: Function, n: int, *args: object, device: str = "cpu", weight: float = 1.0) -> None:
    """Run ``body(i, *args)`` for every i < n.

    Arrays must be C-contiguous, so that one compiled variant serves every length. ``weight`` is
    the work of one item beside that of a light one (some 5 ns): fewer heavy items are worth
    several threads.
    """
    if n == 0:
        return
    layout, flat = flattened(args)
    if device == "cuda":
        _cuda_loop(body, layout)[-(-n // _CUDA_BLOCK), _CUDA_BLOCK](n, flat)
    else:
        _cpu_loop(body, layout, parallel=n * weight >= PARALLEL_FROM)(n, flat)


def resolve_device(name: str = "auto") -> str:
    """Turn ``auto`` into ``cuda`` where torch and numba both see a device, else into ``cpu``."""
    if name not in DEVICES:
        msg = f"device {name!r} is not one of {', '.join(DEVICES)}"
        raise InputError(msg)
    if name == "cpu" or _CONFIG.ENABLE_CUDASIM:
        return "cpu"
    found = _has_cuda()
    if name == "cuda" and not found:
        msg = "device 'cuda' was asked for, but no CUDA device was found; use 'auto' or 'cpu'"
        raise InputError(msg)
    return "cuda" if found else "cpu"


def set_threads(n: int | None = None) -> int:
    """Use ``n`` CPU threads in kernels, at most what the machine has; None uses all of them."""
    if n is not None and n < 1:
        msg = f"the number of threads must be at least 1, not {n}"
        raise InputError(msg)
    available: int = _CONFIG.NUMBA_NUM_THREADS
    threads = available if n is None else min(n, available)
    nb.set_num_threads(threads)
    return threads


def _has_cuda() -> bool:
    from numba import cuda

    if not cuda.is_available():
        return False
    import torch  # slow to import: only where a driver answered

    return torch.cuda.is_available()


def flattened(args: tuple[object, ...]) -> tuple[Layout, tuple[object, ...]]:
    """Arguments with their NamedTuples taken apart, and the layout that tells how."""
    layout = tuple(type(arg) if hasattr(arg, "_fields") else None for arg in args)
    if not any(layout):
        return (), args
    return layout, tuple(itertools.chain.from_iterable(map(_parts, args, layout)))


def _parts(arg: Any, kind: type | None) -> tuple[Any, ...]:
    return (arg,) if kind is None else arg


@functools.cache
def _cpu_loop(body: Function, layout: Layout, *, parallel: bool) -> CPUDispatcher:
    names = {"body": _compiled_body(body, layout), "prange": nb.prange, "np": np}
    template, kind = (loops.parallel, "parallel") if parallel else (loops.serial, "serial")
    loop = _loop_of(body, layout, template, kind, names)
    return compiled_once(loop, parallel=parallel, error_model="numpy")


@functools.cache
def _compiled_body(body: Function, layout: Layout) -> Function:
    """The body that both loops share: it is most of what they take to compile."""
    # the default error model blocks vectorisation; a body that is called costs 0.2 us in references
    return of_flat(body_of_a_loop(body), layout, body_of_a_loop)


def of_flat(body: Function, layout: Layout, compiled: Callable[[Function], Function]) -> Function:
    """A compiled body as a function of flat arguments, of which it makes its NamedTuples."""
    if not layout:
        return body
    names = (f"a{k}" for k in itertools.count())
    groups = [list(itertools.islice(names, len(kind._fields) if kind else 1)) for kind in layout]
    packed = [
        f"kind_{k}({', '.join(group)})" if kind else group[0]
        for k, (kind, group) in enumerate(zip(layout, groups, strict=True))
    ]
    flat = ", ".join(itertools.chain.from_iterable(groups))
    source = f"lambda i, {flat}: body(i, {', '.join(packed)})"
    known = {"body": body} | {f"kind_{k}": kind for k, kind in enumerate(layout) if kind}
    return compiled(eval(source, known))  # numba has no other way to take apart a flat tuple


def compiled_once(function: Function, **options: Any) -> CPUDispatcher:
    """njit with the disk cache, or without where that finds no place to write."""
    compiled: CPUDispatcher = nb.njit(function, **options)
    vars(compiled)["_cache"] = disk_cache(function)
    return compiled


@functools.cache
def _cuda_loop(body: Function, layout: Layout) -> Any:
    from numba import cuda

    compiled = cuda.jit(device=True)
    names = {"body": of_flat(compiled(body), layout, compiled), "cuda": cuda}
    loop = _loop_of(body, layout, loops.grid, "cuda", names)
    try:
        return cuda.jit(loop, cache=True)
    except RuntimeError:  # its disk cache finds no place to write
        return cuda.jit(loop)


def _loop_of(
    body: Function, layout: Layout, template: Function, kind: str, names: dict[str, object]
) -> Function:
    """Make a loop over a body; its fingerprint makes numba notice changes of all it calls."""
    return filed_under(template(_fingerprint(body, layout)), body, kind, names)


def filed_under(loop: Function, body: Function, kind: str, names: dict[str, object]) -> Function:
    """Give a loop its globals, and the place in the sources where numba's disk cache files it.

    numba keys a cached kernel by file, line, name and closure, and notices only changes of that
    one file: what else a loop depends on, as a hash, is its closure. The hash is in its name too:
    of an index of another version numba would first read classes that may be gone.
    """
    (cell,) = loop.__closure__ or ()
    code = loop.__code__.replace(
        co_filename=body.__code__.co_filename,
        co_firstlineno=body.__code__.co_firstlineno,
        co_name=f"{body.__name__}_{kind}",
    )
    made = types.FunctionType(
        code, {**names, "__name__": body.__module__}, code.co_name, None, loop.__closure__
    )
    made.__module__ = body.__module__
    made.__qualname__ = f"{code.co_name}_{cell.cell_contents[:N_DIGITS]}"
    return made


def _fingerprint(body: Function, layout: Layout = ()) -> str:
    """Hash of the bytecode of a body and all it calls, of global constants and fields they read."""
    fields = (str(kind and (kind.__qualname__, *kind._fields)) for kind in layout)
    lines = itertools.chain(_meaning(body, set()), fields)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _meaning(function: Function, seen: set[Function]) -> Iterator[str]:
    seen.add(function)
    code = function.__code__
    constants = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
    yield f"{function.__qualname__} {code.co_code.hex()} {constants} {code.co_names}"
    for name, value in _globals_of(function):
        if isinstance(value, types.FunctionType):
            if value not in seen:
                yield from _meaning(value, seen)
        elif isinstance(value, (*_CONSTANTS, enum.EnumType)):
            yield f"{name} = {list(value) if isinstance(value, enum.EnumType) else value!r}"


def _globals_of(function: Function) -> Iterator[tuple[str, object]]:
    """What the names in a function's code stand for, in its module or in modules it names."""
    names = function.__code__.co_names
    home = function.__globals__
    modules = [home[name] for name in names if isinstance(home.get(name), types.ModuleType)]
    for place in (home, *map(vars, modules)):
        for name in names:
            value = place.get(name)
            yield name, value.py_func if isinstance(value, CPUDispatcher) else value
