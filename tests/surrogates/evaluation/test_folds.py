"""Folds are computed once, and again when anything that decides them changes."""

import pytest

from surrogates.evaluation.folds import FoldCache


class Counted:
    """A computation that counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"rmse": 0.1 * self.calls}


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text("1\n")
    return path


def test_a_fold_is_computed_once(tmp_path, data):
    compute, cache = Counted(), FoldCache(tmp_path, "erk", [data])
    assert cache.get("fold 1", compute) == cache.get("fold 1", compute) == {"rmse": 0.1}
    assert compute.calls == 1


def test_another_process_finds_it(tmp_path, data):
    FoldCache(tmp_path, "erk", [data]).get("fold 1", Counted())
    compute = Counted()
    FoldCache(tmp_path, "erk", [data]).get("fold 1", compute)
    assert compute.calls == 0


@pytest.mark.parametrize("change", ["data", "settings", "contender"])
def test_it_is_computed_again_when_data_settings_or_weights_change(tmp_path, data, change):
    compute = Counted()
    FoldCache(tmp_path, "erk", [data], {"alpha": 1}).get("fold 1", compute, contender="a")
    if change == "data":
        data.write_text("2\n")
    cache = FoldCache(tmp_path, "erk", [data], {"alpha": 2 if change == "settings" else 1})
    cache.get("fold 1", compute, contender="b" if change == "contender" else "a")
    assert compute.calls == 2


def test_without_a_folder_everything_is_computed(data):
    compute, cache = Counted(), FoldCache(None, "erk", [data])
    cache.get("fold 1", compute)
    cache.get("fold 1", compute)
    assert compute.calls == 2
