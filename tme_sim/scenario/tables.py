"""Read the cells of a CSV table: positions, and any column of the population."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from tme_sim.scenario.errors import ScenarioError, nearest
from tme_sim.scenario.scenario import Domain

POSITION = ("x", "y", "z")
DERIVED = ("id", "mother", "type", "group", "radius", "nodes", "inputs", "outputs", "position")


def read_table(path: str, domain: Domain, where: str = "") -> dict[str, np.ndarray]:
    """Columns of a table of cells.

    The first line names the columns: x, y (and z in 3D) [um], and any scalar column of the
    population in its own unit, such as ``volume`` or ``phase``.

    Args:
        path: The CSV file.
        domain: The box that positions must lie in.
        where: File and line of the scenario that names the table, for a table that is missing.

    Raises:
        ScenarioError: With file and line of the table.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as stream:
            rows = [(number, row) for number, row in _numbered(csv.reader(stream)) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        reason = getattr(err, "strerror", None) or err
        msg = f"the table of cells {path} cannot be read: {reason}"
        raise ScenarioError(msg, where) from err
    if len(rows) < 2:
        msg = "a table of cells needs a line of column names and at least one cell"
        raise ScenarioError(msg, path)
    names = _names(rows[0], path, domain)
    values = np.array([_numbers(row, number, names, path) for number, row in rows[1:]])
    _check_inside(values, names, [number for number, _ in rows[1:]], path, domain)
    return {name: values[:, k] for k, name in enumerate(names)}


def _numbered(reader: Any) -> list[tuple[int, list[str]]]:
    return [(reader.line_num, [cell.strip() for cell in row]) for row in reader]


def _names(first: tuple[int, list[str]], path: str, domain: Domain) -> list[str]:
    """Column names, all known and each there once."""
    from tme_sim.state.columns import COLUMNS

    number, names = first
    needed = POSITION[: domain.dim]
    scalars = [c.name for c in COLUMNS if c.shape == () and c.name not in DERIVED]
    allowed = [*POSITION, *scalars]
    for name in needed:
        if name not in names:
            msg = f"the column {name!r} is missing; {', '.join(needed)} [um] are needed"
            raise ScenarioError(msg, f"{path}:{number}")
    for name in names:
        if name not in allowed or names.count(name) > 1:
            fault = "stands twice" if name in allowed else f"is unknown; {nearest(name, allowed)}"
            msg = f"the column {name!r} {fault}"
            raise ScenarioError(msg, f"{path}:{number}")
    return names


def _numbers(row: list[str], number: int, names: list[str], path: str) -> list[float]:
    """Numbers of one line."""
    if len(row) != len(names):
        msg = f"found {len(row)} values, but there are {len(names)} columns"
        raise ScenarioError(msg, f"{path}:{number}")
    values = []
    for name, text in zip(names, row, strict=True):
        try:
            values.append(float(text))
        except ValueError as err:
            msg = f"{name}: found {text!r}, but a number is needed"
            raise ScenarioError(msg, f"{path}:{number}") from err
        if not math.isfinite(values[-1]):
            msg = f"{name}: found {text!r}, but a finite number is needed"
            raise ScenarioError(msg, f"{path}:{number}")
    return values


def _check_inside(
    values: np.ndarray, names: list[str], numbers: list[int], path: str, domain: Domain
) -> None:
    """Every position lies in the domain."""
    for axis, length in zip(POSITION, domain.size, strict=False):
        column = values[:, names.index(axis)]
        outside = np.flatnonzero((column < 0) | (column > length))
        if outside.size:
            k = outside[0]
            msg = f"{axis} = {column[k]:g} um lies outside the domain (0 to {length:g} um)"
            raise ScenarioError(msg, f"{path}:{numbers[k]}")
