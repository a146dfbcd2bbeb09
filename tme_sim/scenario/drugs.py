"""What a scenario says about one drug: its course in the body and its way through tissue."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tme_sim.scenario.quantities import (
    CellClearance,
    Diffusivity,
    Fraction,
    Quantity,
    Rate,
    Speed,
    Strict,
    Time,
    refuse,
)

Clearance = Annotated[float, Quantity("L/min", above=0)]
Capacity = Annotated[float, Quantity("L", above=0)]
MolarMass = Annotated[float, Quantity("g/mol", above=0)]
PerMinute = Annotated[float, Quantity("1/min", above=0)]
Share = Annotated[float, Quantity("1", above=0)]


class DrugSpec(Strict):
    """One drug of the catalogue or of the user.

    The body is a central compartment with up to two peripheral ones, and a gut for oral doses.

    Attributes:
        unit: Unit at the cells: uM or nM.
        acts_as: Drug of the cell model whose targets it has.
        targets: Of a drug of the user's, instead: concentration that occupies half of each [uM].
        kind: ``small_molecule``: cells sense its nominal concentration in a medium of 10 % serum;
            ``antibody``: cells sense its free concentration, which is its total.
        molar_mass: [g/mol].
        free_fraction: Unbound share in plasma.
        route: Of a dose that does not say: ``oral`` or ``iv``.
        infusion: Duration of an iv dose that does not say [min]; 0 is a bolus.
        clearance: From the central compartment [L/min] (CL/F where bioavailability is 1 and oral).
        central_volume, peripheral_volume, second_peripheral_volume: [L].
        intercompartmental_clearance, second_intercompartmental_clearance: [L/min].
        absorption_rate: From the gut [1/min].
        bioavailability: Share of an oral dose that is absorbed.
        diffusivity, decay_rate, cell_clearance, bound_ratio, permeability: In tissue, as of a
            substrate.
        preset: Name of the catalogue entry that the other values were taken from.
    """

    preset: str | None = Field(default=None, exclude=True)
    unit: Literal["uM", "nM"]
    acts_as: str | None = None
    targets: dict[str, Annotated[float, Quantity("uM", above=0)]] | None = None
    kind: Literal["small_molecule", "antibody"] = "small_molecule"
    molar_mass: MolarMass
    free_fraction: Share = 1.0
    route: Literal["oral", "iv"]
    infusion: Time = 0.0
    clearance: Clearance
    central_volume: Capacity
    intercompartmental_clearance: Clearance | None = None
    peripheral_volume: Capacity | None = None
    second_intercompartmental_clearance: Clearance | None = None
    second_peripheral_volume: Capacity | None = None
    absorption_rate: PerMinute | None = None
    bioavailability: Share = 1.0
    diffusivity: Diffusivity
    decay_rate: Rate = 0.0
    cell_clearance: CellClearance = 0.0
    bound_ratio: Fraction = 0.0
    permeability: Speed = 0.0

    @model_validator(mode="after")
    def _fit_together(self) -> "DrugSpec":
        for prefix in ("", "second_"):
            names = (f"{prefix}intercompartmental_clearance", f"{prefix}peripheral_volume")
            given = [getattr(self, name) is not None for name in names]
            if given[0] != given[1]:
                refuse(f"a peripheral compartment needs both {names[0]} and {names[1]}")
        if self.second_peripheral_volume is not None and self.peripheral_volume is None:
            refuse("second_peripheral_volume is given, but peripheral_volume is not")
        if self.route == "oral" and self.absorption_rate is None:
            refuse("a drug given by mouth needs an absorption_rate", "route")
        for name in ("free_fraction", "bioavailability"):
            if getattr(self, name) > 1:
                refuse(f"found {getattr(self, name):g}, but at most 1 is possible", name)
        return self
