"""Times and quantities mean what was written."""

import pytest

from tme_sim.scenario.units import minutes, parse_quantity, ticks_before, time_in_words


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("0.7 d", 1008.0), ("1.1 d", 1584.0), ("16.8 h", 1008.0), ("4.1 h", 246.0), ("90 s", 1.5)],
)
def test_decimals_of_a_time_are_exact(text, wanted):
    assert minutes(text) == wanted


def test_a_factor_that_is_not_whole_is_still_a_product():
    assert parse_quantity("2 MPa", "mmHg") == pytest.approx(15001.2, rel=1e-5)


def test_ticks_up_to_a_time():
    assert ticks_before(1584.0000000000002, 6.0) == 264
    assert ticks_before(1584.0000000000002, 6.0, whole=False) == 264
    assert ticks_before(100.8, 6.0) == 16
    assert ticks_before(100.8, 6.0, whole=False) == 17


@pytest.mark.parametrize(
    ("time", "words"),
    [(0.0, "0 min"), (720.0, "12 h"), (2160.0, "1.5 d"), (66.0, "1.1 h"), (7.0, "7 min")],
)
def test_a_time_in_words(time, words):
    assert time_in_words(time) == words
