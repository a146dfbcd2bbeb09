"""Show why cells survived: a table for the terminal, a table of cells, and a figure."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tme_sim.analysis.explain.survival import Explained
from tme_sim.analysis.figures.palette import CAUSE_COLORS, cause_color
from tme_sim.analysis.figures.style import DPI, STYLE, refuse_suffix
from tme_sim.files import written
from tme_sim.output.explanation import DYING, FATES, UNEXPLAINED
from tme_sim.output.run import Run
from tme_sim.scenario.units import DAY

WIDTH = 80
COLUMNS = 5  # checkpoints side by side
MAPS = 3
LEGEND_ENTRY = 2.2  # [inch]
LABEL = 26
FATE_LABELS = {
    "unexplained": "not explained (insensitive)",
    "combined": "combined",
    "dying": "dying anyway",
}
OTHER = "#EBEBEB"  # cells that were not explained
VECTOR_LIMIT = 4000  # more circles than this become pixels in a PDF


def table(explained: Sequence[Explained], run: Run, threshold: float = 0.0) -> str:
    """The answer at the terminal, at most 80 columns wide."""
    head = f"{run.name}, seed {run.seed}: why tumor cells survive therapy"
    blocks = [_shares(explained[k : k + COLUMNS]) for k in range(0, len(explained), COLUMNS)]
    return "\n".join([head, *blocks, _effects(explained), *_notes(explained, threshold)])


def frame(explained: Sequence[Explained]) -> pd.DataFrame:
    """One row per cell and checkpoint: place, clone, cause, all causes, growth, effects."""
    tables = []
    for e in explained:
        v = e.verdict
        names = (*FATES, *v.put_back)
        columns = {"time_min": e.time, "id": e.ids}
        columns |= {f"{axis}_um": e.position[:, k] for k, axis in enumerate("xyz")}
        columns |= {"clone": e.clone, "cause": [names[c] for c in v.cause]}
        columns["causes"] = [
            "; ".join(n for k, n in enumerate(v.put_back) if bits >> k & 1)
            for bits in v.causes.tolist()
        ]
        columns |= {"net_growth_per_day": v.net, "joint_per_day": v.joint}
        columns |= {f"effect of {n}": v.effect[:, k] for k, n in enumerate(v.put_back)}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def draw(explained: Sequence[Explained], run: Run, path: str | Path) -> Path:
    """Draw mechanism shares over time and in space as PNG, PDF or SVG; returns the path."""
    path = Path(path)
    refuse_suffix(path)
    figure = figure_of(explained, run)
    with written(path) as part:
        figure.savefig(part, dpi=DPI)
    return path


def figure_of(explained: Sequence[Explained], run: Run) -> Figure:
    """The figure: a, shares at each checkpoint; then maps of up to three checkpoints."""
    shown = [explained[k] for k in sorted({0, len(explained) // 2, len(explained) - 1})][-MAPS:]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4 + 3.3 * len(shown), 4.3), layout="constrained")
        ratios = [1.0, *[1.15] * len(shown)]
        axes = figure.subplots(1, 1 + len(shown), width_ratios=ratios)
        handles = _draw_shares(axes[0], explained)
        for letter, ax, e in zip("bcd", axes[1:], shown, strict=False):
            _draw_map(ax, e, run)
            ax.set_title(f"{letter}   {e.time / DAY:.3g} d")
        handles.append(Patch(color=OTHER, label="other types, not asked"))
        ncols = int(figure.get_figwidth() / LEGEND_ENTRY)
        figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
        figure.suptitle(f"{run.name.replace('_', ' ')}: why tumor cells survive therapy",
                        x=0.01, ha="left", fontsize=11, fontweight="bold")  # fmt: skip
    return figure


def _share(e: Explained, name: str) -> float:
    """Share of the survivors with a single cause, or of a fate."""
    v = e.verdict
    survivors = v.cause != DYING
    if name in FATES:
        hit = v.cause == FATES.index(name)
    elif name in v.put_back:
        hit = v.causes >> v.put_back.index(name) & 1 > 0
    else:
        return 0.0
    return float(hit[survivors].mean()) if survivors.any() else np.nan


def _names(explained: Sequence[Explained]) -> list[str]:
    """Everything that was put back, pre-existing mutations before acquired ones."""
    found = dict.fromkeys(n for e in explained for n in e.verdict.put_back)
    order = list(CAUSE_COLORS)
    return sorted(found, key=lambda n: order.index(n if n in order else n.split()[0]))


def _row(label: str, values: Sequence[str]) -> str:
    return f"  {label:{LABEL}.{LABEL}s}" + "".join(f"{value:>10.10s}" for value in values)


def _shares(explained: Sequence[Explained]) -> str:
    def percent(name: str) -> list[str]:
        return [_percent(_share(e, name)) for e in explained]

    surviving = [int((e.verdict.cause != DYING).sum()) for e in explained]
    several = [
        np.mean(np.bitwise_count(e.verdict.causes[e.verdict.cause != DYING]) > 1)
        if n else np.nan
        for e, n in zip(explained, surviving, strict=True)
    ]  # fmt: skip
    drugs = dict.fromkeys(d for e in explained for d in e.drugs)
    lines = [
        _row("", [f"{e.time / DAY:.3g} d" for e in explained]),
        *(_row(f"{d} supplied", [f"{e.drugs.get(d, 0.0):.3g}" for e in explained]) for d in drugs),
        _row("living tumor cells", [str(e.n_tumor) for e in explained]),
        _row("of them explained", [str(len(e.ids)) for e in explained]),
        _row("dying anyway", [str(int((e.verdict.cause == DYING).sum())) for e in explained]),
        _row("surviving, because of", [str(n) for n in surviving]),
        *(_row(f"  {name}", percent(name)) for name in _names(explained)),
        _row("  (more than one of these)", [_percent(share) for share in several]),
        _row("  only a combination", percent("combined")),
        _row("  not explained", percent("unexplained")),
    ]
    return "\n".join(lines)


def _effects(explained: Sequence[Explained]) -> str:
    """Mean effects on survivors, over all checkpoints, and where roll-outs are trusted."""
    lines = [_row("put back", ["effect", "in domain"])]
    for name in _names(explained):
        effects, inside = [], []
        for e in explained:
            v = e.verdict
            if name in v.put_back:
                k = v.put_back.index(name)
                effects.append(v.effect[v.cause != DYING, k])
                inside.append(v.in_domain[1 + k])
        lines.append(_row(f"  {name}", [_mean(np.concatenate(effects)), _trusted(inside)]))
    alive = [(e.verdict, e.verdict.cause != DYING) for e in explained]
    total = np.concatenate([v.effect[who].sum(axis=1) for v, who in alive])
    joint = np.concatenate([(v.joint - v.net)[who] for v, who in alive])
    lines.append(_row("  sum of single effects", [_mean(total)]))
    inside = [e.verdict.in_domain[-1] for e in explained]
    lines.append(_row("  everything at once", [_mean(joint), _trusted(inside)]))
    return "\n".join(lines)


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.1%}"


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():+.3f}" if values.size else "-"


def _trusted(shares: Sequence[float]) -> str:
    known = [share for share in shares if np.isfinite(share)]
    return f"{np.mean(known):.1%}" if known else "unchanged"


def _notes(explained: Sequence[Explained], threshold: float) -> list[str]:
    ligands = dict.fromkeys(name for e in explained for name in e.ligands)
    notes = [
        f"Survival: net growth of at least {threshold:g} doublings/day over a roll-out of 72 h "
        "with inputs held, as a G1 cell of mean size. Effects: mean, in doublings/day.",
        f"Stromal ligands here: {', '.join(ligands) or 'none'}. Supplied drug: nominal, "
        "at the checkpoint.",
    ]
    changed = np.array([e.changed_by_member for e in explained])
    if changed.size:
        each = changed.mean(axis=0)
        notes.append(
            f"If one ensemble member decides alone, {each.min():.0%} to {each.max():.0%} of a "
            "sample get another class."
        )
    joint = [e.verdict.joint[e.verdict.cause == UNEXPLAINED] for e in explained]
    left = np.concatenate(joint)
    if left.size:
        notes.append(
            f"Not explained: with everything put back these cells still grow by "
            f"{np.median(left):.2f} doublings/day (median): drug slows, but does not shrink them. "
            "--threshold asks what lets cells grow faster than that."
        )
    return [line for note in notes for line in _wrapped(note)]


def _wrapped(note: str) -> list[str]:
    return textwrap.wrap(note, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _draw_shares(ax: Axes, explained: Sequence[Explained]) -> list[Patch]:
    """Stacked bars of the strongest cause of each cell; returns one for each in a legend."""
    names = [*_names(explained), "combined", "unexplained", "dying"]
    found = [np.array([*FATES, *e.verdict.put_back])[e.verdict.cause] for e in explained]
    shares = np.array([[np.sum(f == n) / max(f.size, 1) for n in names] for f in found])
    seen = [k for k in range(len(names)) if shares[:, k].any()]
    foot = np.zeros(len(explained))
    places = np.arange(len(explained))
    handles = []
    for k in seen:
        color, hatch = cause_color(names[k]), _hatch(names, k)
        ax.bar(
            places, shares[:, k], 0.78, foot,
            edgecolor="white", linewidth=0.6, facecolor=color, hatch=hatch,
        )  # fmt: skip
        label = FATE_LABELS.get(names[k], names[k])
        handles.append(
            Patch(edgecolor="white", linewidth=0.0, label=label, facecolor=color, hatch=hatch)
        )
        foot += shares[:, k]
    ax.set_xticks(places, [f"{e.time / DAY:.3g}" for e in explained])
    ax.set(xlabel="checkpoint [d]", ylabel="share of living tumor cells", ylim=(0, 1))
    ax.set_title("a   by strongest cause")
    return handles


def _hatch(names: list[str], index: int) -> str:
    """Tell mutations of one origin apart, which share a colour."""
    color = cause_color(names[index])
    before = sum(cause_color(name) == color for name in names[:index])
    return ("", "//", "..", "xx", "\\\\", "++", "oo")[before % 7]


def _draw_map(ax: Axes, e: Explained, run: Run) -> None:
    """Cells as circles of their size, coloured by cause; of a 3D tissue the middle slice."""
    index = run.frame_at(e.time)
    cells = run.frame(index, ("id", "position", "radius"))
    place, radius = cells["position"], cells["radius"]
    known = dict(zip(e.ids.tolist(), e.verdict.cause.tolist(), strict=True))
    names = (*FATES, *e.verdict.put_back)
    found = [cause_color(names[known[i]]) if i in known else OTHER for i in cells["id"].tolist()]
    colors = np.array([to_rgba(color) for color in found]).reshape(-1, 4)
    if len(run.size) == 3:
        off = np.abs(place[:, 2] - run.size[2] / 2)
        cut = off < radius
        place, colors = place[cut], colors[cut]
        radius = np.sqrt(radius[cut] ** 2 - off[cut] ** 2)
    ax.add_collection(
        EllipseCollection(
            2 * radius, 2 * radius, np.zeros_like(radius), units="xy", offsets=place[:, :2],
            offset_transform=ax.transData, facecolors=colors, edgecolors="white",
            linewidths=0.15, rasterized=len(radius) > VECTOR_LIMIT,
        )
    )  # fmt: skip
    width, height = run.size[:2]
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal", xticks=[], yticks=[])
    ax.set_xlabel(f"{width:g} x {height:g} µm")
    for spine in ax.spines.values():
        spine.set(visible=True, color="0.6", linewidth=0.6)
