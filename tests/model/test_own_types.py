"""Cell types of a user's own: through report, replay, movie, exports and outcomes."""

import csv

import pytest

from tests.model.small import small
from tme_sim import simulate
from tme_sim.analysis.exports import export
from tme_sim.cli import main
from tme_sim.replay.frames import Frames
from tme_sim.scan import outcomes

TYPES = {"melanoma": {"preset": "tumor", "s_duration": "9 h"}, "skin": {"preset": "epithelium"}}
CELLS = {
    "mel": {"type": "melanoma", "count": 5, "placement": {"disk": {"radius": "50 um"}}},
    "skin": {
        "type": "skin",
        "count": 8,
        "placement": {"ring": {"inner": "70 um", "outer": "110 um"}},
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    scenario = small(cells=CELLS, cell_types=TYPES, evolution=None, surrogate={"name": "constant"})
    path = tmp_path_factory.mktemp("own") / "a.h5"
    return simulate(scenario, path, until="3 h", threads=1)


def test_the_page_has_a_colour_for_each(run, tmp_path):
    types = Frames(run).described()["types"]
    assert {t["name"] for t in types} >= set(TYPES)
    assert len({t["color"] for t in types}) == len(types)
    page = tmp_path / "a.html"
    assert main(["replay", str(run.path), "--html", str(page)]) == 0


def test_figures_and_movies_are_drawn(run, tmp_path):
    assert main(["report", str(run.path), "-o", str(tmp_path / "a.png")]) == 0
    movie = ["replay", str(run.path), "--movie", str(tmp_path / "a.gif"), "--size", "320x320"]
    assert main(movie) == 0


def test_tables_name_them(run, tmp_path):
    folder = export(run, "csv", tmp_path / "csv")
    with (folder / "cells.csv").open() as file:
        assert {row["type"] for row in csv.DictReader(file)} == set(TYPES)


def test_outcomes_see_what_they_are_made_of(run):
    assert outcomes.burden(run) == 5.0
    assert outcomes.resistant_fraction(run) == 0.0
    assert outcomes.toxicity(run) == 0.0
    assert outcomes.healthy_groups(run.scenario) == ["skin"]
