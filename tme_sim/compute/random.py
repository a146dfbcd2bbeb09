"""Draw random numbers as a pure function of (seed, stream, tick, cell id, draw).

The hash is Philox4x32-10: the seed is its key, the other four numbers are its counter. Nothing is
stored, so a draw depends neither on the order in which cells are visited, nor on threads, batches
or restarts. Its 32-bit products fit in 64 bits, so the same lines run as plain Python, on whole
arrays, in numba kernels on the CPU and on CUDA, and agree to the last bit.

All arguments are non-negative: seed < 2^64, tick < 2^32, cell id < 2^63, draw < 2^20.

Reference: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3,
doi:10.1145/2063384.2063405.
"""

import enum
import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from tme_sim.compute.elementary import cos, log, sin

Integers = Any  # an integer, or an array of integers; in a kernel, what numba meets
Reals = Any  # likewise


class Stream(enum.IntEnum):
    """What a draw is for. Append only: a released number keeps its meaning."""

    DIVISION_AXIS = 1
    FATE = 2
    CYCLE = 3
    MOTILITY = 4
    INHERITANCE = 5
    ARRIVAL = 6
    PLACEMENT = 7
    MUTATION = 8
    CONTACT = 9
    INITIAL = 10
    VISIT = 11
    RECORD = 12
    MISSED = 13


# numba turns uint64 * int64 into float64: every constant that meets a word is a uint64
_MASK = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_DRAW_BITS = np.uint64(20)
_DOUBLE_SHIFT = np.uint64(12)  # keeps 52 bits: with the half step below, never 0 and never 1
_DOUBLE_STEP = 2.0**-52
_POISSON_PART = 64.0  # exp(-64) is far from underflow

_ID_KEY = np.uint64(0x746D652D73696D)  # ids do not depend on the seed: trial arms share their luck
_DAUGHTER, _ARRIVAL = np.uint64(1), np.uint64(2)
_HASHED_ID = np.uint64(1 << 62)  # keeps hashed ids apart from the small ids of initial cells
_HASHED_BITS = np.uint64((1 << 62) - 1)
_INITIAL_IDS = 1_000_000_000  # room for each group's initial cells


@register_jitable
def uniform(seed: int, stream: int, tick: int, cell_id: int, draw: int) -> float:
    """Uniform draw in (0, 1), both ends excluded."""
    u: float = _open_unit(_words(seed, stream, tick, cell_id, draw)[0])
    return u


@register_jitable
def normal(seed: int, stream: int, tick: int, cell_id: int, draw: int) -> float:
    """Standard normal draw (Box and Muller 1958, from the two words of one hash)."""
    first, second = _words(seed, stream, tick, cell_id, draw)
    radius = math.sqrt(-2.0 * math.log(_open_unit(first)))
    return radius * math.cos(2.0 * math.pi * _open_unit(second))


@register_jitable
def poisson(mean: float, seed: int, stream: int, tick: int, cell_id: int, draw: int) -> int:
    """Poisson draw by inversion; a large mean is a sum of small ones at draw, draw + 1, ..."""
    count = 0
    while mean > 0.0:
        part = min(mean, _POISSON_PART)
        u = uniform(seed, stream, tick, cell_id, draw)
        probability = math.exp(-part)
        cumulated = probability
        k = 0
        while cumulated < u and probability > 0.0:
            k += 1
            probability *= part / k
            cumulated += probability
        count += k
        mean -= part
        draw += 1
    return count


def uniforms(seed: int, stream: int, tick: int, cell_id: Integers, draw: Integers) -> np.ndarray:
    """``uniform`` for arrays of cell ids and draws that broadcast, the same values."""
    u: np.ndarray = _open_unit(_words(seed, stream, tick, np.asarray(cell_id), draw)[0])
    return u


def normals(seed: int, stream: int, tick: int, cell_id: Integers, draw: Integers) -> np.ndarray:
    """``normal`` for arrays that broadcast, the same values."""
    first, second = _words(seed, stream, tick, np.asarray(cell_id), draw)
    radius = np.sqrt(-2.0 * log(_open_unit(first)))
    return np.asarray(radius * cos(2.0 * np.pi * _open_unit(second)))


def directions(seed: int, stream: int, tick: int, cell_id: np.ndarray, *, dim: int) -> np.ndarray:
    """Unit vectors (n, 3), uniform on the circle of the x, y plane (dim 2) or on the sphere."""
    angle = 2.0 * np.pi * uniforms(seed, stream, tick, cell_id, 0)
    height = 2.0 * uniforms(seed, stream, tick, cell_id, 1) - 1.0 if dim == 3 else 0.0 * angle
    width = np.sqrt(1.0 - height * height)
    return np.stack([width * cos(angle), width * sin(angle), height], axis=-1)


def initial_id(group: int, ordinal: Integers) -> Integers:
    """Id of the cell number ``ordinal`` that a scenario's group starts with: small, readable."""
    return np.int64(group) * _INITIAL_IDS + np.int64(ordinal) + np.int64(1)


def daughter_id(mother_id: Integers, n_divisions: Integers) -> Integers:
    """Id of the daughter from the mother's id and the number of this division, scalar or array."""
    return _hashed_id(_DAUGHTER, mother_id, n_divisions)


def arrival_id(vessel_id: Integers, tick: int, k: Integers) -> Integers:
    """Id of the cell number ``k`` that enters at a vessel in a tick, scalar or array."""
    return _hashed_id(_ARRIVAL | (np.uint64(tick) << _WORD), vessel_id, k)


def _hashed_id(kind: Integers, parent: Integers, number: Integers) -> Integers:
    parent, number = np.uint64(parent), np.uint64(number)
    label = np.uint64(kind)
    first, _ = _philox(
        _ID_KEY + (label >> _WORD),
        parent & _MASK,
        parent >> _WORD,
        number & _MASK,
        label & _MASK,
    )
    return np.int64((first & _HASHED_BITS) | _HASHED_ID)


@register_jitable
def _words(
    seed: int, stream: int, tick: int, cell_id: Integers, draw: Integers
) -> tuple[Integers, Integers]:
    """Two 64-bit words of one draw."""
    label = (np.uint64(stream) << _DRAW_BITS) | np.uint64(draw)
    number = np.uint64(cell_id)
    return _philox(np.uint64(seed), np.uint64(tick), label, number & _MASK, number >> _WORD)


@register_jitable
def _philox(
    key: Integers, c0: Integers, c1: Integers, c2: Integers, c3: Integers
) -> tuple[Integers, Integers]:
    """Philox4x32-10 of a 64-bit key and four 32-bit counters: two 64-bit words."""
    k0, k1 = key & _MASK, key >> _WORD
    for _ in range(10):
        p0 = c0 * _MULTIPLIER_0
        p1 = c2 * _MULTIPLIER_1
        c0, c1, c2, c3 = (p1 >> _WORD) ^ c1 ^ k0, p1 & _MASK, (p0 >> _WORD) ^ c3 ^ k1, p0 & _MASK
        k0 = (k0 + _WEYL_0) & _MASK
        k1 = (k1 + _WEYL_1) & _MASK
    return (c1 << _WORD) | c0, (c3 << _WORD) | c2


@register_jitable
def _open_unit(word: Integers) -> Reals:
    """Map 64 bits to the middle of one of 2^52 steps of (0, 1)."""
    return (np.float64(word >> _DOUBLE_SHIFT) + 0.5) * _DOUBLE_STEP
