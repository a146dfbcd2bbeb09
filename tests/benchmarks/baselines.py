"""Two honest baselines for one substrate: explicit Euler, and implicit line-split Euler.

Both take the same voxels, walls and first-order exchange as the field solver, in float32 or
float64, compiled, threaded and vectorised, so that what is compared is the method:

    dc/dt = D lap c - (decay + uptake) c + source,    the value of the walls on the outer faces

`Explicit` is forward Euler with the 7-point stencil at its stability limit. `LineSplit` is the
scheme of BioFVM (Ghaffarizadeh 2016, doi:10.1093/bioinformatics/btv730): per step the exchange of
every voxel implicitly by itself, then one tridiagonal solve per axis with a share of the decay
(locally one-dimensional backward Euler, Thomas algorithm). Its factors depend on the axis alone,
since uptake is not in the solve, and are computed once. Unlike BioFVM the values at the walls are
inside the solves. Each axis is swept along many lines at once, transposed for x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np

LINES = 104  # swept at once along x
COLUMNS = 128  # swept at once along y and z
SAFE = 0.99  # of the stability limit
FAST = {"error_model": "numpy", "fastmath": {"contract"}}
OPTIONS = {**FAST, "parallel": True, "cache": True}
BODY = nb.njit(**FAST)


@dataclass
class Box:
    """One substrate in a box: the equation that both baselines solve.

    Attributes:
        shape: voxels (z, y, x).
        voxel: edge [um].
        diffusivity: [um^2/min].
        decay: [1/min].
        wall: value on all faces of axes longer than one voxel, None for closed walls.
        uptake: first-order uptake (z, y, x) [1/min].
        source: (z, y, x) [unit/min], or None.
    """

    shape: tuple[int, int, int]
    voxel: float
    diffusivity: float
    decay: float
    wall: float | None
    uptake: np.ndarray
    source: np.ndarray | None = None

    @property
    def coupling(self) -> float:
        """D / voxel^2 [1/min]."""
        return self.diffusivity / self.voxel**2

    @property
    def dim(self) -> int:
        """Axes longer than one voxel."""
        return sum(n > 1 for n in self.shape)

    @property
    def wall_coupling(self) -> float:
        """Conductance from a voxel to the face half a voxel away [1/min]."""
        return 0.0 if self.wall is None else 2.0 * self.coupling


class Explicit:
    """Forward Euler at its stability limit.

    Args:
        box: what to solve.
        c: start (z, y, x); its type is that of the computation.
        part: of the largest stable step, for references finer than the limit.
    """

    def __init__(self, box: Box, c: np.ndarray, part: float = 1.0):
        self.box, self.c, self.next = box, c.copy(), np.empty_like(c)
        # Gershgorin: no eigenvalue exceeds the diagonal plus the couplings of its row
        fastest = 4 * box.dim * box.coupling + box.decay + float(box.uptake.max())
        self.dt = part * SAFE * 2.0 / fastest
        self.loss = (box.decay + box.uptake).astype(c.dtype)
        self.source = _none(c) if box.source is None else box.source.astype(c.dtype)

    def advance(self, time: float) -> int:
        """Advance by `time` [min]; returns the number of steps."""
        steps = int(np.ceil(time / self.dt))
        real, box = self.c.dtype.type, self.box
        numbers = (time / steps, box.coupling, box.wall_coupling, box.wall or 0.0)
        numbers = tuple(real(number) for number in numbers)
        for _ in range(steps):
            _explicit_step(self.c, self.loss, self.source, numbers, self.next)
            self.c, self.next = self.next, self.c
        return steps


class LineSplit:
    """Implicit exchange per voxel, then implicit diffusion and decay axis by axis, first order.

    Args:
        box: what to solve.
        c: start (z, y, x); its type is that of the computation.
        dt: step [min].
    """

    def __init__(self, box: Box, c: np.ndarray, dt: float):
        self.box, self.c, self.dt = box, c.copy(), dt
        self.keep = (1.0 / (1.0 + dt * box.uptake.astype(float))).astype(c.dtype)
        self.gain = _none(c)
        if box.source is not None:
            self.gain = (dt * box.source * self.keep).astype(c.dtype)
        self.factors = [_factors(box, n, dt, c.dtype) for n in box.shape]
        self.inflow = c.dtype.type(dt * box.wall_coupling * (box.wall or 0.0))

    def advance(self, time: float) -> int:
        """Advance by `time` [min], a whole number of steps; returns that number."""
        steps = round(time / self.dt)
        nz, ny, _ = self.box.shape
        fz, fy, fx = self.factors
        for _ in range(steps):
            if nz > 1:
                _planes(self.c, self.keep, self.gain, fx, fy, self.inflow)
                _along_first(self.c.reshape(nz, -1), fz, self.inflow)
            else:
                _along_x(self.c, self.keep, self.gain, fx, self.inflow)
                if ny > 1:
                    _along_first(self.c[0], fy, self.inflow)
        return steps


def _none(c: np.ndarray) -> np.ndarray:
    return np.zeros((0, 0, 0), c.dtype)


def _factors(box: Box, n: int, dt: float, dtype: np.dtype) -> np.ndarray:
    """Rows k, m, g of the Thomas algorithm along n voxels.

    Forward c[i] = m[i] (c[i] + k c[i-1]), backward c[i] += g[i] c[i+1].
    """
    k = dt * box.coupling if n > 1 else 0.0
    diagonal = np.full(n, 1.0 + dt * box.decay / box.dim + 2.0 * k)
    for end in (0, -1):
        diagonal[end] += dt * box.wall_coupling - k if n > 1 else 0.0
    m, g = np.empty(n), np.empty(n)
    for i in range(n):
        m[i] = 1.0 / (diagonal[i] - (k * g[i - 1] if i else 0.0))
        g[i] = k * m[i] if i < n - 1 else 0.0
    return np.array([np.full(n, k), m, g], dtype)


@nb.njit(**OPTIONS)
def _explicit_step(c, loss, source, numbers, out):
    dt, k, wall_k, wall = numbers
    nz, ny, nx = c.shape
    one = c.dtype.type(1)
    k, wall_k = dt * k, dt * wall_k
    for row in nb.prange(nz * ny):
        z, y = row // ny, row % ny
        at, new, lost = c[z, y], out[z, y], loss[z, y]
        up = c[z, y + 1] if y < ny - 1 else at
        down = c[z, y - 1] if y > 0 else at
        front = c[z + 1, y] if z < nz - 1 else at
        back = c[z - 1, y] if z > 0 else at
        faces = (ny > 1) * ((y == 0) + (y == ny - 1)) + (nz > 1) * ((z == 0) + (z == nz - 1))
        walls = wall_k * c.dtype.type(faces)
        stay = one - c.dtype.type(4) * k - walls
        for x in range(nx):
            new[x] = (stay - dt * lost[x]) * at[x] + walls * wall
            new[x] += k * (up[x] + down[x] + front[x] + back[x])
        for x in range(nx - 1):
            new[x] += k * (at[x + 1] - at[x])
        for x in range(1, nx):
            new[x] += k * (at[x - 1] - at[x])
        if nx > 1:
            new[0] += wall_k * (wall - at[0])
            new[nx - 1] += wall_k * (wall - at[nx - 1])
        if source.size:
            made = source[z, y]
            for x in range(nx):
                new[x] += dt * made[x]


@nb.njit(**OPTIONS)
def _planes(c, keep, gain, fx, fy, inflow):
    """Exchange, x and y of every plane while it is in the cache."""
    nz, ny, nx = c.shape
    for z in nb.prange(nz):
        lines = np.empty((nx, LINES), c.dtype)
        for y in range(0, ny, LINES):
            _rows(c, keep, gain, z, y, fx, inflow, lines)
        _solve(c[z], 0, nx, fy, inflow)


@nb.njit(**OPTIONS)
def _along_x(c, keep, gain, fx, inflow):
    """Exchange and x of a single plane."""
    ny, nx = c.shape[1:]
    for block in nb.prange((ny + LINES - 1) // LINES):
        lines = np.empty((nx, LINES), c.dtype)
        _rows(c, keep, gain, 0, block * LINES, fx, inflow, lines)


@nb.njit(**OPTIONS)
def _along_first(c, f, inflow):
    """The solves along the first axis of c (n, m)."""
    m = c.shape[1]
    for block in nb.prange((m + COLUMNS - 1) // COLUMNS):
        _solve(c, block * COLUMNS, min(m, (block + 1) * COLUMNS), f, inflow)


@BODY
def _rows(c, keep, gain, z, y0, f, inflow, lines):
    """Exchange and the solves along x of up to LINES rows from y0."""
    y1 = min(c.shape[1], y0 + LINES)
    for y in range(y0, y1):
        _exchange(c, keep, gain, z, y)
    whole = y1 - (y1 - y0) % 8
    for y in range(y0, whole, 8):
        _turn_8(c[z], y, lines, y - y0)
    for y in range(whole, y1):
        lines[:, y - y0] = c[z, y]
    _solve(lines, 0, y1 - y0, f, inflow)
    for y in range(y0, whole, 8):
        _turn_8_back(lines, y - y0, c[z], y)
    for y in range(whole, y1):
        c[z, y] = lines[:, y - y0]


@BODY
def _exchange(c, keep, gain, z, y):
    at, kept = c[z, y], keep[z, y]
    for x in range(at.size):
        at[x] *= kept[x]
    if gain.size:
        gained = gain[z, y]
        for x in range(at.size):
            at[x] += gained[x]


@BODY
def _turn_8(rows, y, lines, w):
    """lines[:, w : w + 8] = rows[y : y + 8], transposed."""
    a, b, c, d = rows[y], rows[y + 1], rows[y + 2], rows[y + 3]
    e, f, g, h = rows[y + 4], rows[y + 5], rows[y + 6], rows[y + 7]
    for x in range(a.size):
        to = lines[x, w : w + 8]
        to[0], to[1], to[2], to[3] = a[x], b[x], c[x], d[x]
        to[4], to[5], to[6], to[7] = e[x], f[x], g[x], h[x]


@BODY
def _turn_8_back(lines, w, rows, y):
    """rows[y : y + 8] = lines[:, w : w + 8], transposed."""
    a, b, c, d = rows[y], rows[y + 1], rows[y + 2], rows[y + 3]
    e, f, g, h = rows[y + 4], rows[y + 5], rows[y + 6], rows[y + 7]
    for x in range(a.size):
        at = lines[x, w : w + 8]
        a[x], b[x], c[x], d[x] = at[0], at[1], at[2], at[3]
        e[x], f[x], g[x], h[x] = at[4], at[5], at[6], at[7]


@BODY
def _solve(c, x0, x1, f, inflow):
    """Solve along the first axis of c for the columns x0 to x1 at once."""
    n = c.shape[0]
    if n == 1:
        return
    first, last, m = c[0, x0:x1], c[n - 1, x0:x1], f[1, 0]
    for x in range(first.size):
        first[x] = m * (first[x] + inflow)
        last[x] += inflow
    for i in range(1, n):
        k, m = f[0, i], f[1, i]
        at, before = c[i, x0:x1], c[i - 1, x0:x1]
        for x in range(at.size):
            at[x] = m * (at[x] + k * before[x])
    for i in range(n - 2, -1, -1):
        g = f[2, i]
        at, after = c[i, x0:x1], c[i + 1, x0:x1]
        for x in range(at.size):
            at[x] += g * after[x]
