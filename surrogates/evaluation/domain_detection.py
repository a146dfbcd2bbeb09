"""Draw situations outside training in which every single input lies inside its range.

Each starts from a situation like those of training, so that only the combination is new.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

from surrogates.channels import GENOTYPES, INPUT_CHANNELS, INPUTS, SURROUNDINGS
from surrogates.data.conditions import DRUGS, LIGANDS, Courses, draw_courses, draw_doses
from surrogates.occupancy import SHIPPED_TABLE

LIGAND_DECADES = 2.0  # below the upper end of a range
Situations = tuple[np.ndarray, np.ndarray, np.ndarray]  # inputs, genotype, cell type


def _many_drugs(rng: np.random.Generator, courses: Courses, count: int) -> None:
    """`count` drugs at once; training has three at most, or four targets."""
    inputs = courses.inputs[0]
    inputs[:, len(SURROUNDINGS) :] = many_drugs(rng, courses.genotype, count)


def many_drugs(rng: np.random.Generator, genotype: np.ndarray, count: int) -> np.ndarray:
    """Occupancies (n, n_targets) under `count` drugs at once, each from K to a thousand of it."""
    n = len(genotype)
    chosen = rng.random((n, len(DRUGS))).argsort(axis=1).argsort(axis=1) < count
    doses = np.maximum(draw_doses(rng, n), SHIPPED_TABLE.lowest_halves)
    return SHIPPED_TABLE.occupancy(np.where(chosen, doses, 0.0), genotype)


def _all_ligands(rng: np.random.Generator, courses: Courses) -> None:
    """Every ligand far above its level in tissue."""
    everyone = np.ones(len(courses.genotype), bool)
    for name in LIGANDS:
        _put(rng, courses.inputs[0], name, everyone, LIGAND_DECADES)


def _eight_alterations(rng: np.random.Generator, courses: Courses) -> None:
    """Training has four at most."""
    order = rng.random((len(courses.genotype), len(GENOTYPES))).argsort(axis=1).argsort(axis=1)
    courses.genotype[:] = ((order < 8) << np.arange(len(GENOTYPES))).sum(axis=1)


def _put(
    rng: np.random.Generator, inputs: np.ndarray, name: str, rows: np.ndarray, decades: float
) -> None:
    channel = INPUTS.index(name)
    level = INPUT_CHANNELS[channel].high * 10.0 ** -rng.uniform(0.0, decades, len(inputs))
    inputs[:, channel] = np.where(rows, level, 0.0)


CHANGES: dict[str, Callable[[np.random.Generator, Courses], None]] = {
    "eight drugs": lambda rng, courses: _many_drugs(rng, courses, 8),
    "six drugs": lambda rng, courses: _many_drugs(rng, courses, 6),
    "all ligands": _all_ligands,
    "eight alterations": _eight_alterations,
}


def outside_situations(rng: np.random.Generator, n: int) -> dict[str, Situations]:
    """`n` situations of each kind of CHANGES."""
    found = {}
    for name, change in CHANGES.items():
        courses = draw_courses(rng, n, 1)
        change(rng, courses)
        for channel in (INPUTS.index(n) for n in LIGANDS):  # clear of the border
            column = courses.inputs[0][:, channel]
            np.minimum(column, 0.95 * INPUT_CHANNELS[channel].high, out=column)
        found[name] = (courses.inputs[0], courses.genotype, courses.cell_type)
    return found


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Probability that a score is larger outside than inside, ties counted half."""
    ranks = rankdata(np.concatenate([inside, outside]))[len(inside) :]
    return float((ranks.mean() - 0.5 * (len(outside) + 1)) / len(inside))


__all__ = ["CHANGES", "auroc", "many_drugs", "outside_situations"]
