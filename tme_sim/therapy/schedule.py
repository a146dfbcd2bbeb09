"""When doses are given: at fixed times, or while a look at the burden says so."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tme_sim.scenario.schedules import Dose

ROUNDING = 1e-6  # [min]; times are sums of floats


class AdaptiveSchedule:
    """Drug off when the burden is low, on again when it is back (Zhang 2017).

    Starts on; off when burden < stop_below x baseline; on when burden >= resume_at x baseline;
    else as before. Reference: Zhang 2017, doi:10.1038/s41467-017-01968-5.

    Example:
        >>> schedule = AdaptiveSchedule(stop_below=0.5, resume_at=1.0)
        >>> [schedule.decide(burden, 100) for burden in (100, 49, 80, 100)]
        [True, False, False, True]
    """

    def __init__(self, stop_below: float = 0.5, resume_at: float = 1.0) -> None:
        if not 0 < stop_below < resume_at:
            msg = f"stop_below ({stop_below}) must be above 0 and below resume_at ({resume_at})"
            raise ValueError(msg)
        self.stop_below = stop_below
        self.resume_at = resume_at
        self.on = True

    def decide(self, burden: float, baseline: float) -> bool:
        """Whether the drug is on after a look at the burden."""
        if burden < self.stop_below * baseline:
            self.on = False
        elif burden >= self.resume_at * baseline:
            self.on = True
        return self.on


class Schedule:
    """One entry of a therapy: which of its doses have been given, and whether it is on."""

    def __init__(self, entry: Dose) -> None:
        self.entry = entry
        self.next_dose = 0
        self.next_visit = 0
        self.baseline = math.nan
        rule = entry.adaptive
        self.rule = None if rule is None else AdaptiveSchedule(rule.stop_below, rule.resume_at)

    @property
    def on(self) -> bool:
        """Whether doses are given when they are due."""
        return self.rule is None or self.rule.on

    def visit(self, end: float, burden: float) -> str | None:
        """Look at the burden if a visit is due before `end` [min]; what changed, in words."""
        if self.rule is None or not self._visit_due(end):
            return None
        while self._visit_due(end):
            self.next_visit += 1
        if math.isnan(self.baseline):
            self.baseline = burden
        before = self.rule.on
        if self.rule.decide(burden, self.baseline) == before:
            return None
        share = burden / self.baseline if self.baseline else math.nan
        verb = "resumed" if self.rule.on else "stopped"
        return f"{self.entry.drug} {verb} at {share:.2f} of baseline"

    def due(self, time: float, end: float) -> Iterator[float]:
        """Times of the doses due in [time, end), given or not; each is yielded once."""
        last = math.inf if self.entry.every is not None else 1
        while self.next_dose < last:
            moment = self.entry.start + self.next_dose * (self.entry.every or 0.0)
            if moment >= end - ROUNDING or moment >= self._stop - ROUNDING:
                return
            self.next_dose += 1
            yield max(moment, time)

    @property
    def _stop(self) -> float:
        return math.inf if self.entry.until is None else self.entry.until

    def _visit_due(self, end: float) -> bool:
        if self.entry.adaptive is None:
            return False
        moment = self.entry.start + self.next_visit * self.entry.adaptive.visit_every
        return moment < min(end, self._stop) - ROUNDING

    def state(self) -> dict[str, Any]:
        """What the future depends on."""
        return {
            "entry": self.entry.model_dump_json(),
            "next_dose": self.next_dose,
            "next_visit": self.next_visit,
            "baseline": self.baseline,
            "on": self.on,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of ``state()`` of the same entry."""
        self.next_dose = int(state["next_dose"])
        self.next_visit = int(state["next_visit"])
        self.baseline = float(state["baseline"])
        if self.rule is not None:
            self.rule.on = bool(state["on"])

    def skip_to(self, time: float) -> None:
        """Leave out what was due before a time [min]: an entry that a branch brings in late."""
        for _ in self.due(-math.inf, time):
            pass
        while self.rule is not None and self._visit_due(time):
            self.next_visit += 1
