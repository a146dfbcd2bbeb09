"""List cells by bins of space, so that whoever may touch a cell is found in a few rows of memory.

Bins are as wide as the longest contact in y and z and a quarter of it in x: the bins that a cell
must look through along x are one run of memory, so narrow ones cost nothing and waste little.
Cells of a bin stand in the order of their rows, bins in the order of space: neighbours are visited
in one fixed order, whatever the number of threads, and there is no limit to their number.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tme_sim import device

Walls = Literal["reflecting", "periodic", "open"]

CONTACT_RANGE = 1.25  # of the sum of two radii; PhysiCell's maximum adhesion distance
BINS_PER_REACH = 4  # along x
SPARSE = 4  # at most this many bins per cell (and FEWEST_BINS): an empty domain costs no time
FEWEST_BINS = 4096
RADIUS, ADHESION, REPULSION, KIND, MOBILITY = range(3, 8)  # columns of a slot; 0-2 are x, y, z


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


class Bins(NamedTuple):
    """How space is cut, as arrays that kernels read.

    `counts`: bins along x, y, z, bins to look at on either side along x, 1 if space is periodic;
    `per_um`: bins per um; `size`: the box [um].
    """

    counts: NDArray[np.int64]
    per_um: NDArray[np.float64]
    size: NDArray[np.float64]


def cut(space: Space, reach: float, n_cells: int) -> Bins:
    """Bins for contacts up to `reach` [um], no more of them than the number of cells warrants."""
    thin = 2 if space.planar else 3
    if space.periodic and reach > min(space.size[:thin]):
        msg = (
            f"a periodic domain of {space.size} um is smaller than the contact range, {reach:g} um"
        )
        raise ValueError(msg)
    width = np.array([reach / BINS_PER_REACH, reach, reach])
    most = max(FEWEST_BINS, SPARSE * n_cells)
    counts = _counts(space, width)
    while np.prod(counts.astype(float)) > most:
        width *= 1.25
        counts = _counts(space, width)
    size = np.array(space.size)
    per_um = counts / size
    reach_x = int(np.ceil(reach * per_um[0]))
    return Bins(np.array([*counts, reach_x, space.periodic], dtype=np.int64), per_um, size)


def _counts(space: Space, width: NDArray) -> NDArray:
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
def segment(counts, per_um, size, start, rows, row, slots, slot):
    """Slots [low, high) of one row of bins around a cell, and the cell as seen from there.

    Beyond a periodic wall stands the image of the other side: the position is shifted by one box.
    """
    x, y, z = slots[slot, 0], slots[slot, 1], slots[slot, 2]
    n_x, n_y, reach, periodic = counts[0], counts[1], counts[3], counts[4]
    b_x = coordinate(x, per_um[0], n_x) - rows[row, 0] * n_x
    b_y = coordinate(y, per_um[1], n_y) + rows[row, 1]
    b_z = coordinate(z, per_um[2], counts[2]) + rows[row, 2]
    b_y, shift_y = beyond(b_y, n_y, size[1], periodic)
    b_z, shift_z = beyond(b_z, counts[2], size[2], periodic)
    x -= rows[row, 0] * size[0]
    first = max(b_x - reach, 0)
    last = min(b_x + reach, n_x - 1)
    if b_y < 0 or b_z < 0 or first > last:
        return 0, 0, x, y, z
    line = (b_z * n_y + b_y) * n_x
    return start[line + first], start[line + last + 1], x, y + shift_y, z + shift_z


class CellList:
    """Cells sorted into bins: `order[start[b]:start[b + 1]]` are the rows of bin `b`.

    `slots` repeats what contacts need of each cell in that order: position, then `traits`
    (radius [um], roots of adhesion and repulsion, kind, mobility), 64 bytes in all.
    """

    def __init__(self, space: Space, traits: NDArray[np.float64], *, longest: float) -> None:
        """Room for `len(traits)` cells whose contacts are at most `longest` [um] long."""
        n = len(traits)
        self.bins = cut(space, longest, n)
        self.rows = rows_around(space)
        self.traits = traits
        self.start = np.empty(int(self.bins.counts[:3].prod()) + 1, dtype=np.int64)
        self.order = np.empty(n, dtype=np.int64)
        self.slots = np.empty((n, 8))
        self._bin = np.empty(n, dtype=np.int64)

    def build(self, position: NDArray[np.float64]) -> Self:
        """Sort the cells by where they are now."""
        n = len(position)
        device.launch(_assign, n, self.bins.counts, self.bins.per_um, position, self._bin)
        _sort(self._bin, self.start, self.order)
        device.launch(_gather, n, self.order, position, self.traits, self.slots)
        return self

    def slot_of(self) -> NDArray[np.int64]:
        """Slot of every row."""
        slots = np.empty_like(self.order)
        slots[self.order] = np.arange(self.order.size)
        return slots


def traits_of(
    radius: NDArray, adhesion: NDArray, repulsion: NDArray, kind: NDArray, mobility: NDArray
) -> NDArray[np.float64]:
    """What contacts need to know of every cell beside its position, one row per cell."""
    columns = (radius, np.sqrt(adhesion), np.sqrt(repulsion), kind, mobility)
    return np.column_stack(columns).astype(np.float64)


def longest_contact(radius: NDArray) -> float:
    """Centre distance [um] beyond which no two of these cells touch."""
    return 2.0 * CONTACT_RANGE * float(radius.max(initial=1.0))


def _assign(i, counts, per_um, position, out):
    """Bin of cell i."""
    b_x = coordinate(position[i, 0], per_um[0], counts[0])
    b_y = coordinate(position[i, 1], per_um[1], counts[1])
    b_z = coordinate(position[i, 2], per_um[2], counts[2])
    out[i] = (b_z * counts[1] + b_y) * counts[0] + b_x


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


def _gather(slot, order, position, traits, out):
    """Copy the cell of a slot beside its neighbours."""
    i = order[slot]
    for axis in range(3):
        out[slot, axis] = position[i, axis]
    for trait in range(5):
        out[slot, 3 + trait] = traits[i, trait]
