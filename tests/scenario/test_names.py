"""Names and texts of scenarios: taken, made plain, or refused in words."""

import json

import pytest

from tme_sim.errors import InputError
from tme_sim.scan.scan import Scan
from tme_sim.scan.study import read_study
from tme_sim.scenario import load_scenario

BODY = "time: {duration: 1 d}\ndomain: {size: [300 um, 300 um]}\n"
CELLS = {"type": "tumor", "count": 0, "placement": "everywhere"}
SCENARIO = {"time": {"duration": "1 d"}, "domain": {"size": ["300 um", "300 um"]}}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("my tumor", "my_tumor"),
        ("run (copy)", "run_copy"),
        ("Größe", "Gro_e"),
        ("=cmd()", "cmd"),
        ("<script>alert(1)<", "script_alert_1"),
        ("50% of 'it'", "50_of_it"),
        ("-rf", "rf"),
        ("腫瘍", "unnamed"),
        ("a.b+c-d", "a.b+c-d"),
        ("x" * 200, "x" * 100),
    ],
)
def test_a_name_is_made_of_that_of_a_file(tmp_path, file, name):
    path = tmp_path / f"{file}.yaml"
    path.write_text(BODY, encoding="utf-8")
    assert load_scenario(path).name == name
    path.write_text("scenario: a.yaml\noutcomes: {n: {burden: {}}}\n", encoding="utf-8")
    assert read_study(path, Scan).name == name


def test_a_name_that_is_given_is_refused_with_one_that_would_do(tmp_path):
    for number, given in enumerate(["my tumor", "", "../x", "=x", "a" * 101, "-x"]):
        path = tmp_path / f"{number}.yaml"
        path.write_text(f"name: {json.dumps(given)}\n{BODY}")
        with pytest.raises(InputError, match=r"yaml:1: name: found .* is needed, such as \w+"):
            load_scenario(path)
    assert load_scenario({**SCENARIO, "name": 2024}).name == "2024"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("1st", "begins with a letter or _"),
        ("-x", "begins with a letter or _"),
        ("a b", "letters, digits, _ [+] - are allowed"),
        ("<b>", "letters, digits"),
        ("größe", "letters, digits"),
        ("x" * 101, "a name of 101 letters, but at most 100"),
    ],
)
@pytest.mark.parametrize("section", ["cells", "substrates", "cell_types"])
def test_names_of_groups_and_substrates_are_refused_in_words(section, name, words):
    entry = {"cells": CELLS, "cell_types": {"preset": "tumor"}, "substrates": {"preset": "oxygen"}}
    with pytest.raises(InputError, match=words) as refused:
        load_scenario({**SCENARIO, section: {name: entry[section]}})
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("letter", ["\\0", "\\x1b", "\\ud800", "\\u009b", "\\r"])
def test_control_characters_are_no_text(tmp_path, letter):
    path = tmp_path / "a.yaml"
    group = f'cells: {{a: {{type: tumor, placement: {{file: "a{letter}b"}}}}}}'
    path.write_text(f"{BODY}{group}\n")
    with pytest.raises(InputError, match=r"a\.yaml:3: cells\.a\.placement\.file: .*is no text"):
        load_scenario(path)
    path.write_text(f'{BODY}"a{letter}": 1\n')
    with pytest.raises(InputError, match=r"a\.yaml:3: .*is no text; a key is a name"):
        load_scenario(path)
    text = json.loads(f'"a{letter}b"') if letter[1] in "ur" else "a\0b"
    with pytest.raises(InputError, match="is no text"):
        load_scenario({**SCENARIO, "cells": {"a": {**CELLS, "placement": {"file": text}}}})


@pytest.mark.parametrize(
    ("boundary", "size"),
    [
        ({"x_low": "periodic"}, 2),
        ({"x_low": "periodic", "x_high": "38 mmHg"}, 2),
        ({"all": "periodic", "y_high": "no_flux"}, 2),
        ({"all": "no_flux", "y_high": "periodic"}, 2),
        ({"z_low": "periodic"}, 2),
        ({"all": "periodic", "z_low": "no_flux"}, 3),
    ],
)
def test_walls_are_periodic_at_both_ends_or_at_none(boundary, size):
    data = {"time": {"duration": "1 d"}, "domain": {"size": ["300 um"] * size}}
    with pytest.raises(InputError, match=r"substrates\.oxygen\.boundary.*at one end of [xyz] only"):
        load_scenario({**data, "substrates": {"oxygen": {"boundary": boundary}}})


@pytest.mark.parametrize(
    "boundary",
    [
        {"all": "periodic"},
        {"x_low": "periodic", "x_high": "periodic"},
        {"all": "periodic", "z_low": "no_flux"},
    ],
)
def test_walls_that_the_solver_takes_are_taken(boundary):
    from tme_sim.fields import Grid, Microenvironment, Substrate

    scenario = load_scenario({**SCENARIO, "substrates": {"oxygen": {"boundary": boundary}}})
    spec = scenario.substrates["oxygen"]
    oxygen = Substrate("oxygen", diffusivity=spec.diffusivity, boundary=spec.boundary)
    Microenvironment(Grid(shape=scenario.grid_shape(), voxel=20.0), [oxygen])


def test_more_types_than_the_replay_can_pack_are_refused():
    types = {f"t{k}": {"preset": "tumor"} for k in range(17)}
    with pytest.raises(InputError, match="17 cell types, but at most 16"):
        load_scenario({**SCENARIO, "cell_types": types})
    del types["t0"]
    load_scenario({**SCENARIO, "cell_types": types})
