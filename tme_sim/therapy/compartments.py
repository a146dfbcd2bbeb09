"""Course of a drug in the body: one to three compartments, doses by mouth or into a vein.

With amounts a [mg] in gut, centre and peripheral compartments, and an infusion of rate r,

    da_gut/dt    = -ka a_gut
    da_centre/dt = ka a_gut + r - (CL / V) a_centre + sum_k Q_k (a_k / V_k - a_centre / V)
    da_k/dt      = Q_k (a_centre / V - a_k / V_k)
    dAUC/dt      = a_centre / V

The equations are linear: between doses the solution is a matrix exponential, exact for any time
step, and the mean of a time step is the rise of AUC over it (the distribution of a drug takes
minutes, less than a tick). Reference: Gabrielsson & Weiner, Pharmacokinetic and Pharmacodynamic
Data Analysis (2006).
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tme_sim.scenario.drugs import DrugSpec

GUT, CENTRE = 0, 1
N_TERMS = 18  # of a Taylor sum at a norm of 1/2: the rest is below 1e-22

UNITS = {
    "clearance": "L/min",
    "central_volume": "L",
    "intercompartmental_clearance": "L/min",
    "peripheral_volume": "L",
    "second_intercompartmental_clearance": "L/min",
    "second_peripheral_volume": "L",
    "absorption_rate": "1/min",
    "bioavailability": "1",
}


@dataclass(frozen=True)
class Compartments:
    """Constants of a drug's course in the body.

    Attributes:
        clearance: [L/min].
        central_volume: [L].
        peripheral: (intercompartmental clearance [L/min], volume [L]) of each further compartment.
        absorption_rate: From the gut [1/min]; None: the drug cannot be given by mouth.
        bioavailability: Share of an oral dose that is absorbed.
    """

    clearance: float
    central_volume: float
    peripheral: tuple[tuple[float, float], ...] = ()
    absorption_rate: float | None = None
    bioavailability: float = 1.0

    @classmethod
    def of(cls, drug: DrugSpec) -> "Compartments":
        """Those of a drug of a scenario or the catalogue."""
        return cls.from_values({name: getattr(drug, name) for name in UNITS})

    @classmethod
    def from_values(cls, values: Mapping[str, float | None]) -> "Compartments":
        """From constants in the units of ``UNITS``; what is absent or None is not there."""
        exchange = (
            (values.get("intercompartmental_clearance"), values.get("peripheral_volume")),
            (
                values.get("second_intercompartmental_clearance"),
                values.get("second_peripheral_volume"),
            ),
        )
        share = values.get("bioavailability")
        clearance, central_volume = values["clearance"], values["central_volume"]
        if clearance is None or central_volume is None:
            msg = "the course of a drug needs a clearance and a central volume"
            raise ValueError(msg)
        return cls(
            clearance=clearance,
            central_volume=central_volume,
            peripheral=tuple((q, v) for q, v in exchange if q is not None and v is not None),
            absorption_rate=values.get("absorption_rate"),
            bioavailability=1.0 if share is None else share,
        )

    @functools.cached_property
    def matrix(self) -> np.ndarray:
        """Rates of change of (gut, centre, peripherals..., AUC, infusion), per their amounts.

        The infusion rate is the last component: it feeds the centre and stays as it is.
        """
        n = len(self.peripheral) + 4
        matrix = np.zeros((n, n))
        absorption = self.absorption_rate or 0.0
        matrix[GUT, GUT] = -absorption
        matrix[CENTRE, GUT] = absorption
        matrix[CENTRE, CENTRE] = -self.clearance / self.central_volume
        for k, (exchange, volume) in enumerate(self.peripheral, start=CENTRE + 1):
            matrix[CENTRE, CENTRE] -= exchange / self.central_volume
            matrix[CENTRE, k] = exchange / volume
            matrix[k, CENTRE] = exchange / self.central_volume
            matrix[k, k] = -exchange / volume
        matrix[-2, CENTRE] = 1.0 / self.central_volume
        matrix[CENTRE, -1] = 1.0
        return matrix


@functools.lru_cache(maxsize=256)
def _propagator(compartments: Compartments, duration: float) -> np.ndarray:
    """Exact step of a duration [min]; kept, because most steps are whole ticks."""
    return exponential(compartments.matrix * duration)


def exponential(matrix: np.ndarray) -> np.ndarray:
    """exp of a small matrix by scaling to a norm of 1/2, Taylor's sum and squaring.

    Its sums have a fixed order. Those of scipy's expm are the order of the BLAS that is installed,
    which differs in the last bits from processor to processor. Reference: Moler and Van Loan 2003,
    doi:10.1137/S00361445024180, method 3.
    """
    norm = float(np.abs(matrix).sum(axis=0).max())
    n_squarings = max(0, math.frexp(norm)[1] + 1)
    scaled = matrix / 2.0**n_squarings
    term = result = np.eye(len(matrix))
    for k in range(1, N_TERMS + 1):
        term = product(term, scaled) / k
        result = result + term
    for _ in range(n_squarings):
        result = product(result, result)
    return result


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left @ right (n, n) or (n,), added from the first column on."""
    total = np.zeros_like(right)
    for k in range(len(right)):
        column = left[:, k] if right.ndim == 1 else left[:, k, None]
        total = total + column * right[k]
    return total


class Body:
    """Amounts of one drug in one patient, advanced exactly from dose to dose."""

    def __init__(self, compartments: Compartments) -> None:
        self.compartments = compartments
        self.amounts = np.zeros(len(compartments.matrix))
        self.infusions: list[tuple[float, float]] = []  # (rate [mg/min], end [min])
        self.given = 0.0  # [mg], absorbed share of oral doses, infusions as they run

    @property
    def concentration(self) -> float:
        """Total concentration in plasma [mg/L]."""
        return float(self.amounts[CENTRE] / self.compartments.central_volume)

    @property
    def stored(self) -> float:
        """Amount in gut and compartments [mg]."""
        return float(self.amounts[:-2].sum())

    @property
    def cleared(self) -> float:
        """Amount that has left the body [mg]."""
        return float(self.compartments.clearance * self.amounts[-2])

    def give(self, dose: float, *, route: str, infusion: float = 0.0, time: float = 0.0) -> None:
        """Start a dose [mg] at a time [min]: by mouth, as a bolus, or as an infusion [min]."""
        if route == "oral":
            self.amounts[GUT] += dose * self.compartments.bioavailability
            self.given += dose * self.compartments.bioavailability
        elif infusion > 0.0:
            self.infusions.append((dose / infusion, time + infusion))
        else:
            self.amounts[CENTRE] += dose
            self.given += dose

    def advance(self, time: float, end: float) -> float:
        """Advance from a time to another [min]; the rise of AUC [mg min / L] on the way."""
        before = self.amounts[-2]
        while time < end:
            self.infusions = [(rate, stop) for rate, stop in self.infusions if stop > time]
            until = min([end, *(stop for _, stop in self.infusions)])
            self.amounts[-1] = sum(rate for rate, _ in self.infusions)
            self.given += self.amounts[-1] * (until - time)
            step = _propagator(self.compartments, until - time)
            self.amounts = product(step, self.amounts)
            time = until
        return float(self.amounts[-2] - before)

    def state(self) -> dict[str, Any]:
        """What the future depends on."""
        infusions = np.array(self.infusions, dtype=np.float64).reshape(-1, 2)
        return {"amounts": self.amounts.copy(), "infusions": infusions, "given": self.given}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of ``state()``."""
        self.amounts = np.array(state["amounts"], dtype=np.float64)
        self.infusions = [(float(rate), float(end)) for rate, end in state["infusions"]]
        self.given = float(state["given"])
