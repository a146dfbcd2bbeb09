"""Write a run file while the model runs (the format is ``tme_sim.output.layout``)."""

import contextlib
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from tme_sim.output import balances, inputs, layout, past, situations
from tme_sim.output.describe import Quantity, provenance_of, recorded_quantities, write_scenario
from tme_sim.output.layout import TABLES, Extent, RunFileError
from tme_sim.output.metrics import Tally, row, units
from tme_sim.output.opening import reading
from tme_sim.output.seal import seal

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel

_COUNTERS = ("tick", "start", "count")
BUFFERED_TICKS = 240  # a day of ticks; bounds what a run with rare frames keeps in memory


class Recorder:
    """Record a model's run: ``tick`` and ``frame`` as it goes, ``finish`` at its end.

    Args:
        path: the run file. A new one appears only once it is laid out in full; until then an
            existing file stays as it is.
        model: the model before its first tick, or as restored from a checkpoint.
        resume_from: what ``state`` returned when the checkpoint was written. The file is cut back
            to what it held then and continues from there.
        source: the file to continue, where it is another one: the new one is a branch of it.
        provenance: more facts for ``/provenance``, such as the number of threads.
    """

    def __init__(
        self,
        path: str | Path,
        model: "TumorModel",
        *,
        resume_from: Mapping[str, Any] | None = None,
        source: Path | None = None,
        provenance: Mapping[str, str | int] | None = None,
    ) -> None:
        self.path = Path(path)
        self._tally = Tally()
        self._cursor = dict.fromkeys(TABLES, 0)
        self._buffer: dict[str, list[Any]] = {name: [] for name in TABLES}
        self._metrics: list[list[float]] = []
        self._last_tick = -1
        if resume_from is not None:
            self._tally.restore(resume_from["tally"])
            # Whatever a restored model lists was in the file when the checkpoint was written.
            self._cursor = {name: len(_rows_of(model, name)) for name in TABLES}
            self._last_tick = model.tick_index
        self._quantities = recorded_quantities(model)
        self._fields = tuple(model.scenario.output.fields)
        self._columns = tuple(row(model, self._tally))
        facts = provenance_of(model) | dict(provenance or {})
        self._extent = Extent(*(int(n) for n in (resume_from or {}).get("extent", ())))
        self._sums: dict[str, int] = {}  # of what each growing data set holds, see `past.checksum`
        with _naming(self.path):
            if resume_from is None:
                self._file = self._create(model, facts)
            else:
                known = resume_from.get("checksums", {})
                self._file = self._reopen(source, model, facts, known)
        self._chunk = self._file["cells/id"].chunks[0]
        # HDF5 writes what it buffered of a data set when this is closed, and h5py, which closes
        # what nobody holds any more, cannot tell that it failed.
        self._held = _data_sets(self._file)
        # To look data sets up by name takes a third of the time of a small frame.
        rows = past.lengths(self._extent)
        self._growing = {d.name[1:]: d for d in self._held if d.name.split("/")[1] in rows}
        self._sums = {
            name: self._sums[name]
            if name in self._sums
            else past.checksum(dataset, rows[name.split("/")[0]])
            for name, dataset in self._growing.items()
        }

    def tick(self, model: "TumorModel") -> None:
        """Take down this tick's metrics, births, deaths and events; ``frame`` writes them."""
        self._tally.count(model.lineage[self._cursor["lineage"] :])
        for name in TABLES:
            new = _rows_of(model, name)[self._cursor[name] :]
            self._buffer[name].extend(new)
            self._cursor[name] += len(new)
        values = row(model, self._tally)
        self._metrics.append([values[name] for name in self._columns])
        self._last_tick = model.tick_index
        if len(self._metrics) >= BUFFERED_TICKS:
            self.flush()

    def frame(self, model: "TumorModel") -> None:
        """Write every recorded column and field as they are now."""
        with _naming(self.path):
            self._frame(model)

    def _frame(self, model: "TumorModel") -> None:
        if self._last_tick != model.tick_index:
            self.tick(model)
        k, start, n = self._extent.frames, self._extent.rows, model.population.n
        rows = start + layout.padded(n, self._chunk)
        for quantity in self._quantities:
            self._put_cells(quantity, quantity.read(model.population), start, rows)
        for name in self._fields:
            self._put(f"fields/{name}", k, np.asarray(model.env[name])[None])
        for name, values in situations.sampled(model).items():
            self._put(f"{situations.GROUP}/{name}", k, values[None])
        balances.write(self._file, model)
        now = {"time": model.time, "tick": model.tick_index, "start": start, "count": n}
        for name, value in now.items():
            self._put(f"frames/{name}", k, np.array([value]))
        self._extent = self._extent._replace(frames=k + 1, rows=rows)
        self.flush()

    def flush(self) -> None:
        """Write what ``tick`` took down, then declare everything written so far whole."""
        with _naming(self.path):
            self._flush()

    def _flush(self) -> None:
        counts = {name: self._append(name) for name in TABLES}
        n_metrics = self._extent.metrics + len(self._metrics)
        if self._metrics:
            self._put("metrics/values", self._extent.metrics, np.array(self._metrics))
            self._metrics.clear()
        self._extent = self._extent._replace(metrics=n_metrics, **counts)
        self._sync()
        self._file.attrs.modify("committed", np.array(self._extent, "i8"))
        self._file.flush()

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep to continue this file."""
        self.flush()
        self._sync()  # a checkpoint must not outlive what it continues
        return {
            "run": self._file.attrs.get("run"),
            "extent": [int(n) for n in self._extent],
            "checksums": dict(self._sums),
            "tally": self._tally.state(),
        }

    def finish(self, model: "TumorModel", reason: str) -> None:
        """Close the file; it is complete unless ``reason`` is ``layout.INTERRUPTED``."""
        with _naming(self.path):
            self._finish(model, reason)

    def _finish(self, model: "TumorModel", reason: str) -> None:
        self.flush()
        balances.write(self._file, model)
        for name, seconds in model.timers.items():
            self._file["timers"].attrs[name] = float(seconds)
        self._file.attrs["stop_reason"] = reason
        self._file.flush()
        self._file.attrs["complete"] = reason != layout.INTERRUPTED
        self._file.close()
        seal(self.path)

    def close(self) -> None:
        """Give the file up as it is, after an error or an interruption; once is enough."""
        if not self._file:
            return
        with contextlib.suppress(OSError, RuntimeError):
            self.flush()
        with contextlib.suppress(OSError, RuntimeError):
            self._file.close()

    def _sync(self) -> None:
        """Wait until all that was written is on the disk."""
        for dataset in self._held:
            dataset.flush()
        self._file.flush()
        os.fsync(self._file.id.get_vfd_handle())

    def _append(self, table: str) -> int:
        """Write the buffered rows of a table behind the whole ones; how many are then there."""
        rows = self._buffer[table]
        start: int = getattr(self._extent, table)
        if rows:
            for column, values in zip(TABLES[table], zip(*rows, strict=True), strict=True):
                dtype = object if column.dtype == "text" else column.dtype
                self._put(f"{table}/{column.name}", start, np.array(values, dtype))
        n_rows = start + len(rows)
        rows.clear()
        return n_rows

    def _put(self, name: str, start: int, values: np.ndarray) -> None:
        """Write rows at ``start``, growing the data set to their end."""
        dataset = self._growing[name]
        values = values.astype(dataset.dtype, copy=False)
        end = start + len(values)
        if dataset.shape[0] < end:
            dataset.resize(end, axis=0)
        dataset[start:end] = values
        self._sums[name] = past.extended(self._sums[name], values)

    def _put_cells(self, quantity: Quantity, values: np.ndarray, start: int, rows: int) -> None:
        """Write rows at ``start`` of a data set of ``rows`` rows in all; the rest is padding.

        Below h5py's interface, whose work on each selection costs more than the values of a small
        frame: with some forty columns it is half of the time of a frame.
        """
        name = f"cells/{quantity.name}"
        dataset = self._growing[name]
        values = np.ascontiguousarray(values, dataset.dtype)
        padding = np.zeros((rows - start - len(values), *quantity.shape), dataset.dtype)
        dataset.id.set_extent((rows, *quantity.shape))
        if len(values):
            held = dataset.id.get_space()
            held.select_hyperslab((start, *(0 for _ in quantity.shape)), values.shape)
            dataset.id.write(h5py.h5s.create_simple(values.shape), held, values)
        for part in (values, padding):
            self._sums[name] = past.extended(self._sums[name], part)

    def _create(self, model: "TumorModel", facts: Mapping[str, str | int]) -> h5py.File:
        """A new file, laid out beside its place and moved there."""
        part = self.path.with_name(self.path.name + ".part")
        file = h5py.File(part, "w")
        try:
            file.attrs.update({"format": layout.FORMAT, "format_version": layout.FORMAT_VERSION})
            file.attrs["run"] = uuid.uuid4().hex
            file.attrs["committed"] = np.array(Extent(), "i8")
            file.attrs["complete"] = False
            file.attrs["stop_reason"] = ""
            self._lay_out(file, model, facts)
            file.flush()
            part.replace(self.path)
        except BaseException:
            with contextlib.suppress(OSError, RuntimeError):
                file.close()
            part.unlink(missing_ok=True)
            raise
        return file

    def _reopen(
        self,
        source: Path | None,
        model: "TumorModel",
        facts: Mapping[str, str | int],
        known: Mapping[str, int],
    ) -> h5py.File:
        """An existing file, cut back to the extent of the checkpoint, whose sums are ``known``."""
        part = self.path.with_name(self.path.name + ".part")
        try:
            with reading(source or self.path) as (old, _):
                held = Extent(*(int(n) for n in old.attrs["committed"]))
                if any(there < wanted for there, wanted in zip(held, self._extent, strict=True)):
                    msg = f"{self.path}: holds {held}, less than its checkpoint's {self._extent}"
                    raise RunFileError(msg)
                with h5py.File(part, "w") as new:
                    self._sums = past.copy_whole(old, new, self._extent)
                    if source is not None:
                        new.attrs["run"] = uuid.uuid4().hex
            past.refuse_another(self._sums, known, source or self.path)
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)
        file = h5py.File(self.path, "r+")
        if source is None:
            facts = _of_resuming(file["provenance"].attrs, facts)
        past.drop(file, "cells", {q.name for q in self._quantities})
        past.drop(file, "fields", set(self._fields))
        self._lay_out(file, model, facts)
        file.flush()
        return file

    def _lay_out(
        self, file: h5py.File, model: "TumorModel", facts: Mapping[str, str | int]
    ) -> None:
        """Make whatever group and data set this run needs and the file does not have yet."""
        write_scenario(file.require_group("scenario"), model)
        inputs.write(file, model.scenario)
        file.require_group("provenance").attrs.update(facts)
        file.require_group("timers")
        for name, dtype, unit in (("time", "f8", "min"), *((n, "i8", "1") for n in _COUNTERS)):
            _require(file, f"frames/{name}", dtype, (), rows=0, chunk=256, units=unit)
        chunk = layout.chunk_rows(model.population.n)
        if "cells" in file:
            chunk = file["cells/id"].chunks[0]
        else:
            file.create_group("cells", track_order=True)
            file.create_group("fields", track_order=True)
        for q in self._quantities:
            _require_cells(file, q, rows=self._extent.rows, chunk=chunk)
        for name in self._fields:
            unit = model.scenario.substrates[name].unit
            _require_field(file, name, model.grid.shape, rows=self._extent.frames, units=unit)
        if situations.lay_out(file, model, self._extent.frames):
            self._sums.pop(f"{situations.GROUP}/inputs", None)
        self._lay_out_tables(file, model)

    def _lay_out_tables(self, file: h5py.File, model: "TumorModel") -> None:
        for table, columns in TABLES.items():
            for c in columns:
                dtype = h5py.string_dtype() if c.dtype == "text" else c.dtype
                dataset = _require(file, f"{table}/{c.name}", dtype, (), units=c.units)
                dataset.attrs["meaning"] = c.meaning
        substrate_units = {name: s.unit for name, s in model.scenario.substrates.items()}
        metrics = {name: units(name, substrate_units) for name in self._columns}
        if _require_metrics(file, metrics):
            self._sums.pop("metrics/values", None)


def _of_resuming(begun: Mapping[str, Any], facts: Mapping[str, str | int]) -> dict[str, str | int]:
    """What to add to the facts of a run that goes on: when, and with what that is not as it was."""
    other = [
        f"{name} {value}"
        for name, value in facts.items()
        if name != "started" and begun.get(name) != value
    ]
    return {f"{layout.RESUMED}{facts['started']}": ", ".join(other) or "as begun"}


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors of HDF5 that the system caused as the system's: with its number, and the file's name.

    h5py raises RuntimeError for some of them, and tells the number only in words.
    """
    try:
        yield
    except (OSError, RuntimeError) as err:
        cause = re.search(r"errno = (\d+)", str(err))
        if cause is None:
            raise
        number = int(cause[1])
        raise OSError(number, os.strerror(number), str(path)) from err


def _rows_of(model: "TumorModel", table: str) -> Sequence[tuple[object, ...]]:
    """The model's list behind a table, as rows of the table."""
    if table == "clones":
        return [(c.index, c.parent, c.genotype, c.time, c.name) for c in model.clones]
    return model.lineage if table == "lineage" else model.events


def _data_sets(file: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def _require(
    file: h5py.File,
    name: str,
    dtype: Any,
    shape: tuple[int, ...],
    *,
    units: str,
    rows: int = 0,
    chunk: int = layout.TABLE_CHUNK_ROWS,
    **storage: Any,
) -> h5py.Dataset:
    """The data set ``name``, growing along its first axis; made where it is missing."""
    if name in file:
        return file[name]
    dataset = file.create_dataset(
        name,
        (rows, *shape),
        dtype,
        maxshape=(None, *shape),
        chunks=(chunk, *shape),
        **storage,
    )
    dataset.attrs["units"] = units
    return dataset


def _require_cells(file: h5py.File, q: Quantity, *, rows: int, chunk: int) -> None:
    dataset = _require(
        file,
        f"cells/{q.name}",
        q.dtype,
        q.shape,
        units=q.units,
        rows=rows,
        chunk=chunk,
        compression="lzf",
        shuffle=True,
        fletcher32=True,
    )
    dataset.attrs.update({"meaning": q.meaning, "source": q.source})
    if q.categories or q.name in layout.NAMED:
        dataset.attrs["categories"] = np.array(q.categories, h5py.string_dtype())


def _require_field(
    file: h5py.File, name: str, shape: tuple[int, int, int], *, rows: int, units: str
) -> None:
    """One chunk per frame and at most a megabyte: a frame never shares bytes with another."""
    if f"fields/{name}" in file:
        return
    nz, ny, nx = shape
    slices = max(1, min(nz, 2**18 // (ny * nx)))
    dataset = file.create_dataset(
        f"fields/{name}",
        (rows, *shape),
        "f4",
        maxshape=(None, *shape),
        chunks=(1, slices, ny, nx),
        compression="lzf",
        shuffle=True,
        fletcher32=True,
        fillvalue=np.nan,
    )
    dataset.attrs["units"] = units


def _require_metrics(file: h5py.File, columns: Mapping[str, str]) -> bool:
    """The table of metrics, and whether it was made anew.

    Where a branch brings new columns, they are NaN in its past.
    """
    before = None
    if "metrics/values" in file:
        old = file["metrics/values"]
        held = [str(name) for name in old.attrs["columns"]]
        if held == list(columns):
            return False
        before = np.full((old.shape[0], len(columns)), np.nan)
        for k, name in enumerate(columns):
            if name in held:
                before[:, k] = old[:, held.index(name)]
        del file["metrics/values"]
    rows = 0 if before is None else len(before)
    dataset = _require(
        file, "metrics/values", "f8", (len(columns),), rows=rows, chunk=BUFFERED_TICKS, units="1"
    )
    dataset.attrs["columns"] = list(columns)
    dataset.attrs["column_units"] = list(columns.values())
    if before is not None:
        dataset[:] = before
    return True
