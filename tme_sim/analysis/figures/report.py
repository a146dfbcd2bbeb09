"""One page of figures for one run: the tissue at four times, and what changed over time."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tme_sim.analysis.figures import panels
from tme_sim.analysis.figures.caption import caption
from tme_sim.analysis.figures.style import DPI, PRINT, TWO_COLUMNS, refuse_suffix
from tme_sim.analysis.figures.tissue import Tissue
from tme_sim.analysis.metrics import Treatment, treatments
from tme_sim.files import written
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run
from tme_sim.output.summary import Summary
from tme_sim.scenario.units import DAY

TITLE, TISSUE, CURVE, BARS = 0.3, 2.1, 1.45, 0.2  # heights [inch]
CAPTION_SIZE, LETTER = 6.3, 0.56  # [point], and the mean width of a letter over its size
Panel = Callable[[Axes], None]


def draw(run: Run, path: str | Path) -> Path:
    """Write the report of a run as PNG, PDF or SVG, by the suffix of ``path``; returns the path.

    Raises:
        InputError: the run holds no frame or no tick, the suffix is none that can be drawn, or
            the file cannot be written.
    """
    path = Path(path)
    refuse_suffix(path)
    figure = figure_of(run)
    title = f"{run.name}, seed {run.seed}"
    with mpl.rc_context(PRINT), written(path) as part:
        figure.savefig(part, dpi=DPI, metadata={"Title": title, "Creator": "tme-sim"})
    return path


def can_draw(run: Run) -> bool:
    """Whether a run has a frame, and a tick behind it."""
    return len(run.times) > 0 and len(run.metrics) > 1


def figure_of(run: Run) -> Figure:
    """The report of a run as a matplotlib figure, two columns of a journal wide."""
    if not can_draw(run):
        msg = f"{run.path}: too short for a report; it holds {len(run.times)} frames"
        raise RunFileError(msg)
    summary, given = run.summary(), treatments(run)
    shown = curves(run, summary)
    text = _wrapped(caption(run))
    below = CAPTION_SIZE * 1.3 / 72.0 * (text.count("\n") + 2)
    heights = (TISSUE, BARS if given else 0.02, CURVE * -(-len(shown) // 2), below)
    with mpl.rc_context(PRINT):
        layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.045, hspace=0.02, wspace=0.02)
        figure = Figure(figsize=(TWO_COLUMNS, TITLE + sum(heights)), layout=layout)
        rows = figure.subfigures(4, 1, squeeze=False, height_ratios=heights)
        top, between, middle, foot = rows[:, 0]
        figure.suptitle(_title(run), x=0.008, ha="left", fontsize=9, fontweight="bold")
        _draw_tissue(top, run, summary)
        if given:
            _draw_therapy(between, given)
        _draw_curves(middle, run, given, shown)
        foot.text(0.008, 0.97, text, va="top", ha="left", fontsize=CAPTION_SIZE)
    return figure


def curves(run: Run, summary: Summary) -> list[Panel]:
    """The panels that have something to show in this run."""
    metrics = run.metrics
    has_tumor = bool((metrics["burden"] > 0).any())
    has_drug, has_level = _any(run, "plasma_"), has_tumor and _any(run, "tissue_")
    others = any(panels.other_groups(run)) or bool((metrics["n_dead"] > 0).any())
    found: list[tuple[bool, Panel]] = [
        (has_tumor, lambda ax: panels.burden(ax, run, summary)),
        (has_drug, lambda ax: panels.plasma(ax, run)),
        (has_tumor and not has_drug, lambda ax: panels.volume(ax, run)),
        (has_tumor, lambda ax: panels.phases(ax, run)),
        (has_level, lambda ax: panels.tissue_levels(ax, run)),
        (_any(run, "oxygen_tumor") and not has_level, lambda ax: panels.oxygen(ax, run)),
        (others, lambda ax: panels.populations(ax, run)),
        (True, lambda ax: panels.trust(ax, run)),
    ]
    return [panel for wanted, panel in found if wanted]


def _any(run: Run, prefix: str) -> bool:
    """Whether a column of the metrics with this prefix ever has a value above zero."""
    return any((run.metrics[c] > 0).any() for c in run.metrics if c.startswith(prefix))


def frames_to_show(run: Run, summary: Summary) -> list[tuple[int, str]]:
    """Up to four frames that tell the run, with words: start, first dose, nadir, end."""
    last = len(run.times) - 1
    marks = {0: "start", last: "end"}
    for time, word in ((summary.baseline_time, "first dose"), (summary.nadir_time, "nadir")):
        if time is None:
            continue
        frame = run.frame_at(time)
        if min(abs(frame - other) for other in marks) > last / 10:
            marks[frame] = word
    while len(marks) < min(4, last + 1):
        known = sorted(marks)
        gap = int(np.argmax(np.diff(known)))
        marks[(known[gap] + known[gap + 1]) // 2] = ""
    return sorted(marks.items())


def _title(run: Run) -> str:
    return f"{run.name.replace('_', ' ')}  (seed {run.seed})"


def _draw_tissue(figure: SubFigure, run: Run, summary: Summary) -> None:
    tissue = Tissue(run)
    shown = frames_to_show(run, summary)
    axes = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for k, (ax, (frame, word)) in enumerate(zip(axes, shown, strict=True)):
        tissue.draw(ax, frame, scale_bar=k == 0)
        time = f"day {run.times[frame] / DAY:.3g}" + (f", {word}" if word else "")
        ax.set_title(f"a   {time}" if k == 0 else time, fontweight="bold" if k == 0 else "normal")
    tissue.colorbar(figure, list(axes))
    tissue.legend(figure)


def _wrapped(text: str) -> str:
    width = int(TWO_COLUMNS * 72.0 / (CAPTION_SIZE * LETTER))
    return "\n".join(textwrap.fill(line, width) for line in text.split("\n"))


def _draw_therapy(figure: SubFigure, given: list[Treatment]) -> None:
    handles = panels.treatment_legend(given)
    figure.text(0.008, 0.5, "Therapy", va="center", fontweight="bold")
    figure.legend(handles=handles, loc="center left", bbox_to_anchor=(0.065, 0.5), ncols=6)


def _draw_curves(figure: SubFigure, run: Run, given: list[Treatment], shown: list[Panel]) -> None:
    rows = -(-len(shown) // 2)
    axes = figure.subplots(rows, 2, squeeze=False).ravel()
    end = run.metrics["time"].iloc[-1] / DAY
    for letter, ax, panel in zip("bcdefghi", axes, shown, strict=False):
        ax.set_xlim(0, end)
        panel(ax)
        ax.set_title(f"{letter}   {ax.get_title(loc='left')}")
        panels.mark_treatments(ax, given)
        ax.set_xlim(0, end)
    for ax in axes[len(shown) :]:
        ax.remove()
    for ax in axes[max(0, len(shown) - 2) : len(shown)]:
        ax.set_xlabel("time [d]")
