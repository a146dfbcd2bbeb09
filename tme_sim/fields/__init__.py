"""Substrates that diffuse between cells: grid, sources and sinks, implicit multigrid solver."""

from tme_sim.fields.grid import Grid
from tme_sim.fields.microenvironment import Microenvironment, SolveError
from tme_sim.fields.report import StepReport, SubstrateReport
from tme_sim.fields.substrate import Substrate

__all__ = [
    "Grid",
    "Microenvironment",
    "SolveError",
    "StepReport",
    "Substrate",
    "SubstrateReport",
]
