"""Outcomes of small runs, by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tme_sim.scan import outcomes


def run_of(burden, dose_day=1.0, **columns):
    """A run with a metric each day."""
    days = np.arange(len(burden))
    dose = (1440.0 * dose_day, "dose", "vemurafenib 960 mg")
    events = [dose, (2000.0, "missed", "vemurafenib dose missed")]
    return SimpleNamespace(
        metrics=pd.DataFrame({"time": 1440.0 * days, "burden": np.array(burden, float), **columns}),
        events=pd.DataFrame(events, columns=["time", "kind", "text"]),
        scenario=SimpleNamespace(
            cells={"skin": SimpleNamespace(type="own"), "t": SimpleNamespace(type="tumor")},
            cell_types={
                "own": SimpleNamespace(network_type="epithelium"),
                "tumor": SimpleNamespace(network_type="tumor"),
            },
        ),
    )


@pytest.mark.parametrize(("of", "day", "event"), [("baseline", 4.0, True), ("nadir", 3.0, True)])
def test_progression_is_from_baseline_or_from_the_nadir(of, day, event):
    run = run_of([50, 100, 60, 40, 60, 130])

    found = outcomes.time_to_progression(run, factor=1.2, of=of)

    assert found == {"": day, "event": event}


def test_a_run_without_progression_is_censored_at_its_end():
    found = outcomes.time_to_progression(run_of([50, 100, 60, 40, 44]))

    assert found == {"": 3.0, "event": False}


def test_burden_is_that_of_the_last_tick_not_after_a_time():
    run = run_of([50, 100, 60, 40])

    assert outcomes.burden(run, at="36 h") == 100
    assert outcomes.burden(run) == 40
    assert outcomes.nadir(run) == 40


def test_toxicity_is_the_largest_loss_of_epithelium_after_the_first_dose():
    run = run_of([1, 1, 1, 1], n_skin=[10.0, 40.0, 30.0, 36.0])

    assert outcomes.toxicity(run) == pytest.approx(0.25)


def test_the_dose_is_the_sum_of_what_was_given():
    assert outcomes.cumulative_dose(run_of([1, 1, 1]), drug="vemurafenib") == 960.0
    assert outcomes.cumulative_dose(run_of([1, 1, 1]), drug="trametinib") == 0.0


def test_another_code_of_a_users_function_is_another_question(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_outcome.py").write_text("def f(run):\n    return 1.0\n")
    asked = {"x": {"function": {"path": "my_outcome:f"}}}

    first = outcomes.with_code(asked)
    (tmp_path / "my_outcome.py").write_text("def f(run):\n    return 2.0\n")
    outcomes.file_hash.cache_clear()

    assert outcomes.measure(None, asked) == {"x": 1.0}
    assert outcomes.with_code(asked) != first
