"""Mutation at divisions, and Luria-Delbruck standing clones."""

import numpy as np
import pytest

from tests.processes.coupled import clock, coupling, pending, run
from tests.reference.bodies import population
from tme_sim.compute.random import initial_id
from tme_sim.processes import mutation
from tme_sim.processes.mutation import clone_sizes, standing_clones


def mutate(cells, rows, rates, tick=0):
    given = pending(cells, born=rows)
    coupled = coupling(mutation_rates=rates)
    return run(mutation, cells, given=given, coupled=coupled, at=clock(tick)).mutants


def test_daughters_mutate_at_the_rate_and_once_each():
    cells = population(40_000, genotype=1)
    found = mutate(cells, slice(10_000, 40_000), {2: 0.01, 5: 0.03}, tick=4)
    bits = np.array([mutant.bit for mutant in found])
    assert (bits == 2).sum() == pytest.approx(300, abs=70)
    assert (bits == 5).sum() == pytest.approx(900, abs=120)
    rows = [mutant.row for mutant in found]
    assert rows == sorted(set(rows))
    assert min(rows) >= 10_000
    assert all(cells["genotype"][m.row] == 1 | 1 << m.bit for m in found)
    assert (np.delete(cells["genotype"], rows) == 1).all()


def test_a_mutation_that_is_there_is_not_gained_again():
    cells = population(100, genotype=1 << 3)
    assert mutate(cells, slice(0, 100), {3: 1.0}) == ()


def test_without_rates_nobody_mutates():
    cells = population(100)
    assert mutate(cells, slice(0, 100), {3: 0.0}) == ()


@pytest.mark.parametrize(
    ("m", "shares", "tail"),
    [
        (0.5, (0.60653, 0.15163, 0.06950, 0.03949, 0.02527, 0.01746), 0.05403),
        (1.0, (0.36788, 0.18394, 0.10730, 0.06898, 0.04745, 0.03433), 0.11543),
    ],
)
def test_mutant_numbers_are_luria_delbrueck(m, shares, tail):
    """C1 of the published cases: p0 ... p5 and P(r >= 10) of a whole tumor's mutants."""
    numbers = np.array([clone_sizes(m / 1e9, 1e9, bit=2, seed=seed).sum() for seed in range(8000)])
    for r, share in enumerate(shares):
        assert np.mean(numbers == r) == pytest.approx(share, abs=4 * np.sqrt(share / 8000))
    assert np.mean(numbers >= 10) == pytest.approx(tail, abs=4 * np.sqrt(tail / 8000))


def test_a_patch_is_a_sample_of_the_tumor():
    ids = initial_id(0, np.arange(2000))
    for seed in range(20):
        sizes = clone_sizes(3e-3, 1e6, bit=2, seed=seed)
        clones = standing_clones(ids, represents=1e6, rate=3e-3, bit=2, seed=seed)
        share = min(sizes.sum() / 1e6, 1.0)
        assert np.mean(clones >= 0) == pytest.approx(share, abs=4.5 * np.sqrt(0.25 / 2000))
        largest = np.argmax(sizes)
        assert np.mean(clones == largest) == pytest.approx(sizes.max() / 1e6, abs=0.05)


def test_standing_clones_belong_to_the_seed():
    ids = initial_id(0, np.arange(500))
    one, again, other = (
        standing_clones(ids, represents=1e9, rate=1e-4, bit=2, seed=s) for s in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_no_rate_no_clone():
    ids = initial_id(0, np.arange(5))
    assert (standing_clones(ids, represents=1e9, rate=0.0, bit=2, seed=1) == -1).all()
