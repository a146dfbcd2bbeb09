"""How far a substrate gets through the tissue of a scenario, before anything runs."""

import math
from dataclasses import dataclass

import numpy as np

from tme_sim.scenario.placement import expected_count, tissue_measure
from tme_sim.scenario.scenario import Scenario
from tme_sim.scenario.substrates import SubstrateSpec
from tme_sim.scenario.units import concentration_per_amount


@dataclass(frozen=True)
class Reach:
    """How far a substrate gets.

    Attributes:
        initial: Level everywhere at the start.
        level: Level that it is supplied at: the highest that a wall holds, else the initial one.
        free_length: sqrt(D / decay), without cells [um].
        tissue_length: sqrt(D / (decay + clearance by the cells of `tissue`)) [um].
        exhausted_depth: Depth at which cells use up what comes through a flat wall [um]; None where
            uptake does not saturate.
        vessel_share: Mean in tissue over the level in vessels, by exchange against decay and what
            every cell takes up.
    """

    name: str
    initial: float
    level: float
    unit: str
    free_length: float
    tissue_length: float
    tissue: str
    exhausted_depth: float | None
    vessel_share: float | None

    def text(self) -> str:
        """The same in words."""
        text = f"{self.name}: {self.initial:g} {self.unit} at the start"
        if self.level != self.initial:
            text += f", {self.level:g} {self.unit} at the walls"
        text += f"; diffusion length {_um(self.free_length)} without cells"
        if self.tissue:
            text += f", {_um(self.tissue_length)} among {self.tissue} cells"
        if self.exhausted_depth is not None:
            text += f", used up {_um(self.exhausted_depth)} deep"
        if self.vessel_share is not None:
            text += f"; vessels hold tissue at {100 * self.vessel_share:.0f} % of plasma"
        return text


def reach(scenario: Scenario, name: str, outputs: dict[str, dict[str, float]]) -> Reach:
    """Lengths of one substrate, in the tissue that takes up most of it."""
    spec = scenario.substrates[name]
    held = [wall for wall in (spec.boundary or {}).values() if isinstance(wall, float)]
    level = max(held, default=spec.initial)
    sinks = {
        group: _sink(scenario, spec, group, level, values) for group, values in outputs.items()
    }
    tissue = max(sinks, key=lambda group: sinks[group], default="")
    clearance = sinks.get(tissue, 0.0)
    depth = None
    if clearance > 0 and spec.half_saturation and f"{spec.input}_uptake" in outputs[tissue]:
        most = clearance * (spec.half_saturation + level)
        depth = math.sqrt(2.0 * spec.diffusivity * level / most)
    return Reach(
        name=name,
        initial=spec.initial,
        level=level,
        unit=spec.unit,
        free_length=_length(spec.diffusivity, spec.decay_rate),
        tissue_length=_length(spec.diffusivity, spec.decay_rate + clearance),
        tissue=tissue if clearance > 0 else "",
        exhausted_depth=depth,
        vessel_share=_vessel_share(scenario, spec),
    )


def _sink(
    scenario: Scenario, spec: SubstrateSpec, group: str, level: float, values: dict[str, float]
) -> float:
    """First-order loss to the cells of a group at their density at the start [1/min]."""
    cells = scenario.cells[group]
    density = expected_count(cells, scenario.domain) / tissue_measure(cells, scenario.domain)
    cleared = values.get(f"{spec.input}_clearance", 0.0) + spec.cell_clearance
    uptake = values.get(f"{spec.input}_uptake", 0.0) * concentration_per_amount(spec.unit)
    saturating = uptake / (spec.half_saturation + level) if spec.half_saturation else 0.0
    return density * (cleared + saturating)


def _length(diffusivity: float, rate: float) -> float:
    return math.sqrt(diffusivity / rate) if rate > 0 else math.inf


def _vessel_share(scenario: Scenario, spec: SubstrateSpec) -> float | None:
    """Mean level in tissue over that in vessels, if both were well mixed."""
    surface, loss = 0.0, spec.decay_rate
    for group in scenario.cells.values():
        density = expected_count(group, scenario.domain) / float(np.prod(scenario.domain.box))
        loss += density * spec.cell_clearance
        radius = scenario.cell_types[group.type].vessel_radius
        if radius is not None:
            segment = 2.0 * math.pi * radius * scenario.domain.voxel
            surface += segment * density
    exchange = spec.permeability * surface
    return exchange / (exchange + loss) if exchange > 0 else None


def _um(length: float) -> str:
    return "unlimited" if math.isinf(length) else f"{length:.3g} um"
