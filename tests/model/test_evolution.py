"""Evolution through the whole model at constant rates, space switched off, against theory.

Every founder begins a population of its own, told apart by its founder clone; a population is cut
at N cells and leaves the dish, so that one run holds a thousand of them. Births within a tick have
no order: where a population jumps past N, which of its last births count is drawn by lot.
Cases C1, C2, C3 and C5 of the published results: Lea and Coulson 1949, doi:10.1007/BF02986080;
Iwasa, Nowak and Michor 2006, doi:10.1534/genetics.105.049791; Williams 2016, doi:10.1038/ng.3489.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import tme_sim
from surrogates.channels import GENOTYPES
from tests.model.test_population_physics import AT_ONCE, dish
from tme_sim.analysis.lineage.trees import neutral_mutations
from tme_sim.model.clones import Clone

STILL = ("mechanics", "motility", "contact", "therapy", "fields", "exchange", "sensing",
         "signaling", "arrival")  # fmt: skip
GENE = "NRAS_Q61"
BIT = 1 << GENOTYPES.index(GENE)
BIRTHS = 0.04  # expected per cell and tick: small, so that births follow one by one


class Families(NamedTuple):
    """Populations when they reached N cells: mutants in each, and who descends from whom."""

    mutants: np.ndarray
    pedigrees: list[pd.DataFrame]


def grown(n_founders, n_cells, *, u, turnover=0.0, seed=4, trees=False, births=BIRTHS):
    """Families of ``n_cells`` living cells; ``turnover`` is deaths per birth.

    Without ``trees`` the population is cut as it stands at the end of the tick.
    """
    tick = 30.0
    rates = {**AT_ONCE, "g2m_rate": births / tick}
    scenario = dish(
        n_founders,
        seed=seed,
        surrogate={"name": "constant", "rates": {"tumor": {
            **{name: f"{value!r} per min" for name, value in rates.items()
               if name != "s_duration_factor"},
            "s_duration_factor": rates["s_duration_factor"],
            "apoptosis_rate": f"{turnover * births / tick!r} per min",
        }}},
        evolution={GENE: {"rate": f"{u!r} per division"}},
        processes=dict.fromkeys(STILL, False),
    )  # fmt: skip
    model = tme_sim.TumorModel(scenario)
    model.clones[:] = [Clone(k, -1, 0, 0.0, f"family {k}") for k in range(n_founders)]
    model.population["clone"][:] = np.arange(n_founders)
    model.population["phase"][:] = 2  # G2M: the first division is as random as any other
    gather = Gather(model, n_founders, n_cells, trees=trees)
    model.on_tick(gather)
    model.run_until(lambda m: not (m.population["status"] == 0).any())
    return Families(np.array(gather.mutants), gather.pedigrees)


class Gather:
    """A hook that takes families out of the dish when they have reached their size."""

    def __init__(self, model, n_founders, n_cells, *, trees):
        self.family = list(range(n_founders))  # by clone
        self.n_founders, self.n_cells, self.trees = n_founders, n_cells, trees
        self.mutants, self.pedigrees = [], []
        self.lot = np.random.default_rng(8)
        self.births = {k: [] for k in range(n_founders)}
        self.founder = dict(enumerate(model.population["id"].tolist()))
        self.read = 0

    def __call__(self, model):
        for clone in model.clones[len(self.family) :]:
            self.family.append(self.family[clone.parent])
        family = np.array(self.family)[model.population["clone"]]
        if self.trees:
            self.note_births(model)
        alive = model.population["status"] == 0
        size = np.bincount(family[alive], minlength=self.n_founders)
        ready = np.flatnonzero(size >= self.n_cells)
        if ready.size:
            self.take(model, family, alive, ready)
            model.population.keep(~np.isin(family, ready))

    def note_births(self, model):
        for time, cell, mother, event, _, clone in model.lineage[self.read :]:
            if event == "birth":
                self.births[self.family[clone]].append((time, cell, mother))
        self.read = len(model.lineage)

    def take(self, model, family, alive, ready):
        new = model.population["birth_time"] == model.time
        mutant = (model.population["genotype"] & BIT) > 0
        for k in ready.tolist():
            rows = np.flatnonzero(alive & (family == k))
            last = rows[new[rows]]
            surplus = rows.size - self.n_cells
            dropped = self.lot.choice(last, min(surplus, last.size), replace=False)
            rows = np.setdiff1d(rows, dropped)
            self.mutants.append(int(mutant[rows].sum()))
            if self.trees:
                self.pedigrees.append(self.pedigree(k, set(model.population["id"][dropped])))

    def pedigree(self, k, dropped):
        births = [row for row in self.births.pop(k) if row[1] not in dropped]
        time, cell, mother = zip((0.0, self.founder[k], 0), *births, strict=True)
        origin = ["founder"] + ["birth"] * len(births)
        return pd.DataFrame(
            {"id": cell, "mother": mother, "birth": time, "death": np.nan, "origin": origin}
        )


def lea_coulson(m, n):
    """P(r mutants), r = 0 ... n - 1: p0 = e^-m, p_r = m / r sum_i p_i / (r - i + 1)."""
    p = [np.exp(-m)]
    for r in range(1, n):
        p.append(m / r * sum(p[i] / (r - i + 1) for i in range(r)))
    return np.array(p)


def most_likely_m(mutants, longest=400):
    """Maximum likelihood of m = u N; counts beyond ``longest`` are taken together."""
    counts = np.bincount(np.minimum(mutants, longest), minlength=longest + 1)

    def surprise(m):
        p = lea_coulson(m, longest)
        p = np.append(p, max(1.0 - p.sum(), 1e-12))
        return -(counts * np.log(p)).sum()

    return optimize.minimize_scalar(surprise, bounds=(0.05, 20.0), method="bounded").x


@pytest.fixture(scope="module")
def families():
    return grown(1000, 100, u=0.01, trees=True)


def test_mutants_are_luria_delbrueck_and_give_the_rate_back(families):
    """C1 and C2 at m = u N = 1: chi2 on r = 0 ... 9, >= 10; P(0), the median; the likelihood."""
    mutants, n = families.mutants, 1000
    assert mutants.size == n
    expected = lea_coulson(1.0, 10)
    expected = n * np.append(expected, 1.0 - expected.sum())
    observed = np.bincount(np.minimum(mutants, 10), minlength=11)
    assert stats.chisquare(observed, expected).pvalue > 0.001
    none = (1.0 - 0.01) ** 99
    assert np.mean(mutants == 0) == pytest.approx(none, abs=3 * np.sqrt(none * (1 - none) / n))
    assert np.median(mutants) == 1
    assert most_likely_m(mutants) == pytest.approx(1.0, rel=0.10)


def test_neutral_mutations_have_the_spectrum_of_exponential_growth(families):
    """C5: mu (1 / x - 1) mutations in at least a share x of the cells; mu = 10."""
    shares = np.array([0.05, 0.1, 0.2])
    found = np.array([
        neutral_mutations(table, np.inf, shares, per_division=10.0)
        for table in families.pedigrees
    ])  # fmt: skip
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    expected = 10.0 * (1.0 / shares - 1.0)  # 190, 90, 40
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - expected), 3 * error + 0.01 * expected)
    assert (error < 0.04 * expected).all()


def resistance(n_founders, n_cells, *, turnover, seed=4):
    """Share of the populations that reach N cells with a mutant in them, at N u = 1, and its SE."""
    mutants = grown(n_founders, n_cells, u=1.0 / n_cells, turnover=turnover, seed=seed).mutants
    share = np.mean(mutants > 0)
    return share, np.sqrt(share * (1.0 - share) / mutants.size)


def theory(turnover):
    """C3: 1 - exp(-N u F), F = (b / d) ln(b / (b - d)) at N u = 1."""
    factor = 1.0 if turnover == 0.0 else -np.log1p(-turnover) / turnover
    return 1.0 - np.exp(-factor)


def test_turnover_raises_the_probability_of_resistance(families):
    still = np.mean(families.mutants > 0)
    share, error = resistance(800, 60, turnover=0.5)
    assert theory(0.5) == pytest.approx(0.75)
    assert share == pytest.approx(theory(0.5), abs=3 * error + 0.01)
    assert still == pytest.approx(theory(0.0), abs=3 * np.sqrt(0.2325 / 1000) + 0.01)
    assert share - still > 3 * np.hypot(error, np.sqrt(0.2325 / 1000))


@pytest.mark.validation
def test_mutation_rate_at_three_mutations_per_population():
    """C1: maximum likelihood within 10 % at m = 3, 2000 populations; chi2 at N = 500."""
    mutants = grown(2000, 500, u=3.0 / 500).mutants
    assert most_likely_m(mutants) == pytest.approx(3.0, rel=0.10)
    expected = lea_coulson(3.0, 10)
    expected = 2000 * np.append(expected, 1.0 - expected.sum())
    observed = np.bincount(np.minimum(mutants, 10), minlength=11)
    assert stats.chisquare(observed, expected).pvalue > 0.001


@pytest.mark.validation
@pytest.mark.parametrize("turnover", [0.0, 0.25, 0.5, 0.75])
def test_resistance_over_turnover_in_large_populations(turnover):
    """C3 at N = 400."""
    share, error = resistance(round(1000 / (1.0 - turnover)), 400, turnover=turnover)
    assert share == pytest.approx(theory(turnover), abs=3 * error + 0.01)
