"""What a process of the tick is: a module that declares its columns and has one function.

    READS, WRITES       columns of the population whose values it uses, and that it changes
    advance(population, env, pending, *, coupling, clock) -> Pending

A process changes columns in place and never rows: who divides, died, goes or arrives is noted in
``Pending`` and applied at the end of the tick. A test records what each process touches.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tme_sim.fields import Microenvironment, StepReport
from tme_sim.processes.cell_list import CellList
from tme_sim.state.columns import Population

if TYPE_CHECKING:
    from tme_sim.model.coupling import Coupling

Mask = NDArray[np.bool_]
Outputs = Mapping[str, NDArray[np.float32]]  # of the cell model by name, one value per cell
NO_PLASMA: Mapping[str, float] = MappingProxyType({})


class Clock(NamedTuple):
    """When a process runs: times in min, and what keys its draws."""

    tick: int
    time: float  # start of the tick
    dt: float
    seed: int

    @property
    def end(self) -> float:
        """End of the tick [min]."""
        return self.time + self.dt


class Motion(NamedTuple):
    """What moving took, and who lies where afterwards."""

    substeps: int
    refused: int
    error: float  # [um] largest estimate of an accepted substep
    cells: CellList  # of the positions at the end
    shown: NDArray[np.float32]  # what cells display to those they touch, see contact.display


class Arrivals(NamedTuple):
    """Cells of one scenario group about to enter."""

    group: int
    id: NDArray[np.int64]
    position: NDArray[np.float64]
    vessel: NDArray[np.int64]  # row of the vessel of each


class Mutant(NamedTuple):
    """A newborn that founds a clone."""

    row: int
    bit: int


class Pending(NamedTuple):
    """What the processes of a tick hand on: to later ones, and to be applied at its end."""

    dividing: Mask  # (n_cells,)
    died: Mask
    cleared: Mask
    arriving: tuple[Arrivals, ...] = ()
    plasma: Mapping[str, float] = NO_PLASMA  # of drugs at vessels, in the unit of the substrate
    transport: StepReport | None = None
    motion: Motion | None = None
    born: slice = slice(0, 0)  # rows of the daughters
    mutants: tuple[Mutant, ...] = ()

    @classmethod
    def nothing(cls, n: int) -> "Pending":
        """At the start of a tick of ``n`` cells."""
        return cls(*np.zeros((3, n), dtype=np.bool_))

    def realigned(self, rows: NDArray[np.int64], n: int) -> "Pending":
        """Masks that follow cells to their new ``rows`` (-1: gone) of ``n``."""

        def moved(mask: Mask) -> Mask:
            now = np.zeros(n, dtype=np.bool_)
            now[rows[mask & (rows >= 0)]] = True
            return now

        return self._replace(
            dividing=moved(self.dividing), died=moved(self.died), cleared=moved(self.cleared)
        )


class Process(Protocol):
    """A module with the shape of a process."""

    @property
    def READS(self) -> tuple[str, ...]:
        """Columns whose values matter."""

    @property
    def WRITES(self) -> tuple[str, ...]:
        """Columns that it changes."""

    def advance(
        self,
        population: Population,
        env: Microenvironment,
        pending: Pending,
        *,
        coupling: "Coupling",
        clock: Clock,
    ) -> Pending:
        """Advance the state by one tick."""
