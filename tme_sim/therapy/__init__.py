"""Therapy: doses, their course in the body, schedules fixed and adaptive, balances of each drug."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tme_sim.therapy.course import Therapy as Therapy
    from tme_sim.therapy.pharmacokinetics import nominal_concentration as nominal_concentration
    from tme_sim.therapy.pharmacokinetics import plasma_concentration as plasma_concentration
    from tme_sim.therapy.policies import AdaptiveSchedule as AdaptiveSchedule
    from tme_sim.therapy.policies import Visit as Visit

_HOMES = {
    "Therapy": "course",
    "AdaptiveSchedule": "policies",
    "Visit": "policies",
    "plasma_concentration": "pharmacokinetics",
    "nominal_concentration": "pharmacokinetics",
}

__all__ = ["AdaptiveSchedule", "Therapy", "Visit", "nominal_concentration", "plasma_concentration"]


def __getattr__(name: str) -> object:
    """Load scipy and pint only when a drug is given."""
    if name not in _HOMES:
        msg = f"module 'tme_sim.therapy' has no attribute {name!r}; it has {__all__}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"tme_sim.therapy.{_HOMES[name]}"), name)
