"""Controllers that see burden at visits, against the Lotka-Volterra tumor of case D8.

dS/dt = rS S (1 - S - R) (1 - 1.5 D) - d S,  dR/dt = rR R (1 - S - R) - d R, decisions each day.
Strobl 2021, doi:10.1158/0008-5472.CAN-20-0806: rS = 0.027 per day, drug off below 50 % of the first
burden, on again at it, progression at 1.2 times it.
"""

import numpy as np
import pytest

from tme_sim.errors import InputError
from tme_sim.scenario import load_scenario
from tme_sim.scenario.errors import ScenarioError
from tme_sim.therapy import AdaptiveSchedule, Therapy, Visit
from tme_sim.therapy.policies import checked_share, load_policy, modulation
from tme_sim.therapy.schedule import Schedule

RATE = 0.027  # [1/day]
DAY = 1440.0
SUBSTEPS = 4  # of Runge-Kutta's fourth order in a day; its error is below 1e-12

# first burden, first share of resistant cells, cost of resistance, days to progression
# (continuous, adaptive): ttpComparison_n0fR and ttpComparison_cost_noTurnover
NO_TURNOVER = [
    (0.25, 0.1, 0.0, 106, 106), (0.25, 0.01, 0.0, 207, 210), (0.25, 0.001, 0.0, 296, 315),
    (0.35, 0.1, 0.0, 120, 120), (0.35, 0.01, 0.0, 224, 235), (0.35, 0.001, 0.0, 314, 350),
    (0.45, 0.1, 0.0, 139, 139), (0.45, 0.01, 0.0, 246, 266), (0.45, 0.001, 0.0, 335, 394),
    (0.55, 0.1, 0.0, 166, 166), (0.55, 0.01, 0.0, 273, 309), (0.55, 0.001, 0.0, 361, 452),
    (0.65, 0.1, 0.0, 206, 206), (0.65, 0.01, 0.0, 310, 371), (0.65, 0.001, 0.0, 397, 535),
    (0.75, 0.1, 0.0, 278, 278), (0.75, 0.01, 0.0, 369, 473), (0.75, 0.001, 0.0, 452, 663),
    (0.25, 0.1, 0.1, 119, 119), (0.25, 0.001, 0.1, 327, 352),
    (0.75, 0.1, 0.1, 303, 303), (0.75, 0.001, 0.1, 491, 707),
    (0.25, 0.1, 0.2, 136, 136), (0.25, 0.001, 0.2, 366, 395),
    (0.75, 0.1, 0.2, 332, 332), (0.75, 0.001, 0.2, 539, 822),
    (0.25, 0.1, 0.3, 157, 157), (0.25, 0.001, 0.3, 415, 454),
    (0.75, 0.1, 0.3, 367, 367), (0.75, 0.001, 0.3, 601, 931),
    (0.25, 0.1, 0.4, 184, 184), (0.25, 0.001, 0.4, 481, 521),
    (0.75, 0.1, 0.4, 413, 413), (0.75, 0.001, 0.4, 684, 1116),
    (0.25, 0.1, 0.5, 222, 222), (0.25, 0.001, 0.5, 573, 637),
    (0.75, 0.1, 0.5, 473, 473), (0.75, 0.001, 0.5, 800, 1235),
]  # fmt: skip
# the same with a quarter of rS as turnover: ttpComparison_cost_withTurnover
TURNOVER = [
    (0.25, 0.1, 0.0, 161, 161), (0.25, 0.001, 0.0, 394, 464),
    (0.5, 0.1, 0.0, 242, 278), (0.5, 0.001, 0.0, 470, 701),
    (0.25, 0.1, 0.1, 186, 186), (0.25, 0.001, 0.1, 454, 537),
    (0.5, 0.1, 0.1, 284, 340), (0.5, 0.001, 0.1, 547, 849),
    (0.25, 0.1, 0.2, 222, 233), (0.25, 0.001, 0.2, 536, 648),
    (0.5, 0.1, 0.2, 349, 417), (0.5, 0.001, 0.2, 660, 1106),
    (0.25, 0.1, 0.3, 273, 293), (0.25, 0.001, 0.3, 657, 822),
    (0.5, 0.1, 0.3, 472, 547), (0.5, 0.001, 0.3, 854, 1478),
    (0.25, 0.1, 0.4, 358, 384), (0.25, 0.001, 0.4, 850, 1092),
    (0.25, 0.1, 0.5, 523, 588), (0.25, 0.001, 0.5, 1214, 1658),
]  # fmt: skip


def slope(cells, drug, cost, turnover):
    sensitive, resistant = cells
    room = 1.0 - sensitive - resistant
    death = turnover * RATE
    return np.array(
        [
            (RATE * room * (1.0 - 1.5 * drug) - death) * sensitive,
            (RATE * (1.0 - cost) * room - death) * resistant,
        ]
    )


def day_later(cells, *args):
    """Cells (2, n_tumors) a day later."""
    h = 1.0 / SUBSTEPS
    for _ in range(SUBSTEPS):
        k1 = slope(cells, *args)
        k2 = slope(cells + h / 2 * k1, *args)
        k3 = slope(cells + h / 2 * k2, *args)
        k4 = slope(cells + h * k3, *args)
        cells = cells + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return cells


def days_to_progression(burden, share, cost, turnover, controllers):
    """First day on which the burden seen is above 1.2 times the first, of many tumors at once."""
    cells = np.array([burden * (1.0 - share), burden * share])
    days = np.full(burden.size, -1)
    for day in range(2000):
        total = cells.sum(axis=0)
        days[(days < 0) & (total > 1.2 * burden)] = day
        if np.all(days >= 0):
            break
        drug = [c(n, first) for c, n, first in zip(controllers, total, burden, strict=True)]
        cells = day_later(cells, np.array(drug, float), cost, turnover)
    return days.tolist()


@pytest.mark.parametrize(("rows", "turnover"), [(NO_TURNOVER, 0.0), (TURNOVER, 0.25)])
def test_the_lotka_volterra_tumor_progresses_on_the_published_day(rows, turnover):
    burden, share, cost, continuous, adaptive = np.array(rows).T
    always = [lambda _burden, _baseline: True] * len(rows)
    switched = [AdaptiveSchedule(stop_below=0.5, resume_at=1.0).decide for _ in rows]
    for controllers, published in ((always, continuous), (switched, adaptive)):
        days = days_to_progression(burden, share, cost, turnover, controllers)
        assert days == published.tolist()


def scenario(adaptive=None, **more):
    entry = {"drug": "vemurafenib", "dose": "960 mg", "every": "12 h", "adaptive": adaptive, **more}
    return load_scenario(
        {
            "seed": 7,
            "time": {"duration": "10 d"},
            "domain": {"size": ["200 um", "200 um"]},
            "cells": {"skin": {"type": "epithelium", "count": 0}},
            "therapy": [{key: value for key, value in entry.items() if value is not None}],
        }
    )


def run(therapy, days, burden, healthy=lambda _day: 100.0, start=0.0, dt=60.0):
    for k in range(round(days * DAY / dt)):
        time = start + k * dt
        therapy.advance(time, dt, burden(time / DAY), healthy(time / DAY))


def doses(therapy):
    return [
        (time / DAY, float(text.split()[1]))
        for time, kind, text in therapy.events
        if kind == "dose"
    ]


def test_the_schedule_of_a_run_gives_the_published_days_too():
    """The same tumor behind visits of a scenario: visits, switching and doses of the therapy."""
    burden, share = 0.75, 0.001
    rule = {"stop_below": 0.5, "resume_at": 1.0, "visit_every": "1 d"}
    schedule = Therapy(scenario(rule, every="1 d")).schedules[0]
    cells, day = np.array([burden * (1.0 - share), burden * share]), 0
    while cells.sum() <= 1.2 * burden:
        start, end = day * DAY, (day + 1) * DAY
        schedule.see(start, end, burden=cells.sum(), healthy=0.0)
        given = len([amount for _, amount in schedule.due(start, end) if amount > 0])
        cells = day_later(cells, float(given), 0.0, 0.0)
        day += 1
    assert day == 663


def test_a_late_result_is_acted_on_when_it_is_in():
    def burden(day):
        return 100.0 if day < 1.5 else 30.0

    prompt, late = ({"visit_every": "1 d", "delay": delay} for delay in ("0 h", "36 h"))
    stops = []
    for rule in (prompt, late):
        therapy = Therapy(scenario(rule))
        run(therapy, 6, burden)
        stops += [time / DAY for time, kind, _ in therapy.events if kind == "therapy"]
    assert stops == [2.0, 3.5]


def test_noise_has_the_size_asked_for_and_is_the_same_for_the_same_seed():
    rule = {"visit_every": "1 h", "noise": 0.2}
    seen = []
    for _ in range(2):
        therapy = Therapy(scenario(rule))
        run(therapy, 150, lambda _day: 1000.0)
        seen.append([visit.burden for visit in therapy.schedules[0].adaptive.visits])
    first = np.array(seen[0])
    assert seen[0] == seen[1]
    assert first.mean() == pytest.approx(1000.0, rel=4 * 0.2 / np.sqrt(first.size))
    assert first.std() / first.mean() == pytest.approx(0.2, rel=0.1)


def test_modulation_follows_the_burden_and_never_exceeds_the_dose():
    decide = modulation(0.25, 0.05)
    visits = [Visit(day, burden, 0.0) for day, burden in enumerate((100, 80, 79, 90, 120, 160))]
    share, shares = 1.0, []
    for k in range(len(visits)):
        share = decide(visits[: k + 1], share)
        shares.append(share)
    assert shares == [1.0, 0.75, 0.75, 0.9375, 1.0, 1.0]


def test_a_modulated_dose_is_a_share_of_the_dose():
    therapy = Therapy(scenario({"modulate_by": 0.5, "tolerance": 0.1, "visit_every": "1 d"}))
    run(therapy, 3, lambda day: 100.0 * 0.5**day)
    assert [amount for _, amount in doses(therapy)] == [960, 960, 480, 480, 240, 240]


RULES = """\
def careful(visits, share):
    if visits[-1].healthy < 0.7 * visits[0].healthy:
        return 0.0
    return 0.5 if visits[-1].burden < 0.8 * visits[0].burden else 1.0

def wrong(visits, share):
    return "plenty"
"""


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "rules.py").write_text(RULES)
    return tmp_path / "rules.py"


def test_a_policy_of_the_users_decides(rules):
    therapy = Therapy(scenario({"policy": f"{rules}:careful", "visit_every": "1 d"}))
    run(
        therapy,
        4,
        lambda day: 100.0 if day < 1 else 70.0,
        lambda day: 100.0 if day < 3 else 60.0,
    )
    assert [amount for _, amount in doses(therapy)] == [960, 960, 480, 480, 480, 480]


def test_a_policy_that_is_not_there_is_named_with_what_is(rules):
    for place, words in (
        (f"{rules}:carefull", "did you mean 'careful'"),
        (f"{rules.parent / 'rule.py'}:careful", "no such file"),
        ("no_such_package.rules:careful", "cannot be imported"),
    ):
        named = scenario({"policy": place, "visit_every": "1 d"})
        with pytest.raises(ScenarioError, match=words) as caught:
            Therapy(named).load_policies(named)
        assert "therapy.0.adaptive.policy" in str(caught.value)


def test_a_policy_that_answers_no_share_is_refused(rules):
    therapy = Therapy(scenario({"policy": f"{rules}:wrong", "visit_every": "1 d"}))
    with pytest.raises(Exception, match="'plenty', but a share"):
        run(therapy, 1, lambda _day: 100.0)


def skin(day):
    """Healthy share: suffers from day 2 to day 5."""
    return 100.0 if day < 2 or day >= 5 else 60.0


def test_toxicity_holds_the_drug_and_the_delay_is_recorded():
    rule = {"hold_below": 0.7, "resume_at": 0.9, "reduce_by": 0.25, "visit_every": "1 d"}
    therapy = Therapy(scenario(every="2 d", toxicity=rule, until="20 d"))
    run(therapy, 12, lambda _day: 100.0, skin)
    assert doses(therapy) == [(0.0, 960.0), (5.0, 720.0), (7.0, 720.0), (9.0, 720.0), (11.0, 720.0)]
    texts = [text for _, kind, text in therapy.events if kind == "toxicity"]
    assert texts == [
        "vemurafenib held at 0.60 of healthy epithelium",
        "vemurafenib resumed at 1.00 of healthy epithelium, next dose 3 d late",
    ]


def test_escalation_ends_at_what_is_tolerated():
    steps = {"by": "240 mg", "every": "1 d", "up_to": "960 mg"}
    rule = {"hold_below": 0.7, "visit_every": "1 d"}
    free = Therapy(scenario(every="1 d", dose="240 mg", escalate=steps))
    capped = Therapy(scenario(every="1 d", dose="240 mg", escalate=steps, toxicity=rule))
    for therapy in (free, capped):
        run(therapy, 8, lambda _day: 100.0, skin)
    assert [mg for _, mg in doses(free)] == [240, 480, 720, 960, 960, 960, 960, 960]
    assert doses(capped) == [(0.0, 240.0), (1.0, 480.0), (5.0, 480.0), (6.0, 480.0), (7.0, 480.0)]


@pytest.mark.parametrize(
    "entry",
    [
        {"adaptive": {"visit_every": "1 d", "noise": 0.3, "delay": "8 h"}, "missed": 0.3},
        {"adaptive": {"visit_every": "7 h", "modulate_by": 0.3, "noise": 0.2}},
        {"toxicity": {"hold_below": 0.7, "reduce_by": 0.2, "visit_every": "5 h", "delay": "9 h"}},
    ],
    ids=["switching", "modulation", "toxicity"],
)
def test_a_restart_at_any_time_changes_no_bit(entry):
    def burden(day):
        return 100.0 - 60.0 * np.sin(0.8 * day) ** 2

    whole = Therapy(scenario(**entry))
    run(whole, 10, burden, skin)
    for day in (0.5, 2.25, 3.75, 6.0):
        first, second = Therapy(scenario(**entry)), Therapy(scenario(**entry))
        run(first, day, burden, skin)
        second.restore(first.state())
        later = {"start": day * DAY}
        run(second, 10 - day, lambda d: burden(d), lambda d: skin(d), **later)
        assert second.events == whole.events
        assert second.plasma() == whole.plasma()


def test_an_entry_is_one_piece_of_data_and_a_schedule_follows_from_it_alone():
    entry = scenario().therapy[0]
    one, two = Schedule(entry, seed=1), Schedule(entry, seed=2)
    assert list(one.due(0.0, 5 * DAY)) == list(two.due(0.0, 5 * DAY))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise KeyError('skin')", "rules.py:2: the policy failed: KeyError: 'skin'"),
        ("sys.exit(7)", "rules.py:2: the policy failed: NameError"),
        ("raise SystemExit(7)", "rules.py:2: the policy failed: SystemExit: 7"),
        ("return 'all'", "the policy answered 'all', but"),
        ("return 10**400", "the policy answered 1000"),
    ],
)
def test_a_policy_that_fails_is_told_with_its_line(tmp_path, body, told):
    (tmp_path / "rules.py").write_text(f"def rule(visits, share):\n    {body}\n")
    policy = load_policy(f"{tmp_path / 'rules.py'}:rule")
    with pytest.raises(InputError, match=told):
        checked_share(policy, [Visit(0.0, 1.0, 1.0)], 1.0)


def test_a_file_of_policies_that_ends_the_program_is_refused(tmp_path):
    (tmp_path / "rules.py").write_text("raise SystemExit(7)\n")
    with pytest.raises(ValueError, match=r"cannot be imported \(SystemExit: 7"):
        load_policy(f"{tmp_path / 'rules.py'}:rule")
