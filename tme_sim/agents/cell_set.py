"""``CellSet``: a Mesa AgentSet over rows of columns.

A set keeps ids, or follows the model (all cells, or all of some types). Operations on a column take
one numpy operation; a Python function per agent works too, one view at a time.
"""

import builtins
import math
import operator
import random
import warnings
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    from mesa.agentset import AbstractAgentSet as _AgentSet  # Mesa 3.5 and later
    from mesa.agentset import GroupBy as _GroupBy
except ImportError:
    from mesa.agent import AgentSet as _AgentSet
    from mesa.agent import GroupBy as _GroupBy

if TYPE_CHECKING:
    from tme_sim.agents.cell import Cell
    from tme_sim.agents.census import Census

LOOP_WARNING_ABOVE = 10_000  # agents
_MISSING: Any = object()


def columnwise(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method of a cell type that takes a whole ``CellSet`` as ``self`` at once.

    Example:
        >>> class Leaky(TumorCell):
        ...     @columnwise
        ...     def leak(cells, share):
        ...         cells.set("volume", (1 - share) * cells.values("volume"))
        >>> model.agents.do("leak", 0.01)
    """
    method.columnwise = True  # type: ignore[attr-defined]
    return method


class CellSet(_AgentSet):
    """An ordered set of cells, with the interface of Mesa's AgentSet.

    Args:
        agents: cells of one model.
        random: source of shuffles; the model's if None.
    """

    def __init__(self, agents: Iterable["Cell"] = (), random: random.Random | None = None) -> None:
        cells = list(agents)
        self._census: Any = cells[0].model.census if cells else None  # a Census, once it has cells
        self._ids = np.array([cell.unique_id for cell in cells], dtype=np.int64)
        self._codes: np.ndarray | None = None  # of a set that follows the model
        self._found: tuple[int, np.ndarray] = (-1, self._ids)  # rows, and when they were looked up
        self.random: Any = random or (cells[0].model.random if cells else None)

    @classmethod
    def of_ids(cls, census: "Census", ids: np.ndarray, random: random.Random) -> "CellSet":
        """Make a set of the cells with these ids."""
        made = cls((), random)
        made._census, made._ids = census, np.asarray(ids, dtype=np.int64)
        return made

    @classmethod
    def following(cls, census: "Census", codes: Iterable[int], random: random.Random) -> "CellSet":
        """Make a set that always holds all cells of the types with these codes."""
        made = cls((), random)
        made._census, made._codes = census, np.array(sorted(codes), dtype=np.int8)
        return made

    def __len__(self) -> int:
        return self.rows.size

    def __iter__(self) -> Iterator["Cell"]:
        self._warn_about_loops()
        rows = self.rows
        generation = self._census.population.generation if rows.size else -1
        for cell_id, row in zip(self.ids.tolist(), rows.tolist(), strict=True):
            if self._census.population.generation == generation:
                yield self._census.view(cell_id, row)
            elif self._census.is_there(cell_id):  # an earlier one changed the rows
                yield self._census.view(cell_id)

    def __contains__(self, agent: Any) -> bool:
        if self._census is None or getattr(agent, "model", None) is not self._census.model:
            return False
        if self._codes is None:
            return bool(np.any(self.ids == agent.unique_id))
        there = self._census.is_there(agent.unique_id)
        return there and agent.type in self._codes

    def __getitem__(self, item: int | slice) -> "Cell | list[Cell]":
        ids = self.ids[item]
        if isinstance(item, slice):
            return [self._census.view(cell_id) for cell_id in ids.tolist()]
        cell: Cell = self._census.view(int(ids))
        return cell

    @property
    def rows(self) -> np.ndarray:
        """Rows of the cells in the population now, in the order of the set."""
        if self._census is None:
            return np.zeros(0, dtype=np.int64)
        population = self._census.population
        generation, rows = self._found
        if generation != population.generation or self._codes is not None:
            if self._codes is None:
                rows = population.rows_of(self._ids)
                rows = rows[rows >= 0]
            elif self._codes.size == len(self._census.kinds):
                rows = np.arange(population.n)
            else:
                rows = np.flatnonzero(np.isin(population["type"], self._codes))
            self._found = population.generation, rows
        return rows

    @property
    def ids(self) -> np.ndarray:
        """Ids of the cells that are there, in the order of the set."""
        return self.values("unique_id")

    def values(self, name: str) -> np.ndarray:
        """A column, a node of the network or ``unique_id``, one value per cell, as an array."""
        values = self._column(name)
        if values is _MISSING:
            msg = f"no column or node {name!r}; {self._census.nearest(name)}"
            raise AttributeError(msg)
        found: np.ndarray = values
        return found

    def select(
        self,
        filter_func: Callable[["Cell"], bool] | np.ndarray | None = None,
        at_most: float = math.inf,
        inplace: bool = False,
        agent_type: type | None = None,
    ) -> "CellSet":
        """Select by a function of one agent or a boolean array, by number or share, by type."""
        if filter_func is None and agent_type is None and at_most == math.inf:
            return self if inplace else self.copy()
        if isinstance(at_most, float) and at_most <= 1.0:
            at_most = int(len(self) * at_most)
        chosen = np.ones(len(self), dtype=bool)
        if agent_type is not None and chosen.size:
            chosen &= np.isin(self.values("type"), self._census.codes(agent_type))
        if callable(filter_func):
            views = zip(self, chosen, strict=True)
            chosen = np.array([ok and bool(filter_func(cell)) for cell, ok in views], dtype=bool)
        elif filter_func is not None:
            chosen &= np.asarray(filter_func, dtype=bool)
        kept = np.flatnonzero(chosen)
        return self._take(kept[: int(min(at_most, kept.size))], inplace)

    def shuffle(self, inplace: bool = False) -> "CellSet":
        """Put the cells in random order."""
        order = list(range(len(self)))
        if order:
            self.random.shuffle(order)
        return self._take(np.array(order, dtype=int), inplace)

    def sort(
        self, key: Callable[["Cell"], Any] | str, ascending: bool = False, inplace: bool = False
    ) -> "CellSet":
        """Sort by a column or a function of one agent; equal cells keep their order."""
        values = self._column(key) if isinstance(key, str) else _MISSING
        if values is _MISSING or values.ndim != 1:
            function = operator.attrgetter(key) if isinstance(key, str) else key
            keys = [function(cell) for cell in self]
            order = sorted(range(len(keys)), key=keys.__getitem__, reverse=not ascending)
            return self._take(np.array(order, dtype=int), inplace)
        if ascending:
            return self._take(np.argsort(values, kind="stable"), inplace)
        backwards = np.argsort(values[::-1], kind="stable")[::-1]
        return self._take(len(values) - 1 - backwards, inplace)

    def do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> "CellSet":
        """Call a method or function on every cell; ``columnwise`` methods and ``remove`` once."""
        if not len(self):
            return self
        if method == "remove":
            self._census.remove(self.ids)
        else:
            self._call(method, args, kwargs)
        return self

    def shuffle_do(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> "CellSet":
        """Call a method or function on every cell in random order."""
        self.shuffle().do(method, *args, **kwargs)
        return self

    def map(self, method: str | Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Call a method or function on every cell and list the results."""
        if isinstance(method, str):
            return [getattr(cell, method)(*args, **kwargs) for cell in self]
        return [method(cell, *args, **kwargs) for cell in self]

    def get(
        self,
        attr_names: str | list[str],
        handle_missing: str = "error",
        default_value: Any = None,
    ) -> list[Any]:
        """Values of one attribute, or a list of values of several, for every cell."""
        if handle_missing not in ("error", "default"):
            msg = f"handle_missing is 'error' or 'default', not {handle_missing!r}"
            raise ValueError(msg)
        default = _MISSING if handle_missing == "error" else default_value
        if isinstance(attr_names, str):
            return self._list(attr_names, default)
        return list(
            map(list, zip(*(self._list(name, default) for name in attr_names), strict=True))
        )

    def set(self, attr_name: str, value: Any) -> "CellSet":
        """Set a column or node of every cell to one value, or to one value each."""
        if self._census is not None:
            self._census.write(attr_name, self.rows, value)
        return self

    def agg(self, attribute: str, func: Callable[..., Any] | Iterable[Callable[..., Any]]) -> Any:
        """Aggregate an attribute by one function, or by several."""
        values = self._column(attribute)
        listed = self.get(attribute) if values is _MISSING else None

        def apply(function: Callable[..., Any]) -> Any:
            if listed is not None:
                return function(listed)
            plain = getattr(function, "__module__", "") == builtins.__name__
            return function(values.tolist() if plain else values)

        return apply(func) if callable(func) else [apply(function) for function in func]

    def groupby(self, by: Callable[..., Any] | str, result_type: str = "agentset") -> "CellGroups":
        """Group by a column or a function of one agent."""
        values = self._column(by) if isinstance(by, str) else _MISSING
        if values is _MISSING or values.ndim != 1:
            function = operator.attrgetter(by) if isinstance(by, str) else by
            found: dict[Hashable, list[int]] = {}
            for place, cell in enumerate(self):
                found.setdefault(function(cell), []).append(place)
            places = {key: np.array(where) for key, where in found.items()}
        else:
            keys, inverse = np.unique(values, return_inverse=True)
            order = np.argsort(inverse, kind="stable")
            parts = np.split(order, np.cumsum(np.bincount(inverse))[:-1]) if len(keys) else []
            places = dict(zip(keys.tolist(), parts, strict=True))
        groups = {key: self._take(where, False) for key, where in places.items()}
        if result_type == "list":
            return CellGroups({key: list(group) for key, group in groups.items()})
        return CellGroups(groups)

    def add(self, agent: "Cell") -> None:
        """Add a cell of the model to this set."""
        if agent in self:
            return
        self._refuse_to_change()
        self._census = agent.model.census
        self._replace(np.append(self.ids, agent.unique_id))

    def discard(self, agent: "Cell") -> None:
        """Take a cell out of this set if it is there; it stays in the model."""
        if agent in self:
            self._refuse_to_change()
            self._replace(self.ids[self.ids != agent.unique_id])

    def remove(self, agent: "Cell") -> None:
        """Take a cell out of this set; it stays in the model."""
        if agent not in self:
            raise KeyError(agent)
        self.discard(agent)

    def to_list(self) -> list["Cell"]:
        """All cells of the set, as views."""
        return list(self)

    def copy(self) -> "CellSet":
        """A set of the same cells that can be changed and does not follow the model."""
        return self._take(np.arange(len(self)), False)

    def _take(self, places: np.ndarray, inplace: bool) -> "CellSet":
        ids = self.ids[places]
        if not inplace:
            return type(self).of_ids(self._census, ids, self.random)
        self._refuse_to_change()
        return self._replace(ids)

    def _update(self, agents: Iterable["Cell"]) -> "CellSet":
        self._refuse_to_change()
        return self._replace(np.array([cell.unique_id for cell in agents], dtype=np.int64))

    def _replace(self, ids: np.ndarray) -> "CellSet":
        self._ids, self._found = ids, (-1, ids)
        return self

    def _refuse_to_change(self) -> None:
        if self._codes is not None:
            msg = "this set follows the model; change a copy: agents.select(), without inplace"
            raise ValueError(msg)

    def _call(
        self, method: str | Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        if not isinstance(method, str):
            for cell in self:
                method(cell, *args, **kwargs)
            return
        rest = np.ones(len(self), dtype=bool)
        for kind, codes in self._census.classes().items():
            function = getattr(kind, method, None)
            if function is not None and getattr(function, "columnwise", False):
                own = np.isin(self.values("type"), codes)
                function(self._take(np.flatnonzero(own), False), *args, **kwargs)
                rest &= ~own
        for cell in self._take(np.flatnonzero(rest), False):
            getattr(cell, method)(*args, **kwargs)

    def _column(self, name: str) -> Any:
        """Copy of a column or node at the rows of the set, or _MISSING."""
        if self._census is None:
            return np.zeros(0, dtype=np.int64)
        return self._census.read(name, self.rows, _MISSING)

    def _list(self, name: str, default: Any) -> list[Any]:
        values = self._column(name)
        if values is not _MISSING:
            return values.tolist() if values.ndim == 1 else list(values)
        if default is _MISSING:
            return [getattr(cell, name) for cell in self]
        return [getattr(cell, name, default) for cell in self]

    def _warn_about_loops(self) -> None:
        n = len(self)
        if n > LOOP_WARNING_ABOVE and not self._census.warned_about_loops:
            self._census.warned_about_loops = True
            msg = (
                f"a Python loop over {n} cells is slow; columns are fast: "
                "agents.get, set, agg, sort, groupby by name, select(mask), columnwise methods"
            )
            warnings.warn(msg, stacklevel=3)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_found": (-1, self._ids)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class CellGroups(_GroupBy):
    """Mesa's GroupBy, aggregating columns at once."""

    def agg(self, attr_name: str, func: Callable[..., Any]) -> dict[Hashable, Any]:
        """Aggregate an attribute in each group."""
        return {
            key: group.agg(attr_name, func)
            if isinstance(group, CellSet)
            else func([getattr(cell, attr_name) for cell in group])
            for key, group in self.groups.items()
        }
