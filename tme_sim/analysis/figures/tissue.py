"""Draw the tissue of one frame: cells as circles of their true size over a substrate."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import EllipseCollection
from matplotlib.colors import ListedColormap, Normalize, to_rgba
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from tme_sim.analysis.figures.palette import DEAD_COLOR, TYPE_LABELS, clone_color, type_color
from tme_sim.analysis.metrics import TUMOR, clone_names, tumor_codes
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run
from tme_sim.state.columns import ALIVE

VECTOR_LIMIT = 4000  # more circles than this become pixels in a PDF
MAX_CLONES = 7
EVEN = 0.2  # a field that varies less tells nothing under the cells
HANDLE_GAP, COLUMN_GAP = 0.2, 1.2  # of a legend, in sizes of a letter
LETTER = 0.6  # mean width of a letter, in its size
SCALE_BARS = (50, 100, 200, 250, 500, 1000, 2000, 5000)  # [um]


class Tissue:
    """The look of one run's tissue: the same colours and the same range in all its panels."""

    def __init__(self, run: Run, field: str | None = None, *, color: str | None = None) -> None:
        """Lay ``field`` under the cells, or colour them by the column ``color``, or both.

        Without ``color``, tumor cells are coloured by clone and others by type, over the field
        that ``background`` finds unless one is given.

        Raises:
            RunFileError: the run records no such field or column, or the column is no number.
        """
        self.run = run
        self.field = background(run) if field is None and color is None else field
        self.color = color
        self._types = run.columns["type"]["categories"]
        self._tumor = tumor_codes(run)
        self._cmap = _pale("Blues_r" if self.field == "oxygen" else "Purples")
        frames = range(len(run.times))
        self._range = (0.0, 1.0)
        if self.field is not None:
            highest = max(float(np.nanmax(run.field_frame(self.field, k))) for k in frames)
            self._range = (0.0, highest or 1.0)
        self._scale = None if color is None else _scale(run, color)
        self._image: mpl.image.AxesImage | None = None
        self._seen_types: set[int] = set()
        self._seen_clones: set[int] = set()
        self._seen_dead = False

    def draw(self, ax: Axes, frame: int, *, scale_bar: bool = True) -> None:
        """One frame; of a 3D tissue the slice through its middle."""
        width, height = self.run.size[:2]
        self._draw_field(ax, frame, width, height)
        self._draw_cells(ax, frame)
        ax.set(xlim=(0, width), ylim=(0, height), aspect="equal", xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set(visible=True, color="0.6", linewidth=0.6)
        if scale_bar:
            _scale_bar(ax, width, height)

    def look_at(self, frame: int) -> None:
        """Let the legend know who is there in a frame, without drawing it."""
        self._colors(self.run.frame(frame, self._columns()))

    def colorbar(self, figure: Figure | SubFigure, axes: list[Axes]) -> None:
        """Scale of the cells' colours, else of the substrate below them."""
        shown: ScalarMappable
        if self._scale is not None and self.color is not None:
            unit = str(self.run.columns[self.color]["units"])
            shown, label = self._scale, self.color + ("" if unit == "1" else f" [{unit}]")
        elif self._image is not None and self.field is not None:
            shown = self._image
            label = f"{self.field} [{self.run.fields[self.field].replace('uM', 'µM')}]"
        else:
            return
        bar = figure.colorbar(shown, ax=axes, shrink=0.75, aspect=24, pad=0.01)
        bar.set_label(label)
        bar.outline.set_linewidth(0.5)

    def legend(self, figure: Figure | SubFigure) -> None:
        """Legend of the cells that were drawn, below everything else."""
        handles, slice_text = self._handles(), " (slice through the middle)"
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=_columns(handles, figure.bbox.width / figure.dpi, most=8),
            title=f"cells{slice_text}" if len(self.run.size) == 3 else None,
            handletextpad=HANDLE_GAP,
            columnspacing=COLUMN_GAP,
            borderaxespad=0.0,
        )

    def legend_below(self, ax: Axes) -> None:
        """Legend of the cells that were drawn, below one axes."""
        handles = self._handles()
        ax.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.01),
            ncols=_columns(handles, ax.bbox.width / ax.figure.dpi, most=3),
            handletextpad=HANDLE_GAP,
            columnspacing=COLUMN_GAP,
            borderaxespad=0.0,
        )

    def _handles(self) -> list[Line2D]:
        """A spot for each kind of cell; by a column, only the dead stand apart."""
        clones = sorted(self._seen_clones)
        names = clone_names(self.run)
        entries = [
            (f"clone {names[c]}" if len(clones) > 1 else TUMOR, clone_color(c))
            for c in clones[:MAX_CLONES]
        ]
        entries += [
            (TYPE_LABELS.get(name, name), type_color(name, self._types))
            for name in (self._types[code] for code in sorted(self._seen_types))
        ]
        if self._scale is not None:
            entries = []
        if self._seen_dead:
            entries.append(("dead", DEAD_COLOR))
        return [
            Line2D([], [], marker="o", linestyle="", markersize=4, color=color, label=label)
            for label, color in entries
        ]

    def _draw_field(self, ax: Axes, frame: int, width: float, height: float) -> None:
        if self.field is None:
            ax.set_facecolor("0.97")
            return
        field = self.run.field_frame(self.field, frame)
        self._image = ax.imshow(
            field[field.shape[0] // 2],
            origin="lower",
            extent=(0, width, 0, height),
            cmap=self._cmap,
            vmin=self._range[0],
            vmax=self._range[1],
            interpolation="bilinear",
        )

    def _draw_cells(self, ax: Axes, frame: int) -> None:
        cells = self.run.frame(frame, self._columns())
        position, radius = cells["position"], cells["radius"]
        if len(self.run.size) == 3:
            off = np.abs(position[:, 2] - self.run.size[2] / 2)
            cut = off < radius
            cells = {name: values[cut] for name, values in cells.items()}
            position, radius = cells["position"], np.sqrt(radius[cut] ** 2 - off[cut] ** 2)
        diameter = 2 * radius
        ax.add_collection(
            EllipseCollection(
                diameter,
                diameter,
                np.zeros_like(diameter),
                units="xy",
                offsets=position[:, :2],
                offset_transform=ax.transData,
                facecolors=self._colors(cells),
                edgecolors="white",
                linewidths=0.1,
                rasterized=len(diameter) > VECTOR_LIMIT,
            )
        )

    def _columns(self) -> tuple[str, ...]:
        needed = ("position", "radius", "type", "clone", "status")
        return needed if self.color is None or self.color in needed else (*needed, self.color)

    def _colors(self, cells: dict[str, np.ndarray]) -> np.ndarray:
        table = np.array([to_rgba(type_color(name, self._types)) for name in self._types])
        table = table.reshape(-1, 4)
        colors: np.ndarray = table[cells["type"]]
        dead = cells["status"] != ALIVE
        tumor = np.isin(cells["type"], self._tumor)
        for clone in np.unique(cells["clone"][tumor]):
            colors[tumor & (cells["clone"] == clone)] = to_rgba(clone_color(int(clone)))
        if self._scale is not None and self.color is not None:
            colors = self._scale.to_rgba(cells[self.color].astype("f8"))
        colors[dead] = to_rgba(DEAD_COLOR, 0.55)
        self._seen_clones |= set(np.unique(cells["clone"][tumor & ~dead]).tolist())
        self._seen_types |= set(np.unique(cells["type"][~tumor & ~dead]).tolist())
        self._seen_dead |= bool(dead.any())
        return colors


def _scale(run: Run, column: str) -> ScalarMappable:
    """Colours of a column of numbers, over the range that it has in the run."""
    values = [run.frame(k, (column,))[column] for k in range(len(run.times))]
    if run.columns[column]["categories"] or values[0].ndim > 1:
        about = run.columns.items()
        numbers = sorted(n for n, c in about if not c["categories"] and n != "position")
        msg = f"{run.path}: {column!r} is no number to colour by; there are {', '.join(numbers)}"
        raise RunFileError(msg)
    finite = np.concatenate(values).astype("f8")
    finite = finite[np.isfinite(finite)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return ScalarMappable(Normalize(low, high if high > low else low + 1.0), "viridis")


def background(run: Run) -> str | None:
    """The field to lay under the cells: a drug that is unevenly spread, else oxygen, else any."""
    drugs = [name for name in run.fields if f"plasma_{name}" in run.metrics]
    candidates = [*drugs, *(name for name in run.fields if name == "oxygen"), *run.fields]
    frames = sorted({len(run.times) // 2, len(run.times) - 1})
    uneven = (n for n in candidates if any(_spread(run.field_frame(n, k)) > EVEN for k in frames))
    return next(uneven, next(iter(candidates), None))


def _spread(field: np.ndarray) -> float:
    """How much a field varies in space, over its highest value."""
    low, high = np.nanquantile(field, (0.05, 0.95))
    return float((high - low) / high) if high > 0 else 0.0


def _pale(name: str) -> ListedColormap:
    """The light part of a sequential map, so that cells stand out."""
    light = (0.45, 0.99) if name.endswith("_r") else (0.01, 0.55)
    return ListedColormap(mpl.colormaps[name](np.linspace(*light, 256)))


def _columns(handles: list[Line2D], room: float, most: int) -> int:
    """How many names of a legend stand beside each other in ``room`` [inch]."""
    letters = max((len(str(handle.get_label())) for handle in handles), default=0)
    width = (LETTER * letters + HANDLE_GAP + 2 + COLUMN_GAP) / 72
    fitting = int(room / (width * mpl.rcParams["legend.fontsize"]))
    return max(1, min(most, len(handles), fitting))


def _scale_bar(ax: Axes, width: float, height: float) -> None:
    length = max((s for s in SCALE_BARS if s <= width / 4), default=SCALE_BARS[0])
    x, y = 0.04 * width, 0.045 * height
    ground = Rectangle(
        (x - 0.02 * width, y - 0.025 * height), length + 0.04 * width, 0.095 * height, zorder=4
    )
    ground.set(facecolor="white", alpha=0.8, edgecolor="none")
    ax.add_patch(ground)
    ax.plot([x, x + length], [y, y], color="black", lw=1.6, solid_capstyle="butt", zorder=5)
    middle = (x + length / 2, y + 0.014 * height)
    ax.text(*middle, f"{length} µm", ha="center", va="bottom", size=6, zorder=5)
