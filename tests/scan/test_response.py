"""Bands, changes from baseline and survival of small courses, by hand."""

import pandas as pd
import pytest
from scipy.stats import chi2

from tme_sim.scan import figures, response


def course(arm, seed, burden, first_dose=1.0):
    days = [0.5 * k for k in range(len(burden))]
    about = {"arm": arm, "seed": seed, "day": days, "first_dose": first_dose}
    return pd.DataFrame({**about, "burden": burden})


def test_changes_count_from_the_burden_at_the_first_dose():
    table = response.changes(course("a", 1, [80.0, 90.0, 100.0, 50.0, 120.0]))

    assert table["day"].tolist() == [0.0, 0.5, 1.0]
    assert table["change"].tolist() == pytest.approx([0.0, -50.0, 20.0])


def test_an_untreated_run_counts_from_its_start():
    found = response.responses(course("a", 1, [80.0, 40.0, 160.0], first_dose=None)).iloc[0]

    assert (found["best"], found["last"]) == pytest.approx((-50.0, 100.0))


def test_a_run_that_ended_early_counts_with_its_last_burden():
    burdens = ([10.0, 0.0], [10.0, 20.0, 40.0], [10.0, 10.0, 10.0])
    courses = pd.concat([course("a", seed, burden) for seed, burden in enumerate(burdens)])

    table = response.bands(courses)

    assert table["n"].tolist() == [3, 3, 3]
    assert table["median"].tolist() == [10.0, 10.0, 10.0]
    assert table["high"].iloc[-1] == pytest.approx(10.0 + 0.8 * 30.0)


def test_survival_is_the_product_of_kaplan_and_meier():
    days, event = [1.0, 2.0, 2.0, 3.0, 5.0], [True, True, False, True, False]
    table = pd.DataFrame({"arm": "a", "ttp": days, "ttp_event": event})

    curve = response.survival(table, ["ttp", "ttp_event"]).set_index("day")

    assert curve["survival"].to_dict() == pytest.approx(
        {0.0: 1.0, 1.0: 0.8, 2.0: 0.8 * 0.75, 3.0: 0.6 * 0.5, 5.0: 0.3}
    )
    assert (curve["low"] <= curve["survival"]).all()
    assert curve["log_rank_p"].isna().all()  # one arm


def test_arms_that_progress_apart_differ_by_the_log_rank_test():
    early = pd.DataFrame({"arm": "a", "ttp": [1.0, 1.1, 1.2, 1.3, 1.4], "ttp_event": True})
    late = pd.DataFrame({"arm": "b", "ttp": [8.0, 8.1, 8.2, 8.3, 8.4], "ttp_event": True})

    curves = response.survival(pd.concat([early, late]), ["ttp"])

    # five against five, all early ones first: the sum of their expectations by hand
    expected = sum((5 - k) / (10 - k) for k in range(5))
    variance = sum((5 - k) * 5 / (10 - k) ** 2 for k in range(5))
    p = chi2.sf((5 - expected) ** 2 / variance, 1)
    assert curves["log_rank_p"].iloc[0] == pytest.approx(p, rel=1e-6)


def test_a_heat_map_shows_means_over_seeds():
    table = pd.DataFrame(
        {"dose": ["1", "1", "2"], "every": ["1 h", "1 h", "2 h"], "burden": [1.0, 3.0, 7.0]}
    )

    figure = figures.heat_map(table, "burden", "dose", "every")

    assert {text.get_text() for text in figure.axes[0].texts} >= {"2", "7"}


def test_scans_without_a_tumor_or_with_missing_numbers_are_drawn(tmp_path):
    results = pd.DataFrame(
        {
            "arm": ["a", "b", "c", "d"],
            "status": "done",
            "x": [1, 1, 2, 2],
            "y": [3, 4, 3, 4],
            "some": [float("nan"), float("inf"), 1.0, 2.0],
            "none": float("nan"),
            "ttp": [1.0, float("nan"), 2.0, 2.0],
            "ttp_event": [False, None, True, True],
        }
    )
    courses = pd.concat([course(arm, 1, [0.0, 0.0, 0.0]) for arm in "abcd"])
    tables = {
        "results": results,
        "courses": courses,
        "bands": response.bands(courses),
        "responses": response.responses(courses),
        "paired": pd.DataFrame({"difference": []}),
        "survival": response.survival(results, ["ttp", "ttp_event"]),
    }

    drawn = figures.draw_all(
        tmp_path, tables, ["some", "none", "ttp", "ttp_event"], axes=["x", "y"], title="t"
    )

    names = {path.stem for path in drawn}
    assert names == {"heat_map_some", "heat_map_ttp", "burden", "survival_ttp"}
