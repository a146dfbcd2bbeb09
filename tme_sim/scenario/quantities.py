"""Types of scenario values: text with a unit at the border, a float in internal units inside."""

from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from tme_sim.scenario.errors import nearest
from tme_sim.scenario.units import BARE_UNITS, UnitError, format_quantity, parse_quantity

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
    value: Any,
    unit: str,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
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
    if most is not None and not number <= most:
        refuse(f"found {value!r}, but at most {most:g} is possible")
    return number


@dataclass(frozen=True)
class Quantity:
    """Mark of a float in a unit, read from text of any unit of the same dimension.

    Used as ``Annotated[float, Quantity("um", above=0)]``.
    """

    unit: str
    above: float | None = None
    least: float | None = None
    most: float | None = None

    def __get_pydantic_core_schema__(
        self, _source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Read before the float is validated; write text that is read back to the same bits."""
        return core_schema.no_info_before_validator_function(
            self._read,
            handler(float),
            serialization=core_schema.plain_serializer_function_ser_schema(self._write),
        )

    def __get_pydantic_json_schema__(
        self, _schema: core_schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Text with a unit; a bare number only where there is no unit."""
        if self.unit in BARE_UNITS:
            return {"type": ["number", "string"]}
        return {"type": "string", "description": f"number with a unit; inside in {self.unit}"}

    def _read(self, value: Any) -> float:
        return convert(value, self.unit, above=self.above, least=self.least, most=self.most)

    def _write(self, value: float) -> float | str:
        return value if self.unit == "1" else format_quantity(value, self.unit)


Length = Annotated[float, Quantity("um", above=0)]
Distance = Annotated[float, Quantity("um", least=0)]
Time = Annotated[float, Quantity("min", least=0)]
Duration = Annotated[float, Quantity("min", above=0)]
Volume = Annotated[float, Quantity("um^3", above=0)]
Rate = Annotated[float, Quantity("1/min", least=0)]
Speed = Annotated[float, Quantity("um/min", least=0)]
CellClearance = Annotated[float, Quantity("um^3/min", least=0)]
Diffusivity = Annotated[float, Quantity("um^2/min", least=0)]
Fraction = Annotated[float, Quantity("1", least=0)]
Cells = Annotated[float, Quantity("cells", least=0)]
PerDivision = Annotated[float, Quantity("1/division", least=0)]
