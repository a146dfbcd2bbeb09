"""Agent-based simulator of the tumor microenvironment, every cell decided by one trained network.

The public names load their modules on first use, so that ``import tme_sim`` stays fast.
"""

import importlib
import os
from typing import TYPE_CHECKING

from tme_sim.output import drawing
from tme_sim.release import VERSION as __version__

if TYPE_CHECKING:
    from tme_sim.agents.cell import CD8TCell as CD8TCell
    from tme_sim.agents.cell import Cell as Cell
    from tme_sim.agents.cell import EndothelialCell as EndothelialCell
    from tme_sim.agents.cell import EpithelialCell as EpithelialCell
    from tme_sim.agents.cell import Fibroblast as Fibroblast
    from tme_sim.agents.cell import Macrophage as Macrophage
    from tme_sim.agents.cell import TumorCell as TumorCell
    from tme_sim.agents.cell_set import CellSet as CellSet
    from tme_sim.fields import Grid as Grid
    from tme_sim.fields import Microenvironment as Microenvironment
    from tme_sim.fields import Substrate as Substrate
    from tme_sim.model.tumor_model import TumorModel as TumorModel
    from tme_sim.output.run import Run as Run
    from tme_sim.output.run import open_run as open_run
    from tme_sim.scenario import Scenario as Scenario
    from tme_sim.scenario import ScenarioError as ScenarioError
    from tme_sim.scenario import load_scenario as load_scenario
    from tme_sim.simulation import branch as branch
    from tme_sim.simulation import resume as resume
    from tme_sim.simulation import simulate as simulate
    from tme_sim.state.columns import Population as Population

# before numba or torch load: threads that spin while they wait starve each other, ten times slower
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# before numba loads: where Intel's vector functions are installed, their last bits are others
os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")

_HOMES = {
    "load_scenario": "tme_sim.scenario",
    "Scenario": "tme_sim.scenario",
    "ScenarioError": "tme_sim.scenario",
    "simulate": "tme_sim.simulation",
    "resume": "tme_sim.simulation",
    "branch": "tme_sim.simulation",
    "TumorModel": "tme_sim.model.tumor_model",
    "open_run": "tme_sim.output.run",
    "Run": "tme_sim.output.run",
    "Grid": "tme_sim.fields",
    "Substrate": "tme_sim.fields",
    "Microenvironment": "tme_sim.fields",
    "Population": "tme_sim.state.columns",
    "Cell": "tme_sim.agents.cell",
    "CellSet": "tme_sim.agents.cell_set",
    "TumorCell": "tme_sim.agents.cell",
    "Fibroblast": "tme_sim.agents.cell",
    "CD8TCell": "tme_sim.agents.cell",
    "Macrophage": "tme_sim.agents.cell",
    "EndothelialCell": "tme_sim.agents.cell",
    "EpithelialCell": "tme_sim.agents.cell",
}
_PACKAGES = ("scenario", "fields", "therapy", "output", "analysis", "replay")

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"tme_sim.{name}")
    msg = f"module 'tme_sim' has no attribute {name!r}; public names are {sorted(__all__)}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])


def _notebook() -> drawing.Drawing:
    from tme_sim.analysis.figures import notebook  # matplotlib: only once a run is drawn

    return notebook


drawing.register(_notebook)
