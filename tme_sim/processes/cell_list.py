"""Sort cells into bins of space, so that contacts are found in a few rows of memory.

Bins are as wide as the longest contact in y and z and a quarter of it in x, since the bins that a
cell must look through along x are one run of memory. Cells of a bin stand in the order of their
rows, bins in the order of space: neighbours are visited in one fixed order, whatever the number of
threads, and there is no limit to their number.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

import functools
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.compiling import inline
from tme_sim.compute.launch import compiled_once, launch

Walls = Literal["reflecting", "periodic", "open"]
WALLS: tuple[Walls, ...] = ("reflecting", "periodic", "open")
REFLECTING, PERIODIC, OPEN = range(3)  # their codes
Scalar = TypeVar("Scalar", bound=np.generic)

CONTACT_RANGE = 1.25  # of the sum of two radii: further apart, two cells do not touch
BINS_PER_REACH = 4  # along x
SPARSE = 4  # at most this many bins per cell (and FEWEST_BINS): an empty domain costs no time
FEWEST_BINS = 4096
RADIUS = 3  # column of a slot and of a body; 0-2 are x, y, z


class Box(NamedTuple):
    """The domain, as kernels read it."""

    size: NDArray[np.float64]
    axes: int
    walls: int  # REFLECTING, PERIODIC or OPEN


@dataclass(frozen=True)
class Space:
    """The box [0, size] that cells live in [um], and what happens at its walls."""

    size: tuple[float, float, float]
    planar: bool
    walls: Walls = "reflecting"

    @property
    def periodic(self) -> bool:
        """Whether a cell that leaves on one side comes in on the other."""
        return self.walls == "periodic"

    @property
    def box(self) -> Box:
        """The same for kernels."""
        return Box(np.array(self.size, dtype=float), self.axes, WALLS.index(self.walls))

    @property
    def axes(self) -> int:
        """Axes along which cells move: 2 in a plane, else 3."""
        return 2 if self.planar else 3


class Bins(NamedTuple):
    """How space is cut."""

    n_x: int
    n_y: int
    n_z: int
    periodic: int  # 1 or 0
    per_um_x: float
    per_um_y: float
    per_um_z: float
    width_y: float  # [um]
    width_z: float
    size_x: float  # [um] of the box
    size_y: float
    size_z: float
    largest: float  # [um] radius
    spare: float  # [um] how far beyond contact two cells are neighbours still


class Slots(NamedTuple):
    """Cells sorted into bins, as kernels read them; see ``CellList``."""

    start: NDArray[np.int64]
    order: NDArray[np.int64]
    place: NDArray[np.float64]  # x, y, z and radius [um] of the cell in each slot


def cut(space: Space, largest: float, n_cells: int, *, slack: float = 0.0) -> Bins:
    """Bins for cells of radii up to `largest` [um], no more of them than their number warrants."""
    reach = 2.0 * (CONTACT_RANGE * largest + slack)
    if space.periodic and 2.0 * reach > min(space.size[: space.axes]):
        msg = (
            f"a periodic domain of {space.size} um is smaller than twice the contact range, "
            f"{2.0 * reach:g} um: a cell would touch two images of another"
        )
        raise ValueError(msg)
    width = np.array([reach / BINS_PER_REACH, reach, reach])
    most = max(FEWEST_BINS, SPARSE * n_cells)
    counts = _counts(space, width)
    while np.prod(counts.astype(float)) > most:
        width *= 1.25
        counts = _counts(space, width)
    size = np.array(space.size, dtype=np.float64)
    per_um = counts / size
    n_x, n_y, n_z = counts.tolist()
    per_um_x, per_um_y, per_um_z = per_um.tolist()
    size_x, size_y, size_z = size.tolist()
    return Bins(
        n_x=n_x,
        n_y=n_y,
        n_z=n_z,
        periodic=int(space.periodic),
        per_um_x=per_um_x,
        per_um_y=per_um_y,
        per_um_z=per_um_z,
        width_y=1.0 / per_um_y,
        width_z=1.0 / per_um_z,
        size_x=size_x,
        size_y=size_y,
        size_z=size_z,
        largest=largest,
        spare=2.0 * slack,
    )


def _counts(space: Space, width: NDArray[np.float64]) -> NDArray[np.int64]:
    counts = np.maximum(np.asarray(space.size) // width, 1).astype(np.int64)
    if space.planar:
        counts[2] = 1
    return counts


def rows_around(space: Space) -> NDArray[np.int32]:
    """The rows of bins a cell looks through: offsets (image along x, bins along y, along z)."""
    images = (-1, 0, 1) if space.periodic else (0,)
    layers = (0,) if space.planar else (-1, 0, 1)
    offsets = [(x, y, z) for z in layers for y in (-1, 0, 1) for x in images]
    return np.array(offsets, dtype=np.int32)


@inline
def coordinate(position, per_um, count):
    """Bin of a position along one axis; what lies outside belongs to the last bin."""
    return min(max(int(position * per_um), 0), count - 1)


@inline
def beyond(b, count, size, periodic):
    """Bin `b` of an axis brought home from beyond a wall (-1: nothing there), its shift [um]."""
    if 0 <= b < count:
        return b, 0.0
    if not periodic:
        return -1, 0.0
    if b < 0:
        return b + count, size
    return b - count, -size


@inline
def minimum_image(difference, size):
    """The same difference to the nearest image in a periodic box."""
    return difference - size * np.rint(difference / size)


@inline
def aside(position, b, offset, width):
    """Distance [um] along one axis from a position in bin `b` to the bin `offset` on, at least."""
    return max(offset * ((b + (offset > 0)) * width - position), 0.0)


@inline
def run(bins, start, x, y, z, reach, image, o_y, o_z):
    """Slots [low, high) of one row of bins around a position, and how far off its image is [um].

    The row is that `o_y`, `o_z` (-1, 0, 1) bins on; `image` -1 and 1 look beyond a periodic wall
    along x. Slots further than `reach` [um] are left out as far as whole bins can be.
    """
    own_y = coordinate(y, bins.per_um_y, bins.n_y)
    own_z = coordinate(z, bins.per_um_z, bins.n_z)
    b_y, shift_y = beyond(own_y + o_y, bins.n_y, bins.size_y, bins.periodic)
    b_z, shift_z = beyond(own_z + o_z, bins.n_z, bins.size_z, bins.periodic)
    d_y, d_z = aside(y, own_y, o_y, bins.width_y), aside(z, own_z, o_z, bins.width_z)
    away = d_y * d_y + d_z * d_z
    if b_y < 0 or b_z < 0 or away > reach * reach:
        return 0, 0, 0.0, 0.0, 0.0
    along = reach - (0.5 / reach) * away  # at least the half chord of the sphere of reach
    x -= image * bins.size_x
    if bins.periodic and (x + along < 0.0 or x - along > bins.size_x):
        return 0, 0, 0.0, 0.0, 0.0
    line = (b_z * bins.n_y + b_y) * bins.n_x
    low = start[np.uint64(line + coordinate(x - along, bins.per_um_x, bins.n_x))]
    high = start[np.uint64(line + coordinate(x + along, bins.per_um_x, bins.n_x) + 1)]
    return low, high, -image * bins.size_x, shift_y, shift_z


@inline
def segment(bins, cells, rows, row, slot):
    """Slots [low, high) of one row of bins around a cell, and the cell as seen from there.

    Beyond a periodic wall stands the image of the other side: the position is shifted by one box.
    """
    place = cells.place
    x, y, z = place[slot, 0], place[slot, 1], place[slot, 2]
    reach = CONTACT_RANGE * (place[slot, RADIUS] + bins.largest) + bins.spare
    offset = (rows[row, 0], rows[row, 1], rows[row, 2])
    low, high, s_x, s_y, s_z = run(bins, cells.start, x, y, z, reach, *offset)
    return low, high, x + s_x, y + s_y, z + s_z


class CellList:
    """Cells sorted into bins: `order[start[b]:start[b + 1]]` are the rows of bin `b`.

    `place` repeats position and radius [um] of each cell in that order.
    """

    def __init__(self, space: Space, radius: NDArray[np.floating], *, slack: float = 0.0) -> None:
        """Room for `len(radius)` cells; `slack` [um] is what neighbours have beyond contact."""
        n = len(radius)
        self.bins = cut(space, float(radius.max(initial=1.0)), n, slack=slack)
        self.rows = rows_around(space)
        self.radius = np.ascontiguousarray(radius, dtype=np.float64)
        n_bins = self.bins.n_x * self.bins.n_y * self.bins.n_z
        self.start = np.empty(n_bins + 1, dtype=np.int64)
        self.order = np.empty(n, dtype=np.int64)
        self.place = np.empty((n, 4))
        self.slots = Slots(self.start, self.order, self.place)
        self._bin = np.empty(n, dtype=np.int64)

    def build(self, position: NDArray[np.float64]) -> Self:
        """Sort the cells by where they are now: columns x, y, z, of which there may be more."""
        n = len(position)
        launch(_assign, n, self.bins, position, self._bin)
        _sort(self._bin, self.start, self.order)
        launch(_gather, n, self.order, position, self.radius, self.place)
        return self

    def slot_of(self) -> NDArray[np.int64]:
        """Slot of every row."""
        slots = np.empty_like(self.order)
        slots[self.order] = np.arange(self.order.size)
        return slots


def take_rows(array: NDArray[Scalar], rows: NDArray[np.int64]) -> NDArray[Scalar]:
    """Copy of some rows of an array of one or two dimensions, in this order."""
    width = int(np.prod(array.shape[1:], dtype=int))
    source = np.ascontiguousarray(array).reshape(len(array), width)
    out = np.empty((rows.size, width), dtype=array.dtype)
    launch(_take, rows.size, rows, source, out, weight=2)
    return out.reshape(rows.size, *array.shape[1:])


def _assign(i, bins, position, out):
    """Bin of cell i."""
    b_x = coordinate(position[i, 0], bins.per_um_x, bins.n_x)
    b_y = coordinate(position[i, 1], bins.per_um_y, bins.n_y)
    b_z = coordinate(position[i, 2], bins.per_um_z, bins.n_z)
    out[i] = (b_z * bins.n_y + b_y) * bins.n_x + b_x


@functools.partial(compiled_once, error_model="numpy")
def _sort(bin_of, start, order):
    """Stable counting sort; filled from the back, ends of bins become their starts."""
    start[:] = 0
    for i in range(bin_of.size):
        start[bin_of[i]] += 1
    total = 0
    for b in range(start.size):
        total += start[b]
        start[b] = total
    for i in range(bin_of.size - 1, -1, -1):
        b = bin_of[i]
        start[b] -= 1
        order[start[b]] = i


def _gather(slot, order, position, radius, out):
    """Copy the cell of a slot beside its neighbours."""
    i = order[slot]
    for axis in range(3):
        out[slot, axis] = position[i, axis]
    out[slot, RADIUS] = radius[i]


def _take(k, rows, source, out):
    """Copy one row."""
    for column in range(source.shape[1]):
        out[k, column] = source[rows[k], column]
