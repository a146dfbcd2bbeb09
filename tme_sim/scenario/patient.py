"""Doses per body surface or weight as the amount that a patient gets."""

from collections.abc import Mapping
from typing import Any

from tme_sim.scenario.units import UnitError, parse_quantity

UNITS = {"body_surface_area": "m^2", "weight": "kg"}
REFERENCE = {"body_surface_area": 1.8, "weight": 70.0}
"""Adult whom doses are for unless a scenario says otherwise [m^2, kg]; assumed (usual choice)."""

_PER_BODY = {"mg/m^2": "body_surface_area", "mg/kg": "weight"}


def absolute_dose(dose: Any, patient: Mapping[str, Any] | None = None) -> float:
    """Amount [mg] of a dose such as ``960 mg``, ``60 mg/m2`` or ``2 mg/kg``.

    Args:
        dose: Text with a unit.
        patient: ``body_surface_area`` and ``weight`` with units; the reference adult otherwise.

    Raises:
        UnitError: Neither an amount nor an amount per body surface or weight.
    """
    for unit, measure in _PER_BODY.items():
        try:
            amount = parse_quantity(dose, unit)
        except UnitError:
            continue
        given = (patient or {}).get(measure)
        body = REFERENCE[measure] if given is None else parse_quantity(given, UNITS[measure])
        return amount * body
    return parse_quantity(dose, "mg")
