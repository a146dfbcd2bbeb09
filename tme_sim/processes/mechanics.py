"""Push and pull cells that touch: overdamped pair velocities, no inertia."""

# ruff: noqa: ANN001, ANN201, ANN202, PLR0913 - kernels carry no annotations, and many columns

from dataclasses import dataclass
from typing import Self

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tme_sim import device
from tme_sim.processes.contact import CONTACTS, contact_weight
from tme_sim.processes.neighbours import (
    ADHESION,
    CONTACT_RANGE,
    KIND,
    MOBILITY,
    RADIUS,
    REPULSION,
    CellList,
    segment,
)

REPULSION_SPEED = 10.0  # [um/min] PhysiCell 1.14.2 default, Ghaffarizadeh 2018
ADHESION_SPEED = 0.4  # [um/min] the same
FASTEST = 2000.0  # [um/min] a cell moves at most 2 um in the shortest substep, however crowded
COINCIDENT = 1e-12  # [um2] nearer than this, two centres have no direction between them


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


def interact(
    cells: CellList,
    bodies: Bodies,
    identity: NDArray[np.int64],
    shown: NDArray[np.float32],
    forces: Forces,
    *,
    counting: bool = True,
) -> None:
    """Velocity of every cell and, if counting, the sums of what its neighbours show it."""
    device.launch(
        _interact,
        len(cells.order),
        *cells.bins,
        cells.rows,
        cells.start,
        cells.order,
        cells.slots,
        bodies.affinity,
        identity,
        shown,
        counting,
        forces.velocity,
        forces.pace,
        forces.stiffness,
        forces.contact,
    )


def _interact(
    slot,
    counts,
    per_um,
    size,
    rows,
    start,
    order,
    slots,
    affinity,
    identity,
    shown,
    counting,
    velocity,
    pace,
    stiffness,
    contact,
):
    """Sum over the neighbours of one cell; coincident centres part along an axis of their own."""
    i, kind = order[slot], int(slots[slot, KIND])
    radius, repels, holds = slots[slot, RADIUS], slots[slot, REPULSION], slots[slot, ADHESION]
    v_x, v_y, v_z, stiff = 0.0, 0.0, 0.0, 0.0
    antigen, pdl1, b7, dead, touching, crowd = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for row in range(rows.shape[0]):
        low, high, x, y, z = segment(counts, per_um, size, start, rows, row, slots, slot)
        for step in range(high - low):
            other = np.uint64(low + step)  # signed, every access would be checked for wrapping
            d_x, d_y, d_z = x - slots[other, 0], y - slots[other, 1], z - slots[other, 2]
            squared = d_x * d_x + d_y * d_y + d_z * d_z
            span = radius + slots[other, RADIUS]
            if squared >= (CONTACT_RANGE * span) ** 2 or other == np.uint64(slot):
                continue
            if squared < COINCIDENT:
                d_x, d_y, d_z = apart(identity[i], identity[order[other]], counts[2])
                squared = COINCIDENT
            distance, per_span = np.sqrt(squared), 1.0 / span
            ratio = distance * per_span
            repulsion = repels * slots[other, REPULSION]
            adhesion = holds * slots[other, ADHESION] * affinity[kind, int(slots[other, KIND])]
            along = pair_speed(ratio, repulsion, adhesion) / distance
            v_x += along * d_x
            v_y += along * d_y
            v_z += along * d_z
            squeeze = max(1.0 - ratio, 0.0)
            stiff += (1.0 + slots[other, MOBILITY]) * repulsion * squeeze * per_span
            if counting:
                weight, j = contact_weight(ratio), order[other]
                antigen += weight * shown[j, 0]
                pdl1 += weight * shown[j, 1]
                b7 += weight * shown[j, 2]
                dead += weight * shown[j, 3]
                touching += weight
                crowd += squeeze * squeeze
    speed = np.sqrt(v_x * v_x + v_y * v_y + v_z * v_z)
    share = slots[slot, MOBILITY] * min(1.0, FASTEST / max(speed, 1.0))
    velocity[i, 0], velocity[i, 1], velocity[i, 2] = share * v_x, share * v_y, share * v_z
    pace[i], stiffness[i] = share * speed, slots[slot, MOBILITY] * 2.0 * stiff
    if counting:
        contact[i, 0], contact[i, 1], contact[i, 2] = antigen, pdl1, b7
        contact[i, 3], contact[i, 4], contact[i, 5] = dead, touching, crowd


@nb.njit(error_model="numpy", forceinline=True)
def apart(mine, yours, layers):
    """Vector of length 1e-6 um from your centre to mine where both are the same point.

    The axis follows from the two identities (fractions of the golden and the plastic number), so
    that every pair of a heap parts its own way, in opposite directions.
    """
    pair = float((mine ^ yours) % 1_000_003)
    around = 2.0 * np.pi * (pair * 0.6180339887498949 % 1.0)
    up = 0.0 if layers == 1 else 2.0 * (pair * 0.7548776662466927 % 1.0) - 1.0
    side = np.sqrt(1.0 - up * up)
    sign = 1e-6 if mine < yours else -1e-6
    return sign * side * np.cos(around), sign * side * np.sin(around), sign * up
