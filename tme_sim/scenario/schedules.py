"""What a scenario says about therapy: doses, when, and who decides."""

from typing import Annotated, Any, Literal

from pydantic import field_validator, model_validator

from tme_sim.scenario.quantities import Duration, Quantity, Strict, Time, refuse

Share = Annotated[float, Quantity("1", above=0)]


class Adaptive(Strict):
    """Drug on until the burden is low, off until it is back: what a clinic can see and do.

    Attributes:
        stop_below: Drug off when burden / baseline falls below.
        resume_at: Drug on again when burden / baseline reaches this.
        visit_every: Time between two looks at the burden [min].
    """

    stop_below: Share = 0.5
    resume_at: Share = 1.0
    visit_every: Duration

    @model_validator(mode="after")
    def _in_order(self) -> "Adaptive":
        if self.resume_at <= self.stop_below:
            refuse(
                f"found {self.resume_at:g}, but it must be above stop_below ({self.stop_below:g})",
                "resume_at",
            )
        return self


class Dose(Strict):
    """One entry of ``therapy``: a single dose, or one repeated until a time.

    Attributes:
        drug: Name in the catalogue.
        dose: Amount given each time [mg] (``mg/m^2`` and ``mg/kg`` are of the scenario's patient).
        every: Time between doses [min]; None: one dose at ``start``.
        start: Time of the first dose [min].
        until: No dose at or after this time [min]; None: as long as the run lasts.
        route, infusion: As the drug's own, unless given; infusion [min], 0 is a bolus.
        adaptive: Whether each dose is given depends on the burden at visits.
    """

    drug: str
    dose: Annotated[float, Quantity("mg", above=0)]
    every: Duration | None = None
    start: Time = 0.0
    until: Time | None = None
    route: Literal["oral", "iv"] | None = None
    infusion: Time | None = None
    adaptive: Adaptive | None = None

    @field_validator("drug", mode="before")
    @classmethod
    def _name(cls, value: Any) -> str:
        if not isinstance(value, str):
            refuse(f"found {value!r}, but the name of a drug is needed")
        return value

    @model_validator(mode="after")
    def _possible(self) -> "Dose":
        if self.until is not None and self.until <= self.start:
            refuse(
                f"ends at {self.until:g} min, before or when it starts at {self.start:g} min",
                "until",
            )
        if self.every is None and (self.until is not None or self.adaptive is not None):
            refuse("`until` and `adaptive` need `every`, the time between doses", "drug")
        if self.every is not None and (self.infusion or 0.0) > self.every:
            refuse("an infusion lasts longer than the time between doses", "infusion")
        return self

    @property
    def end(self) -> float:
        """First time without this entry's doses [min]; that of its only dose where it has one."""
        if self.every is None:
            return self.start
        return float("inf") if self.until is None else self.until
