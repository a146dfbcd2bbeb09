"""Ask whether cells met what the network was trained on: two tests of two samples of inputs.

Both compare what cells sensed (transformed inputs, genotype bits) with situations drawn as those of
training were, of the same cell types. Kernel test, k(x, y) = exp(-|x - y|^2 / (2 w^2)) with the
median distance as w, p by permutation:

    MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)      (pairs of different members)

Classifier test: a logistic regression on features and their squares learns to tell the samples
apart; AUC on folds it did not see, 0.5 where it cannot.

How to read them: a run fills a corner of what training covers, so a difference is the rule, and a
small p no fault. It says where to look; what lies outside is counted by `in_domain`. Cells of one
run depend on each other, so the true p is larger than the one given.

References: Gretton 2012 J Mach Learn Res 13:723; Lopez-Paz 2017, Revisiting classifier two-sample
tests, ICLR, arXiv:1610.06545.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from surrogates.channels import CELL_TYPES, GENOTYPES, INPUTS
from surrogates.data.conditions import draw_courses
from surrogates.evaluation.domain_detection import auroc
from surrogates.network.domain import features

N_MOST = 500  # members of a sample that are compared
N_PERMUTATIONS = 199
N_FOLDS = 5
N_NAMED = 3  # inputs that are named
SHRINKAGE = 0.1  # of the coefficients, per row; features have variance 1
ALIKE, DISTINCT = 0.65, 0.85  # AUC: hardly above chance; told apart at a glance


@dataclass(frozen=True)
class TwoSample:
    """What the tests found."""

    mmd: float  # MMD^2, around 0 where both samples come from one source
    p_value: float
    auc: float
    most_different: tuple[str, ...]  # what differs most on its own, strongest first
    n: int

    def __str__(self) -> str:
        """One sentence."""
        word = ("look like", "differ from", "are easily told from")[
            (self.auc > ALIKE) + (self.auc > DISTINCT)
        ]
        most = f", most by {', '.join(self.most_different)}" if self.auc > ALIKE else ""
        return (
            f"{self.n} situations {word} those of training{most} (classifier AUC "
            f"{self.auc:.2f}, maximum mean discrepancy {self.mmd:.3f}, p {self._p()})"
        )

    def _p(self) -> str:
        least = 1.0 / (N_PERMUTATIONS + 1)
        return f"<= {least:.3f}" if self.p_value <= least else f"= {self.p_value:.2f}"


def two_sample(
    inputs: np.ndarray, genotype: np.ndarray, cell_type: np.ndarray, *, seed: int = 0
) -> TwoSample:
    """Compare situations with those of training.

    Args:
        inputs: what cells sensed, raw units (n, n_inputs), in the order of `channels.INPUTS`.
        genotype: int32 bits (n,).
        cell_type: codes of `channels.CELL_TYPES` (n,).
        seed: of the draw of training situations, the permutations and the folds.

    Raises:
        ValueError: fewer than 20 situations, or inputs of another number.
    """
    inputs = np.asarray(inputs, np.float32)
    if inputs.ndim != 2 or inputs.shape[1] != len(INPUTS) or len(inputs) < 4 * N_FOLDS:
        msg = (
            f"inputs have shape {inputs.shape}; a test needs at least {4 * N_FOLDS} situations "
            f"of {len(INPUTS)} inputs"
        )
        raise ValueError(msg)
    rng = np.random.default_rng([seed, 2])
    if len(inputs) > N_MOST:
        rows = rng.choice(len(inputs), N_MOST, replace=False)
        inputs, genotype, cell_type = inputs[rows], genotype[rows], cell_type[rows]
    met = features(inputs, np.asarray(genotype)).astype(float)
    trained = _training_features(rng, np.asarray(cell_type))
    mmd, p_value = kernel_test(met, trained, rng)
    return TwoSample(
        mmd,
        p_value,
        classifier_auc(met, trained, rng),
        _largest_differences(met, trained),
        len(met),
    )


def _training_features(rng: np.random.Generator, cell_type: np.ndarray) -> np.ndarray:
    """As many training situations of each cell type as there are cells of it."""
    wanted = np.bincount(cell_type, minlength=len(CELL_TYPES))
    found: list[list[np.ndarray]] = [[] for _ in CELL_TYPES]
    while any(len(rows) < n for rows, n in zip(found, wanted, strict=True)):
        courses = draw_courses(rng, 4 * int(wanted.sum()), 1)
        x = features(courses.inputs[0], courses.genotype)
        for code, rows in enumerate(found):
            rows.extend(x[courses.cell_type == code])
    matched = [rows[:n] for rows, n in zip(found, wanted, strict=True) if n]
    return np.concatenate(matched).astype(float)


def kernel_test(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """MMD^2 of two samples (n, d), (m, d), and the share of permutations that reach it."""
    both = np.concatenate([x, y])
    square = (both**2).sum(axis=1)
    distance = np.maximum(square[:, None] + square - 2.0 * both @ both.T, 0.0)
    off = ~np.eye(len(both), dtype=bool)
    kernel = np.exp(-0.5 * distance / max(np.median(distance[off]), 1e-12)) * off
    member = np.zeros((1 + N_PERMUTATIONS, len(both)))
    member[0, : len(x)] = 1.0
    for row in member[1:]:
        row[rng.permutation(len(both))[: len(x)]] = 1.0
    found = _discrepancies(kernel, member)
    return float(found[0]), float((1 + (found[1:] >= found[0]).sum()) / len(found))


def _discrepancies(kernel: np.ndarray, member: np.ndarray) -> np.ndarray:
    """MMD^2 for every row of 0/1 memberships; the kernel's diagonal is zero."""
    n = member[0].sum()
    m = len(kernel) - n
    sums = member @ kernel
    xx = (sums * member).sum(axis=1)
    xy = sums.sum(axis=1) - xx
    yy = kernel.sum() - xx - 2.0 * xy
    mmd: np.ndarray = xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2.0 * xy / (n * m)
    return mmd


def classifier_auc(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """Cross-validated AUC of a ridge-penalised logistic regression that tells x from y."""
    from sklearn.linear_model import LogisticRegression  # weight: a second of import

    both = np.concatenate([x, y])
    label = np.repeat([1.0, 0.0], [len(x), len(y)])
    both = np.concatenate([both, both**2], axis=1)
    both = (both - both.mean(axis=0)) / np.maximum(both.std(axis=0), 1e-6)
    fold = rng.permutation(len(both)) % N_FOLDS
    score = np.empty(len(both))
    for k in range(N_FOLDS):
        known = fold != k
        classifier = LogisticRegression(C=1.0 / (SHRINKAGE * known.sum()))
        found = classifier.fit(both[known], label[known]).decision_function(both[~known])
        # ranks: every fold has an intercept of its own, which a rank does not see
        score[~known] = (rankdata(found) - 0.5) / len(found)
    return auroc(score[label == 0], score[label == 1])


def _largest_differences(x: np.ndarray, y: np.ndarray) -> tuple[str, ...]:
    names = (*INPUTS, *GENOTYPES)
    differences = [abs(auroc(y[:, k], x[:, k]) - 0.5) for k in range(len(names))]
    return tuple(names[k] for k in np.argsort(differences)[::-1][:N_NAMED])


__all__ = ["TwoSample", "two_sample"]
