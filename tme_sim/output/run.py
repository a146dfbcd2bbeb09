"""Read a run file: frames, fields, tables, what was run, and whether it is whole."""

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from tme_sim.output import inputs, situations, structure
from tme_sim.output.describe import past_of
from tme_sim.output.digest import digest
from tme_sim.output.drawing import drawing
from tme_sim.output.info import WIDTH, info
from tme_sim.output.inputs import Input
from tme_sim.output.layout import Extent, RunFileError, stop_reason
from tme_sim.output.opening import own_data, reading, refuse_unsealed
from tme_sim.output.situations import Situations
from tme_sim.output.summary import Summary, summarize
from tme_sim.scenario.units import minutes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

    from tme_sim.scenario import Scenario


def open_run(path: str | Path, *, unsealed: bool = False) -> "Run":
    """Open a run file for reading.

    Args:
        path: of the file.
        unsealed: read a file that ended without its checksums too, to continue or to repair it.

    Raises:
        RunFileError: there is no such file, it is no run file, it is damaged, of a newer
            format, or a simulation is writing to it.
    """
    return Run(path, unsealed=unsealed)


class Run:
    """A recorded run. Times are text with a unit (``"5 d"``) or minutes.

    The file is open only while something is read from it, so that a run can be continued while
    others look at it.
    """

    times: np.ndarray  # of the frames [min]
    _start: np.ndarray  # first row of each frame in ``/cells``
    _count: np.ndarray  # rows of each frame

    def __init__(self, path: str | Path, *, unsealed: bool = False) -> None:
        self.path = Path(path)
        with reading(self.path) as (file, sealed):
            data = own_data(file, self.path)
            if not unsealed:
                refuse_unsealed(file, self.path, sealed)
            structure.check(file, data, self.path)
            self._extent = Extent(*(int(n) for n in file.attrs["committed"]))
            self.complete = bool(file.attrs["complete"])
            self.format_version = int(file.attrs["format_version"])
            self.id: str | None = file.attrs.get("run")
            self.reason = stop_reason(file.attrs)
            frames = {n: d[: self._extent.frames] for n, d in file["frames"].items()}
            self._geometry = dict(file["scenario"].attrs)
        self.times = frames["time"]
        self._start, self._count = frames["start"], frames["count"]

    def __repr__(self) -> str:
        state = "complete" if self.complete else "incomplete"
        return f"<Run {self.name!r} seed {self.seed}, {len(self.times)} frames, {state}>"

    @property
    def name(self) -> str:
        """Name of the scenario."""
        return str(self._geometry["name"])

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self._geometry["seed"])

    @property
    def size(self) -> tuple[float, ...]:
        """Size of the domain [um], x y (z)."""
        return tuple(float(s) for s in self._geometry["size"])

    @property
    def tick(self) -> float:
        """Length of a tick [min]."""
        return float(self.scenario.time.tick)

    @property
    def end(self) -> float:
        """Time up to which the run is recorded [min]."""
        return max(0, self._extent.metrics - 1) * self.tick

    @property
    def parent(self) -> str | None:
        """The run that this one is a branch of, as it was named."""
        name = self.provenance.get("parent")
        return None if name is None else str(name)

    def holds(self, extent: Sequence[int]) -> bool:
        """Whether as much as this is whole in the file."""
        return all(there >= wanted for there, wanted in zip(self._extent, extent, strict=True))

    @property
    def voxel(self) -> float:
        """Width of a voxel [um]."""
        return float(self._geometry["voxel"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels, z y x; one in z for a 2D tissue."""
        nz, ny, nx = (int(n) for n in self._geometry["shape"])
        return nz, ny, nx

    @property
    def n_cells(self) -> np.ndarray:
        """Number of cells of any status in each frame."""
        return self._count

    def frame_at(self, time: str | float) -> int:
        """Index of the last frame not after ``time``.

        Raises:
            RunFileError: the run has no frame yet, or none that early.
        """
        if len(self.times) == 0:
            msg = f"{self.path}: holds no whole frame"
            raise RunFileError(msg)
        frame = int(np.searchsorted(self.times, minutes(time), side="right")) - 1
        if frame < 0:
            msg = f"{self.path}: no frame at {time}; the first is at {self.times[0]:g} min"
            raise RunFileError(msg)
        return frame

    def cells(self, time: str | float) -> "pd.DataFrame":
        """Every recorded column of every cell of a frame; ``position`` as x, y, z [um].

        Codes (type, group, phase, status) come as names; units are in ``.attrs["units"]``.
        """
        from tme_sim.output import tables  # pandas

        return tables.cells(self.frame(self.frame_at(time), tuple(self.columns)), self.columns)

    def frame(self, index: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of one frame as stored (codes stay codes), half precision widened to float32."""
        self._check_known(names, self.columns, "column")
        start, end = self._start[index], self._start[index] + self._count[index]
        with self._open() as file:
            found = {name: structure.rows(file["cells"][name], start, end) for name in names}
        return {n: v.astype("f4") if v.dtype == np.float16 else v for n, v in found.items()}

    @functools.cached_property
    def columns(self) -> dict[str, dict[str, Any]]:
        """What is recorded of every cell: units, meaning, source and categories by name."""
        with self._open() as file:
            found = {name: dict(dataset.attrs) for name, dataset in file["cells"].items()}
        for attributes in found.values():
            attributes["categories"] = tuple(str(c) for c in attributes.get("categories", ()))
        return found

    def field(self, name: str, time: str | float) -> np.ndarray:
        """Concentration of a substrate in a frame, (z, y, x), in ``fields[name]``."""
        return self.field_frame(name, self.frame_at(time))

    def field_frame(self, name: str, index: int) -> np.ndarray:
        """Concentration of a substrate in the frame of this index, (z, y, x)."""
        self._check_known([name], self.fields, "field")
        with self._open() as file:
            field: np.ndarray = file["fields"][name][index]
        return field

    def field_voxel(self, name: str, index: int, voxel: tuple[int, int, int]) -> float:
        """Concentration in one voxel, given as z, y, x, in the frame of this index."""
        self._check_known([name], self.fields, "field")
        with self._open() as file:
            return float(file["fields"][name][(index, *voxel)])

    @functools.cached_property
    def fields(self) -> dict[str, str]:
        """Recorded fields and their units."""
        with self._open() as file:
            return {name: str(d.attrs["units"]) for name, d in file["fields"].items()}

    @functools.cached_property
    def metrics(self) -> "pd.DataFrame":
        """One row per tick; units are in ``.attrs["units"]``."""
        from tme_sim.output import tables  # pandas

        with self._open() as file:
            return tables.metrics(file, self._extent)

    @functools.cached_property
    def lineage(self) -> "pd.DataFrame":
        """Births, deaths, arrivals: time [min], id, mother, event, cause, clone."""
        return self._table("lineage")

    @functools.cached_property
    def pedigree(self) -> "pd.DataFrame":
        """One row per cell that ever lived: mother, birth, death, cause, type, clone, mutation."""
        from tme_sim.output.pedigree import pedigree  # pandas

        return pedigree(self)

    @functools.cached_property
    def events(self) -> "pd.DataFrame":
        """What happened in the run: time [min], kind, text."""
        return self._table("events")

    @functools.cached_property
    def clones(self) -> "pd.DataFrame":
        """Clones in the order of their origin: index, parent, genotype, time [min], name."""
        return self._table("clones")

    @functools.cached_property
    def scenario(self) -> "Scenario":
        """The scenario that was run, with the overrides that were in force."""
        from tme_sim.scenario import load_scenario  # pydantic and pint

        return load_scenario(self.resolved, files=self.tables)

    @functools.cached_property
    def resolved(self) -> dict[str, Any]:
        """Every value that was in force, as plain data."""
        with self._open() as file:
            return structure.resolved(file["scenario/resolved"].asstr()[()])

    @functools.cached_property
    def past(self) -> list[dict[str, Any]]:
        """Of a branch: ``resolved`` scenarios of its past, each with ``until`` when [min]."""
        with self._open() as file:
            return past_of(file["scenario"])

    @functools.cached_property
    def inputs(self) -> tuple[Input, ...]:
        """Tables of cells and users' policies that the run was made from, as they were then."""
        with self._open() as file:
            return inputs.read(file)

    @property
    def tables(self) -> dict[str, str]:
        """Texts of the tables of cells that it was made from, by path."""
        return {found.path: found.text for found in self.inputs if found.what == inputs.TABLE}

    @functools.cached_property
    def scenario_source(self) -> str:
        """The scenario file as it was given."""
        with self._open() as file:
            return str(file["scenario/source"].asstr()[()])

    @functools.cached_property
    def provenance(self) -> dict[str, str | int]:
        """Versions, cell model and its hash, seed, start time."""
        with self._open() as file:
            return {
                name: value if isinstance(value, str) else int(value)
                for name, value in file["provenance"].attrs.items()
            }

    @functools.cached_property
    def timers(self) -> dict[str, float]:
        """Wall time of each process of the tick [s]."""
        with self._open() as file:
            timers = file.get("timers")
            given = {} if timers is None else timers.attrs
            return {name: float(seconds) for name, seconds in given.items()}

    @functools.cached_property
    def balances(self) -> "pd.DataFrame":
        """Where each drug went: one row per drug and part (body [mg], tissue [amol]), with gap."""
        from tme_sim.output import tables  # pandas

        with self._open() as file:
            return tables.balances(file)

    def situations(self) -> tuple[Situations, tuple[str, ...]]:
        """What a sample of the cells sensed in all frames, and the names of the inputs."""
        with self._open() as file:
            return situations.read(file, self._extent.frames)

    def digest(self) -> str:
        """Hash of the result: equal for two runs if and only if they gave the same."""
        with self._open() as file:
            return digest(file, self._extent)

    def summary(self) -> Summary:
        """Cells, clones, burden at baseline, nadir and end, share outside the domain."""
        return summarize(self)

    def summary_lines(self, figure: str | Path | None = None) -> list[str]:
        """What happened, in five lines."""
        return self.summary().lines(self.path, figure)

    def info(self, width: int = WIDTH) -> str:
        """Scenario, provenance, digest and totals as text, at most ``width`` columns wide."""
        return info(self, width)

    def plot(
        self,
        time: str | float | None = None,
        *,
        field: str | None = None,
        color: str | None = None,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draw the tissue at a time, its end unless given; of a 3D tissue the middle slice.

        Args:
            time: text with a unit, or minutes.
            field: substrate to lay under the cells.
            color: column of numbers to colour the cells by, such as a node. Without one they show
                clone and type, and lie on a substrate that varies in space.
            ax: where to draw; new axes, one journal column wide, unless given.

        Returns:
            The matplotlib axes.
        """
        return drawing().plot(self, time, field=field, color=color, ax=ax)

    def plot_burden(self, *, ax: "Axes | None" = None) -> "Axes":
        """Draw the living tumor cells by clone over time, therapy marked; returns the axes."""
        return drawing().plot_burden(self, ax=ax)

    def animate(
        self, *, field: str | None = None, color: str | None = None, interval: float = 150.0
    ) -> "FuncAnimation":
        """Show the tissue frame by frame, ``interval`` [ms] each.

        The animation has ``save("a.mp4")`` and ``to_jshtml()``; keep a reference while it plays.
        """
        return drawing().animate(self, field=field, color=color, interval=interval)

    def _repr_html_(self) -> str:
        """What a notebook shows: what was run, what came of it, tissue and burden."""
        return drawing().as_html(self)

    def _table(self, name: str) -> "pd.DataFrame":
        from tme_sim.output import tables  # pandas

        with self._open() as file:
            return tables.stored(file, name, getattr(self._extent, name))

    def _check_known(self, names: Sequence[str], known: dict[str, Any], kind: str) -> None:
        for name in names:
            if name not in known:
                msg = f"{self.path}: records no {kind} {name!r}; it has {sorted(known)}"
                raise RunFileError(msg)

    @contextlib.contextmanager
    def _open(self) -> Iterator[h5py.File]:
        with reading(self.path) as (file, _):
            yield file
