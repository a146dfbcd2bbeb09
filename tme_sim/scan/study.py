"""What files of scans, searches and sensitivities share: scenario, replicates, outcomes, store."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from tme_sim.scenario import Scenario, ScenarioError, load_scenario
from tme_sim.scenario.document import Document, read_document
from tme_sim.scenario.load import first_error
from tme_sim.scenario.names import Title, title_of
from tme_sim.scenario.quantities import Strict, refuse
from tme_sim.scenario.units import UnitError, format_quantity, parse_quantity, split_quantity

Overrides = dict[str, Any]
SECTIONS = ("axes", "zip", "set", "search", "choices", "parameters")  # where dotted paths are keys
# of the table of results, beside axes and outcomes
COLUMNS = ("arm", "arms", "seed", "status", "message", "digest", "key")
MOST_REPLICATES = 100_000
DIGITS = 10  # of a value from a range, so that 5 does not read 4.999999999999999
Kind = TypeVar("Kind", bound="Study")


class Range(Strict):
    """An interval of a value with its unit; ``log``: even in the logarithm; ``whole``: counts."""

    low: str | float
    high: str | float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        low, high = self.bounds()
        if not low < high or (self.log and low <= 0):
            refuse(f"low ({self.low}) must be below high ({self.high}), and above 0 where log")
        return self

    @property
    def unit(self) -> str:
        """Unit of ``low``, in which values are written; empty for a number."""
        return split_quantity(self.low)[1]

    def bounds(self) -> tuple[float, float]:
        """Low and high in the unit of ``low``."""
        try:
            low, unit = split_quantity(self.low)
            return low, parse_quantity(self.high, unit or "1")
        except UnitError as err:
            return refuse(str(err), "high")

    def at(self, share: float) -> str | float:
        """The value at a share in [0, 1] of the interval, as a scenario would say it."""
        low, high = self.bounds()
        if self.log:
            return self.quantity(math.exp(math.log(low) + share * (math.log(high) - math.log(low))))
        return self.quantity(low + share * (high - low))

    def quantity(self, number: float) -> str | float:
        """A number in the unit of ``low`` as a scenario would say it."""
        number = round(number) if self.whole else float(f"{number:.{DIGITS}g}")
        return format_quantity(number, self.unit) if self.unit else number


class Study(Strict):
    """What scan, optimisation and sensitivity files share.

    Attributes:
        scenario: Scenario file, relative to this one.
        set: Overrides that all arms share.
        replicates: Number of seeds, counted up from the scenario's; or
        seeds: the seeds themselves. Arms of one seed share their draws.
        outcomes: Column -> {outcome: parameters}, see ``tme_sim.scan.outcomes``.
        keep: Which run files stay: all, failed, none; of a scan also ``best``.
        store: Folder; ``outputs/<name>`` otherwise.
        cluster: ``{slurm: {...}}``: options of dask-jobqueue's ``SLURMCluster``.
    """

    format: Literal[1] = 1
    name: Title = "scan"
    scenario: str
    set: dict[str, Any] = Field(default_factory=dict)
    replicates: int = Field(default=1, ge=1, le=MOST_REPLICATES)
    seeds: tuple[int, ...] | None = Field(default=None, min_length=1)
    outcomes: dict[str, dict[str, Any]] = Field(min_length=1)
    keep: Literal["all", "failed", "best", "none"] = "failed"
    store: str | None = None
    cluster: dict[Literal["slurm"], dict[str, Any]] = Field(default_factory=dict)

    _document: Document = PrivateAttr(default=Document(None))

    @model_validator(mode="after")
    def _together(self) -> "Study":
        if self.seeds is not None and self.replicates != 1:
            refuse("both replicates and seeds are given; use one", "seeds")
        return self

    @property
    def document(self) -> Document:
        """The file, with the line of every value."""
        return self._document

    def folder(self) -> Path:
        """The store."""
        return Path("outputs") / self.name if self.store is None else Path(self.store)

    def path_to(self, name: str) -> Path:
        """A file that this one names."""
        path = self.document.path
        return (path.parent if path is not None else Path()) / name

    def all_seeds(self, first: int) -> tuple[int, ...]:
        """Seeds of the replicates, where the scenario's own is ``first``."""
        return self.seeds or tuple(range(first, first + self.replicates))

    def load(self, overrides: Mapping[str, Any], *at: Any) -> Scenario:
        """The scenario under overrides; errors about them name this file's line."""
        values = {k: v for k, v in self.set.items() if k not in overrides} | dict(overrides)
        place_of_scenario = self.path_to(self.scenario)
        if not place_of_scenario.is_file():
            raise self.document.error(("scenario",), f"no such file {str(place_of_scenario)!r}")
        try:
            return load_scenario(place_of_scenario, values)
        except ScenarioError as err:
            path = _override_at_fault(err.where, values)
            if path is None:
                raise
            sections = ((section, path) for section in SECTIONS)
            places = [*sections, ("sample", "ranges", path), (*at, path)]
            place = next((p for p in places if p in self.document.lines), at)
            msg = f"{path}: {err.message.removeprefix(f'{path}: ')}"
            raise ScenarioError(msg, self.document.where(place)) from err


def read_study(path: str | Path, kind: type[Kind]) -> Kind:
    """Read a file of a kind of study.

    Raises:
        ScenarioError: with file and line.
    """
    document = read_document(Path(path))
    if not isinstance(document.data, dict):
        raise document.error((), "a mapping (key: value) is needed")
    data = {"name": title_of(Path(path).stem), **document.data}
    try:
        study = kind.model_validate(data)
    except ValidationError as err:
        raise first_error(err, document) from err
    study._document = document
    return study


def _override_at_fault(where: str, values: Mapping[str, Any]) -> str | None:
    if not where.startswith("--set "):
        return None
    fits = [path for path in values if where.removeprefix("--set ").startswith(path)]
    return max(fits, key=len, default=None)
