"""Lead from a model to views of its cells and back."""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tme_sim.agents.cell import Cell
from tme_sim.compute.random import arrival_id
from tme_sim.scenario.units import DAY, HOUR
from tme_sim.state.columns import Population

if TYPE_CHECKING:
    from tme_sim.agents.population_model import PopulationModel

_USER_BORN = 0  # stands for the vessel in ids of cells that user code adds


class StaleCellError(LookupError):
    """The cell of this handle is no longer there."""


class Census:
    """Leads from a model to views of its cells and back.

    Args:
        model: the model; ``model.population`` holds its cells.
        kinds: class of each type code.
        nodes: names of the network's nodes, in the order of the column ``nodes``.
    """

    def __init__(
        self, model: "PopulationModel", *, kinds: Sequence[type[Cell]], nodes: Sequence[str]
    ) -> None:
        self.model = model
        self.kinds = list(kinds)
        self.nodes = {name: place for place, name in enumerate(nodes)}
        self.warned_about_loops = False
        self._added = (-1, 0)  # tick, number of cells that user code added in it

    @property
    def population(self) -> Population:
        """The cells."""
        return self.model.population

    def view(self, cell_id: int, row: int | None = None) -> Cell:
        """Handle of a cell, whose row may be given where it is known."""
        row = self.row_of(cell_id) if row is None else row
        cell: Cell = object.__new__(self.kinds[self.population["type"][row]])
        cell.__dict__.update(
            model=self.model, unique_id=cell_id, _row=row, _generation=self.population.generation
        )
        return cell

    def is_there(self, cell_id: int) -> bool:
        """Whether the cell has a row."""
        return bool(self.population.rows_of(np.array(cell_id)) >= 0)

    def row_of(self, cell_id: int) -> int:
        """Row of a cell, or StaleCellError that tells what became of it."""
        try:
            return self.population.row_of(cell_id)
        except KeyError:
            raise StaleCellError(self._fate(cell_id)) from None

    def classes(self) -> dict[type[Cell], list[int]]:
        """Type codes of each class, in the order of the types."""
        found: dict[type[Cell], list[int]] = {}
        for code, kind in enumerate(self.kinds):
            found.setdefault(kind, []).append(code)
        return found

    def codes(self, kind: type) -> list[int]:
        """Codes of the types whose class is ``kind`` or a subclass of it."""
        return [code for code, own in enumerate(self.kinds) if issubclass(own, kind)]

    def read(self, name: str, rows: Any, default: Any) -> Any:
        """Values of a column or node at rows, or ``default`` where there is none of that name."""
        name = "id" if name == "unique_id" else name
        if name in self.population:
            return self.population[name][rows]
        if name in self.nodes:
            return self.population["nodes"][rows, self.nodes[name]]
        return default

    def write(self, name: str, rows: Any, value: Any) -> None:
        """Set a column or node at rows; identity cannot be set."""
        if name in ("id", "unique_id", "model"):
            msg = f"{name!r} of a cell cannot be set"
            raise AttributeError(msg)
        if name in self.population:
            self.population[name][rows] = value
        elif name in self.nodes:
            self.population["nodes"][rows, self.nodes[name]] = value
        else:
            msg = f"cells have no column or node {name!r}; {self.nearest(name)}"
            raise AttributeError(msg)

    def nearest(self, name: str) -> str:
        """Hint at the nearest name."""
        names = [*self.population.columns, *self.nodes]
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return hint + "own columns are added by model.population.add_column"

    def add(self, kind: type[Cell], columns: dict[str, Any], n: int = 1) -> NDArray[np.int64]:
        """Append ``n`` cells of the first type of a class; returns their ids."""
        if kind not in self.kinds:
            msg = f"no cell type of this model is a {kind.__name__}; call use(model, "
            msg += f"{kind.__name__}) first, or use one of {[k.__name__ for k in self.kinds]}"
            raise TypeError(msg)
        ids = self._new_ids(n)
        columns = {"type": self.kinds.index(kind), "birth_time": self.model.time} | columns
        rows = self.population.append(n, id=ids, **columns)
        self.model.complete(rows)
        for name, value in columns.items():
            self.population[name][rows] = value
        self._record(rows, "arrival")
        return ids

    def remove(self, cell_ids: np.ndarray) -> None:
        """Remove the rows of these cells."""
        rows = self.population.rows_of(np.atleast_1d(cell_ids))
        rows = rows[rows >= 0]
        self._record(rows, "removed")
        kept = np.ones(self.population.n, dtype=bool)
        kept[rows] = False
        self.population.keep(kept)

    def _new_ids(self, n: int) -> NDArray[np.int64]:
        """Ids of cells that user code adds: functions of the tick and of their order in it."""
        tick, count = self.model.tick_index, 0
        if self._added[0] == tick:
            count = self._added[1]
        else:  # a model restored within a tick may hold cells that were added before
            while self.is_there(arrival_id(_USER_BORN, tick, count + 1)):
                count += 1
        self._added = tick, count + n
        ids: NDArray[np.int64] = arrival_id(_USER_BORN, tick, count + 1 + np.arange(n))
        return ids

    def _record(self, rows: Any, event: str) -> None:
        values = [self.population[name][rows].tolist() for name in ("id", "mother", "clone")]
        for cell, mother, clone in zip(*values, strict=True):
            self.model.lineage.append((self.model.time, cell, mother, event, "user", clone))

    def _fate(self, cell_id: int) -> str:
        words = {"death": "died", "removed": "was removed", "cleared": "was cleared"}
        fates = {row[3]: row[0] for row in self.model.lineage if row[1] == cell_id}
        for event, word in words.items():
            if event in fates:
                return f"cell {cell_id} {word} at {_words(fates[event])}"
        return f"there is no cell {cell_id} in this model"


def _words(minutes: float) -> str:
    """Time in days, hours and minutes, as in ``4 d 6 h``."""
    days, rest = divmod(round(minutes), round(DAY))
    hours, rest = divmod(rest, round(HOUR))
    parts = [(days, "d"), (hours, "h"), (rest, "min")]
    return " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 min"
