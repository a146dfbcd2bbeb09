"""The therapy of a run: schedules decide, doses enter bodies, plasma is what vessels carry."""

import math
from collections.abc import Mapping
from typing import Any

from tme_sim.scenario.scenario import Scenario
from tme_sim.scenario.schedules import Dose
from tme_sim.scenario.units import time_in_words
from tme_sim.therapy.compartments import Body, Compartments
from tme_sim.therapy.pharmacokinetics import nominal_concentration
from tme_sim.therapy.policies import UsersPolicy, adaptive_policy
from tme_sim.therapy.schedule import Event, Schedule


class Therapy:
    """Schedules and bodies of all drugs of a scenario.

    Attributes:
        events: (time [min], kind, text) of what happened so far; kind is ``dose``, ``missed``,
            ``visit``, ``therapy`` (an adaptive rule decided) or ``toxicity`` (a dose is held).
        vessel_levels: drug -> what vessels carry in the present tick, see ``advance``.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.drugs = {
            name: spec
            for name, spec in scenario.drugs.items()
            if any(entry.drug == name for entry in scenario.therapy)
        }
        self.bodies = {name: Body(Compartments.of(drug)) for name, drug in self.drugs.items()}
        self.schedules = [
            Schedule(
                entry,
                None if entry.adaptive is None else adaptive_policy(entry.adaptive),
                seed=scenario.seed,
            )
            for entry in scenario.therapy
        ]
        self.events: list[Event] = []
        self.vessel_levels: dict[str, float] = {}
        self._time = 0.0

    def load_policies(self, scenario: Scenario) -> None:
        """Import what users wrote, before the first tick rather than at the first visit.

        Raises:
            ScenarioError: A user's policy cannot be found.
        """
        for number, schedule in enumerate(self.schedules):
            policy = None if schedule.adaptive is None else schedule.adaptive.policy
            try:
                if isinstance(policy, UsersPolicy):
                    policy.function  # noqa: B018 - found here, and kept
            except ValueError as err:
                raise scenario.error(("therapy", number, "adaptive", "policy"), str(err)) from err

    def advance(
        self, time: float, dt: float, burden: float = math.nan, healthy: float = 0.0
    ) -> dict[str, float]:
        """Advance by a tick [min].

        Args:
            time: Start of the tick [min].
            dt: Length of the tick [min].
            burden: Living tumor cells at the start of the tick; visits of the tick see it. NaN:
                nobody looks, so adaptive entries go on as they are.
            healthy: Living epithelial cells, likewise.

        Returns:
            Drug -> mean over the tick of what cells would sense of plasma (nominal concentration
            in 10 % serum, or free antibody), in the unit of the drug's substrate.
        """
        end = self._time = time + dt
        for schedule in self.schedules:
            self.events += schedule.see(time, end, burden=burden, healthy=healthy)
        exposure = dict.fromkeys(self.drugs, 0.0)
        now = dict.fromkeys(self.drugs, time)
        for moment, amount, schedule in self._due(time, end):
            name = schedule.entry.drug
            exposure[name] += self.bodies[name].advance(now[name], moment)
            now[name] = moment
            self._give(schedule.entry, moment, amount)
        for name, body in self.bodies.items():
            exposure[name] += body.advance(now[name], end)
        self.vessel_levels = {
            name: nominal_concentration(exposure[name] / dt, drug)
            for name, drug in self.drugs.items()
        }
        return self.vessel_levels

    def plasma(self) -> dict[str, float]:
        """Total concentration of each drug in plasma now [mg/L]."""
        return {name: body.concentration for name, body in self.bodies.items()}

    def state(self) -> dict[str, Any]:
        """What the future depends on, and the events so far."""
        return {
            "time": self._time,
            "vessel_levels": dict(self.vessel_levels),
            "bodies": {name: body.state() for name, body in self.bodies.items()},
            "schedules": [schedule.state() for schedule in self.schedules],
            "events": [list(event) for event in self.events],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of ``state()``.

        A branch may bring other entries: they start from now on, what was due before stays undone.
        One that starts as an entry of the past, with its rules, knows what these have seen.
        """
        self._time = float(state["time"])
        self.events = [(float(t), str(kind), str(text)) for t, kind, text in state["events"]]
        levels = state.get("vessel_levels", {})  # a checkpoint of version 0.1 has none
        self.vessel_levels = {name: levels[name] for name in self.drugs if name in levels}
        for name, body in self.bodies.items():
            if name in state["bodies"]:
                body.restore(state["bodies"][name])
        saved = {str(schedule["entry"]): schedule for schedule in state["schedules"]}
        for schedule in self.schedules:
            known = saved.get(schedule.state()["entry"])
            if known is not None:
                schedule.restore(known)
                continue
            like = next(filter(schedule.has_rules_of, state["schedules"]), None)
            if like is not None:
                schedule.remember(like)
            schedule.skip_to(self._time)
            if like is None and schedule.is_over:
                drug, time = schedule.entry.drug, time_in_words(self._time)
                told = f"{drug}: no dose is due from {time} on; those before it are not given"
                self.events.append((self._time, "therapy", told))

    def _due(self, time: float, end: float) -> list[tuple[float, float, Schedule]]:
        """Doses of the tick, in order of time."""
        doses = [
            (moment, amount, schedule)
            for schedule in self.schedules
            for moment, amount in schedule.due(time, end)
        ]
        return sorted(doses, key=lambda dose: dose[0])

    def _give(self, entry: Dose, moment: float, amount: float) -> None:
        if amount == 0.0:
            self.events.append((moment, "missed", f"{entry.drug} dose missed"))
            return
        drug = self.drugs[entry.drug]
        route = entry.route or drug.route
        infusion = drug.infusion if entry.infusion is None else entry.infusion
        self.bodies[entry.drug].give(
            amount, route=route, infusion=infusion if route == "iv" else 0.0, time=moment
        )
        self.events.append((moment, "dose", f"{entry.drug} {amount:g} mg"))
