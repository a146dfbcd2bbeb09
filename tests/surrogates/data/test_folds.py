"""Folds are decided once, for a line or drug under all of its names, before anything is fitted."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from surrogates.data import folds
from tests.surrogates.data.data_folder import real

TABLE = Path(folds.__file__).parent / "folds.tsv"
ROWS = list(csv.DictReader(TABLE.read_text("utf-8").splitlines(), delimiter="\t"))


def test_the_file_is_what_the_seeded_draw_deals():
    strata = defaultdict(dict)
    for row in ROWS:
        if int(row["fold"]) != folds.HELD_OUT:
            strata[row["kind"], row["stratum"]][row["name"]] = int(row["fold"])
    for (kind, _), listed in strata.items():
        assert folds.deal(sorted(listed), kind) == listed


def test_every_fold_has_its_share_of_every_tissue():
    counts = defaultdict(Counter)
    for row in ROWS:
        counts[row["kind"], row["stratum"]][int(row["fold"])] += 1
    del counts["line", "held_out"]
    for stratum, count in counts.items():
        assert len(count) == folds.N_FOLDS, stratum
        assert max(count.values()) - min(count.values()) <= 1, stratum


def test_a_name_stands_once():
    names = Counter((row["kind"], row["name"]) for row in ROWS)
    assert max(names.values()) == 1
    for row in ROWS:
        spelling = folds.canonical_line if row["kind"] == "line" else folds.canonical_drug
        assert spelling(row["name"]) == row["name"]


@pytest.mark.parametrize(
    "name", ["HCC1143", "SUM149PT", "BT-549", "MDA-MB-157", "T-47D", "T47D", "NCI-H1048", "H1048"]
)
def test_lines_kept_out_of_training_are_so_under_every_name(name):
    assert folds.line_fold(name) == folds.HELD_OUT


def test_other_names_are_the_same_line_or_drug():
    assert folds.line_fold("MDA-MB-231/ATCC") == folds.line_fold("MDAMB231")
    assert folds.line_fold("A549/ATCC") == folds.line_fold("A549")
    assert folds.line_fold("NCI-H460") == folds.line_fold("H460")
    assert folds.drug_fold("GSK1120212") == folds.drug_fold("Trametinib")
    assert folds.drug_fold("Erlotinib hydrochloride") == folds.drug_fold("erlotinib")


def test_what_stands_in_no_set_is_refused():
    with pytest.raises(KeyError):
        folds.line_fold("no such line")
    with pytest.raises(KeyError):
        folds.drug_fold("no such drug")


def test_rows_are_spread_evenly_and_pinned():
    drawn = Counter(folds.row_fold("a set", "a drug", k / 7) for k in range(5000))
    assert set(drawn) == set(range(folds.N_FOLDS))
    assert max(abs(n - 1000) for n in drawn.values()) < 150  # five sd
    assert folds.row_fold("alkan", "doxorubicin", 0.1) == folds.row_fold(
        "alkan", "doxorubicin", 0.1 + 1e-9
    )


@pytest.mark.parametrize(
    ("fold", "file", "column"),
    [
        (folds.line_fold, "gdsc_annotation/gdsc2_cell_lines.csv", "Sample.Name"),
        (folds.line_fold, "ccle_annotation_doubling/ccle_lines.csv", "Name"),
        (folds.line_fold, "lincs_breast_gr/grmetrics.csv", "cell_line"),
        (folds.line_fold, "hts007_tnbc_counts/counts.csv.gz", "cell_line"),
        (folds.line_fold, "mckenna_dox_exposure/counts.csv", "line"),
        (folds.line_fold, "cleveland_radiation/survival.csv", "cell_line"),
        (folds.line_fold, "sclc_counts_rtglow/counts.csv", "cell_line"),
        (folds.drug_fold, "gdsc_annotation/gdsc2_drugs.csv", "drug_name"),
        (folds.drug_fold, "lincs_breast_gr/grmetrics.csv", "generic_name"),
        (folds.drug_fold, "gdsc2_ccle_response/CCLE_IC50_ActArea.csv", "Compound"),
    ],
)
def test_whatever_was_measured_has_a_fold(fold, file, column):
    import pandas

    lowest = folds.HELD_OUT if fold is folds.line_fold else 0
    for name in pandas.read_csv(real(file.split("/")[0]) / file)[column].dropna().unique():
        assert fold(name) in range(lowest, folds.N_FOLDS)
