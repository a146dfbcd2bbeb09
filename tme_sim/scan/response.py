"""How tumors of a scan responded: bands of burden over seeds, changes from baseline, survival."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

BAND = (0.1, 0.5, 0.9)  # quantiles over seeds
EVENT = "_event"  # what time to progression adds to its column's name
SURVIVAL = ("outcome", "arm", "day", "survival", "low", "high", "at_risk", "log_rank_p")


def changes(courses: pd.DataFrame) -> pd.DataFrame:
    """Courses from the first dose on, with the change from baseline [%].

    Columns: arm, seed, day (since the first dose, or since the start where none was given),
    change.
    """
    parts = []
    for (arm, seed), course in courses.groupby(["arm", "seed"], sort=False):
        first = course["first_dose"].iloc[0]
        first = 0.0 if pd.isna(first) else float(first)
        day, cells = course["day"].to_numpy(), course["burden"].to_numpy()
        baseline = max(int(np.searchsorted(day, first + 1e-9, side="right")) - 1, 0)
        if cells[baseline] > 0:
            share = 100.0 * (cells[baseline:] / cells[baseline] - 1.0)
            columns = {"arm": arm, "seed": seed, "day": day[baseline:] - first, "change": share}
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else _empty("arm seed day change")


def responses(courses: pd.DataFrame) -> pd.DataFrame:
    """Best (lowest) and last change of every run after its baseline [%]: arm, seed, best, last."""
    table = changes(courses)
    after = table[table.duplicated(["arm", "seed"])]
    runs = after.groupby(["arm", "seed"], sort=False)["change"]
    return runs.agg(best="min", last="last").reset_index()


def bands(courses: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of burden over seeds by arm and day: arm, day, n, low, median, high.

    A run that ended before others of its arm counts with its last burden from then on.
    """
    parts = []
    for arm, runs in courses.groupby("arm", sort=False):
        by_seed = runs.pivot_table("burden", index="day", columns="seed").ffill()
        low, median, high = by_seed.quantile(BAND, axis=1).to_numpy()
        columns = {"arm": arm, "day": by_seed.index, "n": by_seed.shape[1]}
        parts.append(pd.DataFrame({**columns, "low": low, "median": median, "high": high}))
    return pd.concat(parts, ignore_index=True) if parts else _empty("arm day n low median high")


def survival(table: pd.DataFrame, outcomes: Sequence[str]) -> pd.DataFrame:
    """Kaplan-Meier curves of every time to progression by arm, with 95 % intervals: SURVIVAL.

    ``log_rank_p`` compares all arms of an outcome (NaN with one arm or without an event).
    """
    timed = [name for name in outcomes if name + EVENT in table]
    if not timed:  # the library takes seconds to load
        return _empty(" ".join(SURVIVAL))
    from lifelines import KaplanMeierFitter  # an extra, two seconds
    from lifelines.statistics import multivariate_logrank_test  # an extra

    parts = []
    for name in timed:
        known = table.dropna(subset=[name])
        days, event = known[name], known[name + EVENT].astype(bool)
        p = np.nan
        if known["arm"].nunique() > 1 and event.any():
            p = float(multivariate_logrank_test(days, known["arm"], event).p_value)
        for arm, runs in known.groupby("arm", sort=False):
            fit = KaplanMeierFitter().fit(runs[name], runs[name + EVENT].astype(bool))
            interval = fit.confidence_interval_.to_numpy()
            columns = {
                "outcome": name,
                "arm": arm,
                "day": fit.survival_function_.index,
                "survival": fit.survival_function_.iloc[:, 0].to_numpy(),
                "low": interval[:, 0],
                "high": interval[:, 1],
                "at_risk": fit.event_table["at_risk"].to_numpy(),
                "log_rank_p": p,
            }
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True) if parts else _empty(" ".join(SURVIVAL))


def as_numbers(column: pd.Series) -> pd.Series | None:
    """A column of results as numbers, NaN where there is none or it is infinite; None of texts."""
    if column.map(lambda value: isinstance(value, str)).any():
        return None
    found: pd.Series = column.astype(float).replace([np.inf, -np.inf], np.nan)
    return found


def _empty(names: str) -> pd.DataFrame:
    return pd.DataFrame(columns=names.split())
