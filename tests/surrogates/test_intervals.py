"""Intervals that hold what they promise on drug pairs kept from calibration."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import surrogates
from surrogates.channels import NODES, UnknownName
from surrogates.evaluation.calibration import (
    BAND,
    HeldOut,
    calibrate,
    conformal_quantiles,
    coverage_scores,
    held_out_errors,
)
from surrogates.intervals import LEVELS, NAMES, load_intervals
from surrogates.registry import CARD_FILE, find_weights, load_card, weights_hash

DRUGGED = {"genotype": ["BRAF_V600E"], "minutes": 360, "inputs": {"vemurafenib": 0.1}}


@pytest.fixture(scope="module")
def model():
    return surrogates.load("tme-cell")


@pytest.fixture(scope="module")
def course(model):
    return model.simulate(**DRUGGED)


def test_the_quantile_is_the_smallest_that_keeps_the_promise():
    """Of 9 scores, level 0.9 takes the 9th, level 0.5 the 5th; 0.99 would need 99."""
    found = dict(zip(LEVELS, conformal_quantiles(np.arange(9.0, 0.0, -1.0)), strict=True))
    assert (found[0.5], found[0.8], found[0.9], found[0.99]) == (5.0, 8.0, 9.0, 9.0)


def made_up(rng, *, informative=True):
    """Errors whose size the spread knows, or does not, on five pairs of 200 cells."""
    size = np.exp(rng.normal(0.0, 1.0, (4, 1000, len(NAMES))))
    error = np.abs(rng.normal(0.0, size))
    spread = size if informative else rng.permuted(size, axis=1)
    return HeldOut(error, spread, np.ones((1000, len(NAMES)), bool), np.arange(1000) % 5)


def test_coverage_is_exact_where_pairs_are_alike():
    found = coverage_scores(made_up(np.random.default_rng(0)))
    assert found["coverage"] == pytest.approx(0.9, abs=0.005)
    assert found["names_in_band"] == 1.0


def test_intervals_are_narrower_where_the_spread_knows_the_error():
    knows = coverage_scores(made_up(np.random.default_rng(1)))
    guesses = coverage_scores(made_up(np.random.default_rng(1), informative=False))
    assert knows["width"] < 0.95 < guesses["width"]


def test_a_pair_with_larger_errors_than_all_others_is_covered_less():
    """What is measured is what happens on unseen pairs, so a strange pair shows."""
    held = made_up(np.random.default_rng(2))
    error = held.error.copy()
    error[:, held.pair == 3] *= 4.0
    found = coverage_scores(replace(held, error=error))
    assert found["coverage_of_splits"][0] < 0.8


def test_silent_units_do_not_flatter_the_coverage():
    held = made_up(np.random.default_rng(3))
    error, competent = held.error.copy(), held.competent.copy()
    error[:, 500:], competent[500:] = 0.0, False
    quiet = replace(held, error=error, competent=competent)
    only = calibrate(held, np.arange(1000) < 500)
    np.testing.assert_array_equal(calibrate(quiet, np.ones(1000, bool)).quantiles, only.quantiles)


def test_the_card_shows_the_coverage_that_was_asked_on_unseen_pairs():
    found = load_card(find_weights("tme-cell"))["metrics"]["intervals"]
    low, high = found["coverage_of_splits"]
    assert BAND[0] <= low <= found["coverage"] <= high <= BAND[1]
    assert min(found["by_name"].values()) >= 0.75  # the worst of the shipped weights
    assert found["width"] < 1.0


@pytest.mark.xfail(
    strict=True,
    reason="0.87: both targets of a held-out pair now act on one unit, of which training saw only "
    "one at a time; it was 0.92 while no unit had both among its parents",
)
def test_nine_of_ten_names_are_covered_as_promised_on_unseen_pairs():
    found = load_card(find_weights("tme-cell"))["metrics"]["intervals"]
    assert found["names_in_band"] >= 0.9


def test_shipped_intervals_hold_the_teacher_on_courses_drawn_afresh(model):
    """80 cells of other draws under the held-out pairs, all nodes and outputs, every 6 h."""
    held = held_out_errors(model.model, surrogates.load("teacher").model, seed=77, n_courses=80)
    inside = [
        (error <= model.model.intervals.half_width(NAMES[k], spread, 0.9)).mean()
        for k, error, spread in held.columns(np.ones(len(held.pair), bool))
        if error.size
    ]
    assert 0.86 < np.mean(inside) < 0.94


def test_an_interval_lies_around_its_trajectory_and_grows_with_the_promise(course):
    low, high = course.interval("ERK")
    assert (low <= course["ERK"]).all()
    assert (course["ERK"] <= high).all()
    wide = course.interval("ERK", 0.99)
    assert (wide[0] <= low).all()
    assert (high < wide[1]).any()


@pytest.mark.parametrize("name", ["ERK", "TCR", "apoptosis_rate", "HGF_secretion"])
def test_an_interval_stays_where_values_can_be(course, name):
    low, high = course.interval(name, 0.99)
    assert (low >= 0.0).all()
    assert name not in NODES or (high <= 1.0).all()


def test_net_growth_may_be_negative(course):
    low, high = course.interval("growth_rate_net")
    assert (low < course["growth_rate_net"]).all()
    assert (course["growth_rate_net"] < high).all()


@pytest.mark.parametrize(
    "load",
    [
        lambda: surrogates.load("tme-cell", member=1),
        lambda: surrogates.load("teacher"),
        lambda: surrogates.load("tme-cell", untrained_seed=1),
    ],
)
def test_models_that_were_not_calibrated_give_no_interval(load):
    short = load().simulate(minutes=6)
    with pytest.raises(ValueError, match="calibrated intervals"):
        short.interval("ERK")


def test_an_unknown_name_or_level_is_refused(course):
    with pytest.raises(UnknownName, match="nearest"):
        course.interval("ERKK")
    with pytest.raises(ValueError, match=r"0\.999"):
        course.interval("ERK", 0.999)


def test_intervals_of_other_weights_or_without_a_card_are_not_used(tmp_path, model):
    folder = tmp_path / "copy"
    shutil.copytree(find_weights("tme-cell"), folder)
    assert load_intervals(folder, weights_hash(folder)).scale == pytest.approx(
        model.model.intervals.scale
    )
    assert load_intervals(folder, "another hash") is None
    card = json.loads((folder / CARD_FILE).read_text())
    card["intervals"]["levels"] = [0.5, 0.9]
    (folder / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(ValueError, match="another version"):
        load_intervals(folder, weights_hash(folder))
    (folder / CARD_FILE).unlink()
    assert load_intervals(folder, weights_hash(folder)) is None
