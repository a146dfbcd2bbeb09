"""Breast lines held out whole: cultures of a line together, nothing of them in training."""

import numpy as np

from surrogates.data import cytof
from surrogates.evaluation.benchmarks import cytof as benchmark


def test_two_cultures_of_a_line_are_held_out_together():
    lines = ("HCC70", "HCC70_2", *(f"L{k}" for k in range(20)))
    fold = benchmark.folds(lines)
    assert fold[0] == fold[1]
    assert set(fold) == set(range(benchmark.N_FOLDS))


def test_held_out_lines_do_not_enter_their_own_prediction():
    draw = np.random.default_rng(0)
    n_lines, n = 20, 400
    table = cytof.Table(
        line=np.arange(n) % n_lines,
        treatment=np.arange(n) % len(cytof.TREATMENTS),
        time=np.arange(n) % len(cytof.TIMES),
        change=draw.normal(size=(n, len(cytof.MARKERS))),
        lines=tuple(map(str, range(n_lines))),
        before=draw.normal(size=(n_lines, 30)),
    )
    shape = (len(cytof.TREATMENTS), len(cytof.TIMES), len(cytof.MARKERS))
    base, slope = draw.random(shape), draw.random((len(benchmark.VARIED), *shape))
    train = table.line < 16
    one = benchmark._predict(base, slope, table, train)
    table.change[~train] = np.nan
    np.testing.assert_array_equal(one, benchmark._predict(base, slope, table, train))
