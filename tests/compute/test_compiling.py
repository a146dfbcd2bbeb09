"""What is heard of numba while it compiles."""

import gc

import numba as nb

from tme_sim.compute.compiling import listening


def test_garbage_waits_while_a_kernel_is_compiled_and_only_then():
    heard = []

    def note(kernel):
        heard.append((kernel.name, gc.isenabled()))

    @nb.njit
    def inner(x):
        return x + 1

    @nb.njit
    def outer(x):
        return 2 * inner(x)

    with listening(note, note):
        assert outer(1) == 4
        assert outer(2) == 6

    assert heard == [("outer", False), ("outer", True)]
    assert gc.isenabled()
