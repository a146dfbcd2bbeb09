"""Draw how clones grow (Muller plot) and how cells descend (tree)."""

import itertools
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tme_sim.analysis.figures.palette import clone_color
from tme_sim.analysis.figures.style import STYLE
from tme_sim.analysis.lineage.trees import NO_PARENT, Tree, clone_sizes
from tme_sim.analysis.metrics import clone_names
from tme_sim.output.run import Run
from tme_sim.scenario.units import DAY

_NAMED = 12  # clones in the legend, the largest
_TIMES = 400  # points in time


def draw_muller(run: Run, path: str | Path) -> Path:
    """Clone sizes over time, every clone inside the one it arose in (Muller 1932).

    The band of a clone is split in two halves around those of its own clones.
    """
    metrics = run.metrics["time"].to_numpy()
    times = metrics[:: max(1, metrics.size // _TIMES)]
    sizes = clone_sizes(run, times)
    order = nested(run.clones["parent"].to_numpy())
    bands = [(k, 0.5 * len(list(halves))) for k, halves in itertools.groupby(order)]
    heights = [part * sizes.to_numpy()[:, k] for k, part in bands]
    names = clone_names(run)
    largest = np.argsort(-sizes.to_numpy().max(axis=0, initial=0.0), kind="stable")
    named = set(largest[:_NAMED].tolist())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 5), layout="constrained")
        axes = figure.subplots()
        colors = [clone_color(k) for k, _ in bands]
        drawn = axes.stackplot(times / DAY, heights, colors=colors) if bands else []
        labels = {k: area for (k, _), area in zip(bands, drawn, strict=True) if k in named}
        axes.legend(
            [labels[k] for k in sorted(labels)],
            [names[k] for k in sorted(labels)],
            title=None if labels else "no tumor cells",
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
        axes.margins(x=0.0)
        axes.set(xlabel="time [d]", ylabel="living tumor cells", title=f"{run.name}: clones")
        return _saved(figure, path)


def nested(parents: np.ndarray) -> list[int]:
    """Clone indices in the order of bands, each twice: before and after the clones within it."""
    children: dict[int, list[int]] = {}
    for clone, parent in enumerate(parents.tolist()):
        children.setdefault(parent, []).append(clone)
    order: list[int] = []
    seen: set[int] = set()
    stack = list(reversed(children.get(-1, [])))
    while stack:
        clone = stack.pop()
        order.append(clone)
        if clone not in seen:
            seen.add(clone)
            stack += [clone, *reversed(children.get(clone, []))]
    return order


def draw_tree(run: Run, tree: Tree, path: str | Path) -> Path:
    """The tree with time to the right, lines in the colours of their clones."""
    height = _heights(tree)
    clone = run.pedigree["clone"].to_numpy()[tree.cell]
    colors = [clone_color(k) if k >= 0 else "#8C8C8C" for k in clone.tolist()]
    day = tree.time / DAY, tree.start / DAY
    across = [((a, h), (b, h)) for a, b, h in zip(day[1], day[0], height, strict=True)]
    child = np.flatnonzero(tree.parent != NO_PARENT)
    down = [((day[1][k], height[tree.parent[k]]), (day[1][k], height[k])) for k in child]
    title = f"{run.name}: descent of {int(tree.leaf.sum())} cells"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 7), layout="constrained")
        axes = figure.subplots()
        axes.add_collection(LineCollection(across, colors=colors, linewidths=0.8))
        axes.add_collection(LineCollection(down, colors=[colors[k] for k in child], linewidths=0.8))
        axes.autoscale()
        axes.spines["left"].set_visible(False)
        axes.set(xlabel="time [d]", yticks=[], title=title)
        return _saved(figure, path)


def _heights(tree: Tree) -> np.ndarray:
    """Leaves one below the other, tree by tree; a split lies in the middle of its lines."""
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(tree.parent.tolist()):
        children.setdefault(parent, []).append(node)
    rank: dict[int, int] = {}
    stack = list(reversed(children.get(NO_PARENT, [])))
    while stack:
        node = stack.pop()
        if node in children:
            stack += reversed(children[node])
        else:
            rank[node] = len(rank)
    height: np.ndarray = pd.Series(rank, dtype=float).reindex(range(len(tree))).to_numpy(copy=True)
    for node in range(len(tree) - 1, -1, -1):
        if node in children:
            height[node] = np.mean(height[children[node]])
    return height


def _saved(figure: Figure, path: str | Path) -> Path:
    figure.savefig(path, dpi=130)
    return Path(path)
