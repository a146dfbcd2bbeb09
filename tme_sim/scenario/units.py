"""Turn text with units into numbers in internal units: um, min, mmHg, mM, nM, uM, amol/min."""

import functools
import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING

from tme_sim.scenario.errors import ScenarioError, nearest

if TYPE_CHECKING:
    import pint
    from pint.facets.plain import PlainQuantity

DAY, HOUR = 1440.0, 60.0
"""Lengths of time in minutes, the unit of time of everything inside."""

OXYGEN_SOLUBILITY = 1.35e-3
"""Oxygen solubility of tissue at 37 C [mM/mmHg]; assumed (from memory, order 1.3-1.4e-3)."""

CONCENTRATION_UNITS = ("mmHg", "mM", "uM", "nM")
"""Units a substrate may have inside the simulator."""

_ROUNDING = 1e-6  # ticks

BARE_UNITS = ("1", "cells")
"""Units that a number may be given without."""

POSSIBLE = {
    "min": (1e-3, 1e7),
    "1/min": (1e-12, 1e6),
    "um": (1e-3, 1e7),
    "1/um": (1e-9, 1e3),
    "um^3": (1e-3, 1e6),
    "um/min": (1e-9, 1e6),
    "um^2/min": (1e-6, 1e8),
    "um^3/min": (1e-9, 1e9),
    "um3/min": (1e-9, 1e9),
    "amol/min": (1e-9, 1e9),
    "mmHg": (1e-12, 1e5),
    "mM": (1e-12, 1e5),
    "uM": (1e-12, 1e8),
    "nM": (1e-12, 1e11),
    "mg": (1e-9, 1e6),
    "mg/m^2": (1e-9, 1e6),
    "mg/kg": (1e-9, 1e6),
    "g/mol": (1.0, 1e7),
    "L": (1e-6, 1e6),
    "L/min": (1e-9, 1e6),
    "m^2": (1e-4, 1e2),
    "kg": (1e-3, 1e3),
    "cells": (1e-3, 1e15),
    "1/division": (1e-18, 1.0),
    "1": (1e-12, 1e6),
}
"""Smallest and largest size of a number, besides 0, in any tissue, body or lab, with room."""

_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$", re.DOTALL)
_PER = re.compile(r"\s*\bper\s+|\s*/\s*", re.IGNORECASE)
_TERM = re.compile(r"([A-Za-zµμ%_]+)(?:\^|\*\*)?(-?\d)?")
_COMMON = (
    *("um", "mm", "cm", "um2", "um3", "um^2/min", "um3/min", "cm2/s", "um/min", "cm/s"),
    *("s", "min", "h", "hour", "d", "day", "week"),
    *("mg", "ug", "g", "kg", "mg/m2", "mg/kg", "g/mol", "L", "mL", "L/h", "L/d", "mL/min"),
    *("mmHg", "mM", "uM", "nM", "pM", "M", "amol", "amol/min", "cells", "division"),
)


class UnitError(ValueError):
    """A quantity that is no number with a known unit of the wanted dimension."""


def parse_quantity(value: object, unit: str) -> float:
    """Number in `unit` of a text such as ``38 mmHg``, ``10 per hour`` or ``1e-7 per division``.

    A bare number is accepted only where `unit` is ``"1"`` (dimensionless) or ``"cells"``.

    Args:
        value: What the scenario says.
        unit: The internal unit of the quantity, as text.

    Raises:
        UnitError: Not a number, not finite, no unit, an unknown unit, one of another dimension, or
            a number that no quantity of this unit can have.
    """
    number, given = _split(value, unit)
    if not math.isfinite(number):
        msg = f"{value!r} is not a finite number"
        raise UnitError(msg)
    if given != unit:
        factor = _factor(given, unit)
        if unit == "min" and factor.is_integer():  # 0.7 d are 1008 min, not 1007.9999999999999
            number = float(Fraction(repr(number)) * int(factor))
        else:
            number *= factor
    least, most = POSSIBLE.get(unit, (0.0, math.inf))
    if number != 0.0 and not least <= abs(number) <= most:
        allowed = "" if unit == "1" else f" {unit}"
        msg = f"found {value!r}, but {least:g} to {most:g}{allowed} is possible"
        raise UnitError(msg)
    return number


def minutes(time: str | float) -> float:
    """Minutes of a time as the Python interface takes it: text with a unit, or minutes.

    Raises:
        ScenarioError: not a time.
    """
    if isinstance(time, (int, float)) and not isinstance(time, bool):
        return float(time)
    try:
        return parse_quantity(time, "min")
    except UnitError as err:
        msg = f"time: {err}"
        raise ScenarioError(msg) from err


def ticks_before(time: float, tick: float, *, whole: bool = True) -> int:
    """Ticks [min] up to a time [min]: whole ones, or the one that it falls into too."""
    ticks = time / tick
    return math.floor(ticks + _ROUNDING) if whole else math.ceil(ticks - _ROUNDING)


def time_in_words(time: float) -> str:
    """A time [min] in the largest unit of which it is at least one, and a short number."""
    for unit, length in (("d", DAY), ("h", HOUR)):
        if time >= length and f"{time / length:.4g}" == f"{time / length:.9g}":
            return f"{time / length:.4g} {unit}"
    return f"{time:g} min"


def concentration_per_amount(unit: str) -> float:
    """Factor from an amount per volume [amol/um^3] to a concentration in `unit`.

    1 amol/um^3 is 1 mM; oxygen becomes a partial pressure through its one solubility.
    """
    return {"mM": 1.0, "uM": 1e3, "nM": 1e6, "mmHg": 1.0 / OXYGEN_SOLUBILITY}[unit]


def format_quantity(number: float, unit: str) -> str:
    """Text that `parse_quantity` reads back to the same bits."""
    return f"{float(number)!r} {unit}"


def split_quantity(value: object) -> tuple[float, str]:
    """Number and unit text of a value; the unit of a bare number is empty.

    Raises:
        UnitError: Not a number, with or without a unit.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value), ""
    match = _NUMBER.match(value) if isinstance(value, str) else None
    if match is None:
        msg = f"found {value!r}, but a number with or without a unit is needed"
        raise UnitError(msg)
    return float(match[1]), match[2]


def _split(value: object, unit: str) -> tuple[float, str]:
    """Number and unit text of a value; refuses a missing unit."""
    bare = unit in BARE_UNITS
    per = f"per {unit[2:]}" if unit.startswith("1/") else unit
    example = f"for example '1 {per}'"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not bare:
            msg = f"{value!r} has no unit; a value in units of {unit} is needed, {example}"
            raise UnitError(msg)
        return float(value), unit
    match = _NUMBER.match(value) if isinstance(value, str) else None
    if match is None:
        wanted = "a number" if bare else f"a number with a unit, {example},"
        msg = f"found {value!r}, but {wanted} is needed"
        raise UnitError(msg)
    number, given = float(match[1]), match[2]
    if not given and not bare:
        msg = f"{value!r} has no unit; a value in units of {unit} is needed, {example}"
        raise UnitError(msg)
    return number, given or unit


@functools.cache
def _factor(given: str, unit: str) -> float:
    """Factor from one unit text to another; cached, because pint is slow to parse."""
    source, target = _parse_unit(given), _parse_unit(unit)
    oxygen = _oxygen_factor(source, target)
    if oxygen is not None:
        return oxygen
    if source.dimensionality != target.dimensionality:
        msg = (
            f"unit {given!r} has dimension {_dimension(source)}, "
            f"but {_dimension(target)} is needed, for example {unit!r}"
        )
        raise UnitError(msg)
    return _tidy((source / target).to_base_units().magnitude)


def _oxygen_factor(source: "PlainQuantity[float]", target: "PlainQuantity[float]") -> float | None:
    """Factor where oxygen is given as a concentration and its partial pressure is needed."""
    pressure, millimolar = _parse_unit("mmHg"), _parse_unit("mM")
    if target != pressure or source.dimensionality != millimolar.dimensionality:
        return None
    return float((source / millimolar).magnitude) / OXYGEN_SOLUBILITY


def _parse_unit(text: str) -> "PlainQuantity[float]":
    """One of a unit, written as ``um2``, ``um^2`` or ``um**2``, ``per hour`` or ``1/hour``.

    Only products and quotients of named units with one-digit powers: nothing is ever evaluated.
    """
    quantity = _registry().Quantity(1.0, "")
    numerator, *denominators = _PER.split(text.strip())
    for sign, part in [(1, numerator), *((-1, part) for part in denominators)]:
        for term in re.split(r"(?<!\*)\*(?!\*)|\s+", part.strip()):
            if term not in ("", "1"):
                quantity = quantity * _parse_term(term, text) ** sign
    return quantity.to_base_units()


def _parse_term(term: str, text: str) -> "PlainQuantity[float]":
    """One of a named unit to a power; `text` is the whole unit, for the message."""
    import pint

    match = _TERM.fullmatch(term)
    if match is None:
        msg = f"{text!r} is not a unit; use names, powers, * and /, for example 'um^2/min'"
        raise UnitError(msg)
    try:
        unit: PlainQuantity[float] = _registry().Quantity(1.0, match[1].replace("%", "percent"))
    except (pint.UndefinedUnitError, pint.OffsetUnitCalculusError, ValueError) as err:
        msg = f"unknown unit {match[1]!r}; {nearest(match[1], _COMMON)}"
        raise UnitError(msg) from err
    power: PlainQuantity[float] = unit ** int(match[2] or 1)
    return power


def _dimension(quantity: "PlainQuantity[float]") -> str:
    """Dimension in words, for example ``[length]``."""
    return str(quantity.dimensionality).replace("dimensionless", "none") or "none"


def _tidy(factor: float) -> float:
    """Whole numbers and their reciprocals without the noise of pint's chain of conversions."""
    for whole, exact in ((factor, round), (1 / factor, lambda x: 1 / round(x))):
        if whole >= 1 and abs(whole - round(whole)) <= 1e-12 * whole:
            return float(exact(whole))
    return factor


@functools.cache
def _registry() -> "pint.UnitRegistry[float]":
    """The only unit registry; built on first use, because pint takes a while to load."""
    import pint

    registry: pint.UnitRegistry[float] = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    registry.define("cell_count = [] = cells = cell")
    registry.define("cell_division = [division] = division = divisions")
    return registry
