"""Show every cell as a Mesa agent: a view of its row, made when asked for.

A view keeps the id of its cell; a column is an attribute, and so is a node of the network:

    cell = model.agents[0]
    cell.volume, cell.position, cell.ERK
    cell.volume *= 1.1

The state itself is in ``model.population``. A user's own type subclasses one of the types below and
may have a Python ``step``; ``use(model, MyTumorCell)`` makes every cell of that type one of them.
"""

from typing import Any

import mesa
import numpy as np

from tme_sim.agents.cell_set import CellSet
from tme_sim.state.columns import COLUMNS


class Cell(mesa.Agent):
    """A cell of a model: a handle that reads and writes the cell's row.

    Args:
        model: the model to add a new cell to.
        columns: values of the new cell, for example ``position=(10.0, 20.0, 10.0)``.
    """

    def __init__(self, model: mesa.Model, **columns: Any) -> None:
        self.__dict__.update(model=model, unique_id=int(model.census.add(type(self), columns)[0]))

    @classmethod
    def create_agents(cls, model: mesa.Model, n: int, *args: Any, **values: Any) -> CellSet:
        """Add ``n`` cells; a value is one for all, or has one per cell on its first axis."""
        if cls.__init__ is Cell.__init__ and not args:
            return CellSet.of_ids(model.census, model.census.add(cls, values, n), model.random)
        columns = model.population.columns
        own = {  # values of which every cell has its own
            name
            for name, value in values.items()
            if np.ndim(value) > (len(columns[name].shape) if name in columns else 0)
        }
        made = []
        for k in range(n):
            mine = {name: value[k] if name in own else value for name, value in values.items()}
            made.append(cls(model, *args, **mine))
        return CellSet(made, model.random)

    @property
    def row(self) -> int:
        """Row in the population now; StaleCellError if the cell is no longer there."""
        here = self.__dict__
        population = self.model.population
        if here.get("_generation") != population.generation:
            here["_row"] = self.model.census.row_of(self.unique_id)
            here["_generation"] = population.generation
        row: int = here["_row"]
        return row

    @property
    def pos(self) -> np.ndarray:
        """The position [um], under Mesa's name."""
        position: np.ndarray = self.position
        return position

    def remove(self) -> None:
        """Take the cell out of the model."""
        self.model.deregister_agent(self)

    def __getattr__(self, name: str) -> Any:
        """Read a column that is no property of the class, or a node of the network."""
        if name.startswith("__") or "model" not in self.__dict__:
            raise AttributeError(name)
        census = self.model.census
        value = census.read(name, self.row, census)
        if value is census:
            msg = f"{type(self).__name__} has no attribute {name!r}; {census.nearest(name)}"
            raise AttributeError(msg)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        self.model.census.write(name, self.row, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cell):
            return NotImplemented
        return self.unique_id == other.unique_id and self.model is other.model

    def __hash__(self) -> int:
        return hash(self.unique_id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.unique_id}>"


def _column_property(name: str, meaning: str) -> property:
    def read(self: Cell) -> Any:
        return self.model.population[name][self.row]

    return property(read, doc=meaning)


for _column in COLUMNS:
    setattr(Cell, _column.name, _column_property(_column.name, f"{_column.meaning}."))


class TumorCell(Cell):
    """A cancer cell."""


class Fibroblast(Cell):
    """A cell of connective tissue."""


class CD8TCell(Cell):
    """A cytotoxic T cell."""


class Macrophage(Cell):
    """A phagocyte."""


class EndothelialCell(Cell):
    """A piece of vessel wall."""


class EpithelialCell(Cell):
    """A cell of healthy epithelium."""


CLASSES = (TumorCell, Fibroblast, CD8TCell, Macrophage, EndothelialCell, EpithelialCell)
