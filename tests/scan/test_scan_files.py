"""The scan files that ship are read, and plan what their headers say."""

from pathlib import Path

import pytest

from tme_sim.scan import optimize, scan, sensitivity

SCANS = Path(__file__).parents[2] / "scenarios" / "scans"


@pytest.mark.parametrize(
    ("name", "n_arms", "n_runs"),
    [("vemurafenib_dose_interval", 6, 18), ("adaptive_thresholds", 4, 12), ("sequence", 3, 6)],
)
def test_a_scan_that_ships_shares_the_days_before_therapy(name, n_arms, n_runs):
    planned = scan.plan(SCANS / f"{name}.yaml")

    assert len({arm.label for arm, _ in planned.runs}) == n_arms
    assert len(planned.runs) == sum(task.is_run for task in planned.tasks) == n_runs
    assert any(not task.is_run for task in planned.tasks)


def test_the_search_that_ships_can_be_asked_for():
    study = optimize.plan(SCANS / "vemurafenib_search.yaml")

    assert set(study.objectives) == set(study.outcomes)


def test_the_sensitivity_study_that_ships_has_its_runs():
    sampled = sensitivity.plan(SCANS / "what_matters.yaml")

    assert len(sampled.planned.runs) == 4 * (4 + 1) * 2


def test_every_scan_file_that_ships_is_tested():
    assert len(list(SCANS.glob("*.yaml"))) == 5
