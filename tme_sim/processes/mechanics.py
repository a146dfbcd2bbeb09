"""Push and pull cells that touch: overdamped pair velocities, no inertia."""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from dataclasses import dataclass, replace
from typing import Self

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tme_sim import device
from tme_sim.processes.contact import CONTACTS, contact_weight
from tme_sim.processes.neighbours import BLOCK, CONTACT_RANGE, RADIUS, Neighbours

REPULSION_SPEED = 10.0  # [um/min] PhysiCell 1.14.2 default, Ghaffarizadeh 2018
ADHESION_SPEED = 0.4  # [um/min] the same
FASTEST = 2000.0  # [um/min] a cell moves at most 2 um in the shortest substep, however crowded
COINCIDENT = 1e-12  # [um2] nearer than this, two centres have no direction between them
POINT = 1e-9  # [um] sum of the radii of cells without size, which touch nobody
ADHESION, REPULSION, KIND, MOBILITY = range(RADIUS + 1, RADIUS + 5)  # columns of a body
AT_ONCE = 32  # pairs whose square roots and divisions are taken together
_X, _Y, _Z, _SPAN, _PUSH, _PULL, _INVERSE, _ALONG = range(8)  # rows of the work space of pairs
_SUMS = len(CONTACTS)  # then the stiffness: its sum, and the tensor xx, yy, zz, xy, xz, yz


@dataclass(frozen=True)
class Bodies:
    """What cells are made of, by the code of their type.

    `motile` types are moved by contacts and by themselves, others (vessels) are obstacles;
    `repulsion`, `adhesion` [um/min]; `affinity[a, b]` multiplies the adhesion between two types;
    `b7` is the B7 that a touching living cell of the type offers to T cells.
    """

    motile: NDArray[np.bool_]
    repulsion: NDArray[np.float64]
    adhesion: NDArray[np.float64]
    affinity: NDArray[np.float64]
    b7: NDArray[np.float32]

    @classmethod
    def uniform(cls, n_types: int) -> Self:
        """Types that all move, with published repulsion and adhesion and no B7."""
        return cls(
            motile=np.ones(n_types, dtype=bool),
            repulsion=np.full(n_types, REPULSION_SPEED),
            adhesion=np.full(n_types, ADHESION_SPEED),
            affinity=np.ones((n_types, n_types)),
            b7=np.zeros(n_types, dtype=np.float32),
        )


@nb.njit(error_model="numpy", forceinline=True)
def pair_speed(ratio, repulsion, adhesion):
    """Speed [um/min] at which two cells drive each one from the other (below 0: together).

    repulsion (1 - q)^2 for q < 1, less adhesion (1 - q / 1.25)^2 for q < 1.25, where `ratio` q is
    the distance over the sum of the radii. Ghaffarizadeh 2018, 10.1371/journal.pcbi.1005991.
    """
    push = max(1.0 - ratio, 0.0)
    pull = max(1.0 - ratio * (1.0 / CONTACT_RANGE), 0.0)
    return repulsion * push * push - adhesion * pull * pull


@dataclass(frozen=True)
class Forces:
    """What contacts do to every cell, one row per cell.

    `velocity` [um/min], its size `pace`, `stiffness` [1/min]: the fastest rate at which the
    velocities of a cell and its neighbours can change with their positions; `contact`: sums over
    neighbours named in `contact.CONTACTS`.
    """

    velocity: NDArray[np.float64]
    pace: NDArray[np.float64]
    stiffness: NDArray[np.float64]
    contact: NDArray[np.float32]

    @classmethod
    def of(cls, n: int) -> Self:
        """Room for `n` cells."""
        return cls(np.zeros((n, 3)), np.zeros(n), np.zeros(n), np.zeros((n, len(CONTACTS)), "f4"))

    def beside(self) -> Self:
        """Velocities of the same cells elsewhere; the rest is shared."""
        return replace(self, velocity=np.zeros_like(self.velocity))


def bodies_of(
    position: NDArray,
    radius: NDArray,
    *,
    adhesion: NDArray,
    repulsion: NDArray,
    kind: NDArray,
    mobility: NDArray,
) -> NDArray[np.float64]:
    """What contacts need of every cell, 64 bytes side by side, one row per cell.

    Position [um], radius [um], roots of adhesion and repulsion, type code, and whether contacts
    move it (1) or not (0).
    """
    columns = (position, radius, np.sqrt(adhesion), np.sqrt(repulsion), kind, mobility)
    return np.column_stack(columns).astype(np.float64)


def interact(
    bodies: NDArray[np.float64],
    near: Neighbours,
    *,
    affinity: NDArray[np.float64],
    identity: NDArray[np.int64],
    shown: NDArray[np.float32],
    forces: Forces,
    counting: bool = True,
) -> None:
    """Velocity of every cell and, if counting, pace, stiffness, what its neighbours show it."""
    known = (near.order, near.begin, near.number, near.listed, near.cells.bins.size)
    device.launch(
        _interact,
        -(-len(bodies) // BLOCK),
        *known,
        near.space.axes,
        near.space.periodic,
        bodies,
        affinity,
        identity,
        shown,
        counting,
        forces.velocity,
        forces.pace,
        forces.stiffness,
        forces.contact,
        weight=BLOCK * 15,
    )


def _interact(
    block,
    order,
    begin,
    number,
    listed,
    size,
    axes,
    periodic,
    bodies,
    affinity,
    identity,
    shown,
    counting,
    velocity,
    pace,
    stiffness,
    contact,
):
    """Sum over the neighbours of the cells of one block, AT_ONCE pairs at a time."""
    pair, total = np.empty((8, AT_ONCE)), np.empty(_SUMS + 7)
    for slot in range(block * BLOCK, min((block + 1) * BLOCK, len(order))):
        i = order[slot]
        v_x, v_y, v_z = 0.0, 0.0, 0.0
        total[:] = 0.0
        end = begin[slot] + number[slot]
        for first in range(begin[slot], end, AT_ONCE):
            some = listed[first : min(first + AT_ONCE, end)]
            gather(i, some, bodies, affinity, identity, size, axes, periodic, pair)
            reciprocate(some.size, pair)
            along(some.size, pair)
            for k in range(some.size):
                v_x += pair[_ALONG, k] * pair[_X, k]
                v_y += pair[_ALONG, k] * pair[_Y, k]
                v_z += pair[_ALONG, k] * pair[_Z, k]
            if counting:
                witness(some, pair, bodies, shown, total)
        speed = np.sqrt(v_x * v_x + v_y * v_y + v_z * v_z)
        share = bodies[i, MOBILITY] * min(1.0, FASTEST / max(speed, 1.0))
        velocity[i, 0], velocity[i, 1], velocity[i, 2] = share * v_x, share * v_y, share * v_z
        if counting:
            pace[i], stiffness[i] = share * speed, bodies[i, MOBILITY] * stiffest(total, axes)
            for k in range(_SUMS):
                contact[i, k] = total[k]


@nb.njit(error_model="numpy", forceinline=True)
def gather(i, some, bodies, affinity, identity, size, axes, periodic, pair):
    """Vectors from some cells to cell i, sums of radii, strengths; coincident centres part."""
    kind = np.uint64(bodies[i, KIND])
    for k in range(some.size):
        j = np.uint64(some[k])  # signed, every access would be checked for wrapping
        d_x, d_y, d_z = (
            bodies[i, 0] - bodies[j, 0],
            bodies[i, 1] - bodies[j, 1],
            bodies[i, 2] - bodies[j, 2],
        )
        if periodic:
            d_x, d_y = nearest(d_x, size[0]), nearest(d_y, size[1])
            d_z = nearest(d_z, size[2]) if axes == 3 else d_z
        if d_x * d_x + d_y * d_y + d_z * d_z < COINCIDENT:
            d_x, d_y, d_z = apart(identity[i], identity[j], axes)
        pair[_X, k], pair[_Y, k], pair[_Z, k] = d_x, d_y, d_z
        pair[_SPAN, k] = max(bodies[i, RADIUS] + bodies[j, RADIUS], POINT)
        pair[_PUSH, k] = bodies[i, REPULSION] * bodies[j, REPULSION]
        holds = affinity[kind, np.uint64(bodies[j, KIND])]
        pair[_PULL, k] = bodies[i, ADHESION] * bodies[j, ADHESION] * holds


@nb.njit(error_model="numpy", forceinline=True)
def reciprocate(n, pair):
    """1 / (distance x sum of radii): one root and one division a pair, four pairs at a time."""
    x, y, z, span, inverse = (
        pair[_X, :n],
        pair[_Y, :n],
        pair[_Z, :n],
        pair[_SPAN, :n],
        pair[_INVERSE, :n],
    )
    for k in range(n):
        inverse[k] = 1.0 / (np.sqrt(x[k] * x[k] + y[k] * y[k] + z[k] * z[k]) * span[k])


@nb.njit(error_model="numpy", forceinline=True)
def along(n, pair):
    """Pair speed over distance [1/min]."""
    for k in range(n):
        x, y, z, inverse = pair[_X, k], pair[_Y, k], pair[_Z, k], pair[_INVERSE, k]
        ratio = (x * x + y * y + z * z) * inverse
        speed = pair_speed(ratio, pair[_PUSH, k], pair[_PULL, k])
        pair[_ALONG, k] = speed * inverse * pair[_SPAN, k]


@nb.njit(error_model="numpy", forceinline=True)
def witness(some, pair, bodies, shown, total):
    """Add what some neighbours show, and how stiffly they push, to the sums of a cell."""
    antigen, pdl1, b7, dead, touching, crowd = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    stiff, s_xx, s_yy, s_zz, s_xy, s_xz, s_yz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(some.size):
        j = np.uint64(some[k])
        x, y, z, inverse = pair[_X, k], pair[_Y, k], pair[_Z, k], pair[_INVERSE, k]
        ratio, per_distance = (x * x + y * y + z * z) * inverse, inverse * pair[_SPAN, k]
        squeeze, weight = max(1.0 - ratio, 0.0), contact_weight(ratio)
        rate = 2.0 * pair[_PUSH, k] * squeeze * ratio * per_distance
        stiff += rate * bodies[j, MOBILITY]
        rate *= per_distance * per_distance
        s_xx += rate * x * x
        s_yy += rate * y * y
        s_zz += rate * z * z
        s_xy += rate * x * y
        s_xz += rate * x * z
        s_yz += rate * y * z
        antigen += weight * shown[j, 0]
        pdl1 += weight * shown[j, 1]
        b7 += weight * shown[j, 2]
        dead += weight * shown[j, 3]
        touching += weight
        crowd += squeeze * squeeze
    sums = (antigen, pdl1, b7, dead, touching, crowd, stiff, s_xx, s_yy, s_zz, s_xy, s_xz, s_yz)
    for k in range(_SUMS + 7):
        total[k] += sums[k]


@nb.njit(error_model="numpy", forceinline=True)
def stiffest(total, axes):
    """Bound [1/min] of the rates at which a cell and its neighbours relax.

    The rates are eigenvalues of a matrix whose row of blocks for this cell has S = sum(k n n) on
    the diagonal and -k n n beside it (k the stiffness of a contact, n its direction), so none is
    beyond the largest eigenvalue of some S plus its sum(k): Gershgorin's theorem for blocks. The
    eigenvalue is bounded from trace and norm of S: Wolkowicz 1980, 10.1016/0024-3795(80)90258-X.
    """
    trace, product = 0.0, 0.0
    for k in range(3):
        trace += total[_SUMS + 1 + k]
        product += total[_SUMS + 1 + k] ** 2 + 2.0 * total[_SUMS + 4 + k] ** 2
    spread = max(product - trace * trace / axes, 0.0) * (axes - 1) / axes
    return total[_SUMS] + trace / axes + np.sqrt(spread)


@nb.njit(error_model="numpy", forceinline=True)
def nearest(difference, size):
    """The same difference to the nearest image in a periodic box."""
    return difference - size * np.rint(difference / size)


@nb.njit(error_model="numpy", forceinline=True)
def apart(mine, yours, axes):
    """Vector of length 1e-6 um from your centre to mine where both are the same point.

    The axis follows from the two identities (fractions of the golden and the plastic number), so
    that every pair of a heap parts its own way, in opposite directions.
    """
    pair = float((mine ^ yours) % 1_000_003)
    around = 2.0 * np.pi * (pair * 0.6180339887498949 % 1.0)
    up = 0.0 if axes == 2 else 2.0 * (pair * 0.7548776662466927 % 1.0) - 1.0
    side = np.sqrt(1.0 - up * up)
    sign = 1e-6 if mine < yours else -1e-6
    return sign * side * np.cos(around), sign * side * np.sin(around), sign * up
