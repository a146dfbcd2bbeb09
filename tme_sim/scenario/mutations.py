"""Rates of mutation: what a scenario says of each, and where it departs from the catalogue."""

from typing import TYPE_CHECKING

from tme_sim.scenario import catalogue
from tme_sim.scenario.quantities import PerDivision, Strict
from tme_sim.scenario.units import parse_quantity

if TYPE_CHECKING:
    from tme_sim.scenario.scenario import Scenario

_TOLERANCE = 1e-6  # relative: a rate written by hand as in the catalogue is the catalogue's


class MutationSpec(Strict):
    """How often one daughter of a division acquires a mutation.

    Attributes:
        rate: Per division [1/division]; that of the catalogue where the scenario gives none.
        because: Why it is scaled, in words.
    """

    rate: PerDivision
    because: str = ""


def scaled_rates(scenario: "Scenario") -> list[str]:
    """A sentence for every rate that is not the catalogue's: by how much, and why."""
    presets = catalogue.builtin()
    found = []
    for name, spec in scenario.evolution.items():
        usual = parse_quantity(presets.preset("mutations", name)["rate"], "1/division")
        if abs(spec.rate - usual) <= _TOLERANCE * usual:
            continue
        why = f"because {spec.because}" if spec.because else "the scenario gives no reason"
        found.append(
            f"{name}: {spec.rate:.3g} per division is {spec.rate / usual:.3g} times the "
            f"catalogue's {usual:.3g} ({presets.sources('mutations', name)['rate'][0]}); {why}"
        )
    return found
