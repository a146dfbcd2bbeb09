"""Scores on a user's folder: found, skipped with a reason, kept in the card."""

import shutil

import pytest

from surrogates import registry
from surrogates.evaluation import evaluate, real_data
from surrogates.evaluation.folds import Models
from surrogates.evaluation.table import Row

ROW = Row("breast_cytof", "p-ERK", "new cell lines", "RMSE", 0.2, 0.3, 0.4, 0.35, 0.25, n=7)


@pytest.fixture
def weights(tmp_path):
    """A copy of the shipped weights with their card."""
    return shutil.copytree(registry.find_weights("tme-cell"), tmp_path / "mine")


def test_a_folder_that_is_not_there_is_named_with_what_is_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*not a folder.*breast_cytof"):
        real_data.find_data(tmp_path / "nowhere")


def test_a_folder_without_any_data_set_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="none of the data sets"):
        real_data.find_data(tmp_path)


def test_the_variable_names_the_folder_and_nothing_means_none(tmp_path, monkeypatch):
    (tmp_path / "breast_cytof").mkdir()
    monkeypatch.setenv(real_data.DATA_VARIABLE, str(tmp_path))
    assert real_data.find_data(None) == tmp_path
    monkeypatch.delenv(real_data.DATA_VARIABLE)
    assert real_data.find_data(None) is None


def test_every_data_set_offers_rows_and_the_name_of_its_folder():
    names = [module.FOLDER for module in real_data.BENCHMARKS]
    assert {"breast_cytof", "lembas_viability", "petab_benchmark"} <= set(names)
    assert len(names) == len(set(names))
    assert all(callable(module.rows) for module in real_data.BENCHMARKS)


def test_absent_data_sets_are_skipped_with_a_reason(tmp_path):
    scores = real_data.score(tmp_path, Models(None, None))
    assert scores.rows == ()
    assert len(scores.skipped) == len(real_data.BENCHMARKS)
    assert "breast_cytof" in scores.text()


def test_a_data_set_that_needs_an_extra_is_skipped_with_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "boolean_models").mkdir()
    boolean = next(m for m in real_data.BENCHMARKS if m.FOLDER == "boolean_models")

    def rows(*_arguments):
        msg = "pip install tme-sim[boolean]"
        raise ModuleNotFoundError(msg)

    monkeypatch.setattr(boolean, "rows", rows)
    assert "boolean_models: pip install" in real_data.score(tmp_path, Models(None, None)).text()


def test_the_card_keeps_the_table_and_shows_it_without_the_data(weights):
    assert real_data.keep_in_card(weights, real_data.Scores((ROW,), ()))
    text = registry.show(path=weights)
    assert "p-ERK" in text
    assert "0.200*" in text


def test_rows_of_data_sets_that_were_not_scored_again_stay(weights):
    other = Row(**{**ROW.__dict__, "data_set": "petab_benchmark", "what": "JAK2/STAT5"})
    real_data.keep_in_card(weights, real_data.Scores((ROW,), ()))
    real_data.keep_in_card(weights, real_data.Scores((other,), ()))
    text = registry.show(path=weights)
    assert "p-ERK" in text
    assert "JAK2/STAT5" in text


def test_rows_of_other_weights_do_not_stay(weights):
    real_data.keep_in_card(weights, real_data.Scores((ROW,), ()))
    card = registry.load_card(weights)
    card[real_data.ENTRY]["hash"] = "other"
    registry.write_card(weights, card, "")
    other = Row(**{**ROW.__dict__, "data_set": "petab_benchmark"})
    real_data.keep_in_card(weights, real_data.Scores((other,), ()))
    assert [r["data_set"] for r in registry.load_card(weights)[real_data.ENTRY]["rows"]] == [
        "petab_benchmark"
    ]


def test_evaluate_refuses_a_wrong_folder_before_any_work(weights, tmp_path):
    with pytest.raises(FileNotFoundError, match="sub-folders named"):
        evaluate.evaluate(path=weights, data=tmp_path / "nowhere")


def test_evaluate_prints_the_table_and_keeps_it_in_the_card(weights, tmp_path, monkeypatch):
    (tmp_path / "data" / "breast_cytof").mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    breast = next(m for m in real_data.BENCHMARKS if m.FOLDER == "breast_cytof")
    monkeypatch.setattr(breast, "rows", lambda *_arguments: [ROW])
    text = evaluate.evaluate(path=weights, data=tmp_path / "data")
    assert "0.200*" in text
    assert "skipped: petab_benchmark" in text
    assert "kept in the card" in text
    assert "p-ERK" in registry.show(path=weights)
