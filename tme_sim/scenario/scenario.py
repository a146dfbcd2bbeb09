"""The scenario: everything a run depends on, frozen, in internal units."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PrivateAttr, field_serializer, field_validator, model_validator

from tme_sim.scenario.document import Document
from tme_sim.scenario.drugs import DrugSpec
from tme_sim.scenario.errors import ScenarioError, nearest
from tme_sim.scenario.mutations import MutationSpec
from tme_sim.scenario.names import Title
from tme_sim.scenario.patient import REFERENCE
from tme_sim.scenario.quantities import (
    Cells,
    Duration,
    Length,
    Quantity,
    Strict,
    refuse,
)
from tme_sim.scenario.schedules import Dose
from tme_sim.scenario.substrates import SubstrateSpec
from tme_sim.scenario.tissue import CellGroup, CellTypeSpec
from tme_sim.scenario.units import parse_quantity

if TYPE_CHECKING:
    from surrogates.drugs import Drug

PROCESSES = (
    "therapy",
    "fields",
    "sensing",
    "signaling",
    "motility",
    "mechanics",
    "contact",
    "cycle",
    "death",
    "mutation",
    "arrival",
    "exchange",
)
MOST_TICKS = 10_000_000  # of a run: a day of computing at the least


_TEXTS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}


class Time(Strict):
    """Lengths of time [min]: of the run, of a tick, between frames, between checkpoints."""

    duration: Duration
    tick: Duration = 6.0
    frame_every: Duration = 360.0
    checkpoint_every: Duration = 1440.0

    @model_validator(mode="after")
    def _whole_ticks(self) -> "Time":
        for name in ("duration", "frame_every", "checkpoint_every"):
            ticks = getattr(self, name) / self.tick
            if abs(ticks - round(ticks)) > 1e-9 * ticks or round(ticks) < 1:
                refuse(
                    f"{getattr(self, name):g} min is no whole number of ticks of {self.tick:g} min",
                    name,
                )
        if self.duration > MOST_TICKS * self.tick:
            ticks = f"{self.duration / self.tick:.3g} ticks of {self.tick:g} min"
            refuse(f"{ticks} are more than the {MOST_TICKS:g} that a run can have", "duration")
        return self


class Stop(Strict):
    """Conditions that end a run before its duration [cells]."""

    burden_below: Cells | None = None
    burden_above: Cells | None = None


class Domain(Strict):
    """The box [0, size] in x, y (and z), cut into cubic voxels; 2D tissue is one voxel thick."""

    size: tuple[Length, ...] = Field(min_length=2, max_length=3)
    voxel: Annotated[float, Quantity("um", least=0.5, most=1000.0)] = 20.0
    walls: Literal["reflecting", "periodic", "open"] = "reflecting"

    @field_validator("size", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) not in (2, 3):
            refuse(f"found {value!r}, but two or three lengths are needed (x, y and z)")
        return tuple(value)

    @model_validator(mode="after")
    def _whole_voxels(self) -> "Domain":
        for axis, length in zip("xyz", self.size, strict=False):
            voxels = length / self.voxel
            if abs(voxels - round(voxels)) > 1e-9 * voxels or round(voxels) < 1:
                refuse(
                    f"{length:g} um in {axis} is no whole number of voxels of {self.voxel:g} um",
                    "size",
                )
        if self.dim == 3 and round(self.size[2] / self.voxel) == 1:
            refuse(
                f"{self.size[2]:g} um in z is a single voxel, so the tissue is 2D; "
                "give the lengths in x and y only",
                "size",
            )
        return self

    @property
    def dim(self) -> int:
        """2 or 3."""
        return len(self.size)

    @property
    def box(self) -> tuple[float, float, float]:
        """Lengths in x, y, z [um]; one voxel in z where the tissue is 2D."""
        x, y, z = (*self.size, self.voxel)[:3]
        return x, y, z


class Surrogate(Strict):
    """Which cell model decides, and what happens where it does not know.

    Attributes:
        name: ``tme-cell``, ``teacher``, ``constant`` or another registered model.
        path: A folder with weights, instead of a name.
        member: One member of the ensemble alone; None: their mean.
        out_of_domain: For cells outside the training domain.
        rates: Of ``constant``: cell type -> output -> value in the output's unit.
    """

    name: str | None = None
    path: str | None = None
    member: int | None = Field(default=None, ge=0)
    out_of_domain: Literal["warn", "clamp", "teacher", "stop"] = "warn"
    rates: dict[str, dict[str, float]] = Field(
        default_factory=dict, json_schema_extra={"additionalProperties": _TEXTS}
    )

    @model_validator(mode="after")
    def _one_model(self) -> "Surrogate":
        if self.name is not None and self.path is not None:
            refuse("both name and path are given; one model decides", "path")
        if self.rates and self.name != "constant":
            refuse("rates belong to {name: constant} only", "rates")
        if self.member is not None and self.name in ("constant", "teacher"):
            refuse(f"{self.name} has no members", "member")
        return self

    @field_serializer("rates")
    def _write_rates(self, value: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
        from surrogates import channels

        units = {channel.name: channel.unit for channel in channels.OUTPUT_CHANNELS}
        return {
            kind: {name: f"{rate!r} {units[name]}" for name, rate in rates.items()}
            for kind, rates in value.items()
        }

    def options(self) -> dict[str, Any]:
        """Arguments of ``surrogates.load``."""
        options: dict[str, Any] = {"out_of_domain": self.out_of_domain}
        if self.member is not None:
            options["member"] = self.member
        if self.path is not None:
            return options | {"path": self.path}
        name = self.name or "tme-cell"
        return options | {"name": name} | ({"rates": self.rates} if name == "constant" else {})


class Output(Strict):
    """What frames record: substrates by name, and columns (standard, all, or names)."""

    fields: tuple[str, ...] = Field(
        default=(), json_schema_extra={"type": ["array", "string"]}
    )  # `all` becomes their names at load
    columns: str | tuple[str, ...] = "standard"

    @field_validator("columns", mode="before")
    @classmethod
    def _columns(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in ("standard", "all"):
            refuse(f"found {value!r}; {nearest(value, ('standard', 'all'))}, or a list")
        return tuple(value) if isinstance(value, list) else value


class Patient(Strict):
    """Whom doses per body surface or weight are for: a reference adult unless said otherwise."""

    body_surface_area: Annotated[float, Quantity("m^2", above=0)] = REFERENCE["body_surface_area"]
    weight: Annotated[float, Quantity("kg", above=0)] = REFERENCE["weight"]


class CatalogueFiles(Strict):
    """The user's own presets: YAML files beside the scenario."""

    drugs: str | None = None
    substrates: str | None = None
    cell_types: str | None = None
    mutations: str | None = None


class Scenario(Strict):
    """Everything a run depends on; made by ``load_scenario``.

    All numbers are in internal units (um, min, mmHg for oxygen, mM, nM, uM, mg for doses).
    ``evolution`` maps a mutation to its rate [1/division]; the catalogue's where none is given.
    One with ``nodes`` is the scenario's own.
    """

    format: Literal[1] = 1
    name: Title = "scenario"
    seed: int = Field(default=1, ge=0, lt=2**63)
    time: Time
    stop: Stop = Stop()
    domain: Domain
    substrates: dict[str, SubstrateSpec] = Field(default_factory=dict)
    cells: dict[str, CellGroup] = Field(default_factory=dict)
    therapy: tuple[Dose, ...] = ()
    evolution: dict[str, MutationSpec] = Field(default_factory=dict)
    surrogate: Surrogate = Surrogate()
    processes: dict[str, bool] = Field(
        default_factory=dict, json_schema_extra={"propertyNames": {"enum": list(PROCESSES)}}
    )
    catalogue: CatalogueFiles = Field(default=CatalogueFiles(), exclude=True)
    output: Output = Output()
    patient: Patient = Patient()
    cell_types: dict[str, CellTypeSpec] = Field(default_factory=dict)
    drugs: dict[str, DrugSpec] = Field(default_factory=dict)

    _document: Document = PrivateAttr(default=Document(None))
    _files: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("processes", mode="before")
    @classmethod
    def _known_processes(cls, value: Any) -> Any:
        for name in value if isinstance(value, dict) else ():
            if name not in PROCESSES:
                refuse(f"unknown process; {nearest(name, PROCESSES)}", name)
        return value

    @property
    def source(self) -> str:
        """The text as given."""
        return self._document.text

    @property
    def path(self) -> Path | None:
        """The file it came from; None for a mapping."""
        return self._document.path

    @property
    def document(self) -> Document:
        """What it was made from: data as given with file and line of every value."""
        return self._document

    @property
    def files(self) -> Mapping[str, str]:
        """Texts of the tables of cells that it names, by path: as they were when it was loaded."""
        return self._files

    @property
    def policies(self) -> tuple[str, ...]:
        """Policies of the user's that its therapy names: Python code that a run calls."""
        named = (entry.adaptive.policy for entry in self.therapy if entry.adaptive is not None)
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def resolved(self) -> dict[str, Any]:
        """Every value in force, as plain data with units; ``load_scenario`` reads it back."""
        return self.model_dump(mode="json")

    @property
    def genotypes(self) -> tuple[str, ...]:
        """Names of the bits of a genotype: those of the cell model, then the scenario's own."""
        from surrogates.channels import GENOTYPES

        return (*GENOTYPES, *self.own_mutations)

    def genotype_bits(self, names: Iterable[str]) -> int:
        """Genotype with these mutations, bit k for the k-th of ``genotypes``."""
        from surrogates import channels

        return channels.genotype_bits(names, self.genotypes)

    def cell_model_options(self) -> dict[str, Any]:
        """Arguments of ``surrogates.load``: the surrogate, drugs, the scenario's own mutations."""
        own = self.own_mutations
        options = self.surrogate.options() | {"drugs": self.sensed_drugs}
        return options | ({"mutations": own} if own else {})

    @property
    def sensed_drugs(self) -> "dict[str, Drug]":
        """Drugs that cells sense, by the input that holds their concentration."""
        from surrogates import channels, drugs

        found = {}
        for name, substrate in self.substrates.items():
            spec, sensed = self.drugs.get(name), substrate.input
            if sensed is None or sensed in channels.SURROUNDINGS:
                continue
            if spec is None or sensed != name:
                found[sensed] = drugs.SHIPPED[sensed]
            elif spec.targets:
                scale = parse_quantity("1 uM", spec.unit)
                halves = {target: half * scale for target, half in spec.targets.items()}
                found[sensed] = drugs.own_drug(sensed, spec.unit, halves)
            elif spec.acts_as:
                found[sensed] = replace(drugs.SHIPPED[spec.acts_as], name=sensed)
        return found

    @property
    def own_mutations(self) -> dict[str, dict[str, dict[str, float]]]:
        """Mutations that the scenario itself defines: what each changes of which node."""
        return {name: spec.changes() for name, spec in self.evolution.items() if spec.nodes}

    def grid_shape(self) -> tuple[int, int, int]:
        """Number of voxels (z, y, x)."""
        nx, ny, nz = (round(length / self.domain.voxel) for length in self.domain.box)
        return nz, ny, nx

    def process_is_on(self, name: str) -> bool:
        """Whether a process of the tick runs; all do unless switched off."""
        return self.processes.get(name, True)

    def error(self, path: tuple[Any, ...], message: str) -> ScenarioError:
        """Error about the value at a path of keys, with its file and line."""
        return self._document.error(path, message)
