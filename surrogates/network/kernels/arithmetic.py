"""Arithmetic whose bits no compiler chooses.

Kernels of the network are compiled without fast mathematics: every operation is rounded once, in
the order in which it is written, whatever the machine and the width of its vectors. Where products
and sums are to be fused, they say so.
"""

from numba import njit, types
from numba.extending import intrinsic

inner = njit(  # type: ignore[call-overload]  # numba's stubs leave its wrappers out
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)


@intrinsic
def fma(typing_context, a, b, c):  # noqa: ARG001 - numba asks for the first
    """Fused a b + c of three floats of one type, rounded once.

    One instruction where the machine has it (x86 since 2013, every ARM of 64 bits, every GPU); the
    mathematical library computes the same bits, slowly, where not.
    """
    if not (a == b == c and a in (types.float32, types.float64)):
        return None
    return a(a, b, c), _generate_fma


def _generate_fma(_context, builder, _signature, arguments):
    return builder.fma(*arguments)
