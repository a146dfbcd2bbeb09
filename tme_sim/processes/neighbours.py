"""List who may touch whom, for many substeps at once.

From a cell list follow lists of neighbours with some slack, which hold until many cells have moved
that far, or one has come within reach of somebody who is not on its list: the contacts of many
substeps are found without looking at anyone out of reach.
"""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.compiling import inline
from tme_sim.compute.launch import launch
from tme_sim.processes.cell_list import (
    CONTACT_RANGE,
    RADIUS,
    CellList,
    Space,
    minimum_image,
    run,
)

SLACK = 1.5  # [um] a cell may move before its list of neighbours needs a look
LOOSE = 0.04  # share of cells that may have moved further before all lists are made anew
BLOCK = 32  # slots whose neighbours are listed together
AT_ONCE = 512  # slots looked at together, most of them of several rows of bins
_TOGETHER = 16  # slots of one row
_LISTED = {True: 14, False: 36}  # room for neighbours of a cell at first, in the plane or not
_ROUNDING = 1e-6  # [um] more than what is lost by adding positions up


class Lists(NamedTuple):
    """Neighbours of the cell in each slot: see ``Neighbours``."""

    order: NDArray[np.int64]
    begin: NDArray[np.int64]
    number: NDArray[np.int64]
    listed: NDArray[np.int32]


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


@inline
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
