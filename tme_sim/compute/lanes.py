"""Sum rows of numbers in one fixed order, at the speed of vectors of any width.

A sum is taken in `LANES` lanes: whole blocks of `LANES` terms are added, term by term, to as many
running sums; the terms that are left follow in blocks of half as many, a quarter, ... one, added
to the first lanes; at last the lanes are added by halves. The order is written into the code that
is compiled, so the compiler may use vectors as wide as the machine has and has nothing to reorder:
a sum depends neither on the instruction set, nor on whether a kernel was compiled just now or
comes from numba's disk cache. (numba's `fastmath` leaves the order to the compiler, which takes
another one in each of these cases.) Products are rounded in the type of the arrays before they
are added.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from tme_sim.compute.compiling import inline

ALIGNMENT = 4  # bytes: rows begin at any number
LANES = 32  # a warp of CUDA, four vectors of AVX2 or eight of NEON in float32


@inline
def add_row(total: Any, row: Any) -> Any:
    """Total + the sum of a row, in lanes of the type of `total`."""
    return total + _sum_of_row(total, row)  # type: ignore[call-arg] # numba adds the first


@inline
def add_products(total: Any, left: Any, right: Any) -> Any:
    """Total + the inner product of two rows of equal length, in lanes of the type of `total`."""
    return total + _sum_of_products(total, left, right)  # type: ignore[call-arg] # likewise


@intrinsic
def _sum_of_row(_context: Any, total: Any, row: Any) -> tuple[Any, Any]:
    return total(total, row), _build


@intrinsic
def _sum_of_products(_context: Any, total: Any, left: Any, right: Any) -> tuple[Any, Any]:
    return total(total, left, right), _build


def _build(context: Any, builder: ir.IRBuilder, signature: Any, args: Sequence[Any]) -> ir.Value:
    """Emit code for the sum of the products of contiguous arrays, of the type of the first one."""
    kinds = signature.args[1:]
    arrays = [
        context.make_array(k)(context, builder, a) for k, a in zip(kinds, args[1:], strict=True)
    ]
    number, real = context.get_value_type(kinds[0].dtype), context.get_value_type(signature.args[0])
    size = cgutils.unpack_tuple(builder, arrays[0].shape)[0]
    rest = builder.and_(size, size.type(LANES - 1))
    lanes = cgutils.alloca_once_value(builder, ir.VectorType(real, LANES)(None))

    def add(begin: ir.Value, width: int) -> None:
        terms = _terms(
            builder, [array.data for array in arrays], begin, ir.VectorType(number, width)
        )
        if number != real:
            terms = builder.fpext(terms, ir.VectorType(real, width))
        builder.store(builder.fadd(builder.load(lanes), _widened(builder, terms)), lanes)

    whole = builder.sub(size, rest)
    with cgutils.for_range_slice(builder, size.type(0), whole, size.type(LANES)) as (begin, _):
        add(begin, LANES)
    for width in _halves():
        is_left = builder.icmp_signed("!=", builder.and_(rest, size.type(width)), size.type(0))
        with builder.if_then(is_left):
            add(builder.sub(size, builder.and_(rest, size.type(2 * width - 1))), width)
    return _sum_of_lanes(builder, builder.load(lanes))


def _terms(
    builder: ir.IRBuilder, data: Sequence[ir.Value], begin: ir.Value, kind: ir.VectorType
) -> ir.Value:
    """The products of a block that begins here."""
    blocks = [builder.bitcast(builder.gep(each, [begin]), kind.as_pointer()) for each in data]
    terms = None
    for block in blocks:
        factor = builder.load(block, align=ALIGNMENT)
        terms = factor if terms is None else builder.fmul(terms, factor)
    return terms


def _widened(builder: ir.IRBuilder, terms: ir.Value) -> ir.Value:
    """Terms in the first lanes, 0 in those that are left."""
    width = terms.type.count
    if width == LANES:
        return terms
    places = [min(lane, width) for lane in range(LANES)]
    return builder.shuffle_vector(terms, terms.type(None), _constant(places))


def _sum_of_lanes(builder: ir.IRBuilder, lanes: ir.Value) -> ir.Value:
    for width in _halves():
        low = builder.shuffle_vector(lanes, lanes, _constant(range(width)))
        high = builder.shuffle_vector(lanes, lanes, _constant(range(width, 2 * width)))
        lanes = builder.fadd(low, high)
    return builder.extract_element(lanes, ir.IntType(32)(0))


def _halves() -> Iterator[int]:
    width = LANES // 2
    while width:
        yield width
        width //= 2


def _constant(numbers: Sequence[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))
