"""One page of figures for one run: the tissue at four times, and what changed over time."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import surrogates
from surrogates.channels import INPUTS
from tme_sim.analysis import panels
from tme_sim.analysis.metrics import Treatment, burden_by_clone, treatments
from tme_sim.analysis.tissue import Tissue
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run
from tme_sim.output.summary import Summary

DAY = 1440.0
DPI = 200
LEAST_SITUATIONS = 50  # fewer say nothing about a run
STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "pdf.fonttype": 42,
}


def draw(run: Run, path: str | Path) -> Path:
    """Write the report of a run as PNG, PDF or SVG, by the suffix of ``path``; returns the path.

    Raises:
        RunFileError: the run holds no frame or no tick, or the suffix is none that can be drawn.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        msg = f"{path}: a report is a .png, .pdf or .svg file, not {path.suffix!r}"
        raise RunFileError(msg)
    figure_of(run).savefig(path, dpi=DPI)
    return path


def figure_of(run: Run) -> Figure:
    """The report of a run as a matplotlib figure."""
    if len(run.times) == 0 or len(run.metrics) < 2:
        msg = f"{run.path}: too short for a report; it holds {len(run.times)} frames"
        raise RunFileError(msg)
    summary, given = run.summary(), treatments(run)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.5, 9.95), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06, hspace=0.03, wspace=0.02)
        top, bottom, foot = figure.subfigures(3, 1, height_ratios=(3.7, 5.0, 0.75))
        figure.suptitle(_title(run), x=0.01, ha="left", fontsize=13, fontweight="bold")
        _draw_tissue(top, run, summary)
        _draw_curves(bottom, run, given, summary)
        foot.text(0.01, 0.96, caption(run, given), va="top", ha="left", fontsize=8, wrap=True)
    return figure


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


def caption(run: Run, given: list[Treatment]) -> str:
    """What was run, with what, and how far its numbers can be trusted."""
    origin = run.provenance
    size = " x ".join(f"{s:g}" for s in run.size)
    doses = "; ".join(_treatment_text(t) for t in given) or "no therapy"
    first = run.metrics.iloc[0]
    cells = ", ".join(f"{int(first[f'n_{g}'])} {g}" for g in run.columns["group"]["categories"])
    state = "" if run.complete else " The run is not complete."
    return (
        f"{run.name}, seed {run.seed}: {size} µm, {len(run.times)} frames over "
        f"{run.times[-1] / DAY:g} d; at the start {cells}. Therapy: {doses}. "
        f"Ended by: {run.reason or 'not yet'}.{state}\n"
        f"Cell decisions: {origin['surrogate']} ({str(origin['surrogate_hash'])[:12]}); "
        f"evidence of its rates: {origin['evidence']}.\n"
        f"{inputs_line(run)}\n"
        f"tme-sim {origin['tme_sim']}, digest {run.digest()[:16]}. A simulation, not a prediction "
        "for a patient."
    )


def inputs_line(run: Run) -> str:
    """How the situations that the cells met compare with those of training, in words."""
    met, names = run.situations()
    if names != INPUTS or len(met.type) < LEAST_SITUATIONS:
        return "Inputs: too few are kept to compare them with training."
    found = surrogates.two_sample(met.inputs, met.genotype, met.type)
    outside = run.metrics["share_out_of_domain"].mean()
    return (
        f"Inputs: {found}. A run fills a part of what training covers, so a difference is the "
        f"rule; outside the training domain were {outside:.2%} of its living cells."
    )


def _title(run: Run) -> str:
    return f"{run.name.replace('_', ' ')}  (seed {run.seed})"


def _treatment_text(treatment: Treatment) -> str:
    n = len(treatment.doses)
    doses = f"{n} dose" + ("s" if n != 1 else "")
    return f"{treatment.drug}, {doses} from {treatment.start / DAY:g} to {treatment.end / DAY:g} d"


def _draw_tissue(figure: Figure, run: Run, summary: Summary) -> None:
    tissue = Tissue(run)
    shown = frames_to_show(run, summary)
    axes = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for k, (ax, (frame, word)) in enumerate(zip(axes, shown, strict=True)):
        tissue.draw(ax, frame)
        time = f"{run.times[frame] / DAY:.3g} d" + (f", {word}" if word else "")
        ax.set_title(f"a   {time}" if k == 0 else time, fontweight="bold" if k == 0 else "normal")
    tissue.colorbar(figure, list(axes))
    tissue.legend(figure)


def _draw_curves(figure: Figure, run: Run, given: list[Treatment], summary: Summary) -> None:
    axes = figure.subplots(2, 3, sharex=True)
    days = run.metrics["time"].to_numpy() / DAY
    panels.burden(axes[0, 0], run, burden_by_clone(run), summary)
    panels.plasma(axes[0, 1], run, days)
    panels.phases(axes[0, 2], run, days)
    panels.populations(axes[1, 0], run, days)
    panels.tissue_levels(axes[1, 1], run, days)
    panels.trust(axes[1, 2], run, days)
    for letter, ax in zip("bcdefg", axes.flat, strict=True):
        ax.set_title(f"{letter}   {ax.get_title(loc='left')}")
        panels.mark_treatments(ax, given, labels=letter == "b")
        ax.set_xlim(0, max(days[-1], days[1]))
    for ax in axes[1]:
        ax.set_xlabel("time [d]")
