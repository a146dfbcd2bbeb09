"""Make a run small enough to send to a page: a frame of cells in at most 8 bytes per cell.

Binary layout, little endian, one array after the other (n is the frame's number of cells):
    cells, 2D   x uint16[n], y uint16[n]: position / size * 65535;
                radius uint8[n]: radius / largest radius of the run * 255;
                kind uint8[n]: cell type + 16 * status
    cells, 3D   x uint16[n], y uint16[n], z uint16[n]: the upper 14 bits are position / size *
                16383, the lower 2 bits of x, y, z are bits 4-5, 2-3 and 0-1 of radius / largest
                radius * 63; kind uint8[n], so that with a column a cell is 8 bytes
    column  uint8[n]: the code of a category, or 0..254 between the ends of the column's range,
            255 where there is no value
    field   uint8 of one slice, [ny, nx] across z, [nz, nx] across y, [nz, ny] across x; 0..254
            between the ends of the field's range, 255 for none
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tme_sim.analysis.figures.palette import (
    DRUG_COLORS,
    OTHER_COLORS,
    PHASE_COLORS,
    STATUS_COLORS,
    TYPE_COLORS,
    TYPE_LABELS,
    cause_color,
    clone_color,
    type_color,
)
from tme_sim.analysis.metrics import burden_by_clone, clone_names, treatments
from tme_sim.output.explanation import Explanation, read_beside
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run
from tme_sim.replay import cell_facts
from tme_sim.replay.family import Family
from tme_sim.replay.wiring import wiring

POSITION_STEPS = 65535
PACKED_STEPS, PACKED_SIZES = 16383, 63  # of positions and radii in 3D
LEVELS = 254  # of a uint8; 255 means that there is no value
NO_VALUE = 255
SAMPLED_FRAMES = 16  # that the range of a column is taken from
SAMPLED_CELLS = 10_000  # of each of them
RANGE_SHARE = (0.002, 0.998)  # so that one outlier does not flatten a map
MAX_CURVE_POINTS = 1500
NOT_SHOWN = ("id", "position", "mother", "genotype", "direction")
MAX_CLONE_CURVES = 8
AXES = ("z", "y", "x")  # of a field
SURVIVAL = "survival"  # the column that `tme-sim explain` adds


class Frames:
    """One run as the page wants it."""

    def __init__(self, run: Run, *, running: bool = False) -> None:
        self.run = run
        self.running = running  # written to by this process, so that it may grow
        size = run.size
        self._ranges: dict[str, tuple[float, float]] = {}
        self._size = np.array(size if len(size) == 3 else (*size, run.voxel))

    @property
    def max_radius(self) -> float:
        """The largest radius of the sampled frames [um]."""
        return self._sampled[0]

    @functools.cached_property
    def _sampled(self) -> tuple[float, frozenset[int]]:
        """The largest radius and the codes of types of the sampled frames."""
        largest, types = 1e-3, set()
        for k in self._sample():
            cells = self.run.frame(k, ("radius", "type"))
            largest = max(largest, float(cells["radius"].max(initial=0.0)))
            types |= set(np.flatnonzero(np.bincount(cells["type"])).tolist())
        return largest, frozenset(types)

    @functools.cached_property
    def explanation(self) -> Explanation | None:
        """Why cells survived, where `tme-sim explain` has been asked."""
        return read_beside(self.run)

    @functools.cached_property
    def family(self) -> Family:
        """Who descends from whom."""
        return Family(self.run)

    def families(self) -> list[tuple[str, dict[str, Any]]]:
        """Life and survival of every cell that ever lived."""
        return cell_facts.families(self.run, self.family, self.explanation)

    def cells(self, frame: int) -> bytes:
        """Place, size and kind of every cell of a frame."""
        cells = self.run.frame(frame, ("position", "radius", "type", "status"))
        share = np.clip(cells["position"] / self._size, 0.0, 1.0)
        size = np.clip(cells["radius"] / self.max_radius, 0.0, 1.0)
        kind: np.ndarray = (cells["type"] + 16 * cells["status"]).astype("u1")
        if len(self.run.size) == 3:
            return _packed(share, size) + kind.tobytes()
        place = np.round(share * POSITION_STEPS).astype("<u2")
        parts = [np.ascontiguousarray(place[:, k]).tobytes() for k in range(2)]
        return b"".join([*parts, np.round(size * 255).astype("u1").tobytes(), kind.tobytes()])

    def column(self, frame: int, name: str) -> bytes:
        """One recorded column of every cell of a frame, or why it survives."""
        return self.columns(frame, (name,))[name]

    def columns(self, frame: int, names: Sequence[str]) -> dict[str, bytes]:
        """Several columns of a frame, read at once."""
        ranges, explanation = self.column_ranges(names), self.explanation
        recorded = [name for name in names if name != SURVIVAL or explanation is None]
        values = self.run.frame(frame, recorded)
        found = {name: self._encoded(v, name, ranges[name]) for name, v in values.items()}
        if explanation is not None and SURVIVAL in names:
            ids, time = self.run.frame(frame, ("id",))["id"], float(self.run.times[frame])
            found[SURVIVAL] = explanation.causes_of(ids, time, unknown=NO_VALUE).tobytes()
        return found

    def _encoded(self, values: np.ndarray, name: str, ends: tuple[float, float]) -> bytes:
        if self._is_code(name):
            codes = np.clip(values, 0, LEVELS)
            return np.where(values < 0, NO_VALUE, codes).astype("u1").tobytes()
        return _levels(values, *ends).tobytes()

    def field(self, frame: int, name: str, axis: str, at: int) -> bytes:
        """One slice of a field of a frame: layer ``at`` of voxels across an axis."""
        n = self.run.shape[AXES.index(axis)]
        if not 0 <= at < n:
            msg = f"no slice {at} across {axis}; the tissue has slices 0 to {n - 1}"
            raise RunFileError(msg)
        low, high = self.field_range(name)
        values = self.run.field_frame(name, frame).take(at, AXES.index(axis))
        return _levels(values, low, high).tobytes()

    def column_range(self, name: str) -> tuple[float, float]:
        """Ends of the colour range of a column, from a sample of frames."""
        return self.column_ranges((name,))[name]

    def column_ranges(self, names: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Ends of the colour ranges of several columns, read at once."""
        fresh = [n for n in dict.fromkeys(names) if n not in self._ranges and not self._is_code(n)]
        sampled = [self._thinned(k, fresh) for k in self._sample()] if fresh else []
        for name in fresh:
            self._ranges[name] = _ends(np.concatenate([values[name] for values in sampled]))
        return {n: (0.0, float(LEVELS)) if self._is_code(n) else self._ranges[n] for n in names}

    def _thinned(self, frame: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of some cells of a frame: enough to know a range by."""
        step = max(1, int(self.run.n_cells[frame]) // SAMPLED_CELLS)
        return {name: values[::step] for name, values in self.run.frame(frame, names).items()}

    @functools.cache  # noqa: B019 - as long-lived as the server
    def field_range(self, name: str) -> tuple[float, float]:
        """Zero, or the lowest value above, to the highest value of a field."""
        frames = [self.run.field_frame(name, k) for k in self._sample()]
        low = min(float(np.nanmin(f, initial=math.inf)) for f in frames)
        high = max(float(np.nanmax(f, initial=-math.inf)) for f in frames)
        low = 0.0 if low < 0.5 * high else low
        return low, high if high > low else low + 1.0

    def cell(self, frame: int, row: int) -> dict[str, Any]:
        """Everything recorded of one cell, and what the lineage says of it."""
        return cell_facts.cell_facts(self.run, self.family, self.explanation, frame, row)

    def row_of(self, frame: int, identity: int) -> int | None:
        """Where a cell is in a frame; None where it is not (yet, or any more)."""
        return cell_facts.row_of(self.run, frame, identity)

    def history(self, identity: int, name: str) -> list[float | None]:
        """A number of one cell in every frame."""
        self._is_code(name)  # refuses a name that is no column
        return cell_facts.history(self.run, identity, name)

    def described(self) -> dict[str, Any]:
        """What the page must know before it asks for frames."""
        run = self.run
        return {
            "name": run.name,
            "seed": run.seed,
            "file": run.path.name,
            "complete": run.complete,
            "running": self.running,
            "every": 1,  # of the recorded frames; a file to send may keep fewer
            "reason": run.reason,
            "size": [float(s) for s in self._size],
            "dim": len(run.size),
            "shape": list(run.shape),
            "voxel": run.voxel,
            "times": run.times.tolist(),
            "counts": run.n_cells.tolist(),
            "maxRadius": self.max_radius,
            "types": self._types(),
            "columns": self._columns(),
            "fields": [{"name": name, "units": unit} for name, unit in run.fields.items()],
            "events": run.events.to_dict("records"),
            "treatments": self._treatments(),
            "provenance": run.provenance,
            "wiring": wiring(run),
        }

    def curves(self) -> dict[str, Any]:
        """Metrics over time, thinned, and the burden of each clone per frame."""
        metrics = self.run.metrics
        step = max(1, math.ceil(len(metrics) / MAX_CURVE_POINTS))
        thinned = metrics.iloc[::step]
        units = metrics.attrs["units"]
        by_clone = burden_by_clone(self.run)
        largest = by_clone.max().sort_values(ascending=False).index[:MAX_CLONE_CURVES]
        names = clone_names(self.run)
        return {
            "times": self.run.times.tolist(),
            "metrics": [
                {"name": name, "units": units[name], "values": _jsonable(thinned[name])}
                for name in thinned
            ],
            "clones": [
                {
                    "name": names[c],
                    "color": clone_color(int(c)),
                    "values": by_clone[c].tolist(),
                }
                for c in sorted(largest)
            ],
        }

    def _types(self) -> list[dict[str, Any]]:
        """Every cell type, and whether the sampled frames have a cell of it."""
        names = self.run.columns["type"]["categories"]
        seen = self._sampled[1]
        return [_named_color(name) | {"present": k in seen} for k, name in enumerate(names)]

    def _columns(self) -> list[dict[str, Any]]:
        shown = [name for name in self.run.columns if name not in NOT_SHOWN]
        columns = [self._column(name) for name in shown]
        return columns if self.explanation is None else [*columns, _survival(self.explanation)]

    def _column(self, name: str) -> dict[str, Any]:
        attributes = self.run.columns[name]
        described = {
            "name": name,
            "units": str(attributes["units"]),
            "meaning": str(attributes["meaning"]),
            "source": str(attributes["source"]),
        }
        if self._is_code(name):
            return described | {"categories": self._categories(name)}
        return described

    def _is_code(self, name: str) -> bool:
        if name == SURVIVAL and self.explanation is not None:
            return True
        if name not in self.run.columns:
            msg = f"no column {name!r}; the run records {sorted(self.run.columns)}"
            raise RunFileError(msg)
        return bool(self.run.columns[name]["categories"]) or name in ("clone", "in_domain")

    def _categories(self, name: str) -> list[dict[str, str]]:
        if name == "clone":
            return [
                {"name": name, "color": clone_color(index)}
                for index, name in enumerate(clone_names(self.run)[:LEVELS])
            ]
        if name == "in_domain":
            return [
                {"name": "outside", "color": "#CC3377"},
                {"name": "inside", "color": "#8FA7B3"},
            ]
        names = self.run.columns[name]["categories"]
        if name == "type":
            return [_named_color(n) for n in names]
        fixed = {"phase": PHASE_COLORS, "status": STATUS_COLORS}.get(name, {})
        palette = tuple(TYPE_COLORS.values()) + OTHER_COLORS
        return [
            {"name": n, "color": fixed.get(n, palette[k % len(palette)])}
            for k, n in enumerate(names)
        ]

    def _treatments(self) -> list[dict[str, Any]]:
        if len(self.run.metrics) == 0:
            return []
        given = treatments(self.run)
        drugs = list(dict.fromkeys(t.drug for t in given))
        return [
            {
                "drug": t.drug,
                "start": t.start,
                "end": t.end,
                "doses": list(t.doses),
                "color": DRUG_COLORS[drugs.index(t.drug) % len(DRUG_COLORS)],
            }
            for t in given
        ]

    def _sample(self) -> list[int]:
        n = len(self.run.times)
        return sorted({int(k) for k in np.linspace(0, n - 1, min(n, SAMPLED_FRAMES))})


def _packed(share: np.ndarray, size: np.ndarray) -> bytes:
    """Places and sizes, both in [0, 1], as three uint16 per cell."""
    place = np.round(share * PACKED_STEPS).astype("u2") << 2
    radius = np.round(size * PACKED_SIZES).astype("u2")
    parts = [place[:, axis] | (radius >> 2 * (2 - axis) & 3) for axis in range(3)]
    return b"".join(part.astype("<u2").tobytes() for part in parts)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """What nearly all finite values lie between."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return 0.0, 1.0
    low, high = np.quantile(finite, RANGE_SHARE)
    return float(low), float(high if high > low else low + 1.0)


def _levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values as uint8 between the ends of a range; ``NO_VALUE`` where they are not finite."""
    share = np.clip((values.astype("f8") - low) / (high - low), 0.0, 1.0)
    levels = np.where(np.isfinite(share), np.round(share * LEVELS), NO_VALUE)
    return levels.astype("u1")


def _named_color(cell_type: str) -> dict[str, str]:
    return {"name": TYPE_LABELS.get(cell_type, cell_type), "color": type_color(cell_type)}


def _jsonable(values: Any) -> list[float | None]:
    return [v if math.isfinite(v) else None for v in values.tolist()]


def _survival(explanation: Explanation) -> dict[str, Any]:
    """The column of causes, as the page gets it."""
    return {
        "name": SURVIVAL,
        "units": "1",
        "meaning": "why the cell survives therapy, by the last explained checkpoint",
        "source": "explanation",
        "categories": [
            {"name": name, "color": cause_color(name)} for name in explanation.categories
        ],
    }
