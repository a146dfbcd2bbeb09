"""Write a run as tables, CSV or Parquet: a folder with one file each.

``cells`` (a row per cell and frame), ``metrics`` (one per tick), ``pedigree`` (one per cell that
ever lived), ``lineage``, ``clones``, ``events``; ``columns`` says what every column of them is.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tme_sim.output import tables
from tme_sim.output.layout import TABLES
from tme_sim.output.run import Run

PEDIGREE_UNITS = {"birth": "min", "death": "min", "cleared": "min"}


def write_csv(run: Run, frames: range, path: Path) -> None:
    """Write the folder ``path`` of CSV files."""
    path.mkdir()
    with (path / "cells.csv").open("w", encoding="utf-8", newline="") as file:
        for k, table in enumerate(cells_of(run, frames)):
            tables.write_csv(table, file, header=k == 0)
    for name, table in tables_of(run).items():
        tables.write_csv(table, path / f"{name}.csv")


def write_parquet(run: Run, frames: range, path: Path) -> None:
    """Write the folder ``path`` of Parquet files; a row group of ``cells`` is a frame."""
    import pyarrow as pa  # an extra
    import pyarrow.parquet as pq  # an extra

    path.mkdir()
    frame_tables = (pa.Table.from_pandas(t, preserve_index=False) for t in cells_of(run, frames))
    first = next(frame_tables)
    with pq.ParquetWriter(path / "cells.parquet", first.schema) as writer:
        for table in itertools.chain([first], frame_tables):
            writer.write_table(table)
    for name, table in tables_of(run).items():
        table.to_parquet(path / f"{name}.parquet", index=False)


def cells_of(run: Run, frames: range) -> Iterator[pd.DataFrame]:
    """The cells, frame by frame, so that a long run needs the memory of one."""
    for k in frames:
        table = run.cells(run.times[k])
        table.insert(0, "time", float(run.times[k]))
        table.attrs.clear()
        yield table


def tables_of(run: Run) -> dict[str, pd.DataFrame]:
    """Everything but the cells."""
    found = {
        "metrics": run.metrics.copy(),
        "pedigree": run.pedigree,
        "lineage": run.lineage,
        "clones": run.clones,
        "events": run.events,
    }
    found["metrics"].attrs.clear()
    return found | {"columns": pd.DataFrame(_described(run, found["pedigree"].columns))}


def _described(run: Run, pedigree: pd.Index) -> Iterator[dict[str, str]]:
    """A row per column of the tables: table, column, unit, meaning."""

    def about(table: str, column: str, unit: str, meaning: str = "") -> dict[str, str]:
        return {"table": table, "column": column, "unit": unit, "meaning": meaning}

    yield about("cells", "time", "min", "time of the frame")
    for name, column in run.columns.items():
        names = list("xyz") if name == "position" else [name]
        for each in names:
            yield about("cells", each, str(column["units"]), str(column["meaning"]))
    for name, unit in run.metrics.attrs["units"].items():
        yield about("metrics", name, unit)
    for name in pedigree:
        yield about("pedigree", name, PEDIGREE_UNITS.get(name, "1"))
    for table, columns in TABLES.items():
        for c in columns:
            yield about(table, c.name, c.units, c.meaning)
