"""Outcomes of small runs, by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tme_sim.scan import outcomes
from tme_sim.scan.response import as_numbers


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


@pytest.mark.parametrize("of", ["nadir", "baseline"])
@pytest.mark.parametrize(("burden", "days"), [([100, 40, 5, 0, 0, 0], 4.0), ([0, 0, 0, 0], 2.0)])
def test_a_tumor_that_is_gone_has_not_progressed(burden, days, of):
    found = outcomes.time_to_progression(run_of(burden), of=of)

    assert found == {"": days, "event": False}


def test_regrowth_from_nothing_is_progression():
    found = outcomes.time_to_progression(run_of([100, 40, 0, 0, 6, 9]), of="nadir")

    assert found == {"": 3.0, "event": True}


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

    assert outcomes.measure(None, asked) == {"x": 1.0}
    assert outcomes.with_code(asked) != first


@pytest.mark.parametrize("value", [[1.0, 2.0], np.zeros(3), {"a": [1.0]}])
def test_an_outcome_is_a_number_or_a_text(value, monkeypatch):
    monkeypatch.setattr(outcomes, "_resolved", lambda *_: (lambda _run: value, {}))

    with pytest.raises(TypeError, match="a number or a text is needed"):
        outcomes.measure(None, {"x": {"function": {}}})


def test_values_of_outcomes_become_plain_ones_that_tables_hold(monkeypatch):
    values = {"a": np.float32(0.5), "b": np.bool_(True), "c": 10**30, "d": None, "e": "x"}
    monkeypatch.setattr(outcomes, "_resolved", lambda *_: (lambda _run: values, {}))

    found = outcomes.measure(None, {"x": {"function": {}}})

    assert found == {"x_a": 0.5, "x_b": True, "x_c": 1e30, "x_d": None, "x_e": "x"}
    assert [type(v) for v in found.values()] == [float, bool, float, type(None), str]


def test_two_outcomes_do_not_give_one_column(monkeypatch):
    monkeypatch.setattr(outcomes, "_resolved", lambda *_: (lambda _run: {"b_c": 1.0, "c": 1}, {}))

    with pytest.raises(ValueError, match="two outcomes give a_b_c"):
        outcomes.measure(None, {"a": {"function": {}}, "a_b": {"function": {}}})


def test_numbers_of_a_column_are_missing_where_there_are_none():
    column = pd.Series([1, None, True, np.inf, float("nan")], dtype=object)

    assert as_numbers(column).tolist()[:3:2] == [1.0, 1.0]
    assert as_numbers(column).isna().tolist() == [False, True, False, True, True]
    assert as_numbers(pd.Series(["a", None])) is None


def test_mechanisms_of_no_cells_are_no_numbers(monkeypatch):
    gone = SimpleNamespace(verdict=SimpleNamespace(put_back=("memory",), cause=np.zeros(0, int)))
    monkeypatch.setattr(outcomes, "explain", lambda *_args, **_options: [gone])

    found = outcomes.mechanisms(SimpleNamespace(times=[0.0]))

    assert list(found) == ["dying", "unexplained", "combined", "memory"]
    assert np.isnan(list(found.values())).all()
