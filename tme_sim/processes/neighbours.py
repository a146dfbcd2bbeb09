"""List who may touch whom, so that contacts are found in a few rows of memory.

A cell list sorts cells into bins of space: as wide as the longest contact in y and z and a quarter
of it in x, since the bins that a cell must look through along x are one run of memory. Cells of a
bin stand in the order of their rows, bins in the order of space: neighbours are visited in one
fixed order, whatever the number of threads, and there is no limit to their number.

From it follow lists of neighbours with some slack, which hold until many cells have moved that far,
or one has come within reach of somebody who is not on its list: the contacts of many substeps are
found without looking at anyone out of reach.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from dataclasses import dataclass
from typing import Literal, NamedTuple, Self, TypeVar

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.launch import launch

Walls = Literal["reflecting", "periodic", "open"]
Scalar = TypeVar("Scalar", bound=np.generic)

CONTACT_RANGE = 1.25  # of the sum of two radii: further apart, two cells do not touch
SLACK = 1.5  # [um] a cell may move before its list of neighbours needs a look
LOOSE = 0.04  # share of cells that may have moved further before all lists are made anew
BINS_PER_REACH = 4  # along x
SPARSE = 4  # at most this many bins per cell (and FEWEST_BINS): an empty domain costs no time
FEWEST_BINS = 4096
RADIUS = 3  # column of a slot and of a body; 0-2 are x, y, z
BLOCK = 32  # slots whose neighbours are listed together
AT_ONCE = 512  # slots looked at together, most of them of several rows of bins
_TOGETHER = 16  # slots of one row
_LISTED = {True: 14, False: 36}  # room for neighbours of a cell at first, in the plane or not
_ROUNDING = 1e-6  # [um] more than what is lost by adding positions up


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


class Lists(NamedTuple):
    """Neighbours of the cell in each slot: see ``Neighbours``."""

    order: NDArray[np.int64]
    begin: NDArray[np.int64]
    number: NDArray[np.int64]
    listed: NDArray[np.int32]


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
    return Bins(
        *counts.tolist(),
        int(space.periodic),
        *per_um.tolist(),
        *(1.0 / per_um[1:]).tolist(),
        *size.tolist(),
        largest,
        2.0 * slack,
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


@nb.njit(error_model="numpy", forceinline=True)
def coordinate(position, per_um, count):
    """Bin of a position along one axis; what lies outside belongs to the last bin."""
    return min(max(int(position * per_um), 0), count - 1)


@nb.njit(error_model="numpy", forceinline=True)
def beyond(b, count, size, periodic):
    """Bin `b` of an axis brought home from beyond a wall (-1: nothing there), its shift [um]."""
    if 0 <= b < count:
        return b, 0.0
    if not periodic:
        return -1, 0.0
    if b < 0:
        return b + count, size
    return b - count, -size


@nb.njit(error_model="numpy", forceinline=True)
def minimum_image(difference, size):
    """The same difference to the nearest image in a periodic box."""
    return difference - size * np.rint(difference / size)


@nb.njit(error_model="numpy", forceinline=True)
def aside(position, b, offset, width):
    """Distance [um] along one axis from a position in bin `b` to the bin `offset` on, at least."""
    return max(offset * ((b + (offset > 0)) * width - position), 0.0)


@nb.njit(error_model="numpy", forceinline=True)
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


@nb.njit(error_model="numpy", forceinline=True)
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


class Neighbours:
    """Who may touch whom, as long as nobody has moved further than `slack` [um] from `origin`.

    Where few have, the lists may hold all the same: ask `hold`.

    The neighbours of the cell in slot s, row `order[s]`, are the rows
    `listed[begin[s]:begin[s] + number[s]]`.
    """

    def __init__(self, space: Space, radius: NDArray[np.floating], *, slack: float = SLACK) -> None:
        """Room for `len(radius)` cells."""
        n = len(radius)
        self.space, self.slack = space, slack - _ROUNDING
        self.cells = CellList(space, radius, slack=slack)
        self.origin = np.full((n, 3), np.inf)
        self.begin, self.number = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.builds = 0
        self._needed = np.zeros(-(-n // BLOCK), dtype=np.int64)
        self._make_room(np.full(self._needed.size, BLOCK * _LISTED[space.planar]))

    @property
    def order(self) -> NDArray[np.int64]:
        """Row of every slot."""
        return self.cells.order

    @property
    def lists(self) -> Lists:
        """Who is listed, as kernels read it."""
        return Lists(self.order, self.begin, self.number, self.listed)

    def build(self, position: NDArray[np.float64]) -> Self:
        """List anew, from where cells are now: columns x, y, z, of which there may be more."""
        cells = self.cells.build(position)
        self.origin[:] = position[:, :3]
        where = (cells.bins, cells.slots)
        while True:
            found = (self._room, self.lists, self._needed)
            launch(_list, self._needed.size, *where, *found, weight=BLOCK * 15)
            room = np.diff(self._room)
            if (self._needed <= room).all():
                break
            self._make_room(np.where(self._needed <= room, room, self._needed * 5 // 4))
        self.builds += 1
        return self

    def hold(self, position: NDArray[np.float64], strayed: NDArray[np.float64]) -> bool:
        """Whether everybody within reach is listed still, with cells so far [um] from `origin`.

        Cells that are within the slack cannot miss each other; the few others are looked at.
        """
        far = float(strayed.max(initial=0.0))
        wide = 2.0 * CONTACT_RANGE * self.cells.bins.largest  # less than a bin is along y and z
        if far <= self.slack or far > wide or self.slack < 0.0:
            return far <= self.slack
        loose = np.flatnonzero(strayed[self.order] > self.slack)
        if loose.size > LOOSE * strayed.size:
            return False
        missed = np.zeros(loose.size, dtype=np.bool_)
        where = (self.cells.bins, self.cells.slots, self.lists)
        launch(_miss, loose.size, loose, far, *where, position, missed, weight=200)
        return not missed.any()

    def _make_room(self, room: NDArray[np.int64]) -> None:
        """Give every block of slots its part of the list."""
        self._room = np.concatenate([[0], np.cumsum(room)])
        self.listed = np.empty(self._room[-1], dtype=np.int32)


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


@nb.njit(error_model="numpy", cache=True)
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


def _list(block, bins, cells, room, lists, needed):
    """Neighbours of the cells of one block; where there is no room they are only counted."""
    maybe = np.empty(AT_ONCE, dtype=np.int32)
    deep = min(bins.n_z - 1, 1)  # whether there are layers of bins above and below
    place, end = cells.place, room[block + 1]
    at, most = room[block], room[block]
    for slot in range(block * BLOCK, min((block + 1) * BLOCK, len(cells.order))):
        lists.begin[slot] = at
        x, y, z = place[slot, 0], place[slot, 1], place[slot, 2]
        reach = CONTACT_RANGE * (place[slot, RADIUS] + bins.largest) + bins.spare
        n = 0
        for o_z in range(-deep, deep + 1):
            for o_y in range(-1, 2):
                for image in range(-bins.periodic, bins.periodic + 1):
                    low, high, s_x, s_y, s_z = run(
                        bins, cells.start, x, y, z, reach, image, o_y, o_z
                    )
                    while low < high:
                        for k in range(_TOGETHER):
                            maybe[np.uint64(n + k)] = np.int32(low) + np.int32(k)
                        n += min(_TOGETHER, high - low)
                        low += _TOGETHER
                        if bins.periodic or n > AT_ONCE - _TOGETHER:
                            most = max(most, at + n)
                            seen_from = (x + s_x, y + s_y, z + s_z)
                            at = list_near(
                                slot, seen_from, maybe[:n], most <= end, bins, cells, lists, at
                            )
                            n = 0
        most = max(most, at + n)
        at = list_near(slot, (x, y, z), maybe[:n], most <= end, bins, cells, lists, at)
        lists.number[slot] = at - lists.begin[slot]
    needed[block] = most - room[block]


@nb.njit(error_model="numpy", forceinline=True)
def list_near(slot, position, maybe, fits, bins, cells, lists, at):
    """List those of some slots that are near; the end of the list afterwards."""
    place, listed = cells.place, lists.listed
    from_x, from_y, from_z = position
    span = CONTACT_RANGE * place[slot, RADIUS] + bins.spare
    free = np.uint64(at if fits else 0)
    for k in range(maybe.size):
        other = np.uint64(maybe[k])  # signed, every access would be checked for wrapping
        d_x, d_y, d_z = (
            from_x - place[other, 0],
            from_y - place[other, 1],
            from_z - place[other, 2],
        )
        reach = span + CONTACT_RANGE * place[other, RADIUS]
        near = (d_x * d_x + d_y * d_y + d_z * d_z < reach * reach) & (other != np.uint64(slot))
        if fits:
            listed[free] = cells.order[other]
        free += np.uint64(near)
    return at + np.int64(free - np.uint64(at if fits else 0))


def _miss(k, loose, far, bins, cells, lists, position, missed):
    """Whether a cell is within reach of somebody who is not on its list."""
    slot = loose[k]
    i = cells.order[slot]
    radius = cells.place[slot, RADIUS]
    x, y, z = position[i, 0], position[i, 1], position[i, 2]
    reach = CONTACT_RANGE * (radius + bins.largest) + far
    wide = 2 if far > bins.spare else 1  # bins to look through on either side
    deep = min(bins.n_z - 1, wide)
    for o_z in range(-deep, deep + 1):
        for o_y in range(-wide, wide + 1):
            for image in range(-bins.periodic, bins.periodic + 1):
                low, high, _, _, _ = run(bins, cells.start, x, y, z, reach, image, o_y, o_z)
                for other in range(low, high):
                    j = cells.order[other]
                    d_x, d_y, d_z = x - position[j, 0], y - position[j, 1], z - position[j, 2]
                    if bins.periodic:
                        d_x = minimum_image(d_x, bins.size_x)
                        d_y = minimum_image(d_y, bins.size_y)
                        d_z = minimum_image(d_z, bins.size_z)
                    near = CONTACT_RANGE * (radius + cells.place[other, RADIUS])
                    if j != i and d_x * d_x + d_y * d_y + d_z * d_z < near * near:
                        known = False
                        for place in range(
                            lists.begin[slot], lists.begin[slot] + lists.number[slot]
                        ):
                            known |= lists.listed[place] == j
                        missed[k] |= not known
