"""The curves of a report, one function per panel: each fills one axes and names its title."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from scipy.optimize import isotonic_regression

from tme_sim.analysis.figures.palette import (
    DEAD_COLOR,
    OTHER_COLORS,
    PHASE_COLORS,
    clone_color,
    drug_color,
    type_color,
)
from tme_sim.analysis.metrics import Treatment, burden_by_clone, clone_names, tumor_codes
from tme_sim.output.run import Run
from tme_sim.output.summary import Summary
from tme_sim.scenario.units import DAY

UM3_PER_MM3 = 1e9
Dash = str | tuple[int, tuple[float, ...]]  # a style of lines of matplotlib
MAX_CLONES = 6
FAR_APART = 20.0  # ratio of the highest levels of two drugs from which on the axis is logarithmic
LOWEST_SHOWN = 300.0  # of a logarithmic axis: the highest level of the weakest drug over this
DASHES: tuple[Dash, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1)),
    (0, (5, 1, 1, 1)),
)  # drugs, beside their colours
BAR, BAR_GAP = 2.6, 1.0  # [point] height of a bar of therapy, and space between two
REST = "#9A9A9A"  # clones that are not named
LABEL_LENGTH = 20
LABEL_WIDTH, LABEL_HEIGHT = 0.4, 0.14  # that a label of a point needs, in those of the axes
LABEL_SPACING = 1.15  # of two labels, in heights of a letter


class Label(NamedTuple):
    """A name at the end of a curve or layer, and how that is drawn."""

    height: float  # in the axes' data
    text: str
    color: str
    style: Dash = "-"  # of the line
    width: float = 1.1


def burden(ax: Axes, run: Run, summary: Summary) -> None:
    """Living tumor cells, stacked by clone, with baseline and nadir."""
    by_clone = burden_by_clone(run)
    days = by_clone.index.to_numpy() / DAY
    names = clone_names(run)
    largest = by_clone.max().sort_values(ascending=False).index[:MAX_CLONES]
    shown = by_clone[sorted(largest)]
    layers = [shown[c].to_numpy() for c in shown]
    texts = [_short(names[c]) for c in shown]
    colors = [clone_color(int(c)) for c in shown]
    rest = by_clone.drop(columns=largest).sum(axis=1).to_numpy()
    if rest.any():
        layers, texts, colors = [*layers, rest], [*texts, "other clones"], [*colors, REST]
    if layers:
        ax.stackplot(days, layers, colors=colors, alpha=0.85, linewidth=0)
    metrics = run.metrics
    ax.plot(metrics["time"] / DAY, metrics["burden"], color="black", linewidth=0.9)
    ax.set(ylabel="living tumor cells", title="Burden by clone")
    ax.set_ylim(0, 1.25 * max(float(metrics["burden"].max()), 1.0))
    baseline = _point(summary.baseline_time, summary.baseline)
    nadir = _point(summary.nadir_time, summary.nadir)
    if baseline is not None and nadir is not None:
        _mark_response(ax, baseline, nadir)
    label_ends(ax, _layer_labels([layer[-1] for layer in layers], texts, colors))


def plasma(ax: Axes, run: Run) -> None:
    """Total concentration of each drug in plasma."""
    drugs = [c for c in run.metrics if c.startswith("plasma_")]
    units = dict.fromkeys(drugs, "mg/L")
    _drugs(ax, run, drugs, units)
    ax.set(ylabel="total in plasma [mg/L]", title="Drug in plasma")


def tissue_levels(ax: Axes, run: Run) -> None:
    """Mean concentration of each drug at living tumor cells."""
    drugs = [c for c in run.metrics if c.startswith("tissue_")]
    units = {c: _unit(run.metrics.attrs["units"][c]) for c in drugs}
    _drugs(ax, run, drugs, units)
    shared = f" [{units[drugs[0]]}]" if len(set(units.values())) == 1 else ""
    ax.set(ylabel=f"at tumor cells{shared}", title="Drug in the tumor, mean")


def volume(ax: Axes, run: Run) -> None:
    """Volume of the living tumor cells."""
    metrics = run.metrics
    ax.plot(metrics["time"] / DAY, metrics["burden_volume"] / UM3_PER_MM3, color="black")
    ax.set(ylabel="living tumor cells [mm³]", title="Tumor volume")
    ax.set_ylim(0, 1.1 * ax.get_ylim()[1])


def oxygen(ax: Axes, run: Run) -> None:
    """Mean oxygen at living tumor cells."""
    metrics = run.metrics
    ax.plot(metrics["time"] / DAY, metrics["oxygen_tumor"], color="black")
    ax.set(ylabel="at tumor cells [mmHg]", title="Oxygen in the tumor, mean")
    ax.set_ylim(0, 1.1 * float(metrics["oxygen_tumor"].max()))


def phases(ax: Axes, run: Run) -> None:
    """Share of living tumor cells in each cycle phase."""
    shares = [100.0 * run.metrics[f"phase_{name}"].fillna(0.0) for name in PHASE_COLORS]
    colors = list(PHASE_COLORS.values())
    ax.stackplot(run.metrics["time"] / DAY, shares, colors=colors, linewidth=0)
    ax.set(ylabel="living tumor cells [%]", title="Cycle phase", ylim=(0, 100))
    label_ends(ax, _layer_labels([s.iloc[-1] for s in shares], [*PHASE_COLORS], colors))


def populations(ax: Axes, run: Run) -> None:
    """Living cells of every group that is not tumor, and the dead that are still there."""
    days, labels = run.metrics["time"] / DAY, []
    for group, color in other_groups(run):
        ax.plot(days, run.metrics[f"n_{group}"], color=color)
        labels.append(Label(float(run.metrics[f"n_{group}"].iloc[-1]), _short(group), color))
    title = "Stroma, immune and dead cells" if labels else "Dead cells"
    if not tumor_codes(run):
        title = "Living and dead cells"
    ax.plot(days, run.metrics["n_dead"], color=DEAD_COLOR, linestyle=":")
    labels.append(Label(float(run.metrics["n_dead"].iloc[-1]), "dead, any type", DEAD_COLOR, ":"))
    ax.set(ylabel="cells", title=title)
    ax.set_ylim(0, max(1.0, 1.05 * ax.get_ylim()[1]))
    label_ends(ax, labels)


def trust(ax: Axes, run: Run) -> None:
    """Share of cells outside the training domain, and the ensemble's spread."""
    metrics = run.metrics
    curves = {
        "share_out_of_domain": ("cells outside domain", "#882255", "-"),
        "sigma_mean": ("spread over range", "#606060", "--"),
    }
    for column, (_, color, style) in curves.items():
        ax.plot(metrics["time"] / DAY, 100 * metrics[column], color=color, linestyle=style)
    ax.set(ylabel="share [%]", title="Trust in the cell model")
    ax.set_ylim(0, max(5.0, 1.05 * ax.get_ylim()[1]))
    last = metrics.iloc[-1]
    label_ends(ax, [Label(100 * float(last[c]), *look) for c, look in curves.items()])


def mark_treatments(ax: Axes, given: list[Treatment]) -> None:
    """Bars above the axes where a drug was given, one row per drug; the title moves over them."""
    drugs = list(dict.fromkeys(t.drug for t in given))
    for t in given:
        row, days, color = drugs.index(t.drug), (t.start / DAY, t.end / DAY), drug_color(t.drug)
        ax.axvspan(*days, color=color, alpha=0.06, linewidth=0, zorder=0)
        above = BAR_GAP + BAR / 2 + row * (BAR + BAR_GAP)  # [point]
        shift = ScaledTranslation(0.0, above / 72.0, ax.figure.dpi_scale_trans)
        bar = Line2D(days, [1.0, 1.0], color=color, linewidth=BAR, solid_capstyle="butt")
        bar.set(linestyle="-", transform=ax.get_xaxis_transform() + shift, clip_on=False)
        ax.add_line(bar)
    ax.set_title(ax.get_title(loc="left"), pad=2.5 + len(drugs) * (BAR + BAR_GAP))


def treatment_legend(given: list[Treatment]) -> list[Line2D]:
    """A bar per drug with its name."""
    return [
        Line2D([], [], color=drug_color(drug), linewidth=BAR, solid_capstyle="butt", label=drug)
        for drug in dict.fromkeys(t.drug for t in given)
    ]


def label_ends(ax: Axes, labels: Sequence[Label]) -> None:
    """Write a name at the end of each curve, right of the axes, none over another.

    A curve without a last value has no name there.
    """
    labels = [label for label in labels if np.isfinite(label.height)]
    transform = ax.transScale + ax.transLimits
    size = FontProperties(size=mpl.rcParams["legend.fontsize"]).get_size_in_points()
    height = ax.get_window_extent().height * 72.0 / ax.figure.dpi  # [point]
    wanted = [float(transform.transform((0.0, label.height))[1]) for label in labels]
    heights = spread(np.clip(wanted, 0.0, 1.0).tolist(), LABEL_SPACING * size / height)
    for label, y in zip(labels, heights, strict=True):
        ax.plot(
            [1.015, 1.055], [y, y], transform=ax.transAxes, clip_on=False,
            color=label.color, linestyle=label.style, linewidth=label.width, solid_capstyle="butt",
        )  # fmt: skip
        ax.text(1.07, y, label.text, size=size, transform=ax.transAxes, va="center")


def spread(wanted: Sequence[float], spacing: float) -> list[float]:
    """Heights nearest to those wanted, in their order and at least ``spacing``, within [0, 1].

    Those that would overlap are set around their mean (isotonic regression of the heights without
    the steps between them). Too many to fit reach over 1.
    """
    if not wanted:
        return []
    order = np.argsort(wanted, kind="stable")
    steps = spacing * np.arange(len(wanted))
    rising = isotonic_regression(np.asarray(wanted, float)[order] - steps).x
    found = np.empty(len(wanted))
    found[order] = rising.clip(0.0, max(0.0, 1.0 - steps[-1])) + steps
    heights: list[float] = found.tolist()
    return heights


def _drugs(ax: Axes, run: Run, columns: list[str], units: dict[str, str]) -> None:
    """Levels over time, on a logarithmic axis where one drug would hide another."""
    metrics, labels = run.metrics, []
    highest = {c: float(metrics[c].max()) for c in columns if metrics[c].max() > 0}
    for k, column in enumerate(columns):
        name = column.partition("_")[2]
        color = drug_color(name)
        ax.plot(metrics["time"] / DAY, metrics[column], color=color, ls=_dash(k))
        text = name if len(set(units.values())) == 1 else f"{name} [{units[column]}]"
        last = float(np.nan_to_num(metrics[column].iloc[-1]))
        labels.append(Label(last, text, color, _dash(k)))
    if highest and max(highest.values()) > FAR_APART * min(highest.values()):
        ax.set_yscale("log")
        ax.set_ylim(min(highest.values()) / LOWEST_SHOWN, 2.0 * max(highest.values()))
        labels = [x._replace(height=max(x.height, ax.get_ylim()[0])) for x in labels]
    else:
        ax.set_ylim(0, 1.1 * max(highest.values(), default=1.0))
    label_ends(ax, labels)


def _dash(index: int) -> Dash:
    return DASHES[index % len(DASHES)]


def _unit(unit: str) -> str:
    return unit.replace("uM", "µM")


def _short(name: str) -> str:
    """A long name, such as that of a clone of clones, by its end."""
    return name if len(name) <= LABEL_LENGTH else "… " + name[-LABEL_LENGTH + 2 :].lstrip(" +")


def _layer_labels(tops: Sequence[float], texts: Sequence[str], colors: list[str]) -> list[Label]:
    """A label in the middle of each layer of a stack, none where the layer has ended."""
    edges = np.concatenate([[0.0], np.cumsum(tops)])
    middles = (edges[1:] + edges[:-1]) / 2
    return [
        Label(float(middle), text, color, width=4.0)
        for middle, top, text, color in zip(middles, tops, texts, colors, strict=True)
        if top > 0
    ]


def other_groups(run: Run) -> Iterator[tuple[str, str]]:
    """Groups that are not tumor, each in the colour of its type, or in one of its own."""
    types = _types_of_groups(run)
    tumor = {run.columns["type"]["categories"][code] for code in tumor_codes(run)}
    others = iter(OTHER_COLORS * len(run.columns["group"]["categories"]))
    used: set[str] = set()
    for group in run.columns["group"]["categories"]:
        kind = types.get(group, "")
        if kind in tumor:
            continue
        color = type_color(kind, run.columns["type"]["categories"])
        if not kind or color in used:
            color = next(other for other in others if other not in used)
        used.add(color)
        yield group, color


def _types_of_groups(run: Run) -> dict[str, str]:
    """The cell type of each group, as the frames show it."""
    types, groups = run.columns["type"]["categories"], run.columns["group"]["categories"]
    found: dict[str, str] = {}
    for frame in (0, len(run.times) - 1):
        cells = pd.DataFrame(run.frame(frame, ("type", "group"))).drop_duplicates("group")
        pairs = zip(cells["group"], cells["type"], strict=True)
        found |= {groups[g]: types[t] for g, t in pairs}
    return found


class Point(NamedTuple):
    """A point of the course of the burden."""

    day: float
    cells: float


def _point(time: float | None, cells: float | None) -> Point | None:
    return None if time is None or cells is None else Point(time / DAY, cells)


def _mark_response(ax: Axes, baseline: Point, nadir: Point) -> None:
    """Burden at baseline and nadir, in one label where two would cover each other."""
    first, second = f"baseline {baseline.cells:.0f}", f"nadir {nadir.cells:.0f}"
    (left, right), (bottom, top) = ax.dataLim.intervalx, ax.get_ylim()
    across = abs(nadir.day - baseline.day) / (right - left)
    down = (baseline.cells - nadir.cells) / (top - bottom)
    if baseline == nadir:
        _mark(ax, baseline, first)
    elif across < LABEL_WIDTH and down < LABEL_HEIGHT:
        _mark(ax, baseline, f"{first}, {second}")
        _mark(ax, nadir, "")
    else:
        _mark(ax, baseline, first)
        _mark(ax, nadir, second)


def _mark(ax: Axes, point: Point, text: str) -> None:
    ax.plot([point.day], [point.cells], "ko", markersize=3, markerfacecolor="white", mew=0.8)
    if not text:
        return
    late = point.day > 0.75 * ax.dataLim.x1
    ax.annotate(
        text,
        point,
        (-2 if late else 3, 5),
        textcoords="offset points",
        ha="right" if late else "left",
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6},
    )
