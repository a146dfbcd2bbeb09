"""Paired intervals are those of the t test on differences, beside those of Welch's test."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tme_sim.scan.paired import differences


def table(arms, seeds):
    parts = [pd.DataFrame({"arm": a, "seed": seeds, "burden": v}) for a, v in arms.items()]
    return pd.concat(parts)


def test_intervals_are_those_of_the_two_t_tests():
    luck, other = np.random.default_rng(1).normal(100.0, 20.0, (2, 12))
    high = luck + 0.2 * other
    found = differences(table({"low": luck, "high": high}, range(12)), ["burden"], "low").iloc[0]

    paired = stats.ttest_rel(high, luck).confidence_interval()
    welch = stats.ttest_ind(high, luck, equal_var=False).confidence_interval()

    assert (found["low"], found["high"]) == pytest.approx(tuple(paired))
    assert (found["unpaired_low"], found["unpaired_high"]) == pytest.approx(tuple(welch))
    assert found["width_ratio"] == pytest.approx(np.ptp(paired) / np.ptp(welch))
    gain = (high.var(ddof=1) + luck.var(ddof=1)) / (high - luck).var(ddof=1)
    assert found["variance_reduction"] == pytest.approx(gain)


def test_pairs_are_seeds_that_both_arms_have():
    first = table({"a": [1.0, 2.0, 3.0]}, [1, 2, 3])
    second = table({"b": [9.0, 8.0, 5.0]}, [4, 3, 2])

    found = differences(pd.concat([first, second]), ["burden"], "a").iloc[0]

    assert found["n_pairs"] == 2
    assert found["difference"] == np.mean([5.0 - 2.0, 8.0 - 3.0])


def test_the_same_difference_in_every_pair_has_no_width():
    found = differences(table({"a": [1.0, 5.0], "b": [2.0, 6.0]}, [1, 2]), ["burden"], "a").iloc[0]

    assert (found["low"], found["high"], found["width_ratio"]) == (1.0, 1.0, 0.0)
    assert found["variance_reduction"] == np.inf
