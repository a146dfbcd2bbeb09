"""A Mesa model whose agents are the rows of a population, and a user's own types of agents."""

from collections.abc import Sequence
from random import Random
from typing import Any, NoReturn

import mesa

from tme_sim.agents.cell import CLASSES, Cell
from tme_sim.agents.cell_set import CellSet
from tme_sim.agents.census import Census
from tme_sim.state.columns import ALIVE, Population


class PopulationModel(mesa.Model):
    """A Mesa model whose agents are views of the rows of its population.

    Mesa's own registration, which would keep every agent as an object and every model in
    ``Agent._ids`` for ever, is not used; nor is its wrapping of ``step``, whose clock of 1 per step
    is not the model's. A subclass sets the attributes below.

    Args:
        rng: seed of the generators of Mesa.
        kinds: class of each type code.
        nodes: names of the network's nodes, in the order of the column ``nodes``.

    Attributes:
        population: the cells.
        tick_index, time: ticks done, and the time [min].
        lineage: (time [min], id, mother, event, cause, clone) of what became of cells.
        census: leads to views of cells.
    """

    population: Population
    tick_index: int
    time: float
    lineage: list[tuple[float, int, int, str, str, int]]

    def __init__(
        self, *, rng: int, kinds: Sequence[type[Cell]] = CLASSES, nodes: Sequence[str] = ()
    ) -> None:
        super().__init__(rng=rng)
        self.__dict__.pop("step", None)  # Mesa's wrapping
        self.census = Census(self, kinds=kinds, nodes=nodes)
        self.use_kinds(kinds)

    def use_kinds(self, kinds: Sequence[type[Cell]]) -> None:
        """Take these classes for the type codes, in their order."""
        self.census.kinds = list(kinds)
        self._every = CellSet.following(self.census, range(len(kinds)), self.random)
        self._by_class = SetsByClass(self.census, self.random)

    def complete(self, rows: slice) -> None:
        """Give cells that user code added what a cell of their type has; values are set later."""

    @property
    def agents(self) -> CellSet:
        """All cells, as a set that follows the model."""
        return self._every

    @property
    def agents_by_type(self) -> "SetsByClass":
        """Live sets by class."""
        return self._by_class

    @property
    def agent_types(self) -> list[type]:
        """The class of every cell type."""
        return list(self._by_class)

    def register_agent(self, agent: mesa.Agent) -> NoReturn:
        """Refuse agents that are no cells; cells register themselves as rows."""
        msg = f"{type(agent).__name__} is no cell type; agents of this model subclass tme_sim.Cell"
        raise TypeError(msg)

    def deregister_agent(self, agent: Cell) -> None:
        """Remove the row of a cell."""
        self.census.remove(self.population["id"][[agent.row]])

    def remove_all_agents(self) -> None:
        """Remove all rows."""
        self.census.remove(self.population["id"])


class SetsByClass(dict[type[Cell], CellSet]):
    """Live sets by class; a base class finds the sets of its subclasses."""

    def __init__(self, census: Census, random: Random) -> None:
        self._census, self._random = census, random
        super().__init__(
            (kind, CellSet.following(census, codes, random))
            for kind, codes in census.classes().items()
        )

    def __missing__(self, kind: Any) -> CellSet:
        codes = self._census.codes(kind) if isinstance(kind, type) else []
        if not codes:
            raise KeyError(kind)
        return CellSet.following(self._census, codes, self._random)


def use(model: PopulationModel, kind: type[Cell]) -> None:
    """Make all cells of a type, present and future, agents of a user's subclass of it."""
    kinds = model.census.kinds
    base = next((own for own in kind.__mro__[1:] if own in kinds), None)
    if base is None:
        choices = sorted({own.__name__ for own in kinds})
        msg = f"{kind.__name__} must subclass one of {', '.join(choices)}"
        raise TypeError(msg)
    model.use_kinds([kind if own is base else own for own in kinds])


def step_agents(model: PopulationModel) -> None:
    """Run ``step`` of the living cells whose class has one, class by class in row order."""
    for kind, agents in list(model.agents_by_type.items()):
        if kind.step is not mesa.Agent.step:
            agents.select(agents.values("status") == ALIVE).do("step")
