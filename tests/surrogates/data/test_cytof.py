"""Breast cancer lines by mass cytometry: changes against their own start, lines held out whole."""

import numpy as np
import pandas as pd
import pytest

from surrogates.data import cytof
from tests.surrogates.data.data_folder import real


@pytest.fixture
def tiny(tmp_path):
    """One line, two courses, a repeat, a time that was missed, and treatments without an input."""
    markers = {name: 1.0 for name in cytof.MARKERS}
    rows = [
        ("X", "EGF", 0.0, "A", 2.0),
        ("X", "EGF", 9.0, "A", 3.0),
        ("X", "EGF", 9.0, "A", 5.0),
        ("X", "EGF", 0.0, "B", 1.0),
        ("X", "EGF", 10.0, "B", 4.0),
        ("X", "imTOR", 0.0, "A", 9.0),
        ("X", "full", np.nan, "A", 9.0),
    ]
    table = pd.DataFrame(
        [
            {
                "cell_line": line,
                "treatment": treatment,
                "time": time,
                "time_course": course,
                **markers,
                "p-ERK": level,
                "IdU": 0.0,
                "GAPDH": 0.0,
                "dmt$cellcount": 100,
            }
            for line, treatment, time, course, level in rows
        ]
    )
    (tmp_path / cytof.FOLDER).mkdir()
    table.to_csv(tmp_path / cytof.FOLDER / cytof.FILE, index=False)
    return tmp_path


def test_changes_are_against_the_same_course_and_courses_are_averaged(tiny):
    table = cytof.load(tiny)
    assert len(table.line) == 1
    erk = list(cytof.MARKERS).index("p-ERK")
    assert table.change[0, erk] == pytest.approx(((4.0 - 2.0) + (4.0 - 1.0)) / 2)
    assert cytof.TIMES[table.time[0]] == 9.0


def test_erk_of_breast_lines_peaks_within_minutes():
    table = cytof.load(real(cytof.FOLDER))
    erk = table.change[:, list(cytof.MARKERS).index("p-ERK")]
    alone = table.treatment == list(cytof.TREATMENTS).index("EGF")
    course = [np.nanmean(erk[alone & (table.time == k)]) for k in range(len(cytof.TIMES))]
    assert len(table.lines) == 68
    assert cytof.TIMES[int(np.argmax(course))] <= 9.0
    assert course[-1] < 0.5 * max(course)
