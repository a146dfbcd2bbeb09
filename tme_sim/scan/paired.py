"""Differences between arms whose replicates share their draws: paired intervals, and their gain."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.95
COLUMNS = (
    "outcome",
    "arm",
    "reference",
    "n_pairs",
    "difference",
    "low",
    "high",
    "unpaired_low",
    "unpaired_high",
    "width_ratio",
    "variance_reduction",
)


def differences(table: pd.DataFrame, outcomes: Sequence[str], reference: str) -> pd.DataFrame:
    """Difference of every arm from the reference, for every numeric outcome.

    Args:
        table: Finished runs: ``arm``, ``seed`` and outcomes.
        outcomes: Names of columns; those that are no numbers are left out.
        reference: An arm.

    Returns:
        One row per outcome and arm that shares at least two seeds with the reference: COLUMNS.
        Of the n pairs with differences d the mean, its t interval of level 0.95, the interval of
        Welch's t that takes the same values as unpaired, the ratio of their widths, and

            variance_reduction = (var(arm) + var(reference)) / var(d)

        (how many times as many unpaired runs would tell the difference as well; infinite where
        all differences are the same).
    """
    numeric = [name for name in outcomes if _is_number(table[name])]
    rows = []
    for name in numeric:
        by_arm = table.pivot_table(name, index="seed", columns="arm", sort=False)
        for arm in (a for a in by_arm if a != reference and reference in by_arm):
            pairs = by_arm[[arm, reference]].dropna().to_numpy()
            if len(pairs) > 1:
                rows.append((name, arm, reference, len(pairs), *_compared(*pairs.T)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _compared(arm: np.ndarray, reference: np.ndarray) -> tuple[float, ...]:
    """Mean difference, paired and unpaired interval, ratio of widths, reduction of variance."""
    difference = arm - reference
    mean, n = float(difference.mean()), difference.size
    of_pairs = float(difference.var(ddof=1))
    each = arm.var(ddof=1) / n, reference.var(ddof=1) / n
    unpaired = float(sum(each))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1) * np.sqrt(of_pairs / n))
    freedom = unpaired**2 * (n - 1) / sum(v**2 for v in each) if unpaired > 0 else n - 1
    wide = float(stats.t.ppf(0.5 + LEVEL / 2, freedom) * np.sqrt(unpaired))
    if unpaired == 0.0:
        ratio = gain = np.nan
    else:
        ratio, gain = half / wide, n * unpaired / of_pairs if of_pairs > 0 else np.inf
    return mean, mean - half, mean + half, mean - wide, mean + wide, ratio, gain


def _is_number(column: Any) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
