"""Differences of scenarios, as a message tells them."""

from pathlib import Path

import pytest

from tme_sim.scenario import load_scenario
from tme_sim.scenario.differences import TOLD, differences, in_words

QUICKSTART = Path(__file__).parents[2] / "scenarios" / "quickstart.yaml"


def found(**overrides):
    new = {key.replace("__", "."): value for key, value in overrides.items()}
    return differences(load_scenario(QUICKSTART), load_scenario(QUICKSTART, new))


def test_a_scenario_does_not_differ_from_itself_as_it_was_kept():
    scenario = load_scenario(QUICKSTART)
    assert differences(scenario, load_scenario(scenario.resolved())) == {}


def test_every_value_that_differs_is_named_with_both():
    assert found(seed=9, therapy__0__dose="480 mg") == {
        "seed": (1, 9),
        "therapy.0.dose": ("960.0 mg", "480.0 mg"),
    }


@pytest.mark.parametrize("therapy", [[], [{"drug": "trametinib", "dose": "2 mg"}]])
def test_what_only_one_of_them_has_differs(therapy):
    assert any(key.startswith("therapy") for key in found(therapy=therapy))


def test_a_message_stays_short():
    many = {f"key.{k}": ("x" * 500, None) for k in range(20)}
    words = in_words(many)
    assert f"and {20 - TOLD} more" in words
    assert "key.0 is not there, was xxx" in words
    assert len(words) < 500
