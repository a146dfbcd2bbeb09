"""Place the cells a run starts with: packed without overlap, scattered, or as a table says.

Every draw is keyed by (seed, group, number of the site), so that positions depend neither on
other groups' sizes nor on the machine. Packed shapes take sites of a hexagonal (2D) or
face-centred cubic (3D) lattice at the distance at which two cells rest, a random choice of them
where there are more sites than cells, each moved a little at random.
"""

import itertools
import math
import operator
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tme_sim.compute.random import Stream, uniforms
from tme_sim.scenario.errors import ScenarioError
from tme_sim.scenario.scenario import Domain, Scenario
from tme_sim.scenario.tables import read_table
from tme_sim.scenario.tissue import CellGroup, Placement

RESTING_DISTANCE = 40.0 / 21.0
"""Centre distance of two cells at rest per radius: repulsion 10, adhesion 0.4 (PhysiCell)."""

Points = NDArray[np.float64]  # (n, dim) or one of them [um]

JITTER = 0.05  # of the resting distance
CLOSEST = 0.8  # of the sum of radii: how near another group's cells may be at the start
DART_DISTANCE = 0.7  # least distance of scattered cells per spacing; 0.83 would be jammed
MOST_SITES = 300_000_000  # of a lattice, memory of some GB
MAX_DARTS = 1000  # per scattered cell
ORDER = ("file", "poisson")  # these cannot make room for others, so they come first


@dataclass(frozen=True)
class Placed:
    """Cells of one group: positions [um] (n, 3) in x, y, z, and columns that a table gave."""

    position: Points
    columns: dict[str, Points] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.position)


def place_all(scenario: Scenario, seed: int | None = None) -> dict[str, Placed]:
    """Cells of every group of a scenario, in the scenario's order, without heavy overlap.

    Raises:
        ScenarioError: A group does not fit; the message says how many would.
    """
    seed = scenario.seed if seed is None else seed
    occupied = _Occupied()
    placed: dict[str, Placed] = {}
    for name, group in sorted(scenario.cells.items(), key=lambda item: _rank(item[1])):
        radius = scenario.cell_types[group.type].radius
        try:
            placed[name] = place(
                group,
                scenario.domain,
                seed,
                files=scenario.files,
                name=name,
                radius=radius,
                occupied=occupied,
            )
        except ScenarioError as err:
            raise scenario.error(("cells", name), err.message) from err
        occupied.add(placed[name].position, radius)
    return {name: placed[name] for name in scenario.cells}


def crowding(placed: Mapping[str, Placed]) -> list[str]:
    """A note on each group of a table whose cells share places."""
    shared = {name: _n_shared(cells.position) for name, cells in placed.items()}
    return [
        f"{name}: {n} of {len(placed[name])} cells start in the same place as others; "
        "they push each other apart within the first hour"
        for name, n in shared.items()
        if n
    ]


def _n_shared(points: Points) -> int:
    """Number of points that stand exactly where another one does."""
    if len(points) == 0:
        return 0
    ordered = points[np.lexsort(points.T)]
    same = (ordered[1:] == ordered[:-1]).all(axis=1)
    return int(np.count_nonzero(np.r_[same, False] | np.r_[False, same]))


def place(
    group: CellGroup,
    domain: Domain,
    seed: int,
    *,
    files: Mapping[str, str],
    name: str = "",
    radius: float = 8.412710548,
    occupied: "_Occupied | None" = None,
) -> Placed:
    """Cells of one group.

    Args:
        group: Its count and placement.
        domain: The tissue.
        seed: Of the run.
        files: Texts of tables of cells, by path.
        name: Of the group; keys the draws.
        radius: Of its cells [um].
        occupied: Cells that are there already.

    Raises:
        ScenarioError: The cells do not fit; the message says how many would.
    """
    if group.placement is None:
        return Placed(np.empty((0, 3)))
    if group.placement.file is not None:
        columns = read_table(files[group.placement.file], group.placement.file, domain)
        xyz = [columns.pop(axis) for axis in "xyz"[: domain.dim]]
        columns.pop("z", None)
        return Placed(_in_space(np.column_stack(xyz), domain), columns)
    draws = _Draws(seed, zlib.crc32(name.encode()))
    region = _Region(group.placement, domain, radius)
    if group.placement.kind == "poisson":
        return Placed(_in_space(_scatter(region, draws), domain))
    points = _pack(group.count or 0, region, draws, occupied or _Occupied())
    return Placed(_in_space(points, domain))


def expected_count(group: CellGroup, domain: Domain) -> float:
    """Number of cells that a group starts with; 0 for a table, which is not read."""
    if group.placement is None or group.placement.kind != "poisson":
        return float(group.count or 0)
    return _Region(group.placement, domain, radius=0.0).scattered


def tissue_measure(group: CellGroup, domain: Domain) -> float:
    """Volume that a group's placement covers [um^3]; 2D tissue is one voxel thick."""
    if group.placement is None or group.placement.kind == "file":
        return float(np.prod(domain.box))
    measure = _Region(group.placement, domain, radius=0.0).measure
    return measure * (domain.voxel if domain.dim == 2 else 1.0)


def check_placement(placement: Placement, domain: Domain) -> str | None:
    """What is wrong with a placement in a domain, in words; None where nothing is."""
    flat, solid = ("disk", "ring"), ("ball", "shell")
    if placement.kind in (flat if domain.dim == 3 else solid):
        instead = dict(zip(flat + solid, solid + flat, strict=True))[placement.kind]
        return f"a {placement.kind} cannot be in {domain.dim}D tissue; use `{instead}`"
    if placement.kind == "file":
        return None
    shape = placement.shape
    for vector in ("center", "size"):
        given = getattr(shape, vector, None)
        if given is not None and len(given) != domain.dim:
            return f"{vector} has {len(given)} values, but the tissue has {domain.dim} dimensions"
    center = np.array(shape.center or [length / 2 for length in domain.size])
    reach = _reach(placement, domain)
    low, high = center - reach, center + reach
    if np.any(low < -1e-6) or np.any(high > np.array(domain.size) + 1e-6):
        box = " x ".join(f"{length:g}" for length in domain.size)
        return f"it reaches from {_words(low)} to {_words(high)} um, out of the domain of {box} um"
    return None


def _words(vector: Points) -> str:
    return "(" + ", ".join(f"{value:g}" for value in vector) + ")"


def _rank(group: CellGroup) -> int:
    kind = group.placement.kind if group.placement is not None else ""
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def _in_space(points: Points, domain: Domain) -> Points:
    """Points as (n, 3); in 2D tissue in the middle of its one layer of voxels."""
    if domain.dim == 3:
        return np.ascontiguousarray(points, dtype=np.float64)
    return np.column_stack([points, np.full(len(points), domain.voxel / 2)])


def _reach(placement: Placement, domain: Domain) -> Points:
    """Half of the extent of a shape along each axis [um]."""
    shape, whole = placement.shape, np.array(domain.size) / 2
    outer = getattr(shape, "outer", None) or getattr(shape, "radius", None)
    if outer is not None:
        return np.full(domain.dim, outer)
    size = getattr(shape, "size", None)
    return whole if size is None else np.array(size) / 2


@dataclass(frozen=True)
class _Draws:
    """Uniform draws of one group, by number."""

    seed: int
    key: int

    def uniform(self, numbers: NDArray[np.int64], draw: int) -> Points:
        """Draws in (0, 1), one per number."""
        return uniforms(self.seed, int(Stream.PLACEMENT), self.key, numbers, draw)


class _Region:
    """The part of the domain where the centres of a group's cells may lie."""

    def __init__(self, placement: Placement, domain: Domain, radius: float) -> None:
        shape = placement.shape
        self.kind, self.radius, self.dim = placement.kind, radius, domain.dim
        self.spacing = float(getattr(shape, "spacing", np.inf))
        self.size: Points = np.array(domain.size)
        self.center: Points = np.array(shape.center) if shape.center else self.size / 2
        self.reach = _reach(placement, domain)
        self.outer = self._outer(shape)
        self.inner = float(getattr(shape, "inner", 0.0))

    @staticmethod
    def _outer(shape: Any) -> float | None:
        return getattr(shape, "outer", None) or getattr(shape, "radius", None)

    @property
    def low(self) -> Points:
        """Lowest corner of its bounding box, a cell's radius inside the walls [um]."""
        return np.maximum(self.center - self.reach, self.radius)

    @property
    def high(self) -> Points:
        """Highest corner of its bounding box [um]."""
        return np.minimum(self.center + self.reach, self.size - self.radius)

    def holds(self, points: Points) -> NDArray[np.bool_]:
        """Whether points lie in it."""
        inside: NDArray[np.bool_] = np.all((points >= self.low) & (points <= self.high), axis=1)
        distance2 = np.sum((points - self.center) ** 2, axis=1)
        if self.outer is not None:
            inside &= distance2 <= self.outer**2
        inside &= distance2 >= self.inner**2
        return inside

    @property
    def measure(self) -> float:
        """Area [um^2] or volume [um^3], the walls' margin included."""
        if self.outer is None:
            whole = float(np.prod(2 * self.reach))
            return whole - _ball_measure(self.inner, self.dim)
        return _ball_measure(self.outer, self.dim) - _ball_measure(self.inner, self.dim)

    @property
    def scattered(self) -> int:
        """Number of scattered cells that its spacing implies."""
        return max(1, round(self.measure / self.spacing**self.dim))


def _ball_measure(radius: float, dim: int) -> float:
    return np.pi * radius**2 if dim == 2 else 4.0 / 3.0 * np.pi * radius**3


class _Occupied:
    """Cells that are placed already, and whether a site is free of them."""

    def __init__(self) -> None:
        self._points: list[Points] = []
        self._radii: list[float] = []

    def add(self, points: Points, radius: float) -> None:
        """Add the cells of a group."""
        if len(points):
            self._points.append(points)
            self._radii.append(radius)

    def free(self, sites: Points, radius: float) -> NDArray[np.bool_]:
        """Sites that leave every cell its place."""
        from scipy.spatial import cKDTree

        free = np.ones(len(sites), dtype=bool)
        for points, other in zip(self._points, self._radii, strict=True):
            tree = cKDTree(points[:, : sites.shape[1]])
            distance, _ = tree.query(sites, distance_upper_bound=CLOSEST * (radius + other))
            free &= np.isinf(distance)
        return free


def _pack(count: int, region: _Region, draws: _Draws, occupied: _Occupied) -> Points:
    """Cells on a random choice of the free sites of a packed lattice, slightly moved."""
    step = RESTING_DISTANCE * region.radius
    sites = _lattice(region, step)
    free = sites[occupied.free(sites, region.radius)] if len(sites) else sites
    if len(free) < count:
        taken = len(sites) - len(free)
        note = f" ({taken} more sites are taken by other groups)" if taken else ""
        msg = f"{count} cells do not fit into the {region.kind}: {len(free)} do{note}"
        raise ScenarioError(msg)
    numbers = np.arange(len(free))
    chosen = np.sort(np.argsort(draws.uniform(numbers, 0), kind="stable")[:count])
    moved = free[chosen] + JITTER * step * _directions(region.dim, numbers[chosen], draws)
    return np.where(region.holds(moved)[:, None], moved, free[chosen])


def _directions(dim: int, numbers: NDArray[np.int64], draws: _Draws) -> Points:
    """Random offsets in the cube [-1, 1]."""
    return np.column_stack([2.0 * draws.uniform(numbers, 1 + axis) - 1.0 for axis in range(dim)])


def _lattice(region: _Region, step: float) -> Points:
    """Sites of a lattice with nearest neighbours at `step` [um], around the region's centre."""
    rows = np.ceil(region.reach / step).astype(int) + 1
    if np.prod(4.0 * rows) > MOST_SITES:
        msg = f"the {region.kind} is too large for cells of a radius of {region.radius:.3g} um"
        raise ScenarioError(msg)
    if region.dim == 2:
        grid = np.meshgrid(
            np.arange(-2 * rows[0], 2 * rows[0] + 1), np.arange(-2 * rows[1], 2 * rows[1] + 1)
        )
        i, j = (indices.ravel() for indices in grid)
        offsets = np.column_stack([i + 0.5 * (j % 2), np.sqrt(0.75) * j]) * step
    else:
        axes = [np.arange(-2 * n, 2 * n + 1) for n in rows]
        cube = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        offsets = cube[cube.sum(axis=1) % 2 == 0] * (step / np.sqrt(2.0))
    sites = region.center + offsets
    return sites[region.holds(sites)]


class _Bins:
    """Points none of which is nearer to another than a distance [um], by cubes of that side."""

    def __init__(self, least: float) -> None:
        self._side, self._least2 = least, least**2
        self._points: dict[tuple[int, ...], list[list[float]]] = {}

    def add(self, point: list[float]) -> bool:
        """Add a point where it is far enough from all others; whether it was."""
        at = tuple(math.floor(x / self._side) for x in point)
        for offset in itertools.product((-1, 0, 1), repeat=len(at)):
            for other in self._points.get(tuple(map(operator.add, at, offset)), ()):
                if sum((b - a) ** 2 for a, b in zip(point, other, strict=True)) < self._least2:
                    return False
        self._points.setdefault(at, []).append(point)
        return True


def _scatter(region: _Region, draws: _Draws) -> Points:
    """Points at random, none nearer to another than a share of the spacing (dart throwing)."""
    count = region.scattered
    bins = _Bins(DART_DISTANCE * region.spacing)
    points = np.empty((count, region.dim))
    n = 0
    for start in range(0, MAX_DARTS * count, count):
        numbers = np.arange(start, start + count)
        unit = np.column_stack([draws.uniform(numbers, axis) for axis in range(region.dim)])
        darts = region.low + unit * (region.high - region.low)
        for dart in darts[region.holds(darts)]:
            if bins.add(dart.tolist()):
                points[n] = dart
                n += 1
                if n == count:
                    return points
    msg = f"{count} cells do not fit at a spacing of {region.spacing:g} um: {n} do"
    raise ScenarioError(msg)
