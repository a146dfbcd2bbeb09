"""All pairs of cells, one after the other: the slow twin of neighbours, mechanics and contact."""

import math

import numpy as np
from scipy.spatial import cKDTree

RANGE = 1.25


def separation(a, b, size, walls, dim):
    """Vector from b to a, to the nearest image where walls are periodic."""
    d = np.array(a, dtype=float) - np.array(b, dtype=float)
    if walls == "periodic":
        for axis in range(dim):
            d[axis] -= size[axis] * round(d[axis] / size[axis])
    return d


def touching(position, radius, size, walls="reflecting", dim=3, reach=RANGE):
    """Every ordered pair (i, j) of cells within 1.25 sums of radii, with the vector from j to i."""
    for i in range(len(position)):
        for j in range(len(position)):
            if i == j:
                continue
            d = separation(position[i], position[j], size, walls, dim)
            if np.linalg.norm(d) < reach * (radius[i] + radius[j]):
                yield i, j, d


def pair_speed(distance, span, repulsion, adhesion, end=None):
    """Published law of the pair velocity; adhesion ends at the distance `end`."""
    end = RANGE * span if end is None else end
    push = (1 - distance / span) ** 2 if distance < span else 0.0
    pull = (1 - distance / end) ** 2 if distance < end else 0.0
    return repulsion * push - adhesion * pull


def velocities(
    position,
    radius,
    size,
    *,
    adhesion,
    repulsion,
    walls="reflecting",
    dim=3,
    reach=None,
    affinity=None,
):
    """Velocity of every cell under its contacts; adhesion, repulsion and reach are per cell.

    `reach` is where adhesion ends per radius, `affinity` multiplies the adhesion of a pair.
    """
    n = len(position)
    reach = np.full(n, RANGE) if reach is None else reach
    affinity = np.ones((n, n)) if affinity is None else affinity
    velocity = np.zeros((n, 3))
    for i, j, d in touching(position, radius, size, walls, dim, max(RANGE, *reach)):
        distance = np.linalg.norm(d)
        speed = pair_speed(
            distance,
            radius[i] + radius[j],
            math.sqrt(repulsion[i] * repulsion[j]),
            affinity[i, j] * math.sqrt(adhesion[i] * adhesion[j]),
            reach[i] * radius[i] + reach[j] * radius[j],
        )
        velocity[i] += speed * d / distance
    return velocity


def weight(ratio):
    """Contact weight at a distance of `ratio` sums of radii."""
    return min(max((RANGE - ratio) / 0.25, 0.0), 1.0)


def sums(position, radius, shown, size, walls="reflecting", dim=3):
    """Sums over neighbours: weight x what they show (4 columns), weight, squared overlap."""
    total = np.zeros((len(position), 6))
    for i, j, d in touching(position, radius, size, walls, dim):
        ratio = np.linalg.norm(d) / (radius[i] + radius[j])
        total[i, :4] += weight(ratio) * shown[j]
        total[i, 4] += weight(ratio)
        total[i, 5] += max(1 - ratio, 0.0) ** 2
    return total


def holds(position, radius, size, *, adhesion, walls="reflecting", dim=3):
    """Adhesion of those every cell touches [um/min]: contact weight x adhesion of the pair."""
    total = np.zeros(len(position))
    for i, j, d in touching(position, radius, size, walls, dim):
        ratio = np.linalg.norm(d) / (radius[i] + radius[j])
        total[i] += weight(ratio) * math.sqrt(adhesion[i] * adhesion[j])
    return total


def relax(position, radius, *, minutes, dt):
    """Euler's method in small steps in 3D, with published repulsion and adhesion."""
    position, n = np.array(position, dtype=float), len(position)
    for _ in range(round(minutes / dt)):
        pairs = cKDTree(position).query_pairs(RANGE * 2 * np.max(radius), output_type="ndarray")
        i, j = pairs[:, 0], pairs[:, 1]
        apart = position[i] - position[j]
        distance, span = np.linalg.norm(apart, axis=1), radius[i] + radius[j]
        push = 10.0 * np.maximum(1 - distance / span, 0) ** 2
        pull = 0.4 * np.maximum(1 - distance / (RANGE * span), 0) ** 2
        along = ((push - pull) / distance)[:, None] * apart
        for axis in range(3):
            forth = np.bincount(i, along[:, axis], n) - np.bincount(j, along[:, axis], n)
            position[:, axis] += dt * forth
    return position


def physicell_pair(distance, radius, *, minutes, dt=0.1, seen=4):
    """Two cells as PhysiCell 1.14.2 moves them (Adams-Bashforth, dt 0.1) in the published run.

    After `seen` steps one of them has crossed into a voxel whose list of neighbours is not up to
    date, and the other cell no longer feels it: from then on only one of the two moves. This
    gives the published distances to all their digits.
    """
    a, b, before_a, before_b = 0.0, float(distance), 0.0, 0.0
    for step in range(round(minutes / dt)):
        speed = pair_speed(b - a, 2 * radius, 10.0, 0.4)
        speed_a, speed_b = (speed if step < seen else 0.0), speed
        a -= dt * (1.5 * speed_a - 0.5 * before_a)
        b += dt * (1.5 * speed_b - 0.5 * before_b)
        before_a, before_b = speed_a, speed_b
    return b - a
