"""The curves of a report, one function per panel: each fills one axes and names its title."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tme_sim.analysis.metrics import Treatment
from tme_sim.analysis.palette import (
    DEAD_COLOR,
    OTHER_COLORS,
    PHASE_COLORS,
    TYPE_COLORS,
    clone_color,
    drug_color,
)
from tme_sim.output.run import Run
from tme_sim.output.summary import Summary

DAY = 1440.0
UM3_PER_MM3 = 1e9
MAX_CLONES = 6


def burden(ax: Axes, run: Run, by_clone: pd.DataFrame, summary: Summary) -> None:
    """Living tumor cells, stacked by clone, with baseline and nadir."""
    days = by_clone.index.to_numpy() / DAY
    names = dict(zip(run.clones["index"], run.clones["name"], strict=True))
    largest = by_clone.max().sort_values(ascending=False).index[:MAX_CLONES]
    shown = by_clone[sorted(largest)]
    layers = [shown[c].to_numpy() for c in shown]
    labels = [str(names[c]) for c in shown]
    colors = [clone_color(int(c)) for c in shown]
    rest = by_clone.drop(columns=largest).sum(axis=1).to_numpy()
    if rest.any():
        layers, labels, colors = [*layers, rest], [*labels, "other clones"], [*colors, "0.7"]
    ax.stackplot(days, layers, labels=labels, colors=colors, alpha=0.85, linewidth=0)
    metrics = run.metrics
    ax.plot(metrics["time"] / DAY, metrics["burden"], color="black", linewidth=1.0)
    marks = ((summary.baseline_time, summary.baseline, "baseline"),)
    if summary.nadir_time != summary.baseline_time:
        marks += ((summary.nadir_time, summary.nadir, "nadir"),)
    for time, value, word in marks:
        if time is not None:
            _mark(ax, time / DAY, value, f"{word} {value:.0f}")
    ax.set(ylabel="living tumor cells", title="Burden by clone")
    ax.set_ylim(0, 1.3 * float(metrics["burden"].max()))
    ax.legend(loc="upper left", ncols=2)


def plasma(ax: Axes, run: Run, days: np.ndarray) -> None:
    """Total concentration of each drug in plasma; tumor volume where no drug was given."""
    drugs = [c for c in run.metrics if c.startswith("plasma_")]
    if not drugs:
        volume = run.metrics["burden_volume"] / UM3_PER_MM3
        ax.plot(days, volume, color=TYPE_COLORS["tumor"], label="living tumor cells")
        ax.set(ylabel="volume [mm³]", title="Tumor volume")
        _close(ax, ["any"], "")
        return
    for k, name in enumerate(drugs):
        label = name.removeprefix("plasma_")
        ax.plot(days, run.metrics[name], color=drug_color(k), label=label)
    ax.set(ylabel="total in plasma [mg/L]", title="Drug in plasma")
    _close(ax, drugs, "")


def phases(ax: Axes, run: Run, days: np.ndarray) -> None:
    """Share of living tumor cells in each cycle phase."""
    shares = [run.metrics[f"phase_{name}"].fillna(0.0) for name in PHASE_COLORS]
    ax.stackplot(
        days, shares, labels=list(PHASE_COLORS), colors=list(PHASE_COLORS.values()), linewidth=0
    )
    ax.set(ylabel="share of living tumor cells", title="Cycle phase", ylim=(0, 1))
    ax.legend(loc="lower left", ncols=3, frameon=True, framealpha=0.85, edgecolor="none")


def populations(ax: Axes, run: Run, days: np.ndarray) -> None:
    """Living cells of every group that is not tumor, and the dead that are still there."""
    found = [g for g in run.columns["group"]["categories"] if g != "tumor"]
    types = _types_of_groups(run)
    others = iter(OTHER_COLORS)
    used: set[str] = set()
    for group in found:
        color = TYPE_COLORS.get(types.get(group, ""), "")
        if not color or color in used or types.get(group) == "tumor":
            color = next(others)
        used.add(color)
        ax.plot(days, run.metrics[f"n_{group}"], color=color, label=group)
    ax.plot(days, run.metrics["n_dead"], color=DEAD_COLOR, linestyle=":", label="dead, any type")
    title = "Stroma, immune and dead cells" if found else "Dead cells"
    ax.set(ylabel="cells", title=title)
    _close(ax, ["any"], "")


def tissue_levels(ax: Axes, run: Run, days: np.ndarray) -> None:
    """Mean concentration of each drug at living tumor cells; of oxygen where no drug was given."""
    drugs = [c for c in run.metrics if c.startswith("tissue_")]
    if not drugs:
        _oxygen(ax, run, days)
        return
    units = {c: run.metrics.attrs["units"][c].replace("u", "µ") for c in drugs}
    shared = f" [{units[drugs[0]]}]" if len(set(units.values())) == 1 else ""
    for k, name in enumerate(drugs):
        label = name.removeprefix("tissue_") + ("" if shared else f" [{units[name]}]")
        ax.plot(days, run.metrics[name], color=drug_color(k), label=label)
    ax.set(ylabel=f"mean at tumor cells{shared}", title="Drug in the tumor")
    _close(ax, drugs, "")


def _oxygen(ax: Axes, run: Run, days: np.ndarray) -> None:
    found = [c for c in run.metrics if c == "oxygen_tumor"]
    for name in found:
        ax.plot(days, run.metrics[name], color="0.35", label="oxygen")
    ax.set(ylabel="mean at tumor cells [mmHg]", title="Oxygen in the tumor")
    _close(ax, found, "oxygen is not simulated")


def trust(ax: Axes, run: Run, days: np.ndarray) -> None:
    """Share of cells outside the training domain, and the ensemble's spread."""
    metrics = run.metrics
    ax.plot(days, 100 * metrics["share_out_of_domain"], color="#882255", label="outside the domain")
    ax.plot(
        days,
        100 * metrics["sigma_mean"],
        color="0.45",
        linestyle="--",
        label="ensemble spread, share of range",
    )
    ax.set(ylabel="living cells, spread [%]", title="Trust in the cell model")
    _close(ax, ["any"], "", at_least=5.0)


def mark_treatments(ax: Axes, given: list[Treatment], *, labels: bool) -> None:
    """Bars along the top where a drug was given, one row per drug."""
    drugs = list(dict.fromkeys(t.drug for t in given))
    for t in given:
        row = drugs.index(t.drug)
        color = drug_color(row)
        ax.axvspan(t.start / DAY, t.end / DAY, color=color, alpha=0.06, linewidth=0)
        y = 1.0 - 0.025 * row
        ax.plot(
            [t.start / DAY, t.end / DAY],
            [y, y],
            color=color,
            linewidth=3,
            solid_capstyle="butt",
            transform=ax.get_xaxis_transform(),
            clip_on=False,
        )
        if labels:
            ax.text(
                t.end / DAY,
                y - 0.03 - 0.04 * row,
                t.drug,
                transform=ax.get_xaxis_transform(),
                ha="right",
                va="top",
                size=8,
                color=color,
            )


def _types_of_groups(run: Run) -> dict[str, str]:
    """The cell type of each group, from the last frame that has one of its cells."""
    types, groups = run.columns["type"]["categories"], run.columns["group"]["categories"]
    found: dict[str, str] = {}
    for k in (0, len(run.times) // 2, len(run.times) - 1):
        cells = run.frame(k, ("type", "group"))
        codes, first = np.unique(cells["group"], return_index=True)
        found |= {groups[g]: types[cells["type"][i]] for g, i in zip(codes, first, strict=True)}
    return found


def _mark(ax: Axes, x: float, y: float, text: str) -> None:
    ax.plot([x], [y], marker="o", markersize=5, color="black", markerfacecolor="white")
    late = x > 0.75 * ax.dataLim.x1
    ax.annotate(
        text,
        (x, y),
        (-4 if late else 5, 9),
        textcoords="offset points",
        ha="right" if late else "left",
        size=8,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.0},
    )


def _close(ax: Axes, drawn: list[str], empty: str, *, at_least: float = 1e-9) -> None:
    """Start at zero, leave room for the bars of therapy; put a legend, or say why there is none."""
    if drawn:
        ax.set_ylim(0, max(at_least, 1.18 * ax.get_ylim()[1]))
        ax.legend(loc="best")
    else:
        ax.text(0.5, 0.5, empty, transform=ax.transAxes, ha="center", color="0.4")
        ax.set(yticks=[], ylim=(0, 1))
