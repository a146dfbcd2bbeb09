"""How a scenario and a cell model meet: worked out once, and the same throughout a run.

The scenario names substrates, drugs and mutations, the cell model inputs, outputs and bits of a
genotype. Processes are handed this object and know neither of the two.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from surrogates.contract import CellModel
from tme_sim.model.cell_types import CellTypes
from tme_sim.scenario import Scenario
from tme_sim.scenario.scenario import Domain
from tme_sim.scenario.substrates import SubstrateSpec
from tme_sim.scenario.units import concentration_per_amount
from tme_sim.state.columns import Population

NEUTRAL = ("s_duration_factor",)  # outputs that are 1, not 0, where nothing is decided


class Port(NamedTuple):
    """How one substrate meets the cell model: its outputs by name, None where it has none."""

    substrate: str
    factor: float  # [unit um3 / amol]
    half_saturation: float  # [unit]; NaN where the scenario gives none
    cell_clearance: float  # by each living cell [um3/min]
    uptake: str | None
    secretion: str | None
    clearance: str | None


class VesselWall(NamedTuple):
    """What vessels let through of one substrate."""

    permeability: float  # [um/min]
    plasma: float  # [unit] where no therapy says otherwise


class Supply(NamedTuple):
    """Cells of one scenario group that reach the tissue's vessels."""

    group: int
    rate: float  # [cells/min], all vessels together
    radius: float  # [um]


@dataclass(frozen=True)
class Coupling:
    """What processes need to know of scenario and cell model.

    Attributes:
        cell_model: decides for all cells.
        cell_types: what it does not decide, by type code.
        domain: box that holds the cells.
        basal: every input of the cell model in its order, with the value where nothing is sensed.
        sensed: input -> substrate that stands for it.
        ports: how substrates meet outputs, in the order of the scenario.
        vessel_walls: by substrate, of those that vessels let through.
        output_names: of the cell model, in the order of the column ``outputs``.
        output_high: upper limit of each output.
        output_range: width of the range of each output (n_outputs,), the scale of ``sigma``.
        silent: outputs of a dead cell (n_outputs,): it decides nothing.
        supplies: who arrives through vessels.
        mutation_rates: per division, by bit of the genotype.
        mechanics, motility: whether contacts move cells, and whether cells walk.
    """

    cell_model: CellModel
    cell_types: CellTypes
    domain: Domain
    basal: Mapping[str, float]
    sensed: Mapping[str, str]
    ports: tuple[Port, ...]
    vessel_walls: Mapping[str, VesselWall]
    output_names: tuple[str, ...]
    output_high: Mapping[str, float]
    output_range: NDArray[np.float32]
    silent: NDArray[np.float32]
    supplies: tuple[Supply, ...]
    mutation_rates: Mapping[int, float]
    mechanics: bool
    motility: bool

    @classmethod
    def of(cls, scenario: Scenario, cell_model: CellModel) -> Self:
        """Work out how the two meet."""
        names = tuple(channel.name for channel in cell_model.outputs)
        return cls(
            cell_model=cell_model,
            cell_types=CellTypes.of(scenario),
            domain=scenario.domain,
            basal={channel.name: channel.basal for channel in cell_model.inputs},
            sensed={s.input: name for name, s in scenario.substrates.items() if s.input},
            ports=tuple(_port(name, s, names) for name, s in scenario.substrates.items()),
            vessel_walls=_vessel_walls(scenario),
            output_names=names,
            output_high={channel.name: channel.high for channel in cell_model.outputs},
            output_range=np.array([c.high - c.low for c in cell_model.outputs], np.float32),
            silent=np.array([name in NEUTRAL for name in names], np.float32),
            supplies=_supplies(scenario),
            mutation_rates=_mutation_rates(scenario),
            mechanics=scenario.process_is_on("mechanics"),
            motility=scenario.process_is_on("motility"),
        )

    def outputs(self, population: Population) -> dict[str, NDArray[np.float32]]:
        """What the cell model decided last, by name: views of one column each, (n_cells,)."""
        values = population["outputs"]
        return {name: values[:, k] for k, name in enumerate(self.output_names)}


def _port(name: str, spec: SubstrateSpec, outputs: tuple[str, ...]) -> Port:
    """Match a substrate with the outputs ``<input>_uptake``, ``_secretion``, ``_clearance``."""
    own = (f"{spec.input}_{what}" for what in ("uptake", "secretion", "clearance"))
    return Port(
        name,
        concentration_per_amount(spec.unit),
        math.nan if spec.half_saturation is None else spec.half_saturation,
        spec.cell_clearance,
        *(output if output in outputs else None for output in own),
    )


def _vessel_walls(scenario: Scenario) -> dict[str, VesselWall]:
    return {
        name: VesselWall(spec.permeability, spec.plasma)
        for name, spec in scenario.substrates.items()
        if spec.permeability > 0.0
    }


def _supplies(scenario: Scenario) -> tuple[Supply, ...]:
    return tuple(
        Supply(index, group.supply, scenario.cell_types[group.type].radius)
        for index, group in enumerate(scenario.cells.values())
        if group.supply > 0.0
    )


def _mutation_rates(scenario: Scenario) -> dict[int, float]:
    """None at all where the process is switched off."""
    if not scenario.process_is_on("mutation"):
        return {}
    return {scenario.genotypes.index(gene): spec.rate for gene, spec in scenario.evolution.items()}
