"""Measure the response to drugs: growth rates against control, combinations against no interaction.

Growth with and without drug is compared by rates, so that division times drop out: GR (Hafner 2016,
doi:10.1038/nmeth.3853) and DIP (Harris 2016, doi:10.1038/nmeth.3852).

An effect is a surviving share or another response that falls from 1 without drug to 0. Combinations
in a run come out of the network; these references say whether what came out is more than expected.

    Bliss    E = E1 E2                          independent action (Bliss 1939)
    HSA      E = min(E1, E2)                    the better of the two alone
    Loewe    d1 / D1(E) + d2 / D2(E) = 1        one drug in place of the other (Loewe 1926)

with D(E) the dose that alone has the effect E. A drug combined with itself is additive after Loewe,
and after Loewe only. Review: Greco 1995, Pharmacol Rev 47:331.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from tme_sim.scenario.units import DAY

NARROW = 1e-12  # of the range of effects, between which and its ends Loewe's is sought


@dataclass(frozen=True)
class HillCurve:
    """Effect of one drug alone: E(d) = E0 + (Emax - E0) d^h / (C^h + d^h).

    Attributes:
        exponent: h.
        half_dose: C, in the unit of the dose.
        start, end: E0 and Emax, with Emax below E0.
    """

    exponent: float
    half_dose: float
    start: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        if not (self.exponent > 0 and self.half_dose > 0 and self.end < self.start):
            msg = f"{self}: exponent and half_dose must be positive, and end below start"
            raise ValueError(msg)

    def effect(self, dose: float | np.ndarray) -> float | np.ndarray:
        """Effect of a dose."""
        power = np.asarray(dose, float) ** self.exponent
        share: np.ndarray = power / (self.half_dose**self.exponent + power)
        return self.start + (self.end - self.start) * share

    def dose(self, effect: float) -> float:
        """Dose of an effect; infinite where the drug alone never gets there."""
        if effect <= self.end:
            return math.inf
        share = max(self.start - effect, 0.0) / (effect - self.end)
        return self.half_dose * math.pow(share, 1.0 / self.exponent)


def bliss(first: float | np.ndarray, second: float | np.ndarray) -> float | np.ndarray:
    """Effect expected of drugs that act independently, from the effects of each alone."""
    return np.multiply(first, second)


def highest_single_agent(
    first: float | np.ndarray, second: float | np.ndarray
) -> float | np.ndarray:
    """The stronger of the two effects alone."""
    return np.minimum(first, second)


def loewe(curves: tuple[HillCurve, HillCurve], doses: tuple[float, float]) -> float:
    """Effect expected of two drugs where one can stand in for the other.

    Args:
        curves: effect of each drug alone; both start from the same effect.
        doses: of each, in the units of its curve.

    Raises:
        ValueError: the curves start from different effects, or a dose is negative.
    """
    (one, two), start = curves, curves[0].start
    if two.start != start or min(doses) < 0:
        msg = (
            f"both curves must start from one effect, found {start} and {two.start}, doses {doses}"
        )
        raise ValueError(msg)
    if max(doses) == 0:
        return start

    def excess(effect: float) -> float:
        pairs = zip(curves, doses, strict=True)
        return sum(dose / curve.dose(effect) for curve, dose in pairs) - 1.0

    lowest = min(one.end, two.end)
    narrow = NARROW * (start - lowest)
    return float(brentq(excess, lowest + narrow, start - narrow, xtol=narrow))


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
    return float(np.polyfit(np.asarray(time, float) / DAY, np.log2(cells), 1)[0])
