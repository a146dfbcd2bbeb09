"""Mutations: how often they arise, what those of the user change, what is not the catalogue's."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from tme_sim.scenario import catalogue
from tme_sim.scenario.quantities import PerDivision, Quantity, Strict, refuse
from tme_sim.scenario.units import parse_quantity

if TYPE_CHECKING:
    from tme_sim.scenario.scenario import Scenario

MOST_TIMES = 10.0
"""Largest change of an abundance: that of the strongest amplifications."""
_TOLERANCE = 1e-6  # relative: a rate written by hand as in the catalogue is the catalogue's


class NodeChange(Strict):
    """What a mutation of the user's does to a node of the cell model: one of the two.

    Attributes:
        times: Factor of its abundance (competence): 0 is loss, 5 an amplification.
        held: Value in [0, 1] that it is kept at, whatever acts on it.
    """

    times: Annotated[float, Quantity("1", least=0)] | None = None
    held: Annotated[float, Quantity("1", least=0)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "NodeChange":
        if (self.times is None) == (self.held is None):
            refuse("either `times` (of its abundance) or `held` (at a value) is needed")
        for name, most in (("times", MOST_TIMES), ("held", 1.0)):
            if (getattr(self, name) or 0.0) > most:
                refuse(f"found {getattr(self, name):g}, but at most {most:g} is allowed", name)
        return self

    @model_serializer(mode="wrap")
    def _write_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class MutationSpec(Strict):
    """How often one daughter of a division acquires a mutation, and what a user's own one does.

    Attributes:
        rate: Per division [1/division]; that of the catalogue where the scenario gives none.
        because: Why it is scaled, in words.
        nodes: Changes of nodes of the cell model, for a mutation that it does not know.
    """

    rate: PerDivision
    because: str = ""
    nodes: dict[str, NodeChange] = Field(default_factory=dict)

    @field_validator("rate")
    @classmethod
    def _probability(cls, value: float) -> float:
        if value > 1.0:
            refuse(f"found {value:g} per division, but at most 1 is possible")
        return value

    def changes(self) -> dict[str, dict[str, float]]:
        """Node -> {times: x} or {held: x}, as the cell model takes them."""
        return {node: change.model_dump() for node, change in self.nodes.items()}


def scaled_rates(scenario: "Scenario") -> list[str]:
    """A sentence for every rate that is not the catalogue's: by how much, and why."""
    presets = catalogue.builtin()
    found = []
    for name, spec in scenario.evolution.items():
        if spec.nodes:
            continue
        usual = parse_quantity(presets.preset("mutations", name)["rate"], "1/division")
        if abs(spec.rate - usual) <= _TOLERANCE * usual:
            continue
        why = f"because {spec.because}" if spec.because else "the scenario gives no reason"
        found.append(
            f"{name}: {spec.rate:.3g} per division is {spec.rate / usual:.3g} times the "
            f"catalogue's {usual:.3g} ({presets.sources('mutations', name)['rate'][0]}); {why}"
        )
    return found


def own_mutations(scenario: "Scenario") -> list[str]:
    """A sentence for every mutation that the scenario defines: what it does."""
    return [
        f"{name}: a mutation of the scenario's own ({_in_words(spec)}), outside the training domain"
        for name, spec in scenario.evolution.items()
        if spec.nodes
    ]


def _in_words(spec: MutationSpec) -> str:
    return ", ".join(
        f"{node} held at {change.held:g}" if change.times is None else f"{node} x {change.times:g}"
        for node, change in spec.nodes.items()
    )
