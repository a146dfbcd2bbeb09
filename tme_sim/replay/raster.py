"""Draw the tissue of a frame into an image as the page does, without a browser or a GPU.

2D: discs of the cells' true size over a substrate, seen from above. 3D: shaded spheres, seen in
perspective from where the page looks at first, a substrate as a plane through them. The shading is
that of ``viewer/src/scene.ts``.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tme_sim.compute.launch import compiled_once

FIELD_OF_VIEW = math.radians(35.0)
LOOK_FROM = np.array([0.62, -1.0, 0.55])  # direction from the middle of the tissue to the camera
DISTANCE = 1.05 * 1.6  # of the camera, in diagonals of the tissue
LIGHT = np.array([-0.35, 0.55, 0.75]) / np.linalg.norm([-0.35, 0.55, 0.75])
MARGIN = 1.06  # of the picture around a 2D tissue
PLANE_OPACITY = 0.6
LINE_POINTS = 1500
Image = np.ndarray  # (height, width, 3) float, 0 to 255


class Flat:
    """A 2D tissue from above."""

    def __init__(self, size: np.ndarray, width: int, height: int) -> None:
        self.scale = min(width / size[0], height / size[1]) / MARGIN  # [pixels/um]
        self._size = size
        self._shape = (height, width)
        self._corner = np.array([width, height]) / 2 - self.scale * size[:2] / 2

    def ground(self, image: Image, levels: np.ndarray | None, colors: np.ndarray) -> None:
        """Lay a substrate, levels 0 to 254 (1, ny, nx), under the tissue."""
        (left, top), (wide, high) = self._corner, self.scale * self._size[:2]
        rows = slice(max(0, round(top)), round(top + high))
        columns = slice(max(0, round(left)), round(left + wide))
        if levels is None:
            return
        ny, nx = levels.shape[1:]
        y = (np.arange(rows.start, rows.stop) + 0.5 - top) / high
        x = (np.arange(columns.start, columns.stop) + 0.5 - left) / wide
        at = np.meshgrid((1 - y) * ny - 0.5, x * nx - 0.5, indexing="ij")
        found = ndimage.map_coordinates(levels[0].astype("f4"), at, order=1, mode="nearest")
        image[rows, columns] = colors[np.clip(np.round(found), 0, 254).astype(int)]

    def cells(
        self, image: Image, position: np.ndarray, radius: np.ndarray, tint: np.ndarray
    ) -> None:
        """Draw cells in their order; ``tint`` is RGBA, (n, 4)."""
        x = self._corner[0] + self.scale * position[:, 0]
        y = self._shape[0] - self._corner[1] - self.scale * position[:, 1]
        _discs(image, x, y, self.scale * radius, tint.astype("f8"))

    def frame(self, image: Image, color: np.ndarray) -> None:
        """The tissue's border."""
        (left, top), (wide, high) = self._corner, self.scale * self._size[:2]
        rows = np.clip([round(top) - 1, round(top + high)], 0, self._shape[0] - 1)
        columns = np.clip([round(left) - 1, round(left + wide)], 0, self._shape[1] - 1)
        image[rows, columns[0] : columns[1] + 1] = color
        image[rows[0] : rows[1] + 1, columns] = color


class Solid:
    """A 3D tissue in perspective."""

    def __init__(self, size: np.ndarray, width: int, height: int) -> None:
        self._size, self._shape = size, (height, width)
        self._eye = size / 2 + LOOK_FROM / np.linalg.norm(LOOK_FROM) * (
            DISTANCE * float(np.linalg.norm(size))
        )
        ahead = size / 2 - self._eye
        self._ahead = ahead / np.linalg.norm(ahead)
        right = np.cross(self._ahead, [0.0, 0.0, 1.0])
        self._right = right / np.linalg.norm(right)
        self._up = np.cross(self._right, self._ahead)
        widened = 1.0 if width > height else width / height
        self._focal = height / 2 / math.tan(FIELD_OF_VIEW / 2) * widened
        self._depth = np.full(self._shape, np.inf)

    def cells(
        self, image: Image, position: np.ndarray, radius: np.ndarray, tint: np.ndarray
    ) -> None:
        """Draw cells as spheres; ``tint`` is RGBA, (n, 4)."""
        self._depth[:] = np.inf
        x, y, z = self._project(position)
        cells = _Spheres(x, y, z, radius * self._focal / z, radius)
        _spheres(image, self._depth, cells, tint.astype("f8"), LIGHT)

    def plane(self, image: Image, levels: np.ndarray, height: float, colors: np.ndarray) -> None:
        """Lay a slice of a substrate at a height [um] through the cells that were drawn."""
        rows, columns = np.mgrid[: self._shape[0], : self._shape[1]] + 0.5
        across = (columns - self._shape[1] / 2) / self._focal
        down = (self._shape[0] / 2 - rows) / self._focal
        ray = self._ahead + across[..., None] * self._right + down[..., None] * self._up
        with np.errstate(divide="ignore", invalid="ignore"):
            far = (height - self._eye[2]) / ray[..., 2]
            x, y = (self._eye[k] + far * ray[..., k] for k in range(2))
        hit = (far > 0) & (far < self._depth) & (x >= 0) & (x < self._size[0])
        hit &= (y >= 0) & (y < self._size[1])
        ny, nx = levels.shape
        at = y[hit] / self._size[1] * ny - 0.5, x[hit] / self._size[0] * nx - 0.5
        found = ndimage.map_coordinates(levels.astype("f4"), at, order=1, mode="nearest")
        laid = colors[np.clip(np.round(found), 0, 254).astype(int)]
        image[hit] += PLANE_OPACITY * (laid - image[hit])

    def frame(self, image: Image, color: np.ndarray) -> None:
        """The edges of the domain, where no cell is before them."""
        along = np.linspace(0.0, 1.0, LINE_POINTS)
        for axis, (a, b) in itertools.product(range(3), itertools.product((0.0, 1.0), repeat=2)):
            corner = np.insert([a, b], axis, 0.0) * np.ones((LINE_POINTS, 3))
            corner[:, axis] = along
            x, y, z = self._project(corner * self._size)
            column, row = x.astype(int), y.astype(int)
            inside = (column >= 0) & (column < self._shape[1]) & (row >= 0)
            inside &= row < self._shape[0]
            row, column, z = row[inside], column[inside], z[inside]
            free = z < self._depth[row, column]
            image[row[free], column[free]] = color

    def _project(self, position: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Column and row on the image, and distance along the line of sight [um]."""
        away = np.asarray(position, "f8") - self._eye
        depth = away @ self._ahead
        x = self._shape[1] / 2 + self._focal * (away @ self._right) / depth
        y = self._shape[0] / 2 - self._focal * (away @ self._up) / depth
        return x, y, depth


@compiled_once
def _smooth(low: float, high: float, x: float) -> float:
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@compiled_once
def _discs(
    image: Image, x: np.ndarray, y: np.ndarray, radius: np.ndarray, tint: np.ndarray
) -> None:
    height, width = image.shape[:2]
    for k in range(len(x)):
        r = max(0.75, radius[k])
        for row in range(max(0, int(y[k] - r - 1)), min(height, int(y[k] + r + 2))):
            for column in range(max(0, int(x[k] - r - 1)), min(width, int(x[k] + r + 2))):
                away = math.hypot(column + 0.5 - x[k], row + 0.5 - y[k])
                cover = min(1.0, max(0.0, r - away + 0.5)) * tint[k, 3] / 255.0
                if cover <= 0.0:
                    continue
                rim = _smooth(0.62, 0.98, (away / r) ** 2) if r > 2.5 else 0.0
                for c in range(3):
                    color = tint[k, c] * (1.0 - 0.38 * rim)
                    image[row, column, c] += cover * (color - image[row, column, c])


class _Spheres(NamedTuple):
    """Cells as they are seen."""

    x: np.ndarray  # [pixels] from the left
    y: np.ndarray  # [pixels] from the top
    z: np.ndarray  # [um] from the eye
    pixels: np.ndarray  # radius on the image
    radius: np.ndarray  # [um]


@compiled_once
def _spheres(
    image: Image, depth: np.ndarray, cells: _Spheres, tint: np.ndarray, light: np.ndarray
) -> None:
    height, width = image.shape[:2]
    x, y, z, radius = cells.x, cells.y, cells.z, cells.radius
    for k in range(len(x)):
        r = max(0.75, cells.pixels[k])
        for row in range(max(0, int(y[k] - r)), min(height, int(y[k] + r + 2))):
            for column in range(max(0, int(x[k] - r)), min(width, int(x[k] + r + 2))):
                right, up = (column + 0.5 - x[k]) / r, (y[k] - row - 0.5) / r
                away = right * right + up * up
                if away > 1.0:
                    continue
                out = math.sqrt(1.0 - away)
                near = z[k] - radius[k] * out
                if near >= depth[row, column]:
                    continue
                depth[row, column] = near
                facing = max(0.0, right * light[0] + up * light[1] + out * light[2])
                shade = (0.52 + 0.48 * facing) * (1.0 - 0.35 * _smooth(0.72, 1.0, away))
                for c in range(3):
                    image[row, column, c] = tint[k, c] * shade
