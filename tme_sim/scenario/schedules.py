"""What a scenario says about therapy: doses, when, and who decides."""

from typing import Annotated, Any, Literal

from pydantic import field_validator, model_validator

from tme_sim.scenario.quantities import Duration, Fraction, Quantity, Strict, Time, refuse

Share = Annotated[float, Quantity("1", above=0)]
Amount = Annotated[float, Quantity("mg", above=0)]
STOP_BELOW, RESUME_AT = 0.5, 1.0  # shares of the baseline, Zhang 2017
ROUNDING = 1e-9  # relative; whole numbers of doses are quotients of floats


class Adaptive(Strict):
    """Each dose depends on the burden at visits: what a clinic can see and do.

    One of three rules:

    - ``stop_below``, ``resume_at``: drug on until burden / baseline falls below the first, off
      until it reaches the second (0.5 and 1 unless given; Zhang 2017,
      doi:10.1038/s41467-017-01968-5).
    - ``modulate_by``, ``tolerance``: the share of the dose that is given goes up (down) by the
      factor 1 + ``modulate_by`` (1 - ...) where the burden rose (fell) by more than the tolerance
      since the last visit, at most to the whole dose (after Gallaher 2018,
      doi:10.1158/0008-5472.CAN-17-2649).
    - ``policy``: a function of the user's, ``file.py:name`` or ``package.module:name``; see
      ``tme_sim.therapy.policies``.

    Attributes:
        visit_every: Time between two visits, the first of them at the first dose [min].
        noise: Relative standard deviation of a measured burden (lognormal, mean 1).
        delay: Time from a visit to its result, when the rule is asked [min].
    """

    stop_below: Share | None = None
    resume_at: Share | None = None
    modulate_by: Share | None = None
    tolerance: Fraction | None = None
    policy: str | None = None
    visit_every: Duration
    noise: Fraction = 0.0
    delay: Time = 0.0

    @model_validator(mode="before")
    @classmethod
    def _one_rule(cls, data: Any) -> Any:
        """Refuse two rules at once; fill in the numbers of the one there is."""
        if not isinstance(data, dict):
            return data
        given = {key for key, value in data.items() if value is not None}
        modulates, written = given & {"modulate_by", "tolerance"}, given & {"policy"}
        switches = given & {"stop_below", "resume_at"}
        if sum(map(bool, (switches, modulates, written))) > 1:
            refuse(
                "one rule decides: stop_below and resume_at, "
                "or modulate_by and tolerance, or policy"
            )
        if modulates:
            return {**data, "tolerance": data.get("tolerance") or 0}
        if written:
            return data
        return {
            **data,
            "stop_below": STOP_BELOW if data.get("stop_below") is None else data["stop_below"],
            "resume_at": RESUME_AT if data.get("resume_at") is None else data["resume_at"],
        }

    @model_validator(mode="after")
    def _possible(self) -> "Adaptive":
        low, high = self.stop_below, self.resume_at
        if low is not None and high is not None and high <= low:
            refuse(f"found {high:g}, but it must be above stop_below ({low:g})", "resume_at")
        if self.tolerance is not None and self.modulate_by is None:
            refuse("`tolerance` needs `modulate_by`, the step of the dose", "tolerance")
        if self.modulate_by is not None and self.modulate_by >= 1:
            refuse(f"found {self.modulate_by:g}, but less than 1 is needed", "modulate_by")
        if self.policy is not None and not all(self.policy.rpartition(":")[::2]):
            refuse(
                f"found {self.policy!r}, but file.py:function or package.module:function is needed",
                "policy",
            )
        return self


class Toxicity(Strict):
    """Healthy epithelium limits the dose: too little left of it, and the drug waits.

    At visits the living epithelial cells are counted. Where their share of those at the first dose
    is below ``hold_below`` no dose is given and the schedule's clock stands still until the share
    is back at ``resume_at``: later doses are late by as much. From then on no dose is larger than
    the last one given, less ``reduce_by`` of it; so an escalation ends at what is tolerated.

    Attributes:
        hold_below, resume_at: Shares of the healthy epithelium at the first dose.
        reduce_by: Part of the dose that is taken away for good at each interruption.
        visit_every, noise, delay: As of ``Adaptive``.
    """

    hold_below: Share
    resume_at: Share | None = None
    reduce_by: Fraction = 0.0
    visit_every: Duration
    noise: Fraction = 0.0
    delay: Time = 0.0

    @model_validator(mode="after")
    def _possible(self) -> "Toxicity":
        if self.hold_below > 1:
            refuse(f"found {self.hold_below:g}, but at most 1 is possible", "hold_below")
        if self.resume_at is not None and self.resume_at < self.hold_below:
            refuse(
                f"found {self.resume_at:g}, less than hold_below ({self.hold_below:g})",
                "resume_at",
            )
        if self.reduce_by >= 1:
            refuse(f"found {self.reduce_by:g}, but less than 1 is needed", "reduce_by")
        return self


class Cycle(Strict):
    """Intermittent therapy: doses in the first ``treat`` of every ``treat + rest`` [min]."""

    treat: Duration
    rest: Duration


class Escalation(Strict):
    """The dose grows ``by`` an amount [mg] after each ``every`` [min], up to ``up_to`` [mg]."""

    by: Amount
    every: Duration
    up_to: Amount


class Dose(Strict):
    """One entry of ``therapy``: a single dose, or one repeated until a time.

    Combinations and sequences are several entries; metronomic is a small dose given often.

    Attributes:
        drug: Name in the catalogue.
        dose: Amount given each time [mg] (``mg/m^2`` and ``mg/kg`` are of the scenario's patient).
        every: Time between doses [min]; None: one dose at ``start``.
        start: Time of the first dose [min].
        until: No dose at or after this time [min]; None: as long as the run lasts.
        route, infusion: As the drug's own, unless given; infusion [min], 0 is a bolus.
        loading: Amount of the first dose [mg], where it differs.
        cycle: Intermittent: treat for a while, rest for a while.
        escalate: The dose grows in steps.
        missed: Probability that a dose is not taken, each on its own.
        adaptive: Whether and how much of each dose is given depends on the burden at visits.
        toxicity: Healthy epithelium at visits limits the dose.
    """

    drug: str
    dose: Amount
    every: Duration | None = None
    start: Time = 0.0
    until: Time | None = None
    route: Literal["oral", "iv"] | None = None
    infusion: Time | None = None
    loading: Amount | None = None
    cycle: Cycle | None = None
    escalate: Escalation | None = None
    missed: Fraction = 0.0
    adaptive: Adaptive | None = None
    toxicity: Toxicity | None = None

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
        if self.missed > 1:
            refuse(f"found {self.missed:g}, but a probability is at most 1", "missed")
        _check_repeats(self)
        return self

    def planned(self, number: int) -> tuple[float, float]:
        """Time after ``start`` [min] and amount [mg] of the dose of this number, from 0.

        The amount is 0 while a cycle rests.
        """
        time = number * (self.every or 0.0)
        if self.cycle is not None:
            period = self.cycle.treat + self.cycle.rest
            if time - _whole(time, period) * period >= self.cycle.treat * (1.0 - ROUNDING):
                return time, 0.0
        if number == 0 and self.loading is not None:
            return time, self.loading
        if self.escalate is not None:
            steps = _whole(time, self.escalate.every)
            return time, min(self.dose + steps * self.escalate.by, self.escalate.up_to)
        return time, self.dose

    @property
    def end(self) -> float:
        """First time without this entry's doses [min]; that of its only dose where it has one."""
        if self.every is None:
            return self.start
        return float("inf") if self.until is None else self.until


def _whole(time: float, period: float) -> int:
    """Whole periods in a time."""
    return int(time / period + ROUNDING * (1.0 + time / period))


def _check_repeats(entry: Dose) -> None:
    """What needs repeated doses has them, and fits into the time between them."""
    if entry.every is None:
        for name in ("until", "adaptive", "loading", "cycle", "escalate", "toxicity"):
            if getattr(entry, name) is not None:
                refuse(f"`{name}` needs `every`, the time between doses", name)
        return
    if entry.cycle is not None and entry.cycle.treat < entry.every:
        refuse("`treat` is shorter than the time between doses", "cycle", "treat")
    if entry.escalate is not None and entry.escalate.up_to < entry.dose:
        refuse(
            f"found {entry.escalate.up_to:g} mg, less than the first dose of {entry.dose:g} mg",
            "escalate",
            "up_to",
        )
