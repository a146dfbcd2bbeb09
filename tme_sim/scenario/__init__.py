"""Scenario files: what a run depends on, read with units and checked before anything starts."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tme_sim.scenario.errors import ScenarioError as ScenarioError
    from tme_sim.scenario.load import load_scenario as load_scenario
    from tme_sim.scenario.load import schema as schema
    from tme_sim.scenario.placement import place_all as place_all
    from tme_sim.scenario.scenario import Scenario as Scenario

_HOMES = {
    "load_scenario": "load",
    "schema": "load",
    "Scenario": "scenario",
    "ScenarioError": "errors",
    "place_all": "placement",
}

__all__ = ["Scenario", "ScenarioError", "load_scenario", "place_all", "schema"]


def __getattr__(name: str) -> object:
    """Load pydantic and pint only when a scenario is."""
    if name not in _HOMES:
        msg = f"module 'tme_sim.scenario' has no attribute {name!r}; it has {__all__}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"tme_sim.scenario.{_HOMES[name]}"), name)
