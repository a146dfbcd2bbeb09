"""Which part of their past the runs of a scan share: a tree of segments, each simulated once.

Runs can share what comes before the first tick in which anything dated (a dose, the start of an
adaptive entry, the end) differs, if all else is equal. A drug that one of them gives only later
exists from the start in the shared segment, empty; a run that never gives it drops it when it
branches. So every run has the digest that it would have alone.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tme_sim.scan import version
from tme_sim.scenario import Scenario, load_scenario
from tme_sim.scenario.schedules import Dose
from tme_sim.therapy import policies
from tme_sim.therapy.schedule import ROUNDING, Schedule

CLOSED = ("no_flux", "periodic")
Event = tuple[float, str]


@dataclass(frozen=True)
class Task:
    """One piece of simulation: a run to its end, or a segment that runs branch from.

    Attributes:
        key: Hash of all that its result depends on.
        scenario: Resolved.
        start, end: Ticks; ``end`` of a segment is where others branch.
        parent: The segment it continues; None: from the beginning.
        is_run: Whether it is a run of the scan, or a segment.
        files: Hash of every file of a user's that it reads, as it was when it was planned.
    """

    key: str
    scenario: Scenario
    start: int
    end: int
    parent: "Task | None"
    is_run: bool
    files: dict[str, str]

    @property
    def branch_time(self) -> float:
        """When it leaves its parent [min]."""
        return self.start * self.scenario.time.tick


def run_key(scenario: Scenario) -> str:
    """Hash of a resolved scenario, of the code and of the weights (names do not enter)."""
    return _hash([_content(scenario), version.code(), version.weights(scenario)])


def content_hash(scenario: Scenario) -> str:
    """Hash of a resolved scenario with the files it names, whatever code runs it."""
    return _hash(_content(scenario))


def file_hashes(scenario: Scenario) -> dict[str, str]:
    """Hash of every file of a user's that a run reads: tables of cells, policies."""
    hashes = {table: version.file_hash(table) for table in scenario.files}
    return hashes | {rule: policies.fingerprint(rule) for rule in scenario.policies}


def plan(scenarios: Sequence[Scenario], *, share: bool = True) -> list[Task]:
    """Tasks of all different runs, every segment before what branches from it."""
    different = {run_key(scenario): scenario for scenario in scenarios}
    if not share:
        return [_run(key, scenario, None) for key, scenario in different.items()]
    tasks: list[Task] = []
    for family in _families(different):
        _grow(family, None, tasks)
    return tasks


def plan_alone(scenario: Scenario) -> list[Task]:
    """Tasks of one run: its days before therapy are a segment that later runs will share."""
    untreated = scenario.model_copy(update={"therapy": ()})
    return [t for t in plan([untreated, scenario]) if not t.is_run or t.scenario is scenario]


def first_difference(a: Scenario, b: Scenario) -> int:
    """First tick in which two runs of one family differ; where they never do, their last."""
    tick = a.time.tick
    ends = sorted((_n_ticks(a), _n_ticks(b)))
    first, second = _events(a), _events(b)
    for one, other in zip(first, second, strict=False):
        if one != other:
            return min(_tick_of(min(one[0], other[0]), tick), ends[0])
    shorter = min(len(first), len(second))
    later = [events[shorter][0] for events in (first, second) if len(events) > shorter]
    return min([_tick_of(moment, tick) for moment in later] + [ends[0]])


def _grow(family: list[tuple[str, Scenario]], parent: Task | None, tasks: list[Task]) -> None:
    """Append the segments and runs of a family that continues ``parent``."""
    (key, scenario), others = family[0], family[1:]
    if not others:
        tasks.append(_run(key, scenario, parent))
        return
    end = min(first_difference(scenario, other) for _, other in others)
    if end > (parent.end if parent else 0):
        parent = _segment([s for _, s in family], end, parent)
        tasks.append(parent)
    for members in _split_at(family, end):
        _grow(members, parent, tasks)


def _split_at(family: list[tuple[str, Scenario]], tick: int) -> list[list[tuple[str, Scenario]]]:
    groups: list[list[tuple[str, Scenario]]] = []
    for key, scenario in family:
        for group in groups:
            if first_difference(group[0][1], scenario) > tick:
                group.append((key, scenario))
                break
        else:
            groups.append([(key, scenario)])
    return groups


def _run(key: str, scenario: Scenario, parent: Task | None) -> Task:
    start, files = parent.end if parent else 0, file_hashes(scenario)
    return Task(key, scenario, start, _n_ticks(scenario), parent, True, files)


def _segment(scenarios: list[Scenario], end: int, parent: Task | None) -> Task:
    """The past of several scenarios: the first of them, with the drugs of all."""
    first = scenarios[0]
    data = first.resolved()
    for other in scenarios[1:]:
        theirs = other.resolved()
        for section in ("drugs", "substrates"):
            data[section] |= {n: v for n, v in theirs[section].items() if n not in data[section]}
        given = {dose["drug"] for dose in data["therapy"]}
        data["therapy"] += [dose for dose in theirs["therapy"] if dose["drug"] not in given]
        recorded = data["output"]["fields"]
        recorded += [n for n in theirs["output"]["fields"] if n not in recorded]
    longest = max(scenarios, key=lambda s: s.time.duration)
    data["time"]["duration"] = longest.resolved()["time"]["duration"]
    scenario = load_scenario(data)
    past = [event for event in _events(scenario) if _tick_of(event[0], scenario.time.tick) < end]
    recorded = sorted(data["output"]["fields"])
    state = [_static(scenario), _drug_specs(scenario), recorded, past, end]
    key = _hash([*state, version.code(), version.weights(scenario)])
    start, files = parent.end if parent else 0, file_hashes(scenario)
    return Task(key, scenario, start, end, parent, False, files)


def _families(runs: dict[str, Scenario]) -> list[list[tuple[str, Scenario]]]:
    """Runs that differ in nothing but what is dated, grouped in their order."""
    families: list[tuple[str, dict[str, Any], list[tuple[str, Scenario]]]] = []
    for key, scenario in runs.items():
        static, drugs = _hash(_static(scenario)), _drug_specs(scenario)
        for known, specs, members in families:
            agree = all(specs.get(name, spec) == spec for name, spec in drugs.items())
            if known == static and agree:
                specs |= drugs
                members.append((key, scenario))
                break
        else:
            families.append((static, drugs, [(key, scenario)]))
    return [members for _, _, members in families]


def _static(scenario: Scenario) -> dict[str, Any]:
    """Content without what is dated: therapy, its drugs while they are empty, the end."""
    data = _content(scenario)
    empty = _inert(scenario)
    del data["therapy"], data["policies"], data["drugs"]
    data["time"] = {key: value for key, value in data["time"].items() if key != "duration"}
    data["substrates"] = {n: v for n, v in data["substrates"].items() if n not in empty}
    data["output"] = {**data["output"], "fields": sorted(set(data["output"]["fields"]) - empty)}
    return data


def _inert(scenario: Scenario) -> set[str]:
    """Drugs that are nowhere in the tissue until they are dosed."""
    return {
        name
        for name, spec in scenario.substrates.items()
        if name in scenario.drugs
        and spec.initial == 0.0
        and all(wall in CLOSED for wall in (spec.boundary or {}).values())
    }


def _drug_specs(scenario: Scenario) -> dict[str, Any]:
    data = scenario.resolved()
    return {name: (spec, data["substrates"].get(name)) for name, spec in data["drugs"].items()}


def _content(scenario: Scenario) -> dict[str, Any]:
    """Everything of a scenario that its result depends on; tables by what they hold."""
    data = scenario.resolved()
    data.pop("name")
    for group in data["cells"].values():
        table = (group.get("placement") or {}).get("file")
        if table is not None:
            group["placement"]["file"] = version.file_hash(table)
    data["policies"] = [_policy_code(entry) for entry in scenario.therapy]
    data["surrogate"].pop("path", None)  # its weights enter by their hash
    return data


def _events(scenario: Scenario) -> list[Event]:
    """What therapy does by the clock, in the order in which the run does it."""
    duration = scenario.time.duration
    found = []
    for k, entry in enumerate(scenario.therapy):
        if entry.adaptive is not None or entry.toxicity is not None:
            # what it does depends on visits: one that stands elsewhere in the list counts as other
            what = f"{k} {entry.model_dump_json()} {_policy_code(entry)}"
            found.append((entry.start, k, what))
            continue
        drug = scenario.drugs[entry.drug]
        route = entry.route or drug.route
        infusion = drug.infusion if entry.infusion is None else entry.infusion
        for moment, amount in Schedule(entry, seed=scenario.seed).due(-math.inf, duration):
            found.append((moment, k, f"{entry.drug} {amount!r} {route} {infusion!r}"))
    return [(moment, what) for moment, _, what in sorted(found)]


def _policy_code(entry: Dose) -> str:
    """Hash of the file that holds a user's policy; another code, another result."""
    policy = entry.adaptive.policy if entry.adaptive is not None else None
    return policies.fingerprint(policy) if policy is not None else ""


def _tick_of(moment: float, tick: float) -> int:
    return int((moment + ROUNDING) // tick)


def _n_ticks(scenario: Scenario) -> int:
    return round(scenario.time.duration / scenario.time.tick)


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
