"""The table of scores: winners are marked, rows survive JSON, lines stay readable."""

import pytest

from surrogates.evaluation.table import WIDTH, Row, from_json, render, spread, tally, to_json


def row(**changes):
    values = {
        "data_set": "ERK after inhibitors",
        "what": "pERK, single drugs",
        "split": "new drugs",
        "metric": "RMSE",
        "network": 0.11,
        "teacher": 0.12,
        "mean": 0.3,
        "ridge": 0.25,
        "boosting": 0.10,
        "anchor": "0.09",
        "target": "<= 0.1",
        "n": 40,
        "note": "Two drugs are unknown to the network.",
    }
    return Row(**(values | changes))


def test_the_smallest_error_and_the_largest_correlation_win():
    assert row().best() == ("boosting",)
    assert row(metric="r").best() == ("mean",)


def test_scores_that_print_alike_share_the_mark():
    assert row(network=0.1002).best() == ("network", "boosting")


def test_a_contender_without_a_score_wins_nothing_and_prints_a_dash():
    text = render([row(teacher=None, boosting=None)])
    assert "0.110*" in text
    assert text.count("| -  ") == 2


def test_the_rendered_table_marks_winners_and_gives_figures_asked_and_published():
    text = render([row(), row(what="pERK, pairs", network=0.05)])
    assert "0.100*" in text
    assert "0.050*" in text
    assert "<= 0.1" in text
    assert "Two drugs are unknown" in text
    assert "network 1, teacher 0, mean 0, ridge 0, boosting 1" in text


def test_no_line_is_wider_than_the_page_even_at_the_longest_texts():
    long = row(
        what="w" * 24,
        anchor="a" * 9,
        target="t" * 7,
        note="much to say " * 40,
        network=-10.1,
        teacher=-10.1,
        mean=-10.1,
        ridge=-10.1,
        boosting=-10.1,
    )
    assert max(map(len, render([long]).splitlines())) <= WIDTH


def test_rows_survive_json():
    rows = [row(), row(network=None, n=3)]
    assert from_json(to_json(rows)) == rows


def test_an_unknown_entry_is_named():
    with pytest.raises(ValueError, match="sigma"):
        from_json('[{"sigma": 1}]')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "accuracy"}, "accuracy"),
        ({"what": "x" * 25}, "longer than 24"),
        ({"ridge": float("nan")}, "ridge is nan"),
    ],
)
def test_a_row_that_cannot_be_printed_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        row(**change)


def test_the_tally_counts_every_row_once_per_winner():
    assert tally([row(), row(metric="r")]).startswith("Best (or as good) of 2 rows")


def test_the_spread_over_folds_is_told_in_words():
    assert spread([0.5, 0.7, 0.9]) == "By fold 0.500 to 0.900, sd 0.163."
