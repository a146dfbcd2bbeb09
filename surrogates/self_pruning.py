"""Does training tell false edges from true ones? Inject random edges and compare what they weigh.

Prior knowledge holds edges that are not there. If weights that explain nothing are shrunk, edges
drawn at random end with less weight than those of the scaffold they were added to.
"""

from collections.abc import Sequence

import numpy as np

from surrogates.edge import ROLE_OF_SIGN, Edge
from surrogates.own_network import OwnNetwork

INJECTED = "injected"  # kind of the edges that were drawn


def inject(edges: Sequence[Edge], share: float, seed: int) -> list[Edge]:
    """`edges` and `share` as many random ones between the same sources and targets.

    No pair is drawn that has an edge already; signs are drawn from those of `edges`.

    Raises:
        ValueError: there are not so many pairs without an edge.
    """
    draw = np.random.default_rng(seed)
    sources, targets = (sorted({getattr(e, end) for e in edges}) for end in ("source", "target"))
    taken = {(edge.source, edge.target) for edge in edges}
    wanted = round(share * len(taken))
    free = [(a, b) for a in sources for b in targets if a != b and (a, b) not in taken]
    if wanted > len(free):
        msg = f"{wanted} edges are to be injected, but only {len(free)} pairs have none"
        raise ValueError(msg)
    pairs = [free[k] for k in draw.choice(len(free), wanted, replace=False)]
    signs = draw.choice([edge.sign for edge in edges], wanted)
    return [*edges, *(Edge(a, b, int(s), ROLE_OF_SIGN[int(s)], kind=INJECTED)
                      for (a, b), s in zip(pairs, signs, strict=True))]


def injected_ratio(model: OwnNetwork) -> float:
    """Mean |weight| of injected edges over that of the others, all members together."""
    wiring = model.members[0].wiring
    edges = [model.network.edges[i][k] for i, k in zip(wiring.unit, wiring.column, strict=True)]
    injected = np.array([edge.kind == INJECTED for edge in edges])
    if not injected.any() or injected.all():
        msg = "the network needs both injected edges and others"
        raise ValueError(msg)
    size = np.mean([member.acting()[0].detach().abs().mean(dim=1).numpy()
                    for member in model.members], axis=0)
    return float(size[injected].mean() / size[~injected].mean())
