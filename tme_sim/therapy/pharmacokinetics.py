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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import expm

from tme_sim.scenario.drugs import DrugSpec
from tme_sim.scenario.errors import ScenarioError, nearest
from tme_sim.scenario.patient import absolute_dose
from tme_sim.scenario.units import UnitError, minutes, parse_quantity

SERUM_FRACTION = 0.1
"""Share of serum in the medium that nominal in-vitro concentrations refer to."""

GUT, CENTRE = 0, 1

_UNITS = {
    "clearance": "L/min",
    "central_volume": "L",
    "intercompartmental_clearance": "L/min",
    "peripheral_volume": "L",
    "second_intercompartmental_clearance": "L/min",
    "second_peripheral_volume": "L",
    "absorption_rate": "1/min",
    "bioavailability": "1",
}
_DOSE_KEYS = ("time", "dose", "route", "infusion")


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
        return cls._from({name: getattr(drug, name) for name in _UNITS})

    @classmethod
    def _from(cls, values: Mapping[str, float | None]) -> "Compartments":
        exchange = (
            (values.get("intercompartmental_clearance"), values.get("peripheral_volume")),
            (
                values.get("second_intercompartmental_clearance"),
                values.get("second_peripheral_volume"),
            ),
        )
        share = values.get("bioavailability")
        return cls(
            clearance=values["clearance"],
            central_volume=values["central_volume"],
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
    return expm(compartments.matrix * duration)


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
            self.amounts = _propagator(self.compartments, until - time) @ self.amounts
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


def plasma_concentration(
    drug: str | DrugSpec | Mapping[str, Any],
    doses: Sequence[Mapping[str, Any]],
    times: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Total concentration of a drug in plasma [mg/L] at given times.

    Args:
        drug: A name of the catalogue, or a mapping with units: ``clearance``, ``central_volume``,
            and where needed ``intercompartmental_clearance``, ``peripheral_volume`` (a third
            compartment with ``second_...``), ``absorption_rate``, ``bioavailability``.
        doses: Mappings with units: ``time``, ``dose``, ``route`` (``iv`` or ``oral``; the drug's
            usual one otherwise), ``infusion`` (duration; a bolus otherwise).
        times: [min]; a dose counts from its own time on.

    Raises:
        ScenarioError: An unknown drug or key, a missing unit, a negative dose.

    Example:
        >>> drug = {"clearance": "5 L/h", "central_volume": "50 L"}
        >>> plasma_concentration(drug, [{"time": "0 h", "dose": "100 mg"}], [0.0, 600.0])
        array([2.        , 0.73575888])
    """
    compartments, route, infusion = _drug(drug)
    given = sorted(
        (_dose(dose, k, compartments, route, infusion) for k, dose in enumerate(doses)),
        key=lambda dose: dose["time"],
    )
    times = np.asarray(times, dtype=np.float64)
    order = np.argsort(times, axis=None, kind="stable")
    result = np.zeros(times.size)
    body, now = Body(compartments), -np.inf
    for k in order:
        time = times.ravel()[k]
        while given and given[0]["time"] <= time:
            dose = given.pop(0)
            now = dose["time"] if now == -np.inf else now
            body.advance(now, dose["time"])
            now = dose["time"]
            body.give(dose["dose"], route=dose["route"], infusion=dose["infusion"], time=now)
        if now > -np.inf:
            body.advance(now, time)
            now = time
        result[k] = body.concentration
    return result.reshape(times.shape)


def nominal_concentration(total: float, drug: DrugSpec) -> float:
    """What cells sense [unit of the drug] of a total plasma concentration [mg/L].

    In-vitro potencies are nominal concentrations in a medium with serum. A medium with a serum
    fraction s leaves the share fu_m = 1 / (1 + (1/fu - 1) s) of a small molecule free, so a free
    concentration c stands for the nominal c / fu_m. An antibody's free concentration is sensed.
    """
    molar = total / drug.molar_mass * {"uM": 1e3, "nM": 1e6}[drug.unit]
    free = molar * drug.free_fraction
    if drug.kind == "antibody":
        return free
    return free * (1.0 + (1.0 / drug.free_fraction - 1.0) * SERUM_FRACTION)


def _drug(drug: str | DrugSpec | Mapping[str, Any]) -> tuple[Compartments, str, float]:
    """Compartments, usual route and usual infusion of a drug."""
    if isinstance(drug, str):
        drug = catalogue_drug(drug)
    if isinstance(drug, DrugSpec):
        return Compartments.of(drug), drug.route, drug.infusion
    values = {}
    for key, value in drug.items():
        if key not in _UNITS:
            msg = f"drug: unknown key {key!r}; {nearest(key, _UNITS)}"
            raise ScenarioError(msg)
        values[key] = _positive(value, _UNITS[key], f"drug: {key}")
    for key in ("clearance", "central_volume"):
        if key not in values:
            msg = f"drug: the key {key!r} is missing"
            raise ScenarioError(msg)
    compartments = Compartments._from(values)
    return compartments, "iv" if compartments.absorption_rate is None else "oral", 0.0


def catalogue_drug(name: str) -> DrugSpec:
    """A drug of the catalogue.

    Raises:
        ScenarioError: There is none of this name.
    """
    from tme_sim.scenario import catalogue

    presets = catalogue.builtin()
    if name not in presets.names("drugs"):
        msg = f"unknown drug {name!r}; {nearest(name, presets.names('drugs'))}"
        raise ScenarioError(msg)
    return DrugSpec.model_validate(presets.preset("drugs", name))


def _dose(
    dose: Mapping[str, Any], number: int, compartments: Compartments, route: str, infusion: float
) -> dict[str, Any]:
    """A dose in internal units."""
    place = f"doses[{number}]"
    for key in dose:
        if key not in _DOSE_KEYS:
            msg = f"{place}: unknown key {key!r}; {nearest(key, _DOSE_KEYS)}"
            raise ScenarioError(msg)
    route = dose.get("route", route)
    if route not in ("iv", "oral"):
        msg = f"{place}: route: found {route!r}; allowed: iv, oral"
        raise ScenarioError(msg)
    if route == "oral" and compartments.absorption_rate is None:
        msg = f"{place}: an oral dose needs the drug's absorption_rate"
        raise ScenarioError(msg)
    try:
        amount = absolute_dose(dose.get("dose"))
    except UnitError as err:
        msg = f"{place}: dose: {err}"
        raise ScenarioError(msg) from err
    if amount < 0:
        msg = f"{place}: dose: found {dose['dose']!r}, but a dose cannot be negative"
        raise ScenarioError(msg)
    duration = minutes(dose["infusion"]) if "infusion" in dose else infusion
    return {
        "time": minutes(dose.get("time", 0.0)),
        "dose": amount,
        "route": route,
        "infusion": duration if route == "iv" else 0.0,
    }


def _positive(value: Any, unit: str, place: str) -> float:
    try:
        number = parse_quantity(value, unit)
    except UnitError as err:
        msg = f"{place}: {err}"
        raise ScenarioError(msg) from err
    if number <= 0:
        msg = f"{place}: found {value!r}, but more than 0 is needed"
        raise ScenarioError(msg)
    return number
