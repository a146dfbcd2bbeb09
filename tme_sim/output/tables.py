"""What a run file holds, as tables of pandas; units are in ``.attrs["units"]``."""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np
import pandas as pd

from tme_sim.output.balances import GROUP
from tme_sim.output.layout import TABLES, Extent
from tme_sim.output.structure import check_codes
from tme_sim.text import as_cell
from tme_sim.therapy.balance import BODY, TISSUE, gap


def cells(frame: Mapping[str, np.ndarray], columns: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """The cells of a frame; ``position`` as x, y, z, codes by name.

    Args:
        frame: stored values of each column, one row per cell.
        columns: units and categories of each column.
    """
    found: dict[str, Any] = {}
    for name, values in frame.items():
        categories = columns[name]["categories"]
        if name == "position":
            found |= {axis: values[:, k] for k, axis in enumerate("xyz")}
        elif values.ndim == 2:
            found |= {f"{name}_{axis}": values[:, k] for k, axis in enumerate("xyz")}
        elif categories:
            found[name] = pd.Categorical.from_codes(values, list(categories))
        else:
            found[name] = values
    table = pd.DataFrame(found)
    table.attrs["units"] = {name: column["units"] for name, column in columns.items()}
    return table


def write_csv(table: pd.DataFrame, path: str | Path | IO[str], **options: Any) -> None:
    """Write a table as CSV without its index; no text in it is a formula to a spreadsheet."""
    table = table.rename(columns=as_cell)
    for name in table.columns:
        values = table[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            table[name] = values.cat.rename_categories(as_cell)
        elif values.dtype == object:
            table[name] = values.map(lambda v: as_cell(v) if isinstance(v, str) else v)
    table.to_csv(path, index=False, **options)


def metrics(file: h5py.File, extent: Extent) -> pd.DataFrame:
    """One row per tick."""
    dataset = file["metrics/values"]
    names = [str(name) for name in dataset.attrs["columns"]]
    units = [str(unit) for unit in dataset.attrs["column_units"]]
    table = pd.DataFrame(dataset[: extent.metrics], columns=names)
    if not (np.diff(table["time"]) > 0).all() or table["time"].isna().any():
        msg = "the time of /metrics does not rise"
        raise ValueError(msg)
    table.attrs["units"] = dict(zip(names, units, strict=True))
    return table


def stored(file: h5py.File, name: str, n_rows: int) -> pd.DataFrame:
    """One of ``layout.TABLES``: lineage, events or clones."""
    columns = {}
    for column in TABLES[name]:
        values = file[name][column.name][:n_rows]
        if column.dtype == "text" or values.dtype.kind == "S":
            values = np.array([text.decode() for text in values], dtype=object)
        if column.name in ("clone", "parent"):
            n_clones = int(file.attrs["committed"][-1])
            check_codes(values, -1, n_clones, f"/{name}/{column.name}")
        columns[column.name] = values
    return pd.DataFrame(columns)


def balances(file: h5py.File) -> pd.DataFrame:
    """One row per drug and part (body, tissue): amount by name, unit, and the gap.

    The gap is what a balance leaves unexplained, as a share of its throughput.
    """
    rows = []
    for drug, parts in file.get(GROUP, {}).items():
        for part, dataset in parts.items():
            names = [str(name) for name in dataset.attrs["columns"]]
            amounts = dict(zip(names, dataset[:].tolist(), strict=True))
            unit = str(dataset.attrs["units"])
            rows.append({"drug": drug, "part": part, "unit": unit, "gap": gap(amounts), **amounts})
    columns = ["drug", "part", "unit", "gap", *dict.fromkeys((*BODY, *TISSUE))]
    return pd.DataFrame(rows, columns=columns).set_index(["drug", "part"])
