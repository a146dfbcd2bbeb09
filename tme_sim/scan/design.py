"""What a scan file asks for: its arms, each a set of overrides of one scenario, and its replicates.

Arms come from axes (all combinations), zipped lists (one step at a time), named arms, samples of a
box (Latin hypercube, Sobol) or a table; parts that stand together are combined. Overrides are the
dotted paths of ``tme-sim run --set``.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator, model_validator

from tme_sim.scan.study import COLUMNS, Overrides, Range, Study
from tme_sim.scenario import ScenarioError
from tme_sim.scenario.document import parse_value
from tme_sim.scenario.errors import nearest
from tme_sim.scenario.quantities import Strict, refuse


class Sample(Strict):
    """Points of a box: ``n`` of a Latin hypercube, or the first ``n`` of a scrambled Sobol row."""

    method: Literal["latin_hypercube", "sobol"]
    n: int = Field(ge=1)
    seed: int = Field(default=1, ge=0)
    ranges: dict[str, Range] = Field(min_length=1)

    def points(self) -> list[Overrides]:
        """Overrides of each point."""
        from scipy.stats import qmc  # a second, only for samples

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


class Scan(Study):
    """A scan file: where arms come from, see above.

    Attributes:
        keep: As of every study, or ``best``: only that of the ``best`` run.
        reference: Label of the arm that others are compared with; the first unless given.
    """

    keep: Literal["all", "failed", "best", "none"] = "failed"
    best: Best | None = None
    reference: str | None = None
    axes: dict[str, Any] = Field(default_factory=dict)
    zip: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    arms: dict[str, dict[str, Any]] = Field(default_factory=dict)
    sample: Sample | None = None
    table: str | None = None

    @field_validator("axes", mode="before")
    @classmethod
    def _axes(cls, value: Any) -> Any:
        return require_values(value)

    @model_validator(mode="after")
    def _together_in_a_scan(self) -> "Scan":
        if len({len(values) for values in self.zip.values()}) > 1:
            lengths = {name: len(values) for name, values in self.zip.items()}
            refuse(f"zipped lists must be equally long, found {lengths}", "zip")
        taken = [name for name in self.axes if name in COLUMNS and name != "seed"]
        if taken:
            refuse(f"{taken[0]!r} is a column of the results; give the axis another name", "axes")
        if (self.keep == "best") != (self.best is not None):
            refuse("`keep: best` and `best: {outcome: ...}` belong together", "keep")
        return self


@dataclass(frozen=True)
class Arm:
    """One set of conditions: its values by axis, and the overrides behind them."""

    label: str
    values: dict[str, Any]
    overrides: Overrides
    at: tuple[Any, ...] = ()  # keys in the scan file that messages about it point to


def require_values(axes: Any) -> Any:
    """Axes as they are, if each is a list of values, or labels with overrides each."""
    for name, values in axes.items() if isinstance(axes, dict) else ():
        entries = values.values() if isinstance(values, dict) else ("no labels",)
        labelled = all(isinstance(entry, dict) for entry in entries)
        if not values or not (isinstance(values, list) or labelled):
            refuse("a list of values, or labels with overrides each, is needed", name)
    return axes


def arms_of(scan: Scan) -> list[Arm]:
    """All arms of a scan in a fixed order; each label stands once."""
    parts = parts_of(scan)
    refuse_overlaps(scan, parts)
    arms = [combined(combination) for combination in itertools.product(*parts)]
    for label, n in Counter(arm.label for arm in arms).items():
        if n > 1:
            raise scan.document.error((), f"the arm {label!r} stands twice")
    return arms


def parts_of(scan: Scan) -> list[list[Arm]]:
    """The sets of conditions that a scan combines: of every axis, then of the other sections."""
    parts = [axis_arms(name, values, "axes") for name, values in scan.axes.items()]
    if scan.zip:
        rows = zip(*scan.zip.values(), strict=True)
        parts.append([_part(dict(zip(scan.zip, row, strict=True)), ("zip",)) for row in rows])
    if scan.sample is not None:
        parts.append([_part(point, ("sample", "ranges")) for point in scan.sample.points()])
    if scan.table is not None:
        parts.append([_part(row, ("table",)) for row in read_table(scan)])
    if scan.arms:
        parts.append(
            [
                Arm(name, {"arms": name} if parts else {}, dict(overrides), ("arms", name))
                for name, overrides in scan.arms.items()
            ]
        )
    return parts


def refuse_overlaps(study: Study, parts: Sequence[Sequence[Arm]]) -> None:
    """Refuse conditions that would take what the tables tell of others, since both are combined.

    Raises:
        ScenarioError: with the places of both.
    """
    before: dict[str, _Override] = {}
    for part in parts:
        mine = {
            path: _Override(path, (*arm.at, path), path in arm.values)
            for arm in part
            for path in arm.overrides
        }
        together = itertools.permutations([one for one in mine.values() if one.told], 2)
        across = itertools.product(before.values(), mine.values())
        for first, second in itertools.chain(across, together):
            if second.spoils(first):
                raise _overlap(study, first, second)
        before |= mine
    if study.seeds is not None and "seed" in before:
        msg = "seed: `seeds` is given too; leave one of them out"
        raise ScenarioError(msg, study.document.where(before["seed"].place))


class _Override(NamedTuple):
    """A path that arms of a part of a study put values over.

    Attributes:
        path: Dotted.
        place: Keys in the file.
        told: Whether the tables tell its value, not only a label.
    """

    path: str
    place: tuple[Any, ...]
    told: bool

    def spoils(self, earlier: "_Override") -> bool:
        """Whether values put here after those of another make that one untrue."""
        below = earlier.told and self.path.startswith(f"{earlier.path}.")
        return below or f"{earlier.path}.".startswith(f"{self.path}.")


def _overlap(study: Study, first: _Override, second: _Override) -> ScenarioError:
    where = study.document.where(first.place)
    msg = f"{second.path}: would change {first.path} ({where}); leave one of them out"
    return ScenarioError(msg, study.document.where(second.place))


def axis_arms(name: str, values: Any, section: str) -> list[Arm]:
    """An arm per value of an axis in a section of a file."""
    at = (section, name)
    if isinstance(values, dict):
        return [Arm(f"{k}", {name: k}, dict(o), (*at, k)) for k, o in values.items()]
    return [_part({name: value}, (*at, k)) for k, value in enumerate(values)]


def combined(parts: Sequence[Arm]) -> Arm:
    """One arm with the conditions of several."""
    if not parts:
        return Arm("base", {}, {})
    values: Overrides = {}
    overrides: Overrides = {}
    for part in parts:
        values |= part.values
        overrides |= part.overrides
    label = ", ".join(part.label for part in parts)
    return Arm(label, values, overrides, parts[0].at if len(parts) == 1 else ())


def read_table(scan: Scan) -> list[Overrides]:
    """Overrides of each row of a CSV or Parquet table; its columns are dotted paths."""
    import pandas as pd  # only for tables of arms

    path = scan.path_to(scan.table or "")
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
    import pandas as pd  # only for tables of arms

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


def _part(overrides: Overrides, at: tuple[Any, ...]) -> Arm:
    values = {path: _as_text(value) for path, value in overrides.items()}
    label = ", ".join(f"{path}={value}" for path, value in values.items())
    return Arm(label, values, dict(overrides), at)


def _as_text(value: Any) -> Any:
    """A value as a table holds it: number or text."""
    value = parse_value(value, "value") if isinstance(value, str) else value
    return value if isinstance(value, (str, int, float)) else str(value)
