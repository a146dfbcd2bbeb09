"""Cells start where the scenario says, without heavy overlap, the same for the same seed."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from tme_sim.scenario import ScenarioError, load_scenario, place_all
from tme_sim.scenario.placement import CLOSEST, RESTING_DISTANCE

RADIUS = 8.412710548
SIZE_2D, SIZE_3D = ["1000 um", "800 um"], ["400 um", "400 um", "300 um"]


def placed(size, seed=1, **groups):
    cells = {name: {"type": "tumor"} | group for name, group in groups.items()}
    scenario = load_scenario(
        {"time": {"duration": "1 d"}, "domain": {"size": size}, "seed": seed, "cells": cells}
    )
    return {name: cells.position for name, cells in place_all(scenario).items()}


def group(count, **placement):
    return {"count": count, "placement": placement}


def from_center(xyz, center):
    return np.linalg.norm(xyz[:, : len(center)] - center, axis=1)


def test_a_disk_is_centred_on_the_domain_and_packed_without_overlap():
    xyz = placed(SIZE_2D, a=group(1000, disk={"radius": "300 um"}))["a"]
    assert xyz.shape == (1000, 3)
    assert np.all(xyz[:, 2] == 10.0)
    assert from_center(xyz, (500, 400)).max() <= 300
    assert pdist(xyz).min() > 0.8 * RESTING_DISTANCE * RADIUS
    assert np.abs(xyz[:, :2].mean(axis=0) - (500, 400)).max() < 15


def test_a_ring_lies_between_its_circles_around_its_own_centre():
    ring = {"inner": "100 um", "outer": "200 um", "center": ["300 um", "300 um"]}
    distance = from_center(placed(SIZE_2D, a=group(150, ring=ring))["a"], (300, 300))
    assert distance.min() >= 100
    assert distance.max() <= 200


def test_balls_and_shells_fill_3d_without_overlap():
    ball = placed(SIZE_3D, a=group(700, ball={"radius": "100 um"}))["a"]
    assert from_center(ball, (200, 200, 150)).max() <= 100
    assert pdist(ball).min() > 0.8 * RESTING_DISTANCE * RADIUS
    shell = placed(SIZE_3D, a=group(500, shell={"inner": "80 um", "outer": "130 um"}))["a"]
    distance = from_center(shell, (200, 200, 150))
    assert distance.min() >= 80
    assert distance.max() <= 130
    assert len(np.unique(np.sign(shell - (200, 200, 150)), axis=0)) == 8


def test_boxes_and_everywhere_stay_off_the_walls():
    box = {"size": ["200 um", "100 um"], "center": ["150 um", "700 um"]}
    xyz = placed(SIZE_2D, a=group(50, box=box), b={"count": 300, "placement": "everywhere"})
    assert np.all(np.abs(xyz["a"][:, :2] - (150, 700)) <= (100, 50))
    assert np.all(xyz["b"][:, :2] >= RADIUS)
    assert np.all(xyz["b"][:, :2] <= np.array([1000, 800]) - RADIUS)


def test_scattered_vessels_have_the_density_of_their_spacing():
    xyz = placed(SIZE_2D, a={"placement": {"poisson": {"spacing": "100 um"}}})["a"]
    assert len(xyz) == 80
    assert pdist(xyz).min() >= 70
    xyz = placed(SIZE_3D, a={"placement": {"poisson": {"spacing": "100 um"}}})["a"]
    assert len(xyz) == 48
    ring = {"spacing": "60 um", "inner": "200 um", "outer": "350 um"}
    distance = from_center(placed(SIZE_2D, a={"placement": {"poisson": ring}})["a"], (500, 400))
    assert len(distance) == round(np.pi * (350**2 - 200**2) / 60**2)
    assert distance.min() >= 200
    assert distance.max() <= 350


def test_groups_leave_each_other_room():
    xyz = placed(
        SIZE_2D,
        tumor=group(500, disk={"radius": "250 um"}),
        stroma=group(150, disk={"radius": "250 um"}),
        vessel={"type": "endothelial", "placement": {"poisson": {"spacing": "150 um"}}},
    )
    assert list(xyz) == ["tumor", "stroma", "vessel"]
    both = np.concatenate([xyz["tumor"], xyz["stroma"]])
    assert pdist(both).min() >= CLOSEST * 2 * RADIUS - 2 * 0.05 * RESTING_DISTANCE * RADIUS * 1.42


def test_the_same_seed_gives_the_same_places_and_another_seed_others():
    spec = {"a": group(300, disk={"radius": "300 um"})}
    first, again = placed(SIZE_2D, **spec)["a"], placed(SIZE_2D, **spec)["a"]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, placed(SIZE_2D, seed=2, **spec)["a"])


def test_a_count_of_zero_is_allowed():
    assert placed(SIZE_2D, a=group(0, disk={"radius": "100 um"}))["a"].shape == (0, 3)


def test_too_many_cells_are_refused_with_the_number_that_fits():
    with pytest.raises(ScenarioError, match=r"1000 cells do not fit into the disk: (\d+) do") as e:
        placed(SIZE_2D, a=group(1000, disk={"radius": "150 um"}))
    fits = int(str(e.value).split(": ")[-1].split()[0])
    assert len(placed(SIZE_2D, a=group(fits, disk={"radius": "150 um"}))["a"]) == fits
    assert fits == pytest.approx(np.pi * 150**2 / 222.4, rel=0.05)


def in_a_table(folder, text, **size):
    (folder / "cells.csv").write_text(text, encoding="utf-8")
    return placed(SIZE_2D, a={"placement": {"file": str(folder / "cells.csv")}}, **size)["a"]


@pytest.mark.parametrize("blank", ["", "   ", ",", " , ", '""," "'])
def test_rows_of_a_table_without_a_value_are_no_cells(tmp_path, blank):
    assert len(in_a_table(tmp_path, f"x,y\n60,60\n{blank}\n90,60\n")) == 2


def test_tables_are_read_as_spreadsheets_write_them(tmp_path):
    table = "\ufeffx , y\r\n60,60\r\n 90 ,60\r\n,\r\n"
    assert in_a_table(tmp_path, table)[:, 0].tolist() == [60.0, 90.0]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (",x,y\n0,60,60\n", r":1: column 1 has no name"),
        ("x,y\n60,60\n\n90\n", r":4: found 1 values, but there are 2 columns"),
        ("x,y\n60," + "9" * 400 + "\n", r":2: y: found '9{40}', but a finite number"),
        ("x,y\n60," + "q" * 100_000 + "\n", r":2: y: found 'q{40}', but a number"),
        ("x,y\n60," + "q" * 200_000 + "\n", r":2: is no CSV table: field larger"),
        ("x,y," + "q" * 1000 + "\n60,60,1\n", r":1: the column 'q{40}' is unknown"),
        ("x,y\n\x0060,1\n", r":2: y?x?: found '.x0060'|is no CSV table"),
        ("x,y\n", "at least one cell"),
        ("", "at least one cell"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(tmp_path, table, words):
    with pytest.raises(ScenarioError, match=rf"cells\.csv.*{words}") as refused:
        in_a_table(tmp_path, table)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("file", ["/dev/zero", "no.csv", "x" * 300])
def test_a_table_that_cannot_be_read_is_refused(file):
    with pytest.raises(ScenarioError, match="table of cells"):
        placed(SIZE_2D, a={"placement": {"file": file}})


def test_cells_of_a_table_have_room(tmp_path):
    spots = "".join(f"{100 * k},50\n" for k in range(4)) * 100
    assert len(in_a_table(tmp_path, "x,y\n" + spots)) == 400
    with pytest.raises(ScenarioError, match=r"csv:402: found 101 cells within 10 um at \(0, 50\)"):
        in_a_table(tmp_path, "x,y\n" + spots + "4,59\n")
