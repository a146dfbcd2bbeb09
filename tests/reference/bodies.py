"""A body with PhysiCell's default numbers, shared by the tests of growth and death."""

from types import SimpleNamespace

import numpy as np

from tme_sim.compute.random import initial_id
from tme_sim.processes.cycle import Growth
from tme_sim.processes.death import Decay
from tme_sim.processes.steady_growth import RATES
from tme_sim.scenario.scenario import Domain
from tme_sim.state.columns import Population

BODY = SimpleNamespace(
    volume=2494.0,
    fluid_fraction=0.75,
    nuclear_fraction=540.0 / 2494.0,
    fluid_rate=3.0 / 60.0,
    cytoplasm_rate=0.27 / 60.0,
    nucleus_rate=0.33 / 60.0,
    s_duration=480.0,
    apoptosis_fluid_rate=3.0 / 60.0,
    apoptosis_cytoplasm_rate=1.0 / 60.0,
    apoptosis_nucleus_rate=0.35 / 60.0,
    apoptosis_duration=516.0,
    necrosis_fluid_rate=0.67 / 60.0,
    necrosis_cytoplasm_rate=0.0032 / 60.0,
    necrosis_nucleus_rate=0.013 / 60.0,
    lysis_volume_factor=2.0,
    debris_clearance_time=2880.0,
)
OUTPUTS = (  # what processes read of the cell model's
    *("growth_rate", "g1s_rate", "g2m_rate", "s_duration_factor"),
    *("apoptosis_rate", "necrosis_rate"),
    *("kill_rate", "phagocytosis_rate", "MHC1", "antigen", "PDL1"),
    *("speed", "persistence_time", "adhesion", "contraction", "chemotaxis_CXCL10"),
    *("extravasation_rate", "vessel_PS"),
)
GROWTH, DECAY = Growth.of([BODY]), Decay.of([BODY])


def population(n, **columns):
    """n cells of one type, with two nodes."""
    cells = Population(n_nodes=2, n_inputs=1, n_outputs=len(OUTPUTS))
    cells.append(n, **({"id": initial_id(0, np.arange(n))} | columns))
    return cells


def domain(*size, walls="reflecting"):
    """A box with these edges [um]."""
    return Domain(size=[f"{edge} um" for edge in size], voxel="20 um", walls=walls)


def outputs(cells, **rates):
    """Constant outputs of the cell model; those not given are 0 (the factor 1)."""
    silent = dict.fromkeys((*RATES, "apoptosis_rate", "necrosis_rate"), 0.0)
    rates = silent | {"s_duration_factor": 1.0} | rates
    return {name: np.full(len(cells), rate, np.float32) for name, rate in rates.items()}
