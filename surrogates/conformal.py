"""Intervals that hold their promise on drug pairs that training never saw (split conformal).

For a node, an output or the net growth rate y of a cell that runs freely, with the ensemble's
trajectory y_hat and the spread s of its members run freely,

    score = |y - y_hat| / (s + scale),    interval = y_hat +- q (s + scale),

where q is the ceil((n + 1) level)-th smallest of the n scores met under the held-out pairs and
`scale` the root mean square error there: q alone would blow up where members happen to agree.

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

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surrogates.channels import INPUTS, NODES, OUTPUTS, find
from surrogates.datasets.conditions import DRUGS, HELD_OUT_PAIRS, Courses, draw_courses
from surrogates.phenotype import net_growth_rate
from surrogates.registry import load_card

GROWTH = "growth_rate_net"
NAMES = (*NODES, *OUTPUTS, GROWTH)
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
BAND = (0.87, 0.93)  # coverage that a 90 % interval may have on new perturbations
N_COURSES = 1200
N_TESTED = 2  # pairs that are kept from calibration in turn, of five
DIGITS = 5  # significant, of what is stored
NO_PAIR = -1


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
        return np.interp(level, LEVELS, self.quantiles[row]) * (spread + self.scale[row])

    def stored(self) -> dict:
        """As an entry of the card: scale first, then the quantile of each level."""
        table = np.column_stack([self.scale, self.quantiles])
        rows = {name: [float(f"{v:.{DIGITS}g}") for v in row]
                for name, row in zip(NAMES, table, strict=True)}
        return {"levels": list(LEVELS), "rows": rows}


def load_intervals(folder: Path, weights_hash: str) -> Intervals | None:
    """The intervals in the card of these weights; None where there is no card or none in it."""
    try:
        card = load_card(folder)
    except FileNotFoundError:
        return None
    stored = card.get("intervals")
    if stored is None or card["hash"] != weights_hash:
        return None
    if tuple(stored["levels"]) != LEVELS or set(stored["rows"]) != set(NAMES):
        msg = f"{folder}: the card's intervals are of another version; evaluate the weights again"
        raise ValueError(msg)
    table = np.array([stored["rows"][name] for name in NAMES])
    return Intervals(table[:, 0], table[:, 1:])


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Errors and spread of free runs under held-out pairs, (n_times, n_cells, n_names)."""

    error: np.ndarray
    spread: np.ndarray
    competent: np.ndarray  # bool (n_cells, n_names): a silent unit is right for free
    pair: np.ndarray  # (n_cells,), number of the cell's pair

    def columns(self, cells: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Name by name: its number, errors and spreads of the competent ones among `cells`."""
        for k in range(len(NAMES)):
            rows = cells & self.competent[:, k]
            yield k, self.error[:, rows, k].ravel(), self.spread[:, rows, k].ravel()


def held_out_errors(model, teacher, seed: int, n_courses: int = N_COURSES) -> HeldOut:
    """Run the ensemble, its members and the teacher for 72 h under the held-out pairs."""
    from surrogates.evaluate import follow  # evaluate calibrates what it measures

    courses = draw_courses(np.random.default_rng([seed, 90]), n_courses, 4, held_out=True)
    pair = pair_of(courses)
    met = pair != NO_PAIR
    courses = Courses(courses.cell_type[met], courses.genotype[met], courses.kind[met],
                      np.ascontiguousarray(courses.inputs[:, met]))
    truth, found = (_all_names(follow(m, courses)) for m in (teacher, model))
    members = [_all_names(follow(model.member(m), courses)) for m in range(model.raw.n_members)]
    competent = model.network.competence[courses.cell_type] > 0.0
    grows = np.ones((len(competent), 1), bool)
    return HeldOut(np.abs(found - truth), np.std(members, axis=0),
                   np.concatenate([competent, grows], axis=1), pair[met])


def pair_of(courses: Courses) -> np.ndarray:
    """Number of the held-out pair that each cell meets; NO_PAIR where no drug came."""
    met = courses.inputs[..., [INPUTS.index(name) for name in DRUGS]].max(axis=0) > 0.0
    pair = np.full(len(met), NO_PAIR)
    for number, names in enumerate(HELD_OUT_PAIRS):
        pair[met[:, [DRUGS.index(name) for name in names]].any(axis=1)] = number
    return pair


def _all_names(course) -> np.ndarray:
    growth = net_growth_rate(course.outputs)[..., None]
    return np.concatenate([course.nodes, course.outputs, growth], axis=-1)


def calibrate(held: HeldOut, cells: np.ndarray) -> Intervals:
    """Intervals from some cells (bool mask); a name that none of them has gets infinite ones."""
    scale = np.zeros(len(NAMES))
    quantiles = np.full((len(NAMES), len(LEVELS)), np.inf)
    for k, error, spread in held.columns(cells):
        if error.size:
            scale[k] = max(np.sqrt((error**2).mean()), np.finfo(np.float32).tiny)
            quantiles[k] = conformal_quantiles(error / (spread + scale[k]))
    return Intervals(scale, quantiles)


def conformal_quantiles(scores: np.ndarray) -> np.ndarray:
    """The ceil((n + 1) level)-th smallest score of every level; the largest where n is too few."""
    ranks = np.ceil((scores.size + 1) * np.array(LEVELS)).astype(int)
    return np.sort(scores)[np.minimum(ranks, scores.size) - 1]


def coverage_scores(held: HeldOut, level: float = 0.9) -> dict:
    """Coverage on pairs that calibration did not see, over all ways of keeping N_TESTED apart.

    `by_name` is the mean over splits; names whose error is nil everywhere are not scored.
    `width` is that of the intervals relative to ones of constant width with the same promise.
    """
    shares, widths = [], []
    for tested in itertools.combinations(range(len(HELD_OUT_PAIRS)), N_TESTED):
        test = np.isin(held.pair, tested)
        share, width = _split_scores(held, ~test, test, level)
        shares.append(share)
        widths.append(width)
    by_name = np.nanmean(shares, axis=0)
    moving = np.flatnonzero(np.sqrt((held.error**2).mean(axis=(0, 1))) > 1e-9)
    splits = np.nanmean(np.array(shares)[:, moving], axis=1)
    inside = (by_name >= BAND[0]) & (by_name <= BAND[1])
    return {
        "level": level,
        "coverage": float(np.nanmean(by_name[moving])),
        "coverage_of_splits": [float(splits.min()), float(splits.max())],
        "names_in_band": float(inside[moving].mean()),
        "width": float(np.nanmedian(np.array(widths)[:, moving])),
        "by_name": {NAMES[k]: round(float(by_name[k]), 4) for k in moving},
    }


def _split_scores(held: HeldOut, known: np.ndarray, test: np.ndarray, level: float):
    """Coverage and relative width (n_names,) of intervals calibrated on `known` cells."""
    intervals = calibrate(held, known)
    constant = {k: np.quantile(error, level) for k, error, _ in held.columns(known) if error.size}
    coverage, width = np.full((2, len(NAMES)), np.nan)
    for k, error, spread in held.columns(test):
        if error.size and k in constant:
            half = intervals.half_width(NAMES[k], spread, level)
            coverage[k] = (error <= half).mean()
            width[k] = half.mean() / max(constant[k], np.finfo(np.float32).tiny)
    return coverage, width


__all__ = ["HeldOut", "Intervals", "calibrate", "coverage_scores", "held_out_errors",
           "load_intervals"]
