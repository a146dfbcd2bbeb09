"""Text from elsewhere: no command to a terminal, no formula to a spreadsheet."""

import io

import pandas as pd
import pytest

from tme_sim.output.tables import write_csv
from tme_sim.text import as_cell, printable


def test_what_commands_a_terminal_is_written_out():
    assert printable("a\x1b[31mred\x9b\u202e\x07\rb") == (r"a\x1b[31mred\x9b\u202e\x07\rb")
    assert printable("µm\tand\nß腫") == "µm\tand\nß腫"


@pytest.mark.parametrize(
    "text", ["=cmd()", "@SUM(A1)", "-2+3+cmd|' /C calc'!A0", "+A1", "-", "\t=1"]
)
def test_no_cell_is_a_formula(text):
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "tumor 5", "-5 um", "-1e-5 um^2/min", "+.5", "a=b", "1 d"])
def test_names_and_quantities_stay_as_they_are(text):
    assert as_cell(text) == text


def test_tables_hold_no_formula_in_names_categories_and_texts():
    table = pd.DataFrame(
        {
            "=a": [-1.0, 2.0],
            "kind": pd.Categorical(["=k", "ok"]),
            "text": ["@x", None],
        }
    )
    file = io.StringIO()
    write_csv(table, file)
    assert file.getvalue().splitlines() == ["'=a,kind,text", "-1.0,'=k,'@x", "2.0,ok,"]
    assert list(table) == ["=a", "kind", "text"]
