"""What a run shows in a notebook: tissue, burden, animation, and a summary as HTML."""

import base64
import html
import io
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tme_sim.analysis.figures import panels
from tme_sim.analysis.figures.caption import therapy_lines
from tme_sim.analysis.figures.style import ONE_COLUMN, PRINT, TWO_COLUMNS
from tme_sim.analysis.figures.tissue import Tissue
from tme_sim.analysis.metrics import treatments
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run
from tme_sim.scenario.units import DAY

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

TISSUE_SIZE, BURDEN_SIZE = (ONE_COLUMN, 3.3), (ONE_COLUMN, 2.1)  # [inch]
DPI = 150


def plot(
    run: Run,
    time: str | float | None = None,
    *,
    field: str | None = None,
    color: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The tissue at a time, its end unless given; see ``Run.plot``."""
    _need_frames(run)
    frame = len(run.times) - 1 if time is None else run.frame_at(time)
    with mpl.rc_context(PRINT):
        ax = _new_figure(TISSUE_SIZE).gca() if ax is None else ax
        tissue = Tissue(run, field, color=color)
        tissue.draw(ax, frame)
        ax.set_title(f"{run.name}, day {run.times[frame] / DAY:.3g}")
        tissue.colorbar(ax.figure, [ax])
        tissue.legend_below(ax)
    return ax


def plot_burden(run: Run, *, ax: Axes | None = None) -> Axes:
    """Burden by clone with the therapy marked; see ``Run.plot_burden``."""
    _need_frames(run)
    given = treatments(run)
    with mpl.rc_context(PRINT):
        ax = _new_figure(BURDEN_SIZE).gca() if ax is None else ax
        panels.burden(ax, run, run.summary())
        ax.set_title(f"{run.name}: {ax.get_title(loc='left').lower()}")
        panels.mark_treatments(ax, given)
        ax.set(xlabel="time [d]", xlim=(0, run.metrics["time"].iloc[-1] / DAY or 1.0))
        if given:
            ground = {"frameon": True, "framealpha": 0.85, "edgecolor": "none"}
            ax.legend(handles=panels.treatment_legend(given), loc="lower right", **ground)
    return ax


def animate(
    run: Run, *, field: str | None = None, color: str | None = None, interval: float = 150.0
) -> "FuncAnimation":
    """The tissue frame by frame; see ``Run.animate``."""
    from matplotlib.animation import FuncAnimation  # pyplot

    _need_frames(run)
    with mpl.rc_context(PRINT):
        figure = _new_figure(TISSUE_SIZE)
        ax = figure.gca()
        tissue = Tissue(run, field, color=color)

        def show(frame: int) -> None:
            with mpl.rc_context(PRINT):
                ax.clear()
                tissue.draw(ax, frame)
                ax.set_title(f"{run.name}, day {run.times[frame] / DAY:.3g}")
                tissue.legend_below(ax)

        for frame in range(len(run.times)):  # so that the legend names everyone from the start
            tissue.look_at(frame)
        show(0)
        tissue.colorbar(figure, [ax])
    return FuncAnimation(figure, show, frames=len(run.times), interval=interval)


def as_html(run: Run) -> str:
    """A table of what was run and what came of it, and the two figures; see ``Run._repr_html_``."""
    rows = "".join(
        f'<tr><th style="text-align:left">{html.escape(name)}</th>'
        f'<td style="text-align:left">{html.escape(text)}</td></tr>'
        for name, text in _facts(run)
    )
    picture = ""
    if len(run.times) and len(run.metrics) > 1:
        alt = f"Tissue and burden of {run.name}"
        picture = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{_picture(run)}"/>'
    return f"<div><table>{rows}</table>{picture}</div>"


def _facts(run: Run) -> list[tuple[str, str]]:
    """Name and text of each row."""
    size = " x ".join(f"{s:g}" for s in run.size)
    state = f"complete, ended by: {run.reason}" if run.complete else "not complete"
    last = run.times[-1] / DAY if len(run.times) else 0.0
    facts = [
        ("run", f"{run.name}, seed {run.seed} ({state})"),
        ("tissue", f"{size} µm, {len(run.times)} frames up to day {last:.3g}"),
    ]
    if len(run.metrics):
        lines = (line.split(maxsplit=1) for line in run.summary_lines()[:-1])
        facts.append(("therapy", "; ".join(therapy_lines(run)) or "none"))
        facts += [(name, text) for name, text in lines]
    return [*facts, ("digest", run.digest()), ("file", str(run.path))]


def _picture(run: Run) -> str:
    """Tissue at the end and burden, as PNG in base64."""
    with mpl.rc_context(PRINT):
        figure = Figure(figsize=(TWO_COLUMNS, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.3))
        plot(run, ax=left)
        plot_burden(run, ax=right)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _new_figure(size: tuple[float, float]) -> Figure:
    """A figure that pyplot knows, so that notebooks and ``plt.show`` display it."""
    import matplotlib.pyplot as plt  # chooses a way to show figures: only where one is made

    figure: Figure = plt.figure(figsize=size, layout="constrained", dpi=DPI)
    return figure


def _need_frames(run: Run) -> None:
    if len(run.times) == 0 or len(run.metrics) == 0:
        msg = f"{run.path}: holds no whole frame, so there is nothing to draw"
        raise RunFileError(msg)
