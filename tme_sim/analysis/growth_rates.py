"""Compare growth with and without drug: by rates, so that division times drop out.

Reference: GR: Hafner 2016, doi:10.1038/nmeth.3853; DIP: Harris 2016, doi:10.1038/nmeth.3852.
"""

import numpy as np

MINUTES_PER_DAY = 1440.0


def growth_rate_inhibition(
    initial: float | np.ndarray, control: float | np.ndarray, treated: float | np.ndarray
) -> float | np.ndarray:
    """GR = 2^(log2(treated / initial) / log2(control / initial)) - 1, in (-1, 1].

    1: no effect; 0: cells neither grow nor shrink in number; below 0: they die.

    Args:
        initial: cells when the drug is given.
        control: cells without drug at the end.
        treated: cells with drug at the end.
    """
    ratio = np.log2(np.divide(treated, initial)) / np.log2(np.divide(control, initial))
    return 2.0**ratio - 1.0


def proliferation_rate(time: np.ndarray, cells: np.ndarray) -> float:
    """Drug-induced proliferation (DIP) rate [doublings/day]: slope of log2(cells) by time [min]."""
    return float(np.polyfit(np.asarray(time, float) / MINUTES_PER_DAY, np.log2(cells), 1)[0])
