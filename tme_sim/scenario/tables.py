"""Read the cells of a CSV table: positions, and any column of the population."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tme_sim.scenario.errors import ScenarioError, nearest
from tme_sim.scenario.scenario import Domain
from tme_sim.state.columns import ALIVE, COLUMNS

POSITION = ("x", "y", "z")
REFUSED = {  # columns of the population that a table cannot give, and why
    "id": "the run numbers its cells",
    "mother": "cells of a table have no mother in the run",
    "type": "a table is of one group: give the cells of each type a group of their own",
    "group": "a table is of one group: give the others a group of their own",
    "radius": "it follows from `volume`",
    "target": "the run decides whom a cell engages",
    "in_domain": "the cell model says it",
    "sigma": "the cell model says it",
}
MOST = {"phase": 2.0, "status": 3.0, "death_cause": 2.0, "phase_progress": 1.0}
PERIODIC_SHARE = 1.0 / 3.0  # of a periodic box: a larger cell would touch two images of another
LEAST_VOLUME = 1.0  # [um3] of a cell: far below any, and far above what rounding could make none
MOST_NUMBER = 1e9  # of a column without a range of its own
CROWD_WIDTH, MOST_IN_A_CROWD = 10.0, 100  # [um], about a cell's radius; cells in such a square
PARTS = ("fluid_volume", "nuclear_volume")  # of the column `volume`
MOST_MUTATIONS = 31  # bits of the column `genotype`
SHOWN = 40  # letters of what was found, in a message

Line = tuple[int, list[str]]  # its number in the file, and its values


class Limits(NamedTuple):
    """What values a column may have."""

    low: float
    high: float
    whole: bool


def read_table(
    text: str, path: str, domain: Domain, *, n_mutations: int = MOST_MUTATIONS
) -> dict[str, NDArray[np.float64]]:
    """Columns of a table of cells.

    The first line names the columns: x, y (and z in 3D) [um], and any scalar column of the
    population in its own unit, such as ``volume`` or ``phase``.

    Args:
        text: Of the table.
        path: What messages call it.
        domain: The box that positions must lie in.
        n_mutations: Number of mutations that a genotype has bits for.

    Raises:
        ScenarioError: With file and line of the table.
    """
    first, *lines = _lines(text, path)
    names = _names(first, path, domain)
    numbers = [number for number, _ in lines]
    values = np.array([_values(row, number, names, path) for number, row in lines])
    columns = dict(zip(names, values.T, strict=True))
    for name, column in columns.items():
        limits = _limits(name, domain, n_mutations)
        _check_column(name, column, limits, [f"{path}:{number}" for number in numbers])
    _check_crowding(columns, domain, path, numbers)
    _check_parts(columns, path, numbers)
    _check_deaths(columns, path, numbers)
    return columns


def table_text(path: str, where: str = "") -> str:
    """Text of a table of cells.

    Raises:
        ScenarioError: It is missing, no text, or no regular file, which may have no end.
    """
    file = Path(path)
    try:
        if file.exists() and not file.is_file():
            msg = f"the table of cells {path} is no regular file"
            raise ScenarioError(msg, where)
        with file.open(newline="", encoding="utf-8-sig") as stream:
            return stream.read()
    except (OSError, ValueError) as err:  # ValueError: no UTF-8, or a name with a NUL
        reason = getattr(err, "strerror", None) or err
        msg = f"the table of cells {path} cannot be read: {reason}"
        raise ScenarioError(msg, where) from err


def _lines(text: str, path: str) -> list[Line]:
    """Lines with a value; at least that of the names and one cell."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        rows = [(number, row) for number, row in _numbered(reader) if any(row)]
    except csv.Error as err:
        msg = f"is no CSV table: {err}"
        raise ScenarioError(msg, f"{path}:{reader.line_num}") from err
    if len(rows) < 2:
        msg = "a table of cells needs a line of column names and at least one cell"
        raise ScenarioError(msg, path)
    return rows


def _numbered(reader: Any) -> Iterator[Line]:  # the type of csv.reader has no name to import
    for row in reader:
        yield reader.line_num, [cell.strip() for cell in row]


def _names(first: Line, path: str, domain: Domain) -> list[str]:
    """Column names, all known and each there once."""
    number, names = first
    needed = POSITION[: domain.dim]
    allowed = [*POSITION, *(c.name for c in COLUMNS if c.shape == () and c.name not in REFUSED)]
    for name in needed:
        if name not in names:
            msg = f"the column {name!r} is missing; {', '.join(needed)} [um] are needed"
            raise ScenarioError(msg, f"{path}:{number}")
    for place, name in enumerate(names, start=1):
        if not name:
            msg = f"column {place} has no name; name it, or leave it out"
            raise ScenarioError(msg, f"{path}:{number}")
        if name in REFUSED:
            msg = f"the column {name!r} cannot be given: {REFUSED[name]}"
            raise ScenarioError(msg, f"{path}:{number}")
        if name not in allowed or names.count(name) > 1:
            fault = "stands twice" if name in allowed else f"is unknown; {nearest(name, allowed)}"
            msg = f"the column {name[:SHOWN]!r} {fault}"
            raise ScenarioError(msg, f"{path}:{number}")
    return names


def _values(row: list[str], number: int, names: list[str], path: str) -> list[float]:
    """Numbers of one line."""
    if len(row) != len(names):
        msg = f"found {len(row)} values, but there are {len(names)} columns"
        raise ScenarioError(msg, f"{path}:{number}")
    values = []
    for name, text in zip(names, row, strict=True):
        try:
            values.append(float(text))
        except ValueError as err:
            msg = f"{name}: found {text[:SHOWN]!r}, but a number is needed"
            raise ScenarioError(msg, f"{path}:{number}") from err
        if not math.isfinite(values[-1]):
            msg = f"{name}: found {text[:SHOWN]!r}, but a finite number is needed"
            raise ScenarioError(msg, f"{path}:{number}")
    return values


def _limits(name: str, domain: Domain, n_mutations: int) -> Limits:
    """Values that a cell can have in a column, ends included."""
    if name in POSITION:
        return Limits(0.0, domain.box[POSITION.index(name)], whole=False)
    if name == "birth_time":  # [min] of cells that are there at the start
        return Limits(-math.inf, 0.0, whole=False)
    if name == "volume":  # a sphere between the walls
        diameter = min(domain.size) * (1.0 if domain.walls != "periodic" else PERIODIC_SHARE)
        return Limits(LEAST_VOLUME, math.pi / 6.0 * diameter**3, whole=False)
    if name == "genotype":
        return Limits(0.0, 2.0**n_mutations - 1.0, whole=True)
    dtype = next(column.dtype for column in COLUMNS if column.name == name)
    whole = dtype.startswith("i")
    most = float(np.iinfo(dtype).max) if whole else MOST_NUMBER
    return Limits(0.0, MOST.get(name, most), whole)


def _check_column(
    name: str, column: NDArray[np.float64], limits: Limits, places: list[str]
) -> None:
    """Refuse the first value that no cell can have."""
    wrong = (column < limits.low) | (column > limits.high)
    if limits.whole:
        wrong |= column != np.rint(column)
    if not wrong.any():
        return
    k = int(np.argmax(wrong))
    if name in POSITION:
        flat = f"; tissue in two dimensions is {limits.high:g} um thick" if name == "z" else ""
        msg = f"{name} = {column[k]:g} um lies outside the domain (0 to {limits.high:g} um){flat}"
        raise ScenarioError(msg, places[k])
    needed = f"{'a whole number' if limits.whole else 'a number'} {_in_words(limits)}"
    msg = f"{name}: found {column[k]:g}, but {needed} is needed"
    raise ScenarioError(msg, places[k])


def _in_words(limits: Limits) -> str:
    if math.isinf(limits.low):
        return f"up to {limits.high:g}"
    return f"from {limits.low:g} to {limits.high:g}"


def _check_crowding(
    columns: dict[str, NDArray[np.float64]], domain: Domain, path: str, numbers: list[int]
) -> None:
    """Cells have room: the first tick grows with the square of their number in one place."""
    place = np.zeros(len(numbers), dtype=np.int64)
    for axis, length in zip(POSITION, domain.size, strict=False):
        n_places = int(length / CROWD_WIDTH) + 1
        place = place * n_places + (columns[axis] / CROWD_WIDTH).astype(np.int64)
    _, which, count = np.unique(place, return_inverse=True, return_counts=True)
    if count.max() > MOST_IN_A_CROWD:
        where = np.flatnonzero(which == np.argmax(count))
        x, y = (columns[axis][where[0]] for axis in "xy")
        msg = (
            f"found {len(where)} cells within {CROWD_WIDTH:g} um at ({x:g}, {y:g}), "
            f"but at most {MOST_IN_A_CROWD} can start so close; give each a place of its own"
        )
        raise ScenarioError(msg, f"{path}:{numbers[where[MOST_IN_A_CROWD]]}")


def _check_parts(columns: dict[str, NDArray[np.float64]], path: str, numbers: list[int]) -> None:
    """Parts of a volume come with it and leave room for the rest of the cell."""
    parts = [name for name in PARTS if name in columns]
    if not parts:
        return
    if "volume" not in columns:
        msg = f"the column {parts[0]!r} needs the column 'volume', of which it is a part"
        raise ScenarioError(msg, path)
    volume = columns["volume"].astype(np.float32)  # as it is stored
    sum_of_parts = np.sum([columns[name].astype(np.float32) for name in parts], axis=0)
    wrong = sum_of_parts >= volume
    if wrong.any():
        k = int(np.argmax(wrong))
        msg = (
            f"{' + '.join(parts)}: found {sum_of_parts[k]:g} um3, "
            f"but less than the volume of {volume[k]:g} um3 is needed"
        )
        raise ScenarioError(msg, f"{path}:{numbers[k]}")


def _check_deaths(columns: dict[str, NDArray[np.float64]], path: str, numbers: list[int]) -> None:
    """Who lives has died of nothing."""
    causes = columns.get("death_cause")
    if causes is None:
        return
    wrong = (causes != 0.0) & (columns.get("status", np.zeros_like(causes)) == ALIVE)
    if wrong.any():
        k = int(np.argmax(wrong))
        msg = f"death_cause: found {causes[k]:g}, but the cell lives (status 0); give 0"
        raise ScenarioError(msg, f"{path}:{numbers[k]}")
