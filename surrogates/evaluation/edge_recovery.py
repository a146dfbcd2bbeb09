"""Does training tell false edges from true ones? Inject random edges and compare what they weigh.

Prior knowledge holds edges that are not there. If weights that explain nothing are shrunk, edges
drawn at random end with less weight than those of the scaffold they were added to. `own_ratio` asks
this of a network and measurements of the user's own, `drive_ratio` of tme-cell: its training, in a
small form, on a scaffold that the teacher does not share.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from surrogates.data.sampling import Sampling, sample
from surrogates.network.parameters import effective, random_raw
from surrogates.network.torch import MonotoneUnits
from surrogates.own_network.fit import OwnNetwork, Settings, fit
from surrogates.own_network.scaffold import build_scaffold
from surrogates.prior.edge import ROLE_OF_SIGN, Edge
from surrogates.prior.graph import Network, load_network, shipped_edges
from surrogates.teacher.model import Teacher
from surrogates.training.config import Config
from surrogates.training.optimiser import Progress, Stage, minimise
from surrogates.training.pipeline import drive_losses, joint_units

INJECTED = "injected"  # kind of the edges that were drawn
SHARE = 0.2  # as many injected edges, of those of the scaffold
SMALL = Config(
    n_members=1, steps=1000, checkpoint_every=1001, sampling=Sampling(n_trajectories=1500)
)  # of `tme-cell.toml`, what a minute or two allow


def inject(edges: Sequence[Edge], share: float, seed: int) -> list[Edge]:
    """`edges` and `share` as many random ones between the same sources and targets.

    No pair is drawn that has an edge already; signs are drawn from those of `edges`.

    Raises:
        ValueError: there are not so many pairs without an edge.
    """
    draw = np.random.default_rng(seed)
    sources, targets = (sorted({getattr(e, end) for e in edges}) for end in ("source", "target"))
    existing = {(edge.source, edge.target) for edge in edges}
    wanted = round(share * len(existing))
    free = [(a, b) for a in sources for b in targets if a != b and (a, b) not in existing]
    if wanted > len(free):
        msg = f"{wanted} edges are to be injected, but only {len(free)} pairs have none"
        raise ValueError(msg)
    pairs = [free[k] for k in draw.choice(len(free), wanted, replace=False)]
    signs = draw.choice([edge.sign for edge in edges], wanted)
    return [
        *edges,
        *(
            Edge(a, b, int(s), ROLE_OF_SIGN[int(s)], kind=INJECTED)
            for (a, b), s in zip(pairs, signs, strict=True)
        ),
    ]


def own_ratio(
    edges: Sequence[Edge],
    inputs: np.ndarray,
    measured: np.ndarray,
    network: Network,
    settings: Settings,
    seed: int,
) -> tuple[float, float]:
    """`injected_ratio` before and after a fit on all conditions.

    Args:
        edges: the table of which `network` is the scaffold.
        inputs: (n, n_inputs) as `own_network.fit` takes them.
        measured: (n, n_readouts).
        network: names its inputs and readouts.
        settings: of the fit; without a linear part the scaffold has to explain all.
        seed: of the edges that are drawn.
    """
    in_scaffold = {(e.source, e.target) for unit in network.edges for e in unit}
    more = inject([e for e in edges if (e.source, e.target) in in_scaffold], SHARE, seed)
    mixed = build_scaffold(more, network.inputs, network.outputs).network
    before = fit(mixed, inputs, measured, replace(settings, steps=0))
    return injected_ratio(before), injected_ratio(fit(mixed, inputs, measured, settings))


def drive_ratio(config: Config = SMALL, progress: Progress | None = None) -> dict[str, float]:
    """Mean |weight| of random edges in tme-cell's scaffold over that of the shipped ones.

    The regression of drives that tme-cell is trained by, on samples of the teacher, which knows
    nothing of the injected edges. Returns the ratio `before` and `after` training.
    """
    shipped = shipped_edges()
    extra = inject(shipped, SHARE, config.seed)[len(shipped) :]
    network = load_network(extra)
    rows = sample(Teacher(), config.sampling)
    report = progress or (lambda _what, _share: None)
    first = random_raw(network, config.n_members, config.seed, joint_units(network, config))
    units = MonotoneUnits(network, first)
    loss = drive_losses(units, network, rows, config)
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(
            "drives",
            config.steps,
            config.learning_rate,
            Path(folder) / "checkpoint",
            config.checkpoint_every,
        )
        minimise(units, lambda step: {"drives": loss(step)}, stage, network.n_parents, report)
    raw = units.raw()
    unit, column = np.nonzero(np.arange(network.parent.shape[1]) < network.n_parents[:, None])
    sizes = {
        when: np.abs(effective(found, network).weight).mean(axis=(0, -1))[unit, column]
        for when, found in (("before", first), ("after", raw))
    }
    return {when: _ratio(network, unit, column, size) for when, size in sizes.items()}


def injected_ratio(model: OwnNetwork) -> float:
    """Mean |weight| of injected edges over that of the others, all members together."""
    wiring = model.members[0].wiring
    size = np.mean(
        [member.acting()[0].detach().abs().mean(dim=1).numpy() for member in model.members], axis=0
    )
    return _ratio(model.network, wiring.unit, wiring.column, size)


def _ratio(network: Network, unit: np.ndarray, column: np.ndarray, size: np.ndarray) -> float:
    """Of `size` (n_edges,), where edges are given by their place in the tables."""
    edges = [network.edges[i][k] for i, k in zip(unit, column, strict=True)]
    injected = np.array([edge.kind == INJECTED for edge in edges])
    if not injected.any() or injected.all():
        msg = "the network needs both injected edges and others"
        raise ValueError(msg)
    return float(size[injected].mean() / size[~injected].mean())
