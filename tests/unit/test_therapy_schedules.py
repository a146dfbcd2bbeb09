"""When doses are given, what the tick sees of them, and that a restart changes nothing."""

import numpy as np
import pytest

from tme_sim.scenario import load_scenario
from tme_sim.therapy import AdaptiveSchedule, Therapy, nominal_concentration, plasma_concentration
from tme_sim.therapy.pharmacokinetics import catalogue_drug

DAY = 1440.0


def scenario(*doses, **more):
    return load_scenario(
        {
            "time": {"duration": "10 d"},
            "domain": {"size": ["200 um", "200 um"]},
            "therapy": list(doses),
            **more,
        }
    )


def run(therapy, ticks, start=0, burden=lambda _tick: 100.0, dt=6.0):
    return [therapy.advance(k * dt, dt, burden(k)) for k in range(start, start + ticks)]


def doses_of(therapy):
    return [time for time, kind, _ in therapy.events if kind == "dose"]


def test_doses_are_given_from_start_until_the_end_of_the_entry():
    entry = {
        "drug": "vemurafenib",
        "dose": "960 mg",
        "every": "12 h",
        "start": "1 d",
        "until": "3 d",
    }
    therapy = Therapy(scenario(entry))
    run(therapy, 10 * 240)
    assert doses_of(therapy) == [1440.0, 2160.0, 2880.0, 3600.0]


def test_a_dose_without_every_is_given_once():
    therapy = Therapy(scenario({"drug": "doxorubicin", "dose": "60 mg/m2", "start": "1 d"}))
    run(therapy, 5 * 240)
    assert therapy.events == [(1440.0, "dose", "doxorubicin 108 mg")]


def test_a_tick_gets_the_exact_mean_of_its_plasma():
    entry = {"drug": "doxorubicin", "dose": "108 mg", "start": "5 h", "infusion": "20 min"}
    drug = catalogue_drug("doxorubicin")
    therapy = Therapy(scenario(entry))
    seen = [tick["doxorubicin"] for tick in run(therapy, 60)]
    fine = np.arange(0.005, 360.0, 0.01)
    dose = {"time": "5 h", "dose": "108 mg", "route": "iv", "infusion": "20 min"}
    total = plasma_concentration("doxorubicin", [dose], fine).reshape(60, -1).mean(axis=1)
    expected = [nominal_concentration(value, drug) for value in total]
    assert seen == pytest.approx(expected, rel=1e-4)


def test_the_mean_over_ten_minutes_does_not_depend_on_the_tick():
    entry = {"drug": "trametinib", "dose": "2 mg", "every": "7 h", "start": "61 min"}
    short, long = Therapy(scenario(entry)), Therapy(scenario(entry))
    fine = np.array([t["trametinib"] for t in run(short, 1200, dt=3.0)]).reshape(-1, 4).mean(axis=1)
    coarse = [t["trametinib"] for t in run(long, 300, dt=12.0)]
    assert coarse == pytest.approx(fine, rel=1e-10)


def test_plasma_is_that_of_the_closed_form():
    entry = {"drug": "vemurafenib", "dose": "960 mg", "every": "12 h"}
    therapy = Therapy(scenario(entry))
    run(therapy, 480)
    doses = [{"time": f"{12 * k} h", "dose": "960 mg"} for k in range(4)]
    expected = plasma_concentration("vemurafenib", doses, [2 * DAY])[0]
    assert therapy.plasma()["vemurafenib"] == pytest.approx(expected, rel=1e-10)


def test_adaptive_schedule_stops_low_resumes_high_and_remembers():
    schedule = AdaptiveSchedule(stop_below=0.5, resume_at=1.0)
    burdens = (100, 60, 50, 49.9, 60, 99, 100, 70)
    assert [schedule.decide(b, 100) for b in burdens] == [
        *(True, True, True),
        *(False, False, False),
        *(True, True),
    ]


def test_adaptive_thresholds_out_of_order_are_refused():
    with pytest.raises(ValueError, match="stop_below"):
        AdaptiveSchedule(stop_below=1.0, resume_at=0.5)


def adaptive():
    rule = {"stop_below": 0.5, "resume_at": 1.0, "visit_every": "1 d"}
    return scenario({"drug": "vemurafenib", "dose": "960 mg", "every": "12 h", "adaptive": rule})


def shrinking_and_growing(tick):
    return 100.0 - 60.0 * np.sin(np.pi * tick / 1200) ** 2


def test_an_adaptive_entry_gives_no_dose_while_it_is_off():
    therapy = Therapy(adaptive())
    run(therapy, 2400, burden=shrinking_and_growing)
    changes = [(t / DAY, text) for t, kind, text in therapy.events if kind == "therapy"]
    assert [day for day, _ in changes] == [2.0, 5.0, 7.0]
    assert "stopped at 0.46 of baseline" in changes[0][1]
    assert "resumed at 1.00 of baseline" in changes[1][1]
    assert not [t for t in doses_of(therapy) if 2 * DAY <= t < 5 * DAY]
    assert len(doses_of(therapy)) == 8


def test_a_restart_changes_no_bit():
    whole, first = Therapy(adaptive()), Therapy(adaptive())
    expected = run(whole, 2000, burden=shrinking_and_growing)
    run(first, 777, burden=shrinking_and_growing)
    second = Therapy(adaptive())
    second.restore(first.state())
    rest = run(second, 2000 - 777, start=777, burden=shrinking_and_growing)
    assert rest == expected[777:]
    assert second.events == whole.events


def test_a_branch_with_another_dose_does_not_make_up_for_the_past():
    entry = {"drug": "vemurafenib", "dose": "960 mg", "every": "12 h"}
    parent = Therapy(scenario(entry))
    run(parent, 480)
    arm = Therapy(scenario(entry | {"dose": "480 mg"}))
    arm.restore(parent.state())
    assert arm.plasma() == parent.plasma()
    run(arm, 240, start=480)
    assert arm.events[-2:] == [
        (2880.0, "dose", "vemurafenib 480 mg"),
        (3600.0, "dose", "vemurafenib 480 mg"),
    ]
    assert len(arm.events) == 6
