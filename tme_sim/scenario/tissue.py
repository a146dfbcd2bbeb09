"""What a scenario says about cells: the body of each type, groups, and where they start."""

from typing import Annotated, Any

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema

from tme_sim.scenario.errors import nearest
from tme_sim.scenario.quantities import (
    Cells,
    Distance,
    Duration,
    Fraction,
    Length,
    Quantity,
    Rate,
    Speed,
    Strict,
    Volume,
    refuse,
)

Factor = Annotated[float, Quantity("1", above=0)]
Affinity = Annotated[float, Quantity("1", least=0)]
MOST_RANGE = 3.0  # radii: further off stands the neighbour of a neighbour
MOST_AFFINITY = 10.0
KINDS = ("disk", "ring", "ball", "shell", "box", "everywhere", "poisson", "file")
Center = tuple[Distance, Distance] | tuple[Distance, Distance, Distance]


class CellTypeSpec(Strict):
    """Body of a cell type: what the cell model does not decide.

    Solids grow at the cell model's rate up to the target of the cell's phase; solids beyond it (of
    a cell from a table, or one that user code changed) relax to it, cytoplasm and nucleus each at
    its own rate. Fluid relaxes to its fraction of the volume.

    Attributes:
        network_type: Cell type of the cell model.
        volume: Of a newborn cell [um^3]; it divides at twice that.
        nuclear_fraction: Nuclear share of the volume.
        fluid_fraction: Fluid share of the volume.
        fluid_rate, cytoplasm_rate, nucleus_rate: Of the living [1/min].
        apoptosis_fluid_rate, apoptosis_cytoplasm_rate, apoptosis_nucleus_rate: [1/min].
        necrosis_fluid_rate, necrosis_cytoplasm_rate, necrosis_nucleus_rate: [1/min].
        apoptosis_duration: From onset to removal [min].
        lysis_volume_factor: A necrotic cell bursts at this multiple of its volume at death.
        debris_clearance_time: From lysis to removal [min].
        s_duration: Duration of S phase at factor 1 [min].
        repulsion, adhesion: Of contact [um/min].
        adhesion_range: Where adhesion ends, per radius: two cells adhere up to the distance
            range_1 radius_1 + range_2 radius_2.
        affinity: Cell type -> factor of the adhesion between this type and that one, 1 where it
            is not given (adhesion by pair of types, which sorts cells; Steinberg 1963,
            doi:10.1126/science.141.3579.401). It holds for both, so one of them may say it.
        costimulation: B7 that it offers to touching T cells, 1 for an antigen-presenting cell.
        motile: Whether it moves at all (vessel segments do not).
        inheritance_noise: Standard deviation of log node values between mother and daughter.
        vessel_radius: Of the vessel segment that the cell stands for [um]; None: no vessel.
    """

    preset: str | None = Field(default=None, exclude=True)
    network_type: str
    volume: Volume
    nuclear_fraction: Fraction
    fluid_fraction: Fraction
    fluid_rate: Rate
    cytoplasm_rate: Rate
    nucleus_rate: Rate
    apoptosis_fluid_rate: Rate
    apoptosis_cytoplasm_rate: Rate
    apoptosis_nucleus_rate: Rate
    necrosis_fluid_rate: Rate
    necrosis_cytoplasm_rate: Rate
    necrosis_nucleus_rate: Rate
    apoptosis_duration: Duration
    lysis_volume_factor: Factor
    debris_clearance_time: Duration
    s_duration: Duration
    repulsion: Speed
    adhesion: Speed
    adhesion_range: Factor
    affinity: dict[str, Affinity] = Field(default_factory=dict)
    costimulation: Fraction
    motile: bool = True
    inheritance_noise: Fraction = 0.0
    vessel_radius: Length | None = None

    @model_validator(mode="after")
    def _shares(self) -> "CellTypeSpec":
        for name in ("nuclear_fraction", "fluid_fraction"):
            if getattr(self, name) >= 1:
                refuse(f"found {getattr(self, name):g}, but less than 1 is needed", name)
        if self.adhesion_range > MOST_RANGE:
            found = f"found {self.adhesion_range:g}, but at most {MOST_RANGE:g} is allowed"
            refuse(f"{found}: cells adhere to neighbours", "adhesion_range")
        for name, factor in self.affinity.items():
            if factor > MOST_AFFINITY:
                found = f"found {factor:g}, but at most {MOST_AFFINITY:g} is allowed"
                refuse(found, "affinity", name)
        return self

    @property
    def radius(self) -> float:
        """Radius of a sphere of the newborn volume [um]."""
        return float((self.volume * 0.75 / 3.141592653589793) ** (1.0 / 3.0))


class Disk(Strict):
    """Round patch of a 2D tissue."""

    radius: Length
    center: Center | None = None


class Ring(Strict):
    """Between two circles of a 2D tissue."""

    inner: Distance
    outer: Length
    center: Center | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Ring":
        if self.outer <= self.inner:
            refuse(f"found {self.outer:g} um, but it must be above inner", "outer")
        return self


class Ball(Disk):
    """Ball of a 3D tissue."""


class Shell(Ring):
    """Between two spheres of a 3D tissue."""


class Box(Strict):
    """Rectangle or block; the whole domain without a size."""

    size: tuple[Length, Length] | tuple[Length, Length, Length] | None = None
    center: Center | None = None


class Poisson(Strict):
    """Scattered with a least distance: one per spacing^2 (2D) or spacing^3 (3D), count implied."""

    spacing: Length
    inner: Distance = 0.0
    outer: Length | None = None
    center: Center | None = None


class Placement(Strict):
    """Where the cells of a group start: exactly one kind.

    ``file`` is a CSV table with columns x, y (and z) in um and any column of the population.
    """

    disk: Disk | None = None
    ring: Ring | None = None
    ball: Ball | None = None
    shell: Shell | None = None
    box: Box | None = None
    everywhere: Box | None = None
    poisson: Poisson | None = None
    file: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_kind(cls, data: Any) -> Any:
        if data == "everywhere":
            return {"everywhere": {}}
        given = [key for key in data if data[key] is not None] if isinstance(data, dict) else []
        if len(given) != 1:
            refuse(f"found {data!r}, but one kind of {', '.join(KINDS)} is needed")
        return data

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """A mapping of one kind, or the word ``everywhere``."""
        return {"anyOf": [handler.resolve_ref_schema(handler(schema)), {"const": "everywhere"}]}

    @model_serializer(mode="wrap")
    def _write_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def kind(self) -> str:
        """Name of the kind that is given."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def shape(self) -> Any:
        """Settings of the kind that is given."""
        return getattr(self, self.kind)


class CellGroup(Strict):
    """A named group of cells of one type and genotype.

    Attributes:
        type: Cell type: of ``cell_types`` or the catalogue.
        genotype: Mutations all of them carry.
        count: Number at the start; None where the placement implies it, or with supply alone.
        placement: Where they start.
        supply: Cells offered to the tissue's vessels per time [1/min].
        represents: Size of the lesion the group stands for, which seeds standing clones [cells].
    """

    type: str
    genotype: tuple[str, ...] = ()
    count: int | None = Field(default=None, ge=0)
    placement: Placement | None = None
    supply: Rate = 0.0
    represents: Cells | None = None

    @field_validator("genotype", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        if isinstance(value, str) or not isinstance(value, (list, tuple)):
            refuse(f"found {value!r}, but a list is needed, for example [BRAF_V600E]")
        return tuple(value)

    @model_validator(mode="after")
    def _countable(self) -> "CellGroup":
        if self.placement is None:
            if (self.count or 0) > 0:
                refuse(f"{self.count} cells need a placement; {nearest('', KINDS)}", "count")
            if self.count is None and self.supply == 0.0:
                refuse("needs a placement with a count, or a supply")
            return self
        kind = self.placement.kind
        if kind in ("poisson", "file") and self.count is not None:
            refuse(f"`{kind}` implies the count; leave it out", "count")
        if kind not in ("poisson", "file") and self.count is None:
            refuse(f"`{kind}` needs a count beside the placement", "placement")
        return self
