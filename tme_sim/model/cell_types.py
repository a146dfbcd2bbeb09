"""What the cell model does not decide, by cell type: arrays indexed by the column ``type``.

A type's code is its place among the scenario's cell types.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from surrogates.channels import CELL_TYPES
from tme_sim.errors import InputError
from tme_sim.processes.cycle import Growth
from tme_sim.processes.death import Decay
from tme_sim.processes.mechanics import ContactProperties
from tme_sim.scenario import Scenario
from tme_sim.scenario.tissue import CellTypeSpec

TUMOR = "tumor"


@dataclass(frozen=True)
class CellTypes:
    """The cell types of a run.

    Attributes:
        names: of the types.
        network: the cell model's code of each.
        growth, decay, contact: what growth, dying and contact need to know.
        vessel_surface: surface of the vessel segment that a cell stands for [um2], 0 for others.
        inheritance_noise: standard deviation of node levels between mother and daughter.
        tumor: whether a living cell of the type counts as burden.
    """

    names: tuple[str, ...]
    network: np.ndarray
    growth: Growth
    decay: Decay
    contact: ContactProperties
    vessel_surface: np.ndarray
    inheritance_noise: np.ndarray
    tumor: np.ndarray

    @classmethod
    def of(cls, scenario: Scenario) -> Self:
        """Gather a scenario's cell types."""
        types = list(scenario.cell_types.values())
        kinds = [spec.network_type for spec in types]
        radius = np.array([spec.vessel_radius or 0.0 for spec in types])
        return cls(
            names=tuple(scenario.cell_types),
            network=np.array([CELL_TYPES.index(kind) for kind in kinds], np.int8),
            growth=Growth.of(types),
            decay=Decay.of(types),
            contact=ContactProperties(
                motile=np.array([spec.motile for spec in types], bool),
                repulsion=np.array([spec.repulsion for spec in types]),
                adhesion=np.array([spec.adhesion for spec in types]),
                adhesion_range=np.array([spec.adhesion_range for spec in types]),
                affinity=_affinities(scenario.cell_types),
                b7=np.array([spec.costimulation for spec in types], np.float32),
            ),
            vessel_surface=2.0 * np.pi * radius * scenario.domain.voxel,
            inheritance_noise=np.array([spec.inheritance_noise for spec in types]),
            tumor=np.array([kind == TUMOR for kind in kinds], bool),
        )

    def code(self, name: str) -> int:
        """Type code of a name.

        Raises:
            InputError: no type has this name.
        """
        if name not in self.names:
            msg = f"no cell group or type {name!r}; the types are {', '.join(self.names)}"
            raise InputError(msg)
        return self.names.index(name)


def _affinities(types: Mapping[str, CellTypeSpec]) -> np.ndarray:
    """Factor of the adhesion between two types, by their codes: 1 where neither gives one."""
    codes = {name: code for code, name in enumerate(types)}
    factors = np.ones((len(types), len(types)))
    for name, spec in types.items():
        for other, factor in spec.affinity.items():
            factors[codes[name], codes[other]] = factors[codes[other], codes[name]] = factor
    return factors
