"""The report: a figure that can be drawn for every kind of run, and says what was run."""

import pytest

from tests.output.stand_in import StandIn, record
from tme_sim.analysis import report
from tme_sim.analysis.metrics import burden_by_clone, treatments
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import open_run


@pytest.fixture
def run(tmp_path):
    record(tmp_path / "run.h5")
    return open_run(tmp_path / "run.h5")


def test_burden_by_clone_adds_up_to_the_burden(run):
    by_clone = burden_by_clone(run)
    metrics = run.metrics.set_index("time")["burden"]
    assert by_clone.columns.tolist() == [0, 1]
    assert (by_clone.sum(axis=1) == metrics.loc[by_clone.index]).all()


def test_regular_doses_are_one_treatment(run):
    (treatment,) = treatments(run)
    assert treatment.drug == "vemurafenib"
    assert treatment.doses == (120.0, 240.0, 360.0, 480.0, 600.0)
    assert (treatment.start, treatment.end) == (120.0, 600.0)


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_a_report_is_drawn_in_2d_and_3d(tmp_path, suffix):
    for dim in (2, 3):
        record(tmp_path / "run.h5", StandIn(dim=dim), ticks=40)
        path = report.draw(open_run(tmp_path / "run.h5"), tmp_path / f"run.{suffix}")
        assert path.stat().st_size > 20_000


def test_a_run_without_therapy_and_of_two_frames_can_be_drawn(tmp_path):
    record(tmp_path / "run.h5", ticks=10)
    assert report.draw(open_run(tmp_path / "run.h5"), tmp_path / "run.png").exists()


def test_the_caption_says_what_was_run(run):
    text = report.caption(run, treatments(run))
    for fact in ("stand_in, seed 1", "600 x 600", "vemurafenib, 5 doses", "assumed", "digest"):
        assert fact in text


def test_another_suffix_is_refused(run, tmp_path):
    with pytest.raises(RunFileError, match=r"a \.png, \.pdf or \.svg file"):
        report.draw(run, tmp_path / "run.docx")
