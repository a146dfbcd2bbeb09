"""When doses are given and how much: an entry's plan, and what follows from visits."""

import math
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tme_sim.compute.random import Stream, normal, uniform
from tme_sim.scenario.schedules import Adaptive, Dose, Toxicity
from tme_sim.scenario.units import DAY
from tme_sim.therapy.policies import Policy, Visit, checked_share, interruption

ROUNDING = 1e-6  # [min]; times are sums of floats
BURDEN, HEALTHY = 0, 1  # draws of one visit

_RULES = ("drug", "start", "adaptive", "toxicity")

Event = tuple[float, str, str]


class Watch:
    """Visits of one rule, and the share of the dose that follows from them.

    A visit falls on a fixed time; its result comes after the rule's delay, and only then is the
    policy asked. What is measured of a number n of cells is

        n exp(s z - s^2 / 2),   s^2 = ln(1 + noise^2),   z standard normal,

    which has mean n and relative standard deviation ``noise``. z is keyed by seed and time, so that
    two rules that look at the same time see the same, and arms of a trial share their luck.
    """

    def __init__(
        self, rule: Adaptive | Toxicity, policy: Policy, *, start: float, seed: int
    ) -> None:
        self.rule, self.policy = rule, policy
        self.start, self.seed = start, seed
        self.visits: list[Visit] = []
        self.n_known = 0  # visits whose result is in
        self.n_passed = 0  # visits whose time has come
        self.share = 1.0

    def look(self, end: float, burden: float, healthy: float) -> Visit | None:
        """Measure where a visit is due before `end` [min]; the last one where several are."""
        moment = None
        while self._moment() < end - ROUNDING:
            moment = self._moment()
            self.n_passed += 1
        if moment is None or math.isnan(burden):
            return None
        visit = Visit(
            moment,
            self._measured(burden, moment, BURDEN),
            self._measured(healthy, moment, HEALTHY),
        )
        self.visits.append(visit)
        return visit

    def answer(self, end: float) -> bool:
        """Ask the policy for every result that is in before `end` [min]; whether one was."""
        before = self.n_known
        while self.n_known < len(self.visits):
            if self.visits[self.n_known].time + self.rule.delay >= end - ROUNDING:
                break
            self.n_known += 1
            self.share = checked_share(self.policy, tuple(self.visits[: self.n_known]), self.share)
        return self.n_known > before

    def skip_to(self, time: float) -> None:
        """Leave out the visits before a time [min]."""
        while self._moment() < time - ROUNDING:
            self.n_passed += 1

    def state(self) -> dict[str, Any]:
        """What the future depends on."""
        return {
            "visits": np.array(self.visits, dtype=np.float64).reshape(-1, 3),
            "n_known": self.n_known,
            "n_passed": self.n_passed,
            "share": self.share,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of ``state()``."""
        self.visits = [Visit(*map(float, row)) for row in state["visits"]]
        self.n_known, self.n_passed = int(state["n_known"]), int(state["n_passed"])
        self.share = float(state["share"])

    def _moment(self) -> float:
        return self.start + self.n_passed * self.rule.visit_every

    def _measured(self, count: float, moment: float, draw: int) -> float:
        if self.rule.noise == 0.0:
            return float(count)
        spread = math.sqrt(math.log1p(self.rule.noise**2))
        lot = normal(self.seed, Stream.VISIT, round(moment), 0, draw)
        return float(count * math.exp(spread * lot - spread**2 / 2))


class Schedule:
    """One entry of a therapy: which of its doses are past, and what visits have led to.

    Args:
        entry: the plan.
        policy: what its ``adaptive`` stands for; None where it has none.
        seed: of the draws for noise and missed doses.
    """

    def __init__(self, entry: Dose, policy: Policy | None = None, *, seed: int = 1) -> None:
        self.entry, self.seed = entry, seed
        self.next_dose = 0
        self.late = 0.0  # [min] that interruptions have put the plan off
        self.cap = math.inf  # [mg]
        self.last_given = math.inf  # [mg]
        self.adaptive = self.toxicity = None
        if entry.adaptive is not None and policy is not None:
            self.adaptive = Watch(entry.adaptive, policy, start=entry.start, seed=seed)
        if entry.toxicity is not None:
            hold = interruption(entry.toxicity)
            self.toxicity = Watch(entry.toxicity, hold, start=entry.start, seed=seed)

    @property
    def watches(self) -> tuple[Watch, ...]:
        """Those that this entry has."""
        return tuple(watch for watch in (self.adaptive, self.toxicity) if watch is not None)

    def see(self, time: float, end: float, *, burden: float, healthy: float) -> list[Event]:
        """Visits and results between two times [min], and what changes by them, in words."""
        events = []
        limit = min(end, self._stop)
        if self.adaptive is not None:
            if visit := self.adaptive.look(limit, burden, healthy):
                first = self.adaptive.visits[0].burden
                events.append((time, "visit", self._seen("burden", visit.burden, first)))
            before = self.adaptive.share
            if self.adaptive.answer(end) and self.adaptive.share != before:
                events.append((time, "therapy", self._changed(self.adaptive, before)))
        if self.toxicity is not None:
            if visit := self.toxicity.look(limit, burden, healthy):
                first = self.toxicity.visits[0].healthy
                text = self._seen("healthy epithelium", visit.healthy, first)
                events.append((time, "visit", text))
            before = self.toxicity.share
            if self.toxicity.answer(end) and self.toxicity.share != before:
                text = self._held_or_released(self.toxicity, time)
                events.append((time, "toxicity", text))
        return events

    def due(self, time: float, end: float) -> Iterator[tuple[float, float]]:
        """Time [min] and amount [mg] of the doses in [time, end), each once; 0 mg if missed."""
        if self.toxicity is not None and self.toxicity.share == 0.0:
            return
        while self._moment() < min(end, self._stop) - ROUNDING:
            moment, amount = self._moment(), self._amount()
            self.next_dose += 1
            if amount > 0.0:
                missed = self._is_missed(moment)
                self.last_given = self.last_given if missed else amount
                yield max(moment, time), 0.0 if missed else amount

    def skip_to(self, time: float) -> None:
        """Leave out what was due before a time [min]: an entry that a branch brings in late."""
        while self._moment() < time - ROUNDING:
            self.next_dose += 1
        for watch in self.watches:
            watch.skip_to(time)

    def state(self) -> dict[str, Any]:
        """What the future depends on."""
        return {
            "entry": self.entry.model_dump_json(),
            "next_dose": self.next_dose,
            "late": self.late,
            "cap": self.cap,
            "last_given": self.last_given,
            "watches": [watch.state() for watch in self.watches],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of ``state()`` of the same entry."""
        self.next_dose = int(state["next_dose"])
        self.late, self.cap = float(state["late"]), float(state["cap"])
        self.last_given = float(state["last_given"])
        for watch, saved in zip(self.watches, state["watches"], strict=True):
            watch.restore(saved)

    def has_rules_of(self, state: Mapping[str, Any]) -> bool:
        """Whether a state is of an entry with the same drug, start and rules."""
        other = type(self.entry).model_validate_json(state["entry"])
        return all(getattr(self.entry, name) == getattr(other, name) for name in _RULES)

    def remember(self, state: Mapping[str, Any]) -> None:
        """Take over what the rules of such an entry have seen and decided."""
        self.late, self.cap = float(state["late"]), float(state["cap"])
        for watch, saved in zip(self.watches, state["watches"], strict=True):
            watch.restore(saved)

    @property
    def is_over(self) -> bool:
        """Whether no dose is left."""
        return not self._moment() < self._stop

    @property
    def _stop(self) -> float:
        return math.inf if self.entry.until is None else self.entry.until

    def _moment(self) -> float:
        """Time of the next dose [min]; never where none is left."""
        if self.entry.every is None and self.next_dose > 0:
            return math.inf
        return self.entry.start + self.entry.planned(self.next_dose)[0] + self.late

    def _amount(self) -> float:
        """Amount of the next dose [mg] as things stand."""
        share = 1.0 if self.adaptive is None else self.adaptive.share
        return min(self.entry.planned(self.next_dose)[1] * share, self.cap)

    def _is_missed(self, moment: float) -> bool:
        """Keyed by seed, drug and time: arms of a trial forget the same doses."""
        if self.entry.missed == 0.0:
            return False
        drug = zlib.crc32(self.entry.drug.encode())
        return bool(uniform(self.seed, Stream.MISSED, round(moment), drug, 0) < self.entry.missed)

    def _seen(self, what: str, measured: float, first: float) -> str:
        return f"{self.entry.drug}: {what} {measured:.4g}, {_share(measured, first, 'baseline')}"

    def _changed(self, watch: Watch, before: float) -> str:
        seen = watch.visits[watch.n_known - 1].burden
        share = _share(seen, watch.visits[0].burden, "baseline")
        if watch.share == 0.0:
            return f"{self.entry.drug} stopped at {share}"
        if before == 0.0:
            return f"{self.entry.drug} resumed at {share}"
        return f"{self.entry.drug} at {watch.share:.3g} of its dose, burden {share}"

    def _held_or_released(self, watch: Watch, time: float) -> str:
        """Hold the drug and lower its cap, or let it go on with its plan put off."""
        seen = watch.visits[watch.n_known - 1].healthy
        share = _share(seen, watch.visits[0].healthy, "healthy epithelium")
        if watch.share == 0.0:
            reduced = 0.0 if self.entry.toxicity is None else self.entry.toxicity.reduce_by
            self.cap = min(self.cap, self.last_given * (1.0 - reduced))
            return f"{self.entry.drug} held at {share}"
        delay = max(time - self._moment(), 0.0)
        self.late += delay
        return f"{self.entry.drug} resumed at {share}, next dose {delay / DAY:.3g} d late"


def _share(measured: float, first: float, of: str) -> str:
    return f"{measured / first:.2f} of {of}" if first else f"a {of} of 0"
