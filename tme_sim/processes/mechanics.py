"""Push and pull cells that touch: overdamped pair velocities, no inertia."""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.compiling import inline
from tme_sim.compute.launch import launch
from tme_sim.processes.cell_list import CONTACT_RANGE, PERIODIC, RADIUS, minimum_image
from tme_sim.processes.contact import ANTIGEN, B7, CONTACTS, DEAD, PDL1, contact_weight
from tme_sim.processes.neighbours import BLOCK, Neighbours

REPULSION_SPEED = 10.0  # [um/min] PhysiCell 1.14.2 default, Ghaffarizadeh 2018
ADHESION_SPEED = 0.4  # [um/min] the same
FASTEST = 2000.0  # [um/min] a cell moves at most 2 um in the shortest substep, however crowded
COINCIDENT = 1e-12  # [um2] nearer than this, two centres have no direction between them
POINT = 1e-9  # [um] sum of the radii of cells without size, which touch nobody
ADHESION, REPULSION, KIND, MOBILITY = range(RADIUS + 1, RADIUS + 5)  # columns of a body
# rows of pairs
_X, _Y, _Z, _SPAN, _PUSH, _PULL, _INVERSE, _RATIO, _ALONG, _RATE, _PER_RANGE = range(11)
_ROWS = 11


class Adhesion(NamedTuple):
    """How cells of two types adhere, by type code.

    `affinity[a, b]` multiplies the adhesion between two types. Adhesion of two cells ends at the
    distance `reach[a] radius_a + reach[b] radius_b`. `alike`: all affinities are 1 and all
    reaches equal, so that the types of a pair need no look.
    """

    affinity: NDArray[np.float64]
    reach: NDArray[np.float64]
    alike: bool

    @classmethod
    def of(cls, affinity: NDArray[np.float64], reach: NDArray[np.float64]) -> Self:
        """From affinities (n_types, n_types) and ends of adhesion per radius (n_types,)."""
        alike = bool((affinity == 1.0).all() and (reach == reach[:1]).all())
        return cls(affinity, reach, alike)


@dataclass(frozen=True)
class ContactProperties:
    """What contact needs to know of cell types, by their code.

    `motile` types are moved by contacts and by themselves, others (vessels) are obstacles;
    `repulsion`, `adhesion` [um/min]; `adhesion_range`: where adhesion ends, per radius;
    `affinity[a, b]` multiplies the adhesion between two types;
    `b7` is the B7 that a touching living cell of the type offers to T cells.
    """

    motile: NDArray[np.bool_]
    repulsion: NDArray[np.float64]
    adhesion: NDArray[np.float64]
    adhesion_range: NDArray[np.float64]
    affinity: NDArray[np.float64]
    b7: NDArray[np.float32]

    @classmethod
    def uniform(cls, n_types: int) -> Self:
        """Types that all move, with published repulsion and adhesion and no B7."""
        return cls(
            motile=np.ones(n_types, dtype=bool),
            repulsion=np.full(n_types, REPULSION_SPEED),
            adhesion=np.full(n_types, ADHESION_SPEED),
            adhesion_range=np.full(n_types, CONTACT_RANGE),
            affinity=np.ones((n_types, n_types)),
            b7=np.zeros(n_types, dtype=np.float32),
        )

    @property
    def pairs(self) -> Adhesion:
        """What adhesion depends on by the types of a pair."""
        return Adhesion.of(self.affinity, self.adhesion_range)

    def listing_radius(
        self, kind: NDArray[np.integer], radius: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        """Radius [um] at which lists of neighbours reach as far as contact and adhesion do."""
        listed: NDArray[np.floating] = (
            radius * np.maximum(self.adhesion_range / CONTACT_RANGE, 1.0)[kind]
        )
        return listed


@inline
def pair_speed(ratio, repulsion, adhesion, per_range=1.0 / CONTACT_RANGE):
    """Speed [um/min] at which two cells drive each one from the other (below 0: together).

    repulsion (1 - q)^2 for q < 1, less adhesion (1 - q / s)^2 for q < s, where `ratio` q is the
    distance over the sum of the radii and `per_range` 1 / s, s being where adhesion ends over the
    sum of the radii: 1.25 as published. Ghaffarizadeh 2018, 10.1371/journal.pcbi.1005991.
    """
    push = max(1.0 - ratio, 0.0)
    pull = max(1.0 - ratio * per_range, 0.0)
    return repulsion * push * push - adhesion * pull * pull


class Forces(NamedTuple):
    """What contacts do to every cell, one row per cell.

    `velocity` [um/min], its size `pace`, `stiffness` [1/min]: the fastest rate at which the
    velocities of a cell and its neighbours can change with their positions; `hold` [um/min]: the
    adhesion of those it touches, which its own walk must overcome; `contact`: sums over neighbours
    named in `contact.CONTACTS`.
    """

    velocity: NDArray[np.float64]
    pace: NDArray[np.float64]
    stiffness: NDArray[np.float64]
    hold: NDArray[np.float64]
    contact: NDArray[np.float32]

    @classmethod
    def of(cls, n: int) -> Self:
        """Room for `n` cells."""
        pace, stiffness, hold = (np.zeros(n) for _ in range(3))
        contact = np.zeros((n, len(CONTACTS)), dtype=np.float32)
        return cls(np.zeros((n, 3)), pace, stiffness, hold, contact)


def bodies_of(
    position: NDArray[np.float64],
    radius: NDArray[np.floating],
    *,
    adhesion: NDArray[np.floating],
    repulsion: NDArray[np.floating],
    kind: NDArray[np.integer],
    mobility: NDArray[np.generic],
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
    adhesion: Adhesion,
    identity: NDArray[np.int64],
    shown: NDArray[np.float32],
    forces: Forces,
    counting: bool = True,
) -> None:
    """Velocity of every cell and, if counting, what else its neighbours do to it and show it."""
    launch(
        _interact,
        -(-len(bodies) // BLOCK),
        near.lists,
        near.space.box,
        bodies,
        adhesion,
        identity,
        shown,
        counting,
        forces,
        weight=BLOCK * 10,
    )


def _interact(block, lists, box, bodies, adhesion, identity, shown, counting, forces):
    """Sum over the neighbours of the cells of one block, with all its pairs side by side.

    What needs no neighbour is done pair by pair in loops that the compiler makes vectors of.
    """
    order, begin, number, listed = lists.order, lists.begin, lists.number, lists.listed
    low, high = block * BLOCK, min((block + 1) * BLOCK, len(order))
    pair = np.empty((_ROWS, begin[high - 1] + number[high - 1] - begin[low]))
    gather(low, high, order, begin, number, listed, bodies, pair)
    if box.walls == PERIODIC:
        for axis in range(box.axes):
            take_minimum_images(box.size[axis], pair[axis])
    if count_coincident(pair[_X], pair[_Y], pair[_Z]):
        separate_coincident(low, high, lists, identity, box.axes, pair)
    reciprocate(pair[_X], pair[_Y], pair[_Z], pair[_SPAN], pair[_INVERSE])
    measure(pair[_X], pair[_Y], pair[_Z], pair[_INVERSE], pair[_RATIO])
    ratio, inverse, span = pair[_RATIO], pair[_INVERSE], pair[_SPAN]
    push, pull, along = pair[_PUSH], pair[_PULL], pair[_ALONG]
    if adhesion.alike:
        drive(ratio, inverse, span, push, pull, along, 1.0 / adhesion.reach[0])
    else:
        weigh_types(low, high, order, begin, number, listed, bodies, adhesion, pair)
        drive_each(ratio, inverse, span, push, pull, along, pair[_PER_RANGE])
    if counting:
        stiffen(pair[_RATIO], pair[_INVERSE], pair[_SPAN], pair[_PUSH], pair[_RATE])
    for slot in range(low, high):
        i = order[slot]
        first = np.uint64(begin[slot] - begin[low])
        end = first + np.uint64(number[slot])
        v_x, v_y, v_z = sum_velocities(first, end, pair[_ALONG], pair[_X], pair[_Y], pair[_Z])
        speed = np.sqrt(v_x * v_x + v_y * v_y + v_z * v_z)
        share = bodies[i, MOBILITY] * min(1.0, FASTEST / max(speed, 1.0))
        forces.velocity[i, 0] = share * v_x
        forces.velocity[i, 1] = share * v_y
        forces.velocity[i, 2] = share * v_z
        if counting:
            mobile = bodies[i, MOBILITY]
            stiff = stiffest(first, end, begin[low], listed, bodies, box.axes, pair)
            forces.pace[i], forces.stiffness[i] = share * speed, mobile * stiff
            forces.hold[i] = mobile * sum_adhesion(first, end, pair[_RATIO], pair[_PULL])
            sum_contacts(i, first, end, begin[low], listed, pair[_RATIO], shown, forces.contact)


@inline
def gather(low, high, order, begin, number, listed, bodies, pair):
    """Vectors from the neighbours of some cells to these, sums of radii, strengths."""
    x, y, z, span, push, pull = pair[_X], pair[_Y], pair[_Z], pair[_SPAN], pair[_PUSH], pair[_PULL]
    for slot in range(low, high):
        i = order[slot]
        for place in range(begin[slot], begin[slot] + number[slot]):
            j = np.uint64(listed[place])  # signed, every access would be checked for wrapping
            k = np.uint64(place - begin[low])
            x[k] = bodies[i, 0] - bodies[j, 0]
            y[k] = bodies[i, 1] - bodies[j, 1]
            z[k] = bodies[i, 2] - bodies[j, 2]
            span[k] = bodies[i, RADIUS] + bodies[j, RADIUS]
            push[k] = bodies[i, REPULSION] * bodies[j, REPULSION]
            pull[k] = bodies[i, ADHESION] * bodies[j, ADHESION]


@inline
def weigh_types(low, high, order, begin, number, listed, bodies, adhesion, pair):
    """Strength of adhesion by the types of each pair, and sum of radii over where it ends."""
    pull, span, per_range = pair[_PULL], pair[_SPAN], pair[_PER_RANGE]
    for slot in range(low, high):
        i = order[slot]
        kind = np.uint64(np.int64(bodies[i, KIND]))
        own = adhesion.reach[kind] * bodies[i, RADIUS]
        for place in range(begin[slot], begin[slot] + number[slot]):
            j = np.uint64(listed[place])
            k = np.uint64(place - begin[low])
            other = np.uint64(np.int64(bodies[j, KIND]))
            pull[k] *= adhesion.affinity[kind, other]
            per_range[k] = span[k] / max(own + adhesion.reach[other] * bodies[j, RADIUS], POINT)


@inline
def take_minimum_images(size, difference):
    """Replace differences along one axis by those to the nearest image in a periodic box."""
    for k in range(difference.size):
        difference[k] = minimum_image(difference[k], size)


@inline
def count_coincident(x, y, z):
    """How many pairs are one and the same point."""
    number = 0
    for k in range(x.size):
        number += x[k] * x[k] + y[k] * y[k] + z[k] * z[k] < COINCIDENT
    return number


@inline
def separate_coincident(low, high, lists, identity, axes, pair):
    """Give directions to the pairs that are one point."""
    order, begin, number, listed = lists.order, lists.begin, lists.number, lists.listed
    for slot in range(low, high):
        for place in range(begin[slot], begin[slot] + number[slot]):
            d = pair[:3, place - begin[low]]
            if d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < COINCIDENT:
                mine, yours = identity[order[slot]], identity[listed[place]]
                d[0], d[1], d[2] = coincident_separation(mine, yours, axes)


@inline
def reciprocate(x, y, z, span, inverse):
    """1 / (distance x sum of radii) [1/um2]: one root and one division for each pair."""
    for k in range(inverse.size):
        distance = np.sqrt(x[k] * x[k] + y[k] * y[k] + z[k] * z[k])
        inverse[k] = 1.0 / (distance * max(span[k], POINT))


@inline
def measure(x, y, z, inverse, ratio):
    """Distance over sum of radii."""
    for k in range(ratio.size):
        ratio[k] = (x[k] * x[k] + y[k] * y[k] + z[k] * z[k]) * inverse[k]


@inline
def drive(ratio, inverse, span, push, pull, along, per_range):
    """Pair speed over distance [1/min]; all adhesion ends at the same ratio."""
    for k in range(along.size):
        along[k] = pair_speed(ratio[k], push[k], pull[k], per_range) * (inverse[k] * span[k])


@inline
def drive_each(ratio, inverse, span, push, pull, along, per_range):
    """Pair speed over distance [1/min]; adhesion of each pair ends at a ratio of its own."""
    for k in range(along.size):
        along[k] = pair_speed(ratio[k], push[k], pull[k], per_range[k]) * (inverse[k] * span[k])


@inline
def stiffen(ratio, inverse, span, push, rate):
    """Rate [1/min] at which a push falls as the two cells of a pair move apart."""
    for k in range(rate.size):
        squeeze = max(1.0 - ratio[k], 0.0)
        rate[k] = 2.0 * push[k] * squeeze * ratio[k] * (inverse[k] * span[k])


@inline
def sum_velocities(first, end, along, x, y, z):
    """Sum of pair velocities [um/min]."""
    v_x, v_y, v_z = 0.0, 0.0, 0.0
    for k in range(first, end):
        v_x += along[k] * x[k]
        v_y += along[k] * y[k]
        v_z += along[k] * z[k]
    return v_x, v_y, v_z


@inline
def stiffest(first, end, base, listed, bodies, axes, pair):
    """Bound [1/min] of the rates at which a cell and its neighbours relax.

    The rates are eigenvalues of a matrix whose row of blocks for this cell has S = sum(k n n) on
    the diagonal and -k n n beside it (k the stiffness of a contact, n its direction), so none is
    beyond the largest eigenvalue of some S plus its sum(k): Gershgorin's theorem for blocks. The
    eigenvalue is bounded from trace and norm of S: Wolkowicz 1980, 10.1016/0024-3795(80)90258-X.
    """
    x, y, z, span = pair[_X], pair[_Y], pair[_Z], pair[_SPAN]
    inverse, rate = pair[_INVERSE], pair[_RATE]
    stiff, xx, yy, zz, xy, xz, yz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(first, end):
        per_distance = inverse[k] * span[k]
        n_x, n_y, n_z = x[k] * per_distance, y[k] * per_distance, z[k] * per_distance
        stiff += rate[k] * bodies[np.uint64(listed[np.uint64(base) + k]), MOBILITY]
        xx += rate[k] * n_x * n_x
        yy += rate[k] * n_y * n_y
        zz += rate[k] * n_z * n_z
        xy += rate[k] * n_x * n_y
        xz += rate[k] * n_x * n_z
        yz += rate[k] * n_y * n_z
    trace = xx + yy + zz
    square = xx * xx + yy * yy + zz * zz + 2.0 * (xy * xy + xz * xz + yz * yz)
    spread = max(square - trace * trace / axes, 0.0) * (axes - 1) / axes
    return stiff + trace / axes + np.sqrt(spread)


@inline
def sum_adhesion(first, end, ratio, pull):
    """Sum over the neighbours of contact weight x adhesion [um/min]."""
    total = 0.0
    for k in range(first, end):
        total += contact_weight(ratio[k]) * pull[k]
    return total


@inline
def sum_contacts(i, first, end, base, listed, ratio, shown, contact):
    """Sums over the neighbours of cell i of what they show it."""
    antigen, pdl1, b7, dead, touching, crowd = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(first, end):
        j = np.uint64(listed[np.uint64(base) + k])
        weight, squeeze = contact_weight(ratio[k]), max(1.0 - ratio[k], 0.0)
        antigen += weight * shown[j, ANTIGEN]
        pdl1 += weight * shown[j, PDL1]
        b7 += weight * shown[j, B7]
        dead += weight * shown[j, DEAD]
        touching += weight
        crowd += squeeze * squeeze
    contact[i, 0], contact[i, 1], contact[i, 2] = antigen, pdl1, b7
    contact[i, 3], contact[i, 4], contact[i, 5] = dead, touching, crowd


@inline
def coincident_separation(mine, yours, axes):
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
