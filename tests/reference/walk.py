"""The persistent random walk in closed form, and turn by turn."""

import math

import numpy as np


def fuerth_msd(speed, persistence, time):
    """Mean squared displacement of a persistent random walk, in two and three dimensions."""
    p = persistence
    return 2 * speed**2 * p * (time - p * (1 - math.exp(-time / p)))


def walk(draw, *, speed, persistence, bias, direction, dt, dim):
    """Displacement and direction of one cell after `dt`; `draw(k)` is the tick's draw number k."""
    displacement, left, turn = np.zeros(3), dt, 0
    direction = np.array(direction, dtype=float)
    until = -persistence * math.log(draw(2))
    while until < left:
        displacement += speed * until * direction
        left -= until
        turn += 1
        direction = turned(draw, turn, bias, dim)
        until = -persistence * math.log(draw(3 * turn + 2))
    return displacement + speed * left * direction, direction


def turned(draw, turn, bias, dim):
    """Random unit vector plus bias, of length 1."""
    around = 2 * math.pi * draw(3 * turn)
    up = 2 * draw(3 * turn + 1) - 1 if dim == 3 else 0.0
    side = math.sqrt(1 - up * up)
    vector = np.array([side * math.cos(around), side * math.sin(around), up]) + bias
    if dim == 2:
        vector[2] = 0.0
    return vector / np.linalg.norm(vector)
