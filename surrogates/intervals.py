"""Intervals that hold their promise on drug pairs that training never saw (split conformal).

For a node, an output or the net growth rate y of a cell that runs freely, with the ensemble's
trajectory y_hat and the spread s of its members run freely,

    score = |y - y_hat| / (s + scale),    interval = y_hat +- q (s + scale),

where q is the ceil((n + 1) level)-th smallest of the n scores met under the held-out pairs and
`scale` the root mean square error there: q alone would blow up where members happen to agree.
How they are found: `evaluation.calibration`.

What the interval is about: y is the teacher's answer, so it holds what the network learned wrongly.
What it is not: the teacher answers one situation in one way, so there is no noise in what the
network was fitted to, its aleatoric part is nil by construction, and all of an interval is
epistemic (`s`: the members disagree; `q`: they are wrong together). Noise of a measurement belongs
to the observation layer of its data set; difference between sister cells to the body, which
draws it. Whether the teacher is right, no interval here says. It holds for situations like those
of calibration: where `in_domain` is false it promises nothing.

References: Vovk 2005, Algorithmic learning in a random world; Lei 2018 J Am Stat Assoc 113:1094,
doi:10.1080/01621459.2017.1307116 (locally weighted split conformal).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from surrogates.channels import NODES, OUTPUTS, find
from surrogates.registry import CARD_FILE, load_card

GROWTH = "growth_rate_net"
NAMES = (*NODES, *OUTPUTS, GROWTH)
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
DIGITS = 5  # significant, of what is stored


class Stored(TypedDict):
    """Intervals as an entry of a card: the scale first, then the quantile of each level."""

    levels: list[float]
    rows: dict[str, list[float]]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Scale (n_names,) and quantiles of the score (n_names, n_levels), in the order of NAMES."""

    scale: np.ndarray
    quantiles: np.ndarray

    def half_width(self, name: str, spread: np.ndarray, level: float) -> np.ndarray:
        """Half the width of the interval at a level, for members that spread by `spread`."""
        row = find(name, NAMES, "node or output")
        if not LEVELS[0] <= level <= LEVELS[-1]:
            msg = f"intervals are known for levels from {LEVELS[0]} to {LEVELS[-1]}, not {level}"
            raise ValueError(msg)
        half: np.ndarray = np.interp(level, LEVELS, self.quantiles[row]) * (
            spread + self.scale[row]
        )
        return half

    def stored(self) -> Stored:
        """As an entry of the card."""
        table = np.column_stack([self.scale, self.quantiles])
        rows = {
            name: [float(f"{v:.{DIGITS}g}") for v in row]
            for name, row in zip(NAMES, table, strict=True)
        }
        return {"levels": list(LEVELS), "rows": rows}


def load_intervals(folder: Path, weights_hash: str) -> Intervals | None:
    """The intervals in the card of these weights; None where there is no card or none in it."""
    try:
        card = load_card(folder)
    except FileNotFoundError:
        return None
    stored: Stored | None = card.get("intervals")
    if stored is None or card["hash"] != weights_hash:
        return None
    try:
        fits = tuple(stored["levels"]) == LEVELS and set(stored["rows"]) == set(NAMES)
        table = np.array([stored["rows"][name] for name in NAMES], float) if fits else np.zeros(0)
    except (ValueError, TypeError, LookupError, AttributeError):
        table = np.zeros(0)
    if table.shape != (len(NAMES), 1 + len(LEVELS)):
        place = Path(folder) / CARD_FILE
        msg = f"{place}: the card's intervals are of another version; evaluate the weights again"
        raise ValueError(msg)
    return Intervals(table[:, 0], table[:, 1:])


__all__ = ["GROWTH", "Intervals", "load_intervals"]
