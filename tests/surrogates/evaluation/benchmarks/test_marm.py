"""Scores on the melanoma pERK: layers of plates, and the teacher on held-out conditions."""

import numpy as np
import pytest

from surrogates.data import marm
from surrogates.evaluation.benchmarks import marm as benchmark
from surrogates.evaluation.folds import Models
from surrogates.evaluation.table import CONTENDERS
from surrogates.teacher.model import Teacher
from tests.surrogates.data.data_folder import real


def test_a_plate_is_scored_through_the_training_layer_and_through_its_own():
    """Every value of the plate without EGF lies .2 higher than a contender expects it."""
    n = 12
    doses = np.zeros((n, len(marm.DRUGS)))
    level = np.linspace(0.1, 1.0, n)
    zero, one = np.zeros(n), np.ones(n)

    def rows(pERK):
        return marm.Conditions(
            before=doses,
            now=doses,
            adapted=zero,
            time=np.full(n, 5.0),
            EGF=zero,
            HGF=zero,
            EGFR=one,
            genotype=np.ones(n, np.int32),
            plate=np.full(n, marm.MAIN),
            pERK=pERK,
            pMEK=zero,
        )

    table = benchmark.Table(
        rows(level), rows(level), rows(level + 0.2), rows(level + 0.2), level + 0.1
    )
    found = {name: table.cut(np.tile(level, 4)) for name in CONTENDERS}
    wanted = 1.0 - n * 0.2**2 / ((level - level.mean()) ** 2).sum()
    through_training, own = benchmark.combination_rows(table, found)
    assert "consistent" in through_training.note
    assert through_training.network == pytest.approx(wanted)
    assert own.network == pytest.approx(1.0)
    assert own.target == through_training.target == ">= 0.88"


def test_the_teacher_explains_held_out_conditions(tmp_path):
    measured, teacher = real(marm.FOLDER), Teacher()
    rows = {row.what: row for row in benchmark.rows(measured, Models(teacher, teacher), tmp_path)}
    assert rows["drugs, lines, pairs"].teacher > 0.9
    assert rows["no EGF"].teacher > 0.88
    assert rows["EGF recovery (E2)"].teacher < 0.2
