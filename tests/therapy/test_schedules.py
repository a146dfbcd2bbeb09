"""When doses are given, what the tick sees of them, and that a restart changes nothing."""

import numpy as np
import pytest

from tme_sim.scenario import ScenarioError, load_scenario
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


@pytest.mark.parametrize("burden", [0.0, 5.0])
def test_a_baseline_of_no_cells_is_told_in_words(burden):
    therapy = Therapy(adaptive())
    run(therapy, 480, burden=lambda tick: burden if tick > 240 else 0.0)
    told = [text for _, kind, text in therapy.events if kind != "dose"]
    assert told
    assert all(text.endswith("a baseline of 0") for text in told)


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


def amounts(therapy):
    return [float(text.split()[1]) for _, kind, text in therapy.events if kind == "dose"]


def test_a_loading_dose_comes_first():
    entry = {"drug": "vemurafenib", "dose": "480 mg", "every": "1 d", "loading": "960 mg"}
    therapy = Therapy(scenario(entry))
    run(therapy, 3 * 240)
    assert amounts(therapy) == [960, 480, 480]


def test_a_cycle_treats_and_rests():
    cycle = {"treat": "2 d", "rest": "1 d"}
    entry = {"drug": "palbociclib", "dose": "125 mg", "every": "1 d", "cycle": cycle}
    therapy = Therapy(scenario(entry))
    run(therapy, 7 * 240)
    assert [time / DAY for time in doses_of(therapy)] == [0, 1, 3, 4, 6]


def test_doses_per_body_surface_follow_the_patient_in_every_part_of_an_entry():
    entry = {
        "drug": "doxorubicin",
        "dose": "30 mg/m2",
        "every": "1 d",
        "loading": "50 mg/m2",
        "escalate": {"by": "10 mg/m2", "every": "2 d", "up_to": "45 mg/m2"},
    }
    therapy = Therapy(scenario(entry, patient={"body_surface_area": "2 m2"}))
    run(therapy, 6 * 240)
    assert amounts(therapy) == [100, 60, 80, 80, 90, 90]


def test_doses_are_missed_at_their_probability_and_alike_in_arms_of_a_trial():
    entry = {"drug": "vemurafenib", "dose": "960 mg", "every": "6 min", "missed": 0.2}
    low, high = (Therapy(scenario(entry | {"dose": dose})) for dose in ("480 mg", "960 mg"))
    for therapy in (low, high):
        run(therapy, 2000)
    missed = [[time for time, kind, _ in arm.events if kind == "missed"] for arm in (low, high)]
    assert missed[0] == missed[1]
    assert len(missed[0]) == pytest.approx(400, abs=4 * np.sqrt(2000 * 0.2 * 0.8))
    assert len(doses_of(low)) == 2000 - len(missed[0])


def test_another_seed_misses_other_doses():
    entry = {"drug": "vemurafenib", "dose": "960 mg", "every": "6 min", "missed": 0.5}
    one, two = (Therapy(scenario(entry, seed=seed)) for seed in (1, 2))
    for therapy in (one, two):
        run(therapy, 100)
    assert doses_of(one) != doses_of(two)


def test_a_sequence_gives_one_drug_after_the_other():
    first = {"drug": "vemurafenib", "dose": "960 mg", "every": "1 d", "until": "2 d"}
    second = {"drug": "trametinib", "dose": "2 mg", "every": "1 d", "start": "2 d"}
    therapy = Therapy(scenario(first, second))
    run(therapy, 4 * 240)
    given = [text.split()[0] for _, kind, text in therapy.events if kind == "dose"]
    assert given == ["vemurafenib"] * 2 + ["trametinib"] * 2


def test_words_of_a_schedule_are_read_back_from_the_resolved_scenario():
    entry = {
        "drug": "trametinib",
        "dose": "2 mg",
        "every": "1 d",
        "cycle": {"treat": "21 d", "rest": "7 d"},
        "missed": 0.1,
        "adaptive": {"modulate_by": 0.2, "visit_every": "7 d", "noise": 0.1, "delay": "2 d"},
    }
    first = scenario(entry)
    assert load_scenario(first.resolved()).therapy == first.therapy


def test_a_single_infusion_keeps_its_drug_from_starting_again_before_its_end():
    first = {"drug": "doxorubicin", "dose": "50 mg", "infusion": "2 h"}
    with pytest.raises(ScenarioError, match="although another entry"):
        scenario(first, {"drug": "doxorubicin", "dose": "50 mg", "start": "1 h"})
    scenario(first, {"drug": "doxorubicin", "dose": "50 mg", "start": "2 h"})
