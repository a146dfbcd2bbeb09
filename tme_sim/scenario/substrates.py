"""What a scenario says about one substrate: transport, walls, vessels, units."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_serializer,
    field_validator,
)
from pydantic.config import JsonDict

from tme_sim.scenario.errors import nearest
from tme_sim.scenario.quantities import (
    CellClearance,
    Diffusivity,
    Rate,
    Speed,
    Strict,
    convert,
    refuse,
)
from tme_sim.scenario.units import format_quantity

FACES = ("x_low", "x_high", "y_low", "y_high", "z_low", "z_high")
BY_NAME = ("no_flux", "periodic")
EXCHANGE_UNIT = "1/um"

_EXAMPLE = "{all: exchange, rate: 2e-4 per um, bath: 0 nM}"
_WALL_SCHEMA: JsonDict = {"type": ["string", "object"]}
_FACES_SCHEMA: JsonDict = {
    "type": "object",
    "properties": dict.fromkeys(("all", *FACES, "bath", "rate"), _WALL_SCHEMA),
    "additionalProperties": False,
}
_BOUNDARY_SCHEMA: JsonDict = {"anyOf": [{"type": "null"}, _FACES_SCHEMA]}

Unit = Literal["mmHg", "mM", "uM", "nM"]
Wall = float | str | dict[str, float]


def _concentration(value: Any, info: ValidationInfo) -> float | None:
    """Concentration in the substrate's own unit, which is validated before."""
    unit = info.data.get("unit")
    return value if value is None or unit is None else convert(value, unit, least=0)


Concentration = Annotated[
    float,
    BeforeValidator(_concentration),
    WithJsonSchema({"type": "string", "description": "concentration with a unit"}),
]


class SubstrateSpec(Strict):
    """One substrate of the microenvironment.

    Attributes:
        unit: Unit of its concentration inside the simulator.
        input: Input of the cell model that senses it; None: no cell does.
        diffusivity: Effective, in tissue [um^2/min].
        decay_rate: Without cells [1/min].
        cell_clearance: First-order uptake by each living cell [um^3/min].
        initial: Everywhere at time 0 [unit].
        boundary: ``all`` or a face (``x_low`` ... ``z_high``) -> concentration on the face [unit],
            ``no_flux``, ``periodic``, or ``{exchange: rate [1/um], bath: concentration}``: the
            gradient at the face is rate x (bath - concentration). None: the domain's walls decide.
        half_saturation: Concentration of half-maximal uptake by cells [unit].
        permeability: Of vessel walls [um/min].
        plasma: Concentration in vessels [unit]; of a drug, therapy decides.
        preset: Name of the catalogue entry that the other values were taken from.
    """

    preset: str | None = Field(default=None, exclude=True)
    unit: Unit
    input: str | None = None
    diffusivity: Diffusivity
    decay_rate: Rate = 0.0
    cell_clearance: CellClearance = 0.0
    initial: Concentration = 0.0
    boundary: dict[str, Wall] | None = Field(default=None, json_schema_extra=_BOUNDARY_SCHEMA)
    half_saturation: Concentration | None = None
    permeability: Speed = 0.0
    plasma: Concentration = 0.0

    @field_validator("boundary", mode="before")
    @classmethod
    def _read_boundary(cls, value: Any, info: ValidationInfo) -> Any:
        unit = info.data.get("unit")
        if value is None or unit is None:
            return None
        if not isinstance(value, dict) or not value:
            refuse(f"found {value!r}, but a mapping is needed, for example {{all: no_flux}}")
        value = dict(value)
        shared = {key: value.pop(key) for key in ("bath", "rate") if key in value}
        if shared and "exchange" not in value.values():
            refuse(f"{' and '.join(shared)} belong to a face of `exchange`, for example {_EXAMPLE}")
        return {face: _wall(face, wall, shared, unit) for face, wall in value.items()}

    @field_validator("half_saturation")
    @classmethod
    def _positive(cls, value: float | None) -> float | None:
        if value == 0.0:
            refuse("found 0, but more than 0 is needed")
        return value

    @field_serializer("initial", "half_saturation", "plasma")
    def _write_concentration(self, value: float | None) -> str | None:
        return None if value is None else format_quantity(value, self.unit)

    @field_serializer("boundary")
    def _write_boundary(self, value: dict[str, Wall] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        return {face: _write_wall(wall, self.unit) for face, wall in value.items()}


def _wall(face: str, wall: Any, shared: dict[str, Any], unit: str) -> Wall:
    """Condition on one face; `shared` holds ``bath`` and ``rate`` written beside the faces."""
    if face not in ("all", *FACES):
        refuse(f"unknown face; {nearest(face, ('all', *FACES))}", face)
    if isinstance(wall, str) and wall in BY_NAME:
        return wall
    if wall == "exchange":
        return _exchange(face, shared.get("rate"), shared.get("bath"), unit)
    if isinstance(wall, dict):
        for key in wall:
            if key not in ("exchange", "bath"):
                refuse(f"unknown key; {nearest(key, ('exchange', 'bath'))}", face, key)
        return _exchange(face, wall.get("exchange"), wall.get("bath"), unit)
    if isinstance(wall, str) and wall[:1].isalpha():
        refuse(f"found {wall!r}; {nearest(wall, (*BY_NAME, 'exchange'))}, or a value", face)
    return convert(wall, unit, least=0)


def _exchange(face: str, rate: Any, bath: Any, unit: str) -> dict[str, float]:
    """Exchange with a bath outside the face."""
    if rate is None or bath is None:
        refuse(f"exchange needs a rate and a bath, for example {_EXAMPLE}", face)
    return {"exchange": convert(rate, EXCHANGE_UNIT, least=0), "bath": convert(bath, unit, least=0)}


def _write_wall(wall: Wall, unit: str) -> Any:
    if isinstance(wall, dict):
        return {
            "exchange": format_quantity(wall["exchange"], EXCHANGE_UNIT),
            "bath": format_quantity(wall["bath"], unit),
        }
    return wall if isinstance(wall, str) else format_quantity(wall, unit)
