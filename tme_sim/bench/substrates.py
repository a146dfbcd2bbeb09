"""Ten substrates in a packed tissue, the load that the benchmark of the fields measures.

Cells fill a ball (in 2D a disk) in the middle of the box. The part of a voxel that is cell is
drawn between 0 and 1 for every voxel, so that neighbours differ as strongly as uptake can. A
hundredth of all voxels holds a vessel, which brings drugs only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tme_sim.fields import Grid, Microenvironment, Substrate

TICK = 6.0  # [min]
FILLED = 0.4  # radius of the ball over the edge of the box
VESSELS = 0.01  # part of the voxels that hold one
CHANGE = 0.01  # mean growth of sources and sinks in a tick
SEED = 20


@dataclass(frozen=True)
class Kind:
    """A substrate and what a voxel full of cells, or a vessel, exchanges of it.

    Attributes:
        diffusivity: [um^2/min].
        decay: first-order loss everywhere [1/min].
        start: concentration at time 0 [unit], and on the walls unless they are closed.
        closed: whether the walls let nothing through.
        uptake: first-order uptake [1/min].
        maximum: saturating uptake [unit/min], half of it at `half` [unit].
        secretion: [unit/min].
        permeability: of a vessel [1/min].
        dose: of a drug [unit]; plasma rises and falls with it.
    """

    name: str
    diffusivity: float
    decay: float
    start: float = 0.0
    closed: bool = True
    uptake: float = 0.0
    maximum: float = 0.0
    half: float = 1.0
    secretion: float = 0.0
    permeability: float = 0.0
    dose: float = 0.0

    def plasma(self, time: float) -> float:
        """Concentration in plasma [unit], absorbed at 1/h and cleared at 0.3/h (Bateman)."""
        hours = time / 60.0
        return self.dose * (math.exp(-0.3 * hours) - math.exp(-hours)) / 0.7


KINDS = (  # in this order: 1, 4 and 10 of them are measured
    Kind("oxygen", 1e5, 0.1, 38.0, closed=False, uptake=10.0),  # mmHg, Ghaffarizadeh 2016
    Kind("glucose", 2e4, 0.0, 5.0, closed=False, maximum=0.05, half=0.5),  # mM
    Kind("HGF", 6e3, 0.05, 0.02, uptake=0.2, secretion=0.01),  # nM
    Kind("vemurafenib", 3e4, 1e-3, uptake=0.02, permeability=2.0, dose=20.0),  # uM, a pulse
    Kind("lactate", 2e4, 0.0, 1.5, closed=False, secretion=0.05),  # mM
    Kind("glutamine", 2e4, 0.0, 0.6, closed=False, maximum=0.005, half=0.2),  # mM
    Kind("TGFb", 6e3, 0.1, uptake=0.1, secretion=0.01),  # nM
    Kind("IFNg", 6e3, 0.01, uptake=0.3, secretion=0.002),  # nM
    Kind("VEGF", 6e3, 0.02, uptake=0.05, secretion=0.01),  # nM
    Kind("trametinib", 3e4, 1e-3, uptake=0.1, permeability=0.5, dose=0.02),  # uM, a pulse
)


class Tissue:
    """What the cells and vessels of a box exchange, tick by tick.

    Args:
        grid: the box.
        n_substrates: how many of `KINDS`.
        dtype: of the arrays handed to the microenvironment.
    """

    def __init__(self, grid: Grid, n_substrates: int, dtype: str = "float32") -> None:
        self.grid, self.kinds, self.dtype = grid, KINDS[:n_substrates], np.dtype(dtype)
        self.random = np.random.default_rng(SEED)
        cell = np.where(_ball(grid), self.random.random(grid.shape, np.float32), np.float32(0))
        vessel = self.random.random(grid.shape, np.float32) < VESSELS
        self.time = 0.0
        self.vessels = {
            kind.name: (kind.permeability * vessel).astype(self.dtype)
            for kind in self.kinds
            if kind.permeability
        }
        self.rates = {  # grow in place from tick to tick
            (kind.name, term): (getattr(kind, term) * cell).astype(self.dtype)
            for kind in self.kinds
            for term in ("uptake", "maximum", "secretion")
            if getattr(kind, term)
        }

    def environment(self) -> Microenvironment:
        """The substrates at their start."""
        substrates = [
            Substrate(
                kind.name,
                kind.diffusivity,
                kind.decay,
                kind.start,
                {} if kind.closed else {"all": kind.start},
            )
            for kind in self.kinds
        ]
        return Microenvironment(self.grid, substrates, dtype=self.dtype)

    def grow(self) -> None:
        """Let a tick pass: every rate of every voxel rises by 0 to 2 %, on average by 1 %."""
        self.time += TICK
        for rate in self.rates.values():
            factor = self.random.random(rate.shape, np.float32)
            factor *= 2.0 * CHANGE
            factor += 1.0
            rate *= factor

    def set_exchange(self, env: Microenvironment) -> None:
        """Hand the rates as they are now to the microenvironment."""
        for kind in self.kinds:
            name = kind.name
            env.set_exchange(
                name,
                source=self.rates.get((name, "secretion"), 0.0),
                uptake=self.rates.get((name, "uptake"), 0.0),
            )
            if kind.maximum:
                env.set_saturating_uptake(name, self.rates[name, "maximum"], kind.half)
            if kind.permeability:
                env.set_vessels(name, self.vessels[name], kind.plasma(self.time + 0.5 * TICK))


def _ball(grid: Grid) -> np.ndarray:
    """Voxels whose centre is in the ball."""
    middle = [(np.arange(n) + 0.5 - 0.5 * n) if n > 1 else np.zeros(1) for n in grid.shape]
    z, y, x = np.ix_(*middle)
    inside: np.ndarray = z**2 + y**2 + x**2 < (FILLED * max(grid.shape)) ** 2
    return inside
