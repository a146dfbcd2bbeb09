"""Make a movie of a run: the tissue as the page shows it, its legend, and curves with the therapy.

Headless: no browser, no display. GIF is written by Pillow; MP4 and WebM by the ffmpeg that the
package imageio-ffmpeg brings (``pip install 'tme-sim[movie]'``).
"""

import difflib
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnchoredOffsetbox, TextArea, VPacker

from tme_sim.errors import InputError
from tme_sim.files import written
from tme_sim.output.run import Run
from tme_sim.replay.frames import Frames
from tme_sim.replay.raster import Flat, Solid
from tme_sim.scenario.units import DAY
from tme_sim.state.columns import ALIVE

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

DPI = 100
SIZE = (1280, 720)  # [pixels]
SMALLEST, LARGEST = 320, 7680
LENGTH = 20.0  # [s] that a movie takes where nobody says how many frames a second
FEWEST, MOST = 4, 30  # frames per second then
MAX_NAMED = 9  # categories in a legend
INK, QUIET, LINE, PAPER = "#17212b", "#51606e", "#d5dce3", "#ffffff"
TISSUE, TISSUE_LINE = "#fbfcfd", "#9aa7b3"
DEAD, NONE = "#6b6f73", "#a9b4be"
PALE = "fbfdfd eaf5f3 d5ebe8 bcdfdd a0d1d3 84c2cb 69b0c1 529db6"  # as in viewer/src/colors.ts
MIST = "fcfcfd f0f2f4 e3e7ea d6dbe0 c9d0d6 bcc5cc b0bac2"
CODECS = {
    ".mp4": ("libx264", ["-crf", "18", "-preset", "medium", "-movflags", "+faststart"]),
    ".webm": ("libvpx-vp9", ["-crf", "30", "-b:v", "0"]),
}
STYLE: "dict[RcKeyType, Any]" = {
    "font.size": 9,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Look:
    """How a movie shows a run."""

    color: str = "type"
    layer: str | None = None  # a field under or through the cells; None: oxygen in 2D
    size: tuple[int, int] = SIZE
    fps: int | None = None


def write(run: Run, path: Path, look: Look | None = None, progress: Progress | None = None) -> Path:
    """Write the movie of a run as MP4, WebM or GIF, by the suffix of ``path``.

    Args:
        run: a run with at least one frame.
        path: the file.
        look: colours, layer, size and frames per second.
        progress: called with the number of frames written and that of all.

    Raises:
        InputError: the suffix, a column, a field or a size cannot be used, or ffmpeg is missing.
    """
    look = look or Look()
    _refuse(run, path, look)
    pictures = Pictures(run, look)
    fps = look.fps or int(np.clip(round(len(run.times) / LENGTH), FEWEST, MOST))
    shown = _with_progress(pictures, len(run.times), progress)
    with written(path) as part:
        if path.suffix.lower() == ".gif":
            _write_gif(shown, part, fps)
        else:
            _write_video(shown, part, fps, pictures.size)
    return path


def _refuse(run: Run, path: Path, look: Look) -> None:
    suffix = path.suffix.lower()
    if suffix not in (*CODECS, ".gif"):
        msg = f"{path}: a movie is a .mp4, .webm or .gif file, not {path.suffix!r}"
        raise InputError(msg)
    if suffix in CODECS and importlib.util.find_spec("imageio_ffmpeg") is None:
        msg = f"{path}: {suffix} needs ffmpeg: pip install 'tme-sim[movie]', or write a .gif"
        raise InputError(msg)
    if len(run.times) == 0:
        msg = f"{run.path}: holds no whole frame, so there is nothing to show"
        raise InputError(msg)
    if min(look.size) < SMALLEST or max(look.size) > LARGEST:
        wanted = f"{look.size[0]}x{look.size[1]}"
        msg = f"a movie of {wanted}: width and height are from {SMALLEST} to {LARGEST} pixels"
        raise InputError(msg)
    if look.fps is not None and not 1 <= look.fps <= 120:
        msg = f"{look.fps} frames per second; 1 to 120 are allowed"
        raise InputError(msg)


def _with_progress(pictures: "Pictures", n: int, progress: Progress | None) -> Iterator[np.ndarray]:
    for frame in range(n):
        yield pictures.picture(frame)
        if progress is not None:
            progress(frame + 1, n)


def _write_gif(pictures: Iterable[np.ndarray], path: Path, fps: int) -> None:
    from PIL import Image  # only for a GIF

    images = (Image.fromarray(p).quantize(colors=256, dither=Image.Dither.NONE) for p in pictures)
    first = next(images)
    first.save(
        path, save_all=True, append_images=images, duration=round(1000 / fps), loop=0,
        optimize=False,
    )  # fmt: skip


def _write_video(
    pictures: Iterable[np.ndarray], path: Path, fps: int, size: tuple[int, int]
) -> None:
    import imageio_ffmpeg  # an extra

    codec, options = CODECS[path.suffix.lower()]
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=fps, codec=codec, quality=None, output_params=options,
        macro_block_size=2, ffmpeg_log_level="error",
    )  # fmt: skip
    writer.send(None)
    try:
        for picture in pictures:
            writer.send(np.ascontiguousarray(picture))
    finally:
        writer.close()


class Pictures:
    """The pictures of a movie, one per frame of the run."""

    def __init__(self, run: Run, look: Look) -> None:
        self.frames, self.run = Frames(run), run
        self._description = self.frames.described()
        self._column = self._find(look.color)
        self._field = self._layer(look.layer)
        self._palette = self._colors()
        self._ground = _table(PALE if "categories" in self._column else MIST)
        self.size = (look.size[0] // 2 * 2, look.size[1] // 2 * 2)  # codecs want even numbers
        with rc_context(STYLE):
            self._lay_out()

    def picture(self, frame: int) -> np.ndarray:
        """The whole picture of a frame, uint8 (height, width, 3)."""
        self._image.set_data(self.tissue(frame))
        time = float(self.run.times[frame])
        living = int((self.run.frame(frame, ("status",))["status"] == ALIVE).sum())
        self._clock.set_text(f"day {time / DAY:.2f}")
        self._living.set_text(f"{living:,} living cells")
        for line in self._now:
            line.set_xdata([time / DAY, time / DAY])
        self._canvas.draw()
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()

    def tissue(self, frame: int) -> np.ndarray:
        """The tissue alone, uint8 (height, width, 3)."""
        width, height = self._room
        image = np.empty((height, width, 3))
        image[:] = _rgb(TISSUE)
        cells = self.run.frame(frame, ("position", "radius", "status"))
        tint = self._tints(frame, cells["status"])
        position, radius = cells["position"].astype("f8"), cells["radius"].astype("f8")
        if len(self.run.size) == 3:
            view = Solid(np.array(self.run.size), width, height)
            view.cells(image, position, radius, tint)
            view.frame(image, _rgb(TISSUE_LINE))
            self._lay_plane(view, image, frame)
        else:
            flat = Flat(np.array(self.run.size), width, height)
            flat.ground(image, self._levels(frame), self._ground)
            flat.cells(image, position, radius, tint)
            flat.frame(image, _rgb(TISSUE_LINE))
        return np.clip(np.round(image), 0, 255).astype("u1")

    def _find(self, name: str) -> dict[str, Any]:
        known: dict[str, dict[str, Any]] = {c["name"]: c for c in self._description["columns"]}
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            msg = f"no column {name!r} to colour by; nearest is {near!r}, of {sorted(known)}"
            raise InputError(msg)
        return known[name]

    def _layer(self, name: str | None) -> str | None:
        fields = self.run.fields
        if name is None:
            return "oxygen" if "oxygen" in fields and len(self.run.size) == 2 else None
        if name in ("", "none"):
            return None
        if name not in fields:
            msg = f"no field {name!r} for a layer; the run records {sorted(fields)}, or none"
            raise InputError(msg)
        return name

    def _levels(self, frame: int) -> np.ndarray | None:
        """All slices of the layer, uint8 (nz, ny, nx)."""
        if self._field is None:
            return None
        nz, ny, nx = self.run.shape
        slices = [self.frames.field(frame, self._field, "z", z) for z in range(nz)]
        return np.frombuffer(b"".join(slices), "u1").reshape(nz, ny, nx)

    def _lay_plane(self, view: Solid, image: np.ndarray, frame: int) -> None:
        if self._field is None:
            return
        nz, ny, nx = self.run.shape
        levels = np.frombuffer(self.frames.field(frame, self._field, "z", nz // 2), "u1")
        height = (nz // 2 + 0.5) * self.run.voxel
        view.plane(image, levels.reshape(ny, nx), height, self._ground)

    def _colors(self) -> np.ndarray:
        """The colour of each level of the column, (256, 3)."""
        palette = np.tile(_rgb(NONE), (256, 1))
        categories = self._column.get("categories")
        if categories is None:
            palette[:255] = colormaps["viridis"](np.linspace(0, 1, 255))[:, :3] * 255
        else:
            palette[: len(categories)] = [_rgb(c["color"]) for c in categories[:256]]
        return palette

    def _tints(self, frame: int, status: np.ndarray) -> np.ndarray:
        levels = np.frombuffer(self.frames.column(frame, self._column["name"]), "u1")
        tint = np.full((len(levels), 4), 255.0)
        tint[:, :3] = self._palette[levels]
        dead = status > 0
        if self._column["name"] != "status":
            tint[dead, :3] = _rgb(DEAD)
        tint[dead, 3] = 150
        return tint

    def _lay_out(self) -> None:
        """Everything that stays, and places for what changes."""
        width, height = self.size
        self._room = (round(0.64 * width), height)
        dpi = DPI * min(height / SIZE[1], width / SIZE[0])  # letters grow with the picture
        figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, facecolor=PAPER)
        self._canvas = FigureCanvasAgg(figure)
        share = self._room[0] / width
        self._image = _image(figure, share, self._room)
        self._clock = TextArea("", textprops={"fontsize": 15, "fontweight": "bold"})
        self._living = TextArea("", textprops={"fontsize": 9})
        box = AnchoredOffsetbox(
            "upper left", child=VPacker(children=[self._clock, self._living], sep=4), pad=0.3,
            borderpad=0, bbox_to_anchor=(0.01, 0.985), bbox_transform=figure.transFigure,
        )  # fmt: skip
        box.patch.set(facecolor=TISSUE, alpha=0.8, edgecolor="none")
        figure.add_artist(box)
        if len(self.run.size) == 2:
            self._scale_bar(figure)
        left, wide = share + 0.045, 1 - share - 0.065
        name = f"{self.run.name.replace('_', ' ')}  (seed {self.run.seed})"
        figure.text(share + 0.012, 0.975, name, va="top", fontsize=12, fontweight="bold")
        self._legend(figure, share + 0.012)
        curves = [figure.add_axes((left, bottom, wide, 0.2)) for bottom in (0.35, 0.07)]
        self._now = [self._burden(curves[0]), self._second(curves[1])]

    def _legend(self, figure: Figure, left: float) -> None:
        categories = self._column.get("categories")
        name = self._column["name"].replace("_", " ")
        figure.text(left, 0.915, f"cells by {name}", va="top", fontsize=9, color=QUIET)
        if categories is None:
            low, high = self.frames.column_range(self._column["name"])
            _ramp(figure, left, 0.845, self._palette[:255], (low, high), self._column["units"])
        else:
            self._swatches(figure, left, categories)
        if self._field is not None:
            figure.text(left, 0.72, f"layer: {self._field}", va="top", fontsize=9, color=QUIET)
            ends = self.frames.field_range(self._field)
            units = self.run.fields[self._field]
            _ramp(figure, left, 0.65, self._ground[:255], ends, units)

    def _swatches(self, figure: Figure, left: float, categories: list[dict[str, str]]) -> None:
        if self._column["name"] == "type":
            categories = [t for t in self._description["types"] if t["present"]]
        shown = [*categories[:MAX_NAMED], {"name": "dead", "color": DEAD}]
        handles = [
            Line2D([], [], marker="o", linestyle="", markersize=7, color=c["color"],
                   label=c["name"])
            for c in shown
        ]  # fmt: skip
        figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(left - 0.012, 0.9), ncols=2,
            fontsize=9, handletextpad=0.2, columnspacing=1.0,
        )  # fmt: skip

    def _burden(self, ax: Axes) -> Line2D:
        curves = self.frames.curves()
        for clone in curves["clones"]:
            ax.plot(np.array(curves["times"]) / DAY, clone["values"], color=clone["color"], lw=1.8,
                    label=clone["name"])  # fmt: skip
        if len(curves["clones"]) > 1:
            ax.legend(fontsize=7, loc="upper left")
        return self._finish(ax, "Living tumor cells" + " by clone" * (len(curves["clones"]) > 1))

    def _second(self, ax: Axes) -> Line2D:
        """Drug in plasma where one was given, phases otherwise."""
        metrics = self.run.metrics
        days = metrics["time"] / DAY
        drugs = [
            t["drug"] for t in self._description["treatments"] if f"plasma_{t['drug']}" in metrics
        ]
        colors = {t["drug"]: t["color"] for t in self._description["treatments"]}
        for drug in dict.fromkeys(drugs):
            ax.plot(days, metrics[f"plasma_{drug}"], color=colors[drug], lw=1.8, label=drug)
        if drugs:
            ax.legend(fontsize=7, loc="upper left")
            return self._finish(ax, "Drug in plasma [mg/L]")
        for name, color in (("G1", "#0072B2"), ("S", "#D55E00"), ("G2M", "#009E73")):
            ax.plot(days, metrics[f"phase_{name}"], color=color, lw=1.4, label=name)
        ax.legend(fontsize=8, loc="lower right", ncols=3, bbox_to_anchor=(1.0, 0.96))
        return self._finish(ax, "Phases of tumor cells")

    def _finish(self, ax: Axes, title: str) -> Line2D:
        for t in self._description["treatments"]:
            ax.axvspan(t["start"] / DAY, t["end"] / DAY, color=t["color"], alpha=0.14, lw=0)
        ax.set_title(title)
        last = max(float(self.run.times[-1]) / DAY, 1e-3)
        ax.set_xlim(0, last)
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_formatter("{x:g} d")
        ax.grid(color=LINE, lw=0.6)
        return ax.axvline(0, color=INK, lw=1.4)

    def _scale_bar(self, figure: Figure) -> None:
        scale = Flat(np.array(self.run.size), *self._room).scale
        wanted = 120 / scale
        power = 10 ** np.floor(np.log10(wanted))
        length = max(k * power for k in (1, 2, 5) if k * power <= wanted)
        width, height = self.size
        x, y = 16 / width, 16 / height
        end = x + length * scale / width
        figure.add_artist(Line2D([x, end], [y, y], color=INK, lw=3, solid_capstyle="butt"))
        behind = {"facecolor": TISSUE, "alpha": 0.8, "edgecolor": "none", "pad": 2}
        figure.text(x, y + 8 / height, f"{length:g} µm", fontsize=8, va="bottom", bbox=behind)


def _image(figure: Figure, share: float, room: tuple[int, int]) -> AxesImage:
    ax = figure.add_axes((0, 0, share, 1))
    ax.axis("off")
    return ax.imshow(np.zeros((room[1], room[0], 3), "u1"), aspect="auto", interpolation="none")


def _ramp(
    figure: Figure,
    left: float,
    bottom: float,
    colors: np.ndarray,
    ends: tuple[float, float],
    units: str,
) -> None:
    """A colour bar with its ends and unit."""
    ax = figure.add_axes((left, bottom, 0.32, 0.025))
    ax.imshow(colors[None].astype("u1"), aspect="auto", extent=(0, 1, 0, 1))
    ax.set(yticks=[], xticks=[0, 0.5, 1])
    text = "" if units == "1" else units.replace("uM", "µM")
    ax.set_xticklabels([f"{ends[0]:.3g}", text, f"{ends[1]:.3g}"], fontsize=8)
    ax.tick_params(length=0)
    labels = ax.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")
    ax.spines[:].set_visible(False)


def _table(stops: str) -> np.ndarray:
    """256 colours between stops, (256, 3)."""
    known = np.array([_rgb(f"#{stop}") for stop in stops.split()])
    place = np.linspace(0, len(known) - 1, 256)
    return np.stack([np.interp(place, range(len(known)), known[:, c]) for c in range(3)], axis=1)


def _rgb(color: str) -> np.ndarray:
    return np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)], "f8")
