"""Concentration of a drug in plasma, and what cells sense of it; usable alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.scenario import catalogue
from tme_sim.scenario.drugs import DrugSpec
from tme_sim.scenario.errors import ScenarioError, nearest
from tme_sim.scenario.patient import absolute_dose
from tme_sim.scenario.units import UnitError, minutes, parse_quantity
from tme_sim.therapy.compartments import UNITS, Body, Compartments

SERUM_FRACTION = 0.1
"""Share of serum in the medium that nominal in-vitro concentrations refer to."""

_DOSE_KEYS = ("time", "dose", "route", "infusion")


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
        if key not in UNITS:
            msg = f"drug: unknown key {key!r}; {nearest(key, UNITS)}"
            raise ScenarioError(msg)
        values[key] = _positive(value, UNITS[key], f"drug: {key}")
    for key in ("clearance", "central_volume"):
        if key not in values:
            msg = f"drug: the key {key!r} is missing"
            raise ScenarioError(msg)
    compartments = Compartments.from_values(values)
    return compartments, "iv" if compartments.absorption_rate is None else "oral", 0.0


def catalogue_drug(name: str) -> DrugSpec:
    """A drug of the catalogue.

    Raises:
        ScenarioError: There is none of this name.
    """
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
