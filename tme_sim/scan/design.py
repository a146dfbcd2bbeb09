"""What a scan file asks for: its arms, each a set of overrides of one scenario, and its replicates.

Arms come from axes (all combinations), zipped lists (one step at a time), named arms, samples of a
box (Latin hypercube, Sobol) or a table; parts that stand together are combined. Overrides are the
dotted paths of ``tme-sim run --set``.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from tme_sim.scenario import Scenario, ScenarioError, load_scenario
from tme_sim.scenario.document import Document, parse_value, read_document
from tme_sim.scenario.errors import nearest
from tme_sim.scenario.load import first_error
from tme_sim.scenario.quantities import Strict, refuse
from tme_sim.scenario.units import UnitError, format_quantity, parse_quantity, split_quantity

Overrides = dict[str, Any]
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"
KEEP = ("all", "failed", "best", "none")


class Range(Strict):
    """An interval of a value with its unit; ``log``: even in the logarithm."""

    low: str | float
    high: str | float
    log: bool = False

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
            number = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            number = low + share * (high - low)
        return format_quantity(number, self.unit) if self.unit else number


class Sample(Strict):
    """Points of a box: ``n`` of a Latin hypercube, or the first ``n`` of a scrambled Sobol row."""

    method: Literal["latin_hypercube", "sobol"]
    n: int = Field(ge=1)
    seed: int = Field(default=1, ge=0)
    ranges: dict[str, Range] = Field(min_length=1)

    def points(self) -> list[Overrides]:
        """Overrides of each point."""
        from scipy.stats import qmc

        engines = {"latin_hypercube": qmc.LatinHypercube, "sobol": qmc.Sobol}
        engine = engines[self.method](len(self.ranges), rng=self.seed)
        return [
            {p: r.at(float(u)) for (p, r), u in zip(self.ranges.items(), row, strict=True)}
            for row in engine.random(self.n)
        ]


class Best(Strict):
    """Which run of the scan is best, for ``keep: best``."""

    outcome: str
    direction: Literal["maximize", "minimize"] = "maximize"


class Study(Strict):
    """What scan, optimisation and sensitivity files share.

    Attributes:
        scenario: Scenario file, relative to this one.
        set: Overrides that all arms share.
        replicates: Number of seeds, counted up from the scenario's; or
        seeds: the seeds themselves. Arms of one seed share their draws.
        outcomes: Column -> {outcome: parameters}, see ``tme_sim.scan.outcomes``.
        keep: Which run files stay: all, failed, best, none.
        store: Folder; ``outputs/<name>`` otherwise.
        cluster: ``{slurm: {...}}``: options of dask-jobqueue's ``SLURMCluster``.
    """

    format: Literal[1] = 1
    name: str = Field(default="scan", pattern=NAME)
    scenario: str
    set: dict[str, Any] = Field(default_factory=dict)
    replicates: int = Field(default=1, ge=1)
    seeds: tuple[int, ...] | None = Field(default=None, min_length=1)
    outcomes: dict[str, dict[str, Any]] = Field(min_length=1)
    keep: Literal["all", "failed", "best", "none"] = "failed"
    best: Best | None = None
    store: str | None = None
    cluster: dict[Literal["slurm"], dict[str, Any]] = Field(default_factory=dict)

    _document: Document = PrivateAttr(default=Document(None))

    @model_validator(mode="after")
    def _together(self) -> "Study":
        if self.seeds is not None and self.replicates != 1:
            refuse("both replicates and seeds are given; use one", "seeds")
        if (self.keep == "best") != (self.best is not None):
            refuse("`keep: best` and `best: {outcome: ...}` belong together", "keep")
        return self

    @property
    def document(self) -> Document:
        """The file, with the line of every value."""
        return self._document

    def folder(self) -> Path:
        """The store."""
        return Path("outputs") / self.name if self.store is None else Path(self.store)

    def beside(self, name: str) -> Path:
        """A file that this one names."""
        path = self.document.path
        return (path.parent if path is not None else Path()) / name

    def all_seeds(self, first: int) -> tuple[int, ...]:
        """Seeds of the replicates, where the scenario's own is ``first``."""
        return self.seeds or tuple(range(first, first + self.replicates))

    def load(self, overrides: Mapping[str, Any], *at: Any) -> Scenario:
        """The scenario under overrides; errors about them name this file's line."""
        values = {**self.set, **overrides}
        try:
            return load_scenario(self.beside(self.scenario), values)
        except ScenarioError as err:
            path = _override_at_fault(err.where, values)
            if path is None:
                raise
            sections = ((s, path) for s in ("axes", "zip", "set", "search", "parameters"))
            places = [*sections, ("sample", "ranges", path), (*at, path)]
            place = next((p for p in places if p in self.document.lines), at)
            msg = f"{path}: {err.message.removeprefix(f'{path}: ')}"
            raise ScenarioError(msg, self.document.where(place)) from err


class Scan(Study):
    """A scan file."""

    axes: dict[str, Any] = Field(default_factory=dict)
    zip: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    sample: Sample | None = None
    table: str | None = None

    @field_validator("axes", mode="before")
    @classmethod
    def _axes(cls, value: Any) -> Any:
        for name, values in value.items() if isinstance(value, dict) else ():
            entries = values.values() if isinstance(values, dict) else ("no labels",)
            labelled = all(isinstance(entry, dict) for entry in entries)
            if not values or not (isinstance(values, list) or labelled):
                refuse("a list of values, or labels with overrides each, is needed", name)
        return value

    @model_validator(mode="after")
    def _equally_long(self) -> "Scan":
        if len({len(values) for values in self.zip.values()}) > 1:
            lengths = {name: len(values) for name, values in self.zip.items()}
            refuse(f"zipped lists must be equally long, found {lengths}", "zip")
        return self


@dataclass(frozen=True)
class Arm:
    """One set of conditions: its values by axis, and the overrides behind them."""

    label: str
    values: dict[str, Any]
    overrides: Overrides
    at: tuple[Any, ...] = ()  # keys in the scan file that messages about it point to


def read_study(path: str | Path, kind: type[Study] = Scan) -> Study:
    """Read a scan, optimisation or sensitivity file.

    Raises:
        ScenarioError: with file and line.
    """
    document = read_document(Path(path))
    if not isinstance(document.data, dict):
        raise document.error((), "a mapping (key: value) is needed")
    data = {"name": Path(path).stem, **document.data}
    try:
        study = kind.model_validate(data)
    except ValidationError as err:
        raise first_error(err, document) from err
    study._document = document
    return study


def arms_of(scan: Scan) -> list[Arm]:
    """All arms of a scan in a fixed order; each label stands once."""
    parts = [_axis(name, values) for name, values in scan.axes.items()]
    if scan.zip:
        rows = zip(*scan.zip.values(), strict=True)
        parts.append([_part(dict(zip(scan.zip, row, strict=True)), ("zip",)) for row in rows])
    if scan.sample is not None:
        parts.append([_part(point, ("sample", "ranges")) for point in scan.sample.points()])
    if scan.table is not None:
        parts.append([_part(row, ("table",)) for row in read_table(scan)])
    if scan.arms:
        named = scan.arms.items()
        parts.append([Arm(name, {"arm": name}, dict(o), ("arms", name)) for name, o in named])
    arms = [_combined(combination) for combination in itertools.product(*parts)]
    labels = [arm.label for arm in arms]
    for label in labels:
        if labels.count(label) > 1:
            raise scan.document.error((), f"the arm {label!r} stands twice")
    return arms


def read_table(scan: Scan) -> list[Overrides]:
    """Overrides of each row of a CSV or Parquet table; its columns are dotted paths."""
    import pandas as pd

    path = scan.beside(scan.table or "")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except FileNotFoundError as err:
        raise scan.document.error(("table",), f"no such file {str(path)!r}") from err
    except (OSError, ValueError) as err:
        raise scan.document.error(("table",), f"{path}: not a table ({err})") from err
    base = scan.load({}).resolved()
    for k, column in enumerate(table.columns):
        fault = _unknown_path(str(column), base)
        if fault:
            msg = f"column {k + 1}, {column!r}: {fault}"
            raise ScenarioError(msg, f"{path}:1")
        holes = [i for i, value in enumerate(table[column]) if pd.isna(value) or value == ""]
        if holes:
            msg = f"{column}: no value"
            raise ScenarioError(msg, f"{path}:{holes[0] + 2}")
    if not len(table):
        msg = "the table has no rows"
        raise ScenarioError(msg, str(path))
    records = table.to_dict(orient="records")
    return [{str(k): _native(v) for k, v in row.items()} for row in records]


def _read_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path, dtype=str, skipinitialspace=True, keep_default_na=False)


def _native(value: Any) -> Any:
    return value.item() if callable(getattr(value, "item", None)) else value


def _unknown_path(dotted: str, data: Any) -> str | None:
    """Why a path does not lead to a value of the resolved scenario; None where it does."""
    for name in dotted.split("."):
        if isinstance(data, list):
            if not name.isdecimal() or int(name) >= len(data):
                return f"{name!r} is no index of a list of {len(data)}"
            data = data[int(name)]
        elif isinstance(data, dict):
            if name not in data:
                return f"unknown; {nearest(name, data)}"
            data = data[name]
        elif data is not None:
            return f"{name!r} lies below the value {data!r}"
    return None


def _axis(name: str, values: Any) -> list[Arm]:
    at = ("axes", name)
    if isinstance(values, dict):
        return [Arm(f"{k}", {name: k}, dict(o), (*at, k)) for k, o in values.items()]
    return [_part({name: value}, (*at, k)) for k, value in enumerate(values)]


def _part(overrides: Overrides, at: tuple[Any, ...]) -> Arm:
    values = {path: _told(value) for path, value in overrides.items()}
    label = ", ".join(f"{path}={value}" for path, value in values.items())
    return Arm(label, values, dict(overrides), at)


def _told(value: Any) -> Any:
    """A value as a table holds it: number or text."""
    value = parse_value(value, "value") if isinstance(value, str) else value
    return value if isinstance(value, (str, int, float)) else str(value)


def _combined(parts: tuple[Arm, ...]) -> Arm:
    if not parts:
        return Arm("base", {}, {})
    values: Overrides = {}
    overrides: Overrides = {}
    for part in parts:
        values |= part.values
        overrides |= part.overrides
    label = ", ".join(part.label for part in parts)
    return Arm(label, values, overrides, parts[0].at if len(parts) == 1 else ())


def _override_at_fault(where: str, values: Mapping[str, Any]) -> str | None:
    if not where.startswith("--set "):
        return None
    fits = [path for path in values if where.removeprefix("--set ").startswith(path)]
    return max(fits, key=len, default=None)
