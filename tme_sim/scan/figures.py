"""Draw a scan: heat maps, bands of burden, spider, waterfall, survival, paired differences."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tme_sim.analysis.figures.style import STYLE
from tme_sim.scan.response import EVENT, as_numbers, changes

DPI = 130
ARM_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288",
              "#882255", "#117733", "#999933", "#661100", "#8C8C8C")  # fmt: skip
UNSEEN = 1.0  # [%] height of a bar
RESPONSE = -30.0  # [%] partial response in RECIST 1.1 (Eisenhauer 2009), there of diameters
COLUMNS = 3
WRAP = 30  # characters of a label
NAMED = 24  # arms in a legend
SHADED = 4  # arms whose intervals can be told apart


def draw_all(
    folder: Path,
    tables: dict[str, pd.DataFrame],
    outcomes: Sequence[str],
    *,
    axes: Sequence[str],
    title: str,
) -> list[Path]:
    """Draw what the tables of a scan give rise to, as PNG files in a folder; returns them.

    Args:
        folder: Made if needed.
        tables: ``results``, ``courses``, ``bands``, ``responses``, ``paired``, ``survival``.
        outcomes: Columns of ``results`` that were measured.
        axes: Columns of ``results`` that tell arms apart.
        title: Name of the scan.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with mpl.rc_context(STYLE):
        for name, figure in _figures(tables, outcomes, axes):
            figure.suptitle(f"{title}: {name}".replace("_", " "), x=0.01, ha="left", fontsize=11)
            paths.append(folder / f"{name}.png")
            save(figure, paths[-1])
    return paths


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, drawn once (``savefig`` draws and lays out twice)."""
    figure.set_dpi(DPI)
    FigureCanvasAgg(figure).print_png(path)


def _figures(
    tables: dict[str, pd.DataFrame], outcomes: Sequence[str], axes: Sequence[str]
) -> Iterator[tuple[str, Figure]]:
    done = tables["results"][tables["results"]["status"] == "done"]
    varied = [name for name in axes if done[name].nunique() > 1]
    if len(varied) >= 2:
        for name in outcomes:
            numbers = None if name.endswith(EVENT) else as_numbers(done[name])
            if numbers is not None and numbers.notna().any():
                table = done.assign(**{name: numbers})
                yield f"heat_map_{name}", heat_map(table, name, varied[0], varied[1])
    if len(tables["courses"]):
        yield "burden", burden_bands(tables["bands"])
    if len(tables["responses"]):
        yield "spider", spider(tables["courses"])
        yield "waterfall", waterfall(tables["responses"])
    for name, curves in tables["survival"].groupby("outcome", sort=False):
        yield f"survival_{name}", survival(curves)
    if (tables["paired"]["difference"] != 0.0).any():
        yield "paired", paired_differences(tables["paired"])


def heat_map(table: pd.DataFrame, outcome: str, across: str, up: str) -> Figure:
    """Mean of an outcome over seeds (and over other axes) by two axes.

    Means with times in them that end without the event are marked as what they are: at least.
    """
    grid = {"index": up, "columns": across, "sort": False, "dropna": False}
    means = table.pivot_table(outcome, **grid)
    late = pd.DataFrame(False, means.index, means.columns)
    if outcome + EVENT in table:
        censored = table.assign(late=~table[outcome + EVENT].astype(bool))
        late = censored.pivot_table("late", **grid) > 0
    figure = Figure(figsize=(2.6 + 0.9 * means.shape[1], 2.2 + 0.6 * means.shape[0]),
                    layout="constrained")  # fmt: skip
    ax = figure.subplots()
    image = ax.imshow(means.to_numpy(), cmap="viridis", origin="lower", aspect="auto")
    low, high = image.get_clim()
    for (row, column), value in np.ndenumerate(means.to_numpy()):
        dark = value <= (low + high) / 2
        label = f"≥ {value:.4g}" if late.iat[row, column] else f"{value:.4g}"
        label = "none" if np.isnan(value) else label
        ax.text(column, row, label, ha="center", va="center", color="white" if dark else "black")
    ax.set_xticks(range(means.shape[1]), [str(v) for v in means.columns])
    ax.set_yticks(range(means.shape[0]), [str(v) for v in means.index])
    ax.spines[:].set_visible(False)
    ax.set(xlabel=last_name(across), ylabel=last_name(up))
    if low < high:
        figure.colorbar(image, ax=ax, label=f"{outcome}, mean of seeds".replace("_", " "))
    return figure


def burden_bands(bands: pd.DataFrame) -> Figure:
    """Burden of each arm: median and 10 to 90 % of seeds; the first arm's median behind all."""
    arms = list(dict.fromkeys(bands["arm"]))
    rows = math.ceil(len(arms) / COLUMNS)
    columns = min(len(arms), COLUMNS)
    figure = Figure(figsize=(1.0 + 3.0 * columns, 0.8 + 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    first = bands[bands["arm"] == arms[0]]
    for k, ax in enumerate(panels.flat):
        if k >= len(arms):
            ax.set_visible(False)
            continue
        one, color = bands[bands["arm"] == arms[k]], arm_color(k)
        if k:
            ax.plot(first["day"], first["median"], color="#B0B0B0", linewidth=1.0, zorder=1)
        ax.fill_between(one["day"], one["low"], one["high"], color=color, alpha=0.25, linewidth=0)
        ax.plot(one["day"], one["median"], color=color)
        ax.set_title(wrapped(arms[k]), fontsize=8, fontweight="normal")
        ax.margins(x=0.0)
    panels[0, 0].set_ylim(bottom=0)  # of all; last, so that it leaves room for every band
    label = "; median, 10 to 90 % of seeds" if bands["n"].max() > 1 else ""
    label += f"; grey: {wrapped(arms[0], ' ')}" if len(arms) > 1 else ""
    figure.supxlabel(f"time [d]{label}", fontsize=9)
    figure.supylabel("living tumor cells", fontsize=9)
    return figure


def spider(courses: pd.DataFrame) -> Figure:
    """Change of burden from baseline, a line per run."""
    table = changes(courses)
    arms = list(dict.fromkeys(table["arm"]))
    figure, ax = _with_legend(arms)
    for (arm, _), run in table.groupby(["arm", "seed"], sort=False):
        ax.plot(run["day"], run["change"], color=arm_color(arms.index(arm)), linewidth=1.0)
    ax.axhline(0.0, color="#8C8C8C", linewidth=0.8)
    ax.margins(x=0.0)
    ax.set(xlabel="time since the first dose [d]", ylabel="change from baseline [%]")
    return figure


def waterfall(responses: pd.DataFrame) -> Figure:
    """Best change of burden from baseline of every run; a dot where a bar would not be seen."""
    arms = list(dict.fromkeys(responses["arm"]))
    ranked = responses.sort_values("best", ascending=False, kind="stable")
    figure, ax = _with_legend(arms)
    colors = np.array([arm_color(arms.index(arm)) for arm in ranked["arm"]])
    place, best = np.arange(len(ranked)), ranked["best"].to_numpy()
    ax.bar(place, best, color=colors, width=1.0, edgecolor="white", linewidth=0.8)
    flat = np.abs(best) < UNSEEN
    ax.scatter(place[flat], best[flat], color=colors[flat], s=14, zorder=3)
    ax.axhline(0.0, color="#4D4D4D", linewidth=0.8)
    ax.axhline(RESPONSE, color="#4D4D4D", linewidth=0.8, linestyle=":")
    ax.margins(x=0.01)
    ax.set(xlabel=f"runs; dotted: partial response, {RESPONSE:.0f} %", xticks=[],
           ylabel="best change from baseline [%]")  # fmt: skip
    return figure


def survival(curves: pd.DataFrame) -> Figure:
    """Kaplan-Meier curves by arm and the p of the log-rank test; of few arms 95 % intervals too.

    A tick stands where runs were followed no longer and had not progressed.
    """
    arms = list(dict.fromkeys(curves["arm"]))
    figure, ax = _with_legend(arms)
    for k, arm in enumerate(arms):
        one = curves[curves["arm"] == arm]
        ax.step(one["day"], one["survival"], where="post", color=arm_color(k))
        if len(arms) <= SHADED:
            ax.fill_between(one["day"], one["low"], one["high"], step="post", alpha=0.12,
                            color=arm_color(k), linewidth=0)  # fmt: skip
        left = one[one["survival"].diff() == 0.0]
        ax.plot(left["day"], left["survival"], "|", color=arm_color(k), clip_on=False)
    p = curves["log_rank_p"].iloc[0]
    if (curves["survival"] == 1.0).all():
        label = "no run progressed"
    else:
        label = "one arm" if np.isnan(p) else f"log-rank p = {p:.2g}"
    label += "; ticks: followed until there without progression"
    ax.set_title(label, fontsize=8, fontweight="normal")
    ax.set(xlabel="time since the first dose [d]", ylabel="without progression", ylim=(0, 1.02))
    ax.margins(x=0.0)
    return figure


def paired_differences(table: pd.DataFrame) -> Figure:
    """Differences from the reference arm with paired (dark) and unpaired (light) intervals.

    Outcomes that never differ are left out.
    """
    outcomes = list(dict.fromkeys(table["outcome"][table["difference"] != 0.0]))
    arms = list(dict.fromkeys(table["arm"]))
    columns = min(len(outcomes), COLUMNS)
    rows = math.ceil(len(outcomes) / columns)
    height = 1.4 + rows * (0.9 + 0.34 * len(arms))
    figure = Figure(figsize=(2.5 + 2.6 * columns, height), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for k, ax in enumerate(panels.flat):
        if k >= len(outcomes):
            ax.set_visible(False)
            continue
        one = table[table["outcome"] == outcomes[k]]
        place = [arms.index(arm) for arm in one["arm"]]
        ax.hlines(place, one["unpaired_low"], one["unpaired_high"], color="#C8C8C8", linewidth=5)
        ax.hlines(place, one["low"], one["high"], color="#1B3A6B", linewidth=2)
        ax.plot(one["difference"], place, "o", color="#1B3A6B", markersize=4)
        ax.axvline(0.0, color="#8C8C8C", linewidth=0.8)
        ax.set_yticks(range(len(arms)), [wrapped(arm) for arm in arms])
        ax.set_ylim(len(arms) - 0.5, -0.5)
        ax.set_title(outcomes[k].replace("_", " "), fontsize=9, fontweight="normal")
    n = " to ".join(str(k) for k in sorted({table["n_pairs"].min(), table["n_pairs"].max()}))
    label = f"difference from {wrapped(table['reference'].iloc[0], ' ')}, {n} pairs"
    figure.supxlabel(f"{label}; 95 %: paired dark, unpaired light", fontsize=8)
    return figure


def arm_color(index: int) -> str:
    """The colour of an arm; repeats after the palette's end."""
    return ARM_COLORS[index % len(ARM_COLORS)]


def wrapped(label: str, between: str = "\n") -> str:
    """A label of an arm: paths by their last name, one line per axis."""
    parts = [part.split("=", 1) for part in label.split(", ")]
    lines = [f"{last_name(p[0])} {p[1]}" if len(p) > 1 else p[0] for p in parts]
    return between.join(line if len(line) <= WRAP else line[: WRAP - 1] + "…" for line in lines)


def last_name(path: str) -> str:
    """What a dotted path ends in."""
    return path.rpartition(".")[2]


def _with_legend(arms: Sequence[str]) -> tuple[Figure, Axes]:
    """A figure with its arms on the right."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    ax = figure.subplots()
    named = [wrapped(arm, ", ") for arm in arms[:NAMED]]
    named += ["…"] if len(arms) > NAMED else []
    handles = [Patch(color=arm_color(k)) for k in range(len(named))]
    ax.legend(handles, named, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=7)
    return figure, ax
