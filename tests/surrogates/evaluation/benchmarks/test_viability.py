"""Viability of new lines: potency, the Gaussian process, folds and the published baseline."""

from dataclasses import replace

import numpy as np
import pytest

from surrogates.data import viability
from surrogates.evaluation.baselines import condition_mean
from surrogates.evaluation.benchmarks import viability as benchmark
from tests.surrogates.data.data_folder import real
from tests.surrogates.data.small_tables import viability_tables


@pytest.fixture
def tiny(tmp_path):
    return viability_tables(tmp_path)


def test_a_potency_shifts_the_dose_at_which_the_model_is_read(tiny):
    table = viability.load(tiny)
    log_doses = np.log10(viability.DOSES)
    n_channels = len(set(viability.CHANNELS.values()))
    values = np.broadcast_to(log_doses, (2, n_channels, len(log_doses)))
    shift = np.full(len(viability.CHANNELS), -1.0)
    found = benchmark._at(values, table, np.array([0, 1]), shift)
    np.testing.assert_allclose(found, table.dose - 1.0)


@pytest.fixture(scope="module")
def made_up():
    """30 lines, all drugs, three doses; a gene says how much a line is spared, more by dose."""
    draw = np.random.default_rng(6)
    line, drug, level = (a.ravel() for a in np.indices((30, len(viability.CHANNELS), 3)))
    expression = draw.normal(size=(30, 20))
    effect = 0.2 * level * expression[line, 0]
    return viability.Table(
        viability=0.5 + effect + 0.02 * draw.normal(size=len(line)),
        drug=drug,
        dose=level - 1.0,
        level=level,
        line=line,
        fold=line % 3,
        lines=tuple(map(str, range(30))),
        genotype=((),) * 30,
        flags=draw.integers(0, 2, (30, 5)).astype(float),
        expression=expression,
    )


def test_what_a_model_leaves_is_expected_of_lines_that_are_alike(made_up):
    train, flat = made_up.fold > 0, np.full(len(made_up.line), 0.5)
    left = (made_up.viability - flat)[~train]
    with_genes, without = (
        benchmark.expected_rest(made_up, flat, train, expression=flag)[~train]
        for flag in (True, False)
    )
    assert np.corrcoef(with_genes, left)[0, 1] > 0.6
    assert ((without - left) ** 2).mean() > 1.3 * ((with_genes - left) ** 2).mean()


def test_predictions_do_not_depend_on_what_was_measured_in_held_out_lines(made_up):
    train, draw = made_up.fold > 0, np.random.default_rng(0)
    shuffled = made_up.viability.copy()
    shuffled[~train] = draw.permutation(shuffled[~train])
    shape = (1, len(set(viability.CHANNELS.values())), len(viability.DOSES))
    found = viability.Response(
        -draw.random(shape).cumsum(axis=2), draw.normal(size=(len(viability.VARIED), *shape))
    )
    code = np.zeros(30, int)
    one, two = (
        benchmark._predict(found, table, code, train)
        for table in (made_up, replace(made_up, viability=shuffled))
    )
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


def test_no_line_is_in_two_folds_and_the_published_baseline_comes_out():
    table = viability.load(real(viability.FOLDER))
    assert all(len(set(table.fold[table.line == k])) == 1 for k in range(len(table.lines)))
    r = []
    for k in range(1, benchmark.N_FOLDS + 1):
        held = table.fold == k
        mean = condition_mean(table.viability, ~held, table.plate.tolist())[held]
        r.append(np.corrcoef(mean, table.viability[held])[0, 1])
    assert np.mean(r) == pytest.approx(0.635, abs=0.002)
