"""Viability of cell lines: tables read as they are meant, published baselines reproduced."""

from dataclasses import replace

import numpy as np
import pytest

import surrogates
from surrogates.data import viability
from surrogates.evaluation.baselines import condition_mean
from tests.surrogates.data.data_folder import real


def write(folder, name, header, rows):
    text = "\n".join("\t".join(map(str, line)) for line in (header, *rows))
    (folder / name).write_text(text + "\n")


@pytest.fixture
def tiny(tmp_path):
    """Two lines, two drugs, one dose each; the second gene row is a repeat."""
    folder = tmp_path / viability.FOLDER
    folder.mkdir()
    ids = ["C_1", "C_2", "C_3"]
    write(folder, "viability.tsv", ["Row", "viability"], zip(ids, [0.9, 0.4, 1.1], strict=True))
    write(
        folder,
        "drug.tsv",
        ["Row", "Erlotinib", "PLX_{4720}"],
        [["C_1", 3.0, 0], ["C_2", 0, 2.0], ["C_3", 0, 3.0]],
    )
    write(folder, "cellLine.tsv", ["Row", "A", "B"], [["C_1", 1, 0], ["C_2", 0, 1], ["C_3", 1, 0]])
    write(
        folder,
        "mutations.tsv",
        ["Row", "B", "A"],
        [
            ["MUT_MutAA[V600K]-BRAF", 1, 0],
            ["MUT_MutAA[G466R]-BRAF", 0, 1],
            ["MUT_MutAA[G12D]-KRAS", 0, 1],
        ],
    )
    write(folder, "CVtest.tsv", ["Row", "testfold"], [["C_3", 1], ["C_2", 2], ["C_1", 1]])
    write(
        folder,
        "cellLineRKPMZscored_subset.tsv",
        ["", "A", "B"],
        [["EGFR", 1.5, -0.5], ["EGFR", 1.5, -0.5], ["MET", 0.0, 2.0]],
    )
    return tmp_path


def test_rows_lines_doses_and_folds_belong_together(tiny):
    table = viability.load(tiny)
    assert [table.lines[k] for k in table.line] == ["A", "B", "A"]
    assert [list(viability.CHANNELS)[k] for k in table.drug] == [
        "Erlotinib",
        "PLX_{4720}",
        "PLX_{4720}",
    ]
    np.testing.assert_allclose(10.0**table.dose, [1.0, 0.1, 1.0])
    np.testing.assert_array_equal(table.fold, [1, 2, 1])
    np.testing.assert_array_equal(table.expression, [[1.5, 0.0], [-0.5, 2.0]])


def test_mutations_become_genotypes_and_other_braf_changes_do_not(tiny):
    table = viability.load(tiny)
    assert table.genotype == (("NRAS_Q61",), ("BRAF_V600E",))
    np.testing.assert_array_equal(table.flags, [[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])


def test_a_potency_shifts_the_dose_at_which_the_model_is_read(tiny):
    table = viability.load(tiny)
    log_doses = np.log10(viability.DOSES)
    n_channels = len(set(viability.CHANNELS.values()))
    values = np.broadcast_to(log_doses, (2, n_channels, len(log_doses)))
    shift = np.full(len(viability.CHANNELS), -1.0)
    found = viability._at(values, table, np.array([0, 1]), shift)
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
        viability.beside(made_up, flat, train, expression=flag)[~train] for flag in (True, False)
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
        viability._predict(found, table, code, train)
        for table in (made_up, replace(made_up, viability=shuffled))
    )
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name])


@pytest.mark.parametrize("name", ["tme-cell", "teacher"])
def test_the_models_know_that_brafi_spares_lines_without_braf_v600(name, monkeypatch):
    monkeypatch.setattr(viability, "VARIED", ("ERK",))
    monkeypatch.setattr(viability, "DOSES", np.array([1e-3, 1.0]))
    ratio = viability.response(surrogates.load(name), [(), ("BRAF_V600E",)]).log_ratio
    vemurafenib = sorted(set(viability.CHANNELS.values())).index("vemurafenib")
    assert ratio[1, vemurafenib, 1] < -1.0
    assert ratio[0, vemurafenib, 1] > -0.3


def test_no_line_is_in_two_folds_and_the_published_baseline_comes_out():
    table = viability.load(real(viability.FOLDER))
    assert all(len(set(table.fold[table.line == k])) == 1 for k in range(len(table.lines)))
    r = []
    for k in range(1, viability.N_FOLDS + 1):
        held = table.fold == k
        mean = condition_mean(table.viability, ~held, table.plate.tolist())[held]
        r.append(np.corrcoef(mean, table.viability[held])[0, 1])
    assert np.mean(r) == pytest.approx(0.635, abs=0.002)
