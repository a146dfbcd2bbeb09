"""Qualitative facts: the table, how its rows are read, and how an answer is judged."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import surrogates
from surrogates.evaluation import facts

TABLE = Path(__file__).parents[2] / "facts.tsv"
GROUPS = (
    "mapk", "egfr_her2", "cycle_dna", "p53", "hypoxia_metabolism", "t_cell", "nk", "macrophage",
    "fibroblast", "endothelium",
)  # fmt: skip
PLAIN = facts.Fact(
    "x", "mapk", "tumor", "", "", "", "", "", "", "g1s_rate", "60", "same", "shown", "ref", "text"
)


@pytest.fixture(scope="module")
def table():
    return facts.load_facts(TABLE)


def test_every_group_has_ten_facts_with_a_reference(table):
    groups = [fact.group for fact in table]
    assert tuple(dict.fromkeys(groups)) == GROUPS
    assert min(groups.count(name) for name in GROUPS) >= 10
    assert len({fact.id for fact in table}) == len(table) >= 100
    assert all(" " in fact.reference and fact.statement.endswith(".") for fact in table)


def test_the_sealed_half_is_the_one_that_was_drawn(table):
    assert [fact.half for fact in table] == facts.drawn_halves(table)
    assert 0.4 < np.mean([fact.half == facts.SEALED for fact in table]) <= 0.5


@pytest.mark.parametrize(
    ("expect", "control", "answer", "right"),
    [
        ("up", 2.0, 2.22, True), ("up", 2.0, 2.18, False), ("up", 0.0, 1e-9, True),
        ("up", -0.5, 0.2, True), ("up", -0.5, -0.48, False), ("up", -0.5, -0.6, False),
        ("down", 2.0, 1.78, True), ("down", 2.0, 1.82, False), ("down", -0.5, -0.6, True),
        ("same", 2.0, 2.1, True), ("same", 2.0, 1.7, False), ("same", -0.5, -0.52, True),
        ("ratio 0.2..0.5", 2.0, 0.99, True), ("ratio 0.2..0.5", 2.0, 1.01, False),
        ("ratio 2..9", 0.0, 0.0, False), ("value -1..0", 2.0, -0.5, True),
        ("value -1..0", 2.0, 0.1, False),
    ],
)  # fmt: skip
def test_an_answer_is_judged_by_what_is_expected(expect, control, answer, right):
    low, high = dataclasses.replace(PLAIN, expect=expect).bounds(control)
    assert (low < answer < high) is right


def test_a_model_answers_and_what_it_lacks_is_told():
    model = surrogates.load("constant", rates={"tumor": {"g1s_rate": 1e-3}})
    asked = [
        PLAIN,
        dataclasses.replace(PLAIN, id="y", expect="up"),
        dataclasses.replace(PLAIN, id="z", stimulus="no_such_thing=1"),
        dataclasses.replace(PLAIN, id="t", cell_type="nk"),
        dataclasses.replace(PLAIN, id="v", expect="value 0.0009..0.0011"),
        dataclasses.replace(PLAIN, id="p", stimulus="EGF=1@0-30", control="EGF=1"),
    ]
    answers = facts.ask(model, asked)
    assert [a.right for a in answers] == [True, False, False, False, True, True]
    assert [a.why for a in answers] == ["", "", "no_such_thing", "nk", "", ""]
    text = facts.render(answers)
    assert "lacks no_such_thing" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_pulse_is_over_at_its_end():
    teacher = surrogates.load("teacher")
    pulse = dataclasses.replace(
        PLAIN, readout="ERK", cell_type="epithelium", stimulus="EGF=16@0-30", minutes="600",
        control="EGF=16",
    )  # fmt: skip
    after = facts.ask(teacher, [pulse, dataclasses.replace(pulse, control="")])
    assert after[0].value < 0.9 * after[0].control
    assert after[1].value == pytest.approx(after[1].control, rel=0.1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expect": "higher"}, "facts.tsv:2: x: .*expect is one of"),
        ({"stimulus": "EGF"}, "facts.tsv:2: x: .*name=value"),
        ({"half": "open"}, "facts.tsv:2: x: .*nearest is 'shown'"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_with_its_line(tmp_path, change, said):
    row = dataclasses.asdict(dataclasses.replace(PLAIN, **change))
    path = tmp_path / "facts.tsv"
    path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    with pytest.raises(ValueError, match=said):
        facts.load_facts(path)
