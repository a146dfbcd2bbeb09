"""Hold every cell as one row of columns, the only truth about a cell.

Rows are compact (the first ``n`` of each array), in a stable order: removal keeps the order of the
survivors. A view ``population["volume"]`` is the memory itself, valid until rows change.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

ALIVE, APOPTOTIC, NECROTIC, DEBRIS = range(4)  # codes of the column `status`
G1, S, G2M = range(3)  # codes of the column `phase`
STATUS_NAMES = ("alive", "apoptotic", "necrotic", "debris")
PHASE_NAMES = ("G1", "S", "G2M")
Columns = TypeVar("Columns", bound=NamedTuple)
_GROWTH = 1.5  # capacity grows by half
_BLOCK = 4096  # rows moved at a time: small enough to stay in cache


@dataclass(frozen=True)
class Column:
    """One property of every cell: how it is stored, what it means, whether frames record it.

    A scratch column is work space of a tick and does not count as the width of a cell.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    unit: str
    meaning: str
    recorded: bool = True
    fill: float = 0.0
    scratch: bool = False

    @property
    def width(self) -> int:
        """Bytes per cell."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=int))


def _column(name: str, dtype: str, unit: str, meaning: str, **more: Any) -> Column:
    shape = more.pop("shape", ())
    return Column(name, dtype, shape, unit, meaning, **more)


COLUMNS = (
    _column("id", "i8", "1", "identity, never used again"),
    _column("mother", "i8", "1", "id of the mother, 0 for cells without one"),
    _column("type", "i1", "1", "index of the cell type"),
    _column("group", "i2", "1", "index of the scenario's cell group"),
    _column("clone", "i4", "1", "index of the clone"),
    _column("genotype", "i4", "1", "bit set of mutations"),
    _column("birth_time", "f8", "min", "time of birth or arrival"),
    _column("n_divisions", "i4", "1", "divisions of this cell as mother", recorded=False),
    _column("position", "f8", "um", "centre, in x, y, z order", shape=(3,)),
    _column("direction", "f4", "1", "unit vector of persistent motion", shape=(3,), recorded=False),
    _column("volume", "f4", "um3", "total volume"),
    _column("fluid_volume", "f4", "um3", "water in the cell", recorded=False),
    _column("nuclear_volume", "f4", "um3", "solids of the nucleus", recorded=False),
    _column("radius", "f4", "um", "radius of the sphere of the total volume"),
    _column("status", "i1", "1", "0 alive, 1 apoptotic, 2 necrotic, 3 debris"),
    _column("phase", "i1", "1", "0 G1, 1 S, 2 G2M"),
    _column("phase_age", "f4", "min", "time since the phase began", recorded=False),
    _column("phase_progress", "f4", "1", "share of S phase done", recorded=False),
    _column("death_time", "f4", "min", "time since death, of debris since lysis", recorded=False),
    _column("death_volume", "f4", "um3", "total volume at death", recorded=False),
    _column("death_cause", "i1", "1", "0 none, 1 apoptosis, 2 necrosis"),
    _column("crowding", "f4", "1", "squared overlap, 1 at packing equilibrium"),
    _column("n_contacts", "f4", "1", "neighbours touching, mean of the tick"),
    _column("antigen_contact", "f4", "1", "antigen presented by touching cells", recorded=False),
    _column("PDL1_contact", "f4", "1", "PD-L1 on touching cells", recorded=False),
    _column("B7_contact", "f4", "1", "co-stimulation by touching cells", recorded=False),
    _column("death_contact", "f4", "1", "dead cells touching", recorded=False),
    _column("target", "i8", "1", "id of the cell it engages to kill, 0 if none", recorded=False),
    _column("granzyme_hits", "f4", "1", "hits received in the last tick", recorded=False),
    _column("oxygen_realised", "f4", "amol/min", "oxygen taken up", recorded=False),
    _column("glucose_realised", "f4", "amol/min", "glucose taken up", recorded=False),
    _column("in_domain", "?", "1", "inside the network's training domain", fill=1),
    _column("sigma", "f4", "1", "largest ensemble spread of an output, over its range"),
)
MODEL_COLUMNS = ("nodes", "inputs", "outputs")  # as wide as the cell model has them


class Population:
    """The cells of a model.

    Example:
        >>> population = Population(n_nodes=2, n_inputs=3, n_outputs=4)
        >>> rows = population.append(2, id=[1, 2], volume=[2000.0, 2500.0])
        >>> population.keep(population["volume"] > 2200.0)
        >>> population.n, population.row_of(2)
        (1, 0)
    """

    def __init__(self, n_nodes: int, n_inputs: int, n_outputs: int, capacity: int = 1024) -> None:
        self.n = 0
        self.generation = 0  # counts changes of rows: a row number is valid within one
        self.columns: dict[str, Column] = {}
        self._arrays: dict[str, np.ndarray] = {}
        self._capacity = max(int(capacity), 1)
        self._used = 0  # rows from here on still hold the fill values of their allocation
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None
        for column in (*COLUMNS, *_model_columns(n_nodes, n_inputs, n_outputs)):
            self.add_column(column)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, name: str) -> np.ndarray:
        """View of a column, writable; fetch it again after rows changed."""
        return self._arrays[name][: self.n]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def gather(self, kind: type[Columns]) -> Columns:
        """Views of the columns that a NamedTuple names, as that NamedTuple: what kernels take."""
        return kind._make(self[name] for name in kind._fields)

    @property
    def bytes_per_cell(self) -> int:
        """Width of a row without scratch columns [B]."""
        return sum(column.width for column in self.columns.values() if not column.scratch)

    @property
    def nbytes(self) -> int:
        """Memory held, spare capacity and scratch included [B]."""
        return sum(array.nbytes for array in self._arrays.values())

    def add_column(self, column: Column) -> None:
        """Add a column, filled with its fill value."""
        if column.name in self.columns:
            msg = f"column {column.name!r} exists already"
            raise ValueError(msg)
        self.columns[column.name] = column
        self._arrays[column.name] = _filled(column, self._capacity)

    def append(self, n: int, **values: object) -> slice:
        """Add ``n`` rows at the end; columns without a value get their fill value."""
        unknown = sorted(set(values) - set(self.columns))
        if unknown:
            msg = f"no column named {unknown[0]!r}; the columns are {', '.join(self.columns)}"
            raise KeyError(msg)
        self._reserve(self.n + n)
        rows = slice(self.n, self.n + n)
        for name, value in values.items():
            self._arrays[name][rows] = value
        for name in self.columns.keys() - values.keys():
            self._arrays[name][self.n : min(rows.stop, self._used)] = self.columns[name].fill
        self.n += n
        self._used = max(self._used, self.n)
        self._rows_changed()
        return rows

    def keep(self, mask: np.ndarray) -> None:
        """Remove the rows where ``mask`` is false; the others keep their order."""
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != (self.n,):
            msg = f"the mask has shape {mask.shape}, but the population has {self.n} rows"
            raise ValueError(msg)
        if mask.all():
            return
        first = int(np.argmin(mask))  # rows before the first removed one stay where they are
        survivors = first + np.flatnonzero(mask[first:])
        for array in self._arrays.values():
            for start in range(0, survivors.size, _BLOCK):
                block = survivors[start : start + _BLOCK]  # never below the rows it moves to
                array[first + start : first + start + block.size] = array[block]
        self.n = first + survivors.size
        self._rows_changed()

    def permute(self, order: np.ndarray) -> None:
        """Put row ``order[k]`` at place k, for every k."""
        order = np.asarray(order)
        seen = np.zeros(self.n, dtype=bool)
        seen[order] = True
        if order.shape != (self.n,) or not seen.all():
            msg = f"the order is no permutation of the {self.n} rows"
            raise ValueError(msg)
        for array in self._arrays.values():
            array[: self.n] = array[order]
        self._rows_changed()

    def row_of(self, cell_id: int) -> int:
        """Row of a cell now; KeyError if it is not (or no longer) there."""
        ids, rows = self._id_index()
        place = int(np.searchsorted(ids, cell_id))
        if place == self.n or ids[place] != cell_id:
            msg = f"no cell with id {cell_id} among {self.n}"
            raise KeyError(msg)
        return int(rows[place])

    def rows_of(self, cell_ids: np.ndarray) -> np.ndarray:
        """Rows of many cells now; -1 where a cell is not (or no longer) there."""
        ids, rows = self._id_index()
        cell_ids = np.asarray(cell_ids, dtype=np.int64)
        if self.n == 0:
            return np.full(cell_ids.shape, -1)
        place = np.minimum(np.searchsorted(ids, cell_ids), self.n - 1)
        return np.where(ids[place] == cell_ids, rows[place], -1)

    def state(self) -> dict[str, np.ndarray]:
        """Copy of every column, for a checkpoint or a branch."""
        return {name: self[name].copy() for name in self.columns}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Replace all rows by those of ``state``, to the bit."""
        if set(state) != set(self.columns):
            msg = f"columns that do not match: {sorted(set(state) ^ set(self.columns))}"
            raise ValueError(msg)
        self.n = 0
        self.append(len(state["id"]), **state)

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken (for tests and debugging)."""
        ids = self["id"]
        assert self.n <= self._capacity
        assert (ids > 0).all(), "ids are positive"
        assert np.unique(ids).size == self.n, "ids are unique"
        for name, column in self.columns.items():
            assert self[name].flags.c_contiguous, name
            assert self[name].shape == (self.n, *column.shape), name
            assert self[name].dtype == np.dtype(column.dtype), name
        for name in ("position", "volume", "fluid_volume", "nuclear_volume", "radius", "nodes"):
            assert np.isfinite(self[name]).all(), f"{name} is finite"
        assert (self["volume"] >= 0).all(), "volumes are not negative"
        assert ((self["status"] >= ALIVE) & (self["status"] <= DEBRIS)).all(), "status is known"
        assert ((self["phase"] >= G1) & (self["phase"] <= G2M)).all(), "phase is known"
        assert np.array_equal(self.rows_of(ids), np.arange(self.n)), "ids lead to their rows"

    def _reserve(self, n: int) -> None:
        if n <= self._capacity:
            return
        self._capacity = max(n, int(self._capacity * _GROWTH))
        for name, column in self.columns.items():
            array = _filled(column, self._capacity)
            array[: self.n] = self[name]
            self._arrays[name] = array
        self._used = self.n

    def _rows_changed(self) -> None:
        self.generation += 1
        self._sorted = None

    def _id_index(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted ids and their rows, made anew after rows changed."""
        if self._sorted is None:
            order = np.argsort(self["id"], kind="stable")
            self._sorted = self["id"][order], order
        return self._sorted


def _filled(column: Column, n: int) -> np.ndarray:
    shape = (n, *column.shape)
    if column.fill == 0:
        return np.zeros(shape, dtype=column.dtype)  # the system maps the pages when touched
    return np.full(shape, column.fill, dtype=column.dtype)


def _model_columns(n_nodes: int, n_inputs: int, n_outputs: int) -> tuple[Column, ...]:
    work: dict[str, Any] = {"recorded": False, "scratch": True}
    return (
        _column("nodes", "f4", "1", "state of the network", shape=(n_nodes,), recorded=False),
        _column("inputs", "f4", "mixed", "what the cell senses", shape=(n_inputs,), **work),
        _column("outputs", "f4", "mixed", "what the cell decides", shape=(n_outputs,), **work),
    )
