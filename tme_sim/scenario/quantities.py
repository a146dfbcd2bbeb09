"""Types of scenario values: text with a unit at the border, a float in internal units inside."""

from collections.abc import Callable
from typing import Annotated, Any, NoReturn

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tme_sim.scenario.errors import nearest
from tme_sim.scenario.units import UnitError, format_quantity, parse_quantity

_KIND = "scenario"


class Strict(BaseModel):
    """Frozen settings; a key that is not known is refused with the nearest one that is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _know_every_key(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        if not isinstance(data, dict):
            refuse(f"found {data!r}, but a mapping with keys {list(cls.model_fields)} is needed")
        for key in data:
            if key not in cls.model_fields:
                refuse(f"unknown key; {nearest(key, cls.model_fields)}", key)
        return data


def refuse(message: str, *at: object) -> NoReturn:
    """Raise a validation error for users; `at` leads from the field to the value inside it."""
    context = {"text": message, "at": [str(key) for key in at]}
    raise PydanticCustomError(_KIND, "{text}", context)


def convert(
    value: Any, unit: str, *, above: float | None = None, least: float | None = None
) -> float:
    """Number in internal units of a scenario value, within bounds; errors are for users."""
    try:
        number = parse_quantity(value, unit)
    except UnitError as err:
        refuse(str(err))
    if above is not None and not number > above:
        refuse(f"found {value!r}, but more than {above:g} is needed")
    if least is not None and not number >= least:
        refuse(f"found {value!r}, but at least {least:g} is needed")
    return number


def quantity(unit: str, *, above: float | None = None, least: float | None = None) -> Any:
    """Type of a float in `unit`, read from text of any unit of the same dimension."""

    def read(value: Any) -> Any:
        return None if value is None else convert(value, unit, above=above, least=least)

    return Annotated[
        float,
        BeforeValidator(read),
        PlainSerializer(_writer(unit)),
        WithJsonSchema(json_schema_of(unit)),
    ]


def json_schema_of(unit: str) -> dict[str, Any]:
    """JSON Schema of a quantity: text with a unit (a bare number only where there is no unit)."""
    if unit in ("1", "cells"):
        return {"type": ["number", "string"]}
    return {"type": "string", "description": f"number with a unit; inside in {unit}"}


def _writer(unit: str) -> Callable[[float | None], Any]:
    if unit == "1":
        return lambda value: value
    return lambda value: None if value is None else format_quantity(value, unit)


Length = quantity("um", above=0)
Distance = quantity("um", least=0)
Time = quantity("min", least=0)
Duration = quantity("min", above=0)
Volume = quantity("um^3", above=0)
Rate = quantity("1/min", least=0)
Speed = quantity("um/min", least=0)
Diffusivity = quantity("um^2/min", least=0)
Fraction = quantity("1", least=0)
Cells = quantity("cells", least=0)
PerDivision = quantity("1/division", least=0)
