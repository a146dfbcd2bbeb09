"""Growth rates scored against counts of the line tuned to and of others."""

import os
from pathlib import Path

import pytest

from surrogates.data import growth
from surrogates.evaluation.benchmarks import growth as benchmark
from surrogates.evaluation.folds import Models
from surrogates.teacher.model import Teacher


def test_growth_of_the_line_tuned_to_is_within_a_tenth_of_a_doubling(tmp_path):
    data = os.environ.get("TME_SIM_DATA")
    if not data or not (Path(data) / growth.FOLDER).is_dir():
        pytest.skip(f"TME_SIM_DATA names no folder that holds {growth.FOLDER}")
    teacher = Teacher()
    rows = benchmark.rows(Path(data), Models(teacher, teacher), tmp_path)
    assert rows[0].teacher < 0.1
    assert [row.n for row in rows] == [10, 30]
