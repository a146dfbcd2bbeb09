"""Concentration of a drug in plasma, and what cells sense of it; usable alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tme_sim.scenario import catalogue
from tme_sim.scenario.drugs import DrugSpec
from tme_sim.scenario.errors import ScenarioError, nearest
from tme_sim.scenario.patient import absolute_dose
from tme_sim.scenario.units import UnitError, parse_quantity
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

    The equations are those of ``tme_sim.therapy.compartments``, solved exactly.

    Args:
        drug: A name of the catalogue, or a mapping with units: ``clearance``, ``central_volume``,
            and where needed ``intercompartmental_clearance``, ``peripheral_volume`` (a third
            compartment with ``second_...``), ``absorption_rate``, ``bioavailability``.
        doses: Mappings with units: ``time``, ``dose`` (mg, mg/m2 or mg/kg of a reference adult),
            ``route`` (``iv`` or ``oral``; the drug's usual one otherwise), ``infusion`` (duration;
            the drug's usual one otherwise, a bolus where it has none).
        times: [min]; a dose counts from its own time on.

    Raises:
        ScenarioError: An unknown drug or key, a missing unit, a negative dose; by name.

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
    if not isinstance(drug, Mapping):
        msg = f"drug: found {drug!r}, but a name of the catalogue or a mapping is needed"
        raise ScenarioError(msg)
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
    _check_pairs(values)
    compartments = Compartments.from_values(values)
    return compartments, "iv" if compartments.absorption_rate is None else "oral", 0.0


def _check_pairs(values: Mapping[str, float]) -> None:
    """A compartment has a volume and an exchange; a share is at most 1."""
    for prefix in ("", "second_"):
        pair = (f"{prefix}intercompartmental_clearance", f"{prefix}peripheral_volume")
        for given, other in (pair, pair[::-1]):
            if given in values and other not in values:
                msg = f"drug: {given!r} needs {other!r} beside it"
                raise ScenarioError(msg)
    if "second_peripheral_volume" in values and "peripheral_volume" not in values:
        msg = "drug: 'second_peripheral_volume' needs 'peripheral_volume' before it"
        raise ScenarioError(msg)
    if values.get("bioavailability", 1.0) > 1.0:
        msg = f"drug: bioavailability: found {values['bioavailability']:g}, at most 1 is possible"
        raise ScenarioError(msg)


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
    _check_keys(dose, place)
    route = dose.get("route", route)
    if route not in ("iv", "oral"):
        msg = f"{place}: route: found {route!r}; allowed: iv, oral"
        raise ScenarioError(msg)
    if route == "oral" and compartments.absorption_rate is None:
        msg = f"{place}: an oral dose needs the drug's absorption_rate"
        raise ScenarioError(msg)
    if route == "oral" and "infusion" in dose:
        msg = f"{place}: infusion: a dose by mouth has none; an infusion needs route: iv"
        raise ScenarioError(msg)
    if "infusion" in dose:
        infusion = _not_negative(dose["infusion"], f"{place}: infusion")
    return {
        "time": _in_minutes(dose["time"], f"{place}: time"),
        "dose": _amount(dose["dose"], f"{place}: dose"),
        "route": route,
        "infusion": infusion if route == "iv" else 0.0,
    }


def _check_keys(dose: Mapping[str, Any], place: str) -> None:
    if not isinstance(dose, Mapping):
        msg = f"{place}: found {dose!r}, but a mapping with keys {list(_DOSE_KEYS)} is needed"
        raise ScenarioError(msg)
    for key in dose:
        if key not in _DOSE_KEYS:
            msg = f"{place}: unknown key {key!r}; {nearest(key, _DOSE_KEYS)}"
            raise ScenarioError(msg)
    for key in ("time", "dose"):
        if key not in dose:
            msg = f"{place}: the key {key!r} is missing"
            raise ScenarioError(msg)


def _amount(value: Any, place: str) -> float:
    try:
        amount = absolute_dose(value)
    except UnitError as err:
        msg = f"{place}: {err}"
        raise ScenarioError(msg) from err
    if amount < 0:
        msg = f"{place}: found {value!r}, but a dose cannot be negative"
        raise ScenarioError(msg)
    return amount


def _in_minutes(value: Any, place: str) -> float:
    try:
        return parse_quantity(value, "min")
    except UnitError as err:
        msg = f"{place}: {err}"
        raise ScenarioError(msg) from err


def _not_negative(value: Any, place: str) -> float:
    number = _in_minutes(value, place)
    if number < 0:
        msg = f"{place}: found {value!r}, but at least 0 is needed"
        raise ScenarioError(msg)
    return number


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
