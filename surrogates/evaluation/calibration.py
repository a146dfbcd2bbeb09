"""Calibrate intervals on free runs under held-out drug pairs, and say whether they hold.

The score, the quantiles and what they promise: `intervals`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from surrogates.channels import SURROUNDINGS, TARGETS
from surrogates.contract import CellModel
from surrogates.data.conditions import HELD_OUT_PAIRS, Courses, draw_courses
from surrogates.evaluation.card import Entries
from surrogates.evaluation.free_runs import Course, follow
from surrogates.intervals import LEVELS, NAMES, Intervals
from surrogates.network.ensemble import TmeCell
from surrogates.phenotype import net_growth_rate

BAND = (0.87, 0.93)  # coverage that a 90 % interval may have on new perturbations
N_COURSES = 1200
N_TESTED = 2  # pairs that are kept from calibration in turn, of five
NO_PAIR = -1


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


def held_out_errors(
    model: TmeCell, teacher: CellModel, seed: int, n_courses: int = N_COURSES
) -> HeldOut:
    """Run the ensemble, its members and the teacher for 72 h under the held-out pairs."""
    courses = draw_courses(np.random.default_rng([seed, 90]), n_courses, 4, held_out=True)
    pair = pair_of(courses)
    treated = pair != NO_PAIR
    courses = Courses(
        courses.cell_type[treated],
        courses.genotype[treated],
        courses.kind[treated],
        np.ascontiguousarray(courses.inputs[:, treated]),
    )
    truth, found = (_all_names(follow(m, courses)) for m in (teacher, model))
    members = [_all_names(follow(model.member(m), courses)) for m in range(model.raw.n_members)]
    competent = model.network.competence[courses.cell_type] > 0.0
    grows = np.ones((len(competent), 1), bool)
    return HeldOut(
        np.abs(found - truth),
        np.std(members, axis=0),
        np.concatenate([competent, grows], axis=1),
        pair[treated],
    )


def pair_of(courses: Courses) -> np.ndarray:
    """Number of the held-out pair that each cell meets; NO_PAIR where no drug came."""
    met = courses.inputs[..., len(SURROUNDINGS) :].max(axis=0) > 0.0
    pair = np.full(len(met), NO_PAIR)
    for number, names in enumerate(HELD_OUT_PAIRS):
        pair[met[:, [TARGETS.index(name) for name in names]].any(axis=1)] = number
    return pair


def _all_names(course: Course) -> np.ndarray:
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
    quantiles: np.ndarray = np.sort(scores)[np.minimum(ranks, scores.size) - 1]
    return quantiles


def coverage_scores(held: HeldOut, level: float = 0.9) -> Entries:
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


def _split_scores(
    held: HeldOut, known: np.ndarray, test: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
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
