"""The report: a figure that can be drawn for every kind of run, and says what was run."""

from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.output.stand_in import StandIn, record
from tme_sim.analysis.figures import panels, report
from tme_sim.analysis.figures.caption import caption
from tme_sim.analysis.metrics import (
    Treatment,
    burden_by_clone,
    clone_names,
    treatments,
    tumor_codes,
)
from tme_sim.errors import InputError
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
    text = caption(run)
    for fact in (
        "stand_in, seed 1",
        "600 x 600",
        "vemurafenib 960 mg every 2 h, 5 doses, day 0.0833 to 0.417",
        "3 assumed",
        run.digest()[:16],
    ):
        assert fact in text


def test_a_caption_says_what_the_walls_hold_and_that_a_run_is_not_complete(tmp_path):
    model = StandIn()
    resolved = model.scenario.resolved()
    resolved["substrates"] = {
        "doxorubicin": {"boundary": {"all": "0.4 uM"}},
        "oxygen": {"boundary": {"all": "no_flux"}},
        "HGF": {"boundary": None},
    }
    model.scenario.resolved = lambda: resolved
    record(tmp_path / "run.h5", model, ticks=10, reason="interrupted")

    text = caption(open_run(tmp_path / "run.h5"))

    assert "Walls hold doxorubicin 0.4 µM. Therapy: none." in text
    assert "The run is not complete: it has 2 frames up to day 0.0417." in text


def test_a_run_without_tumor_shows_what_it_has(tmp_path):
    model = StandIn()
    resolved = model.scenario.resolved()
    resolved["cell_types"] = {"tumor": {"network_type": "epithelium"}}  # a type of the user's
    model.cell_types.tumor[:] = False
    model.scenario.resolved = lambda: resolved
    record(tmp_path / "run.h5", model, ticks=10)
    run = open_run(tmp_path / "run.h5")

    assert tumor_codes(run) == []
    assert burden_by_clone(run).empty
    assert report.draw(run, tmp_path / "run.png").exists()


def test_letters_of_a_report_can_be_read_and_every_axis_has_its_unit(run):
    figure = report.figure_of(run)
    texts = [t for t in figure.findobj(Text) if t.get_text().strip()]
    assert min(t.get_size() for t in texts) >= 6.0
    assert figure.get_size_inches()[0] == pytest.approx(7.2)  # two columns of a journal
    units = [ax.get_ylabel() for sub in figure.subfigs for ax in sub.axes if ax.get_ylabel()]
    assert sorted(units) == [
        "at tumor cells [µM]",
        "cells",
        "living tumor cells",
        "living tumor cells [%]",
        "share [%]",
        "total in plasma [mg/L]",
        "vemurafenib [µM]",
    ]


def test_a_drug_has_one_colour_in_bars_and_curves_whatever_came_first(run):
    metrics = run.metrics.assign(plasma_aspirin=1e-3, plasma_zinc=1.0)
    run.__dict__["metrics"] = metrics
    given = [Treatment(d, 0.0, 60.0, (0.0,)) for d in ("zinc", "vemurafenib", "aspirin")]
    ax = Figure().subplots()
    panels.plasma(ax, run)
    curves = {
        c: line.get_color()
        for c, line in zip(("vemurafenib", "aspirin", "zinc"), ax.get_lines(), strict=False)
    }
    bars = {h.get_label(): h.get_color() for h in panels.treatment_legend(given)}
    assert bars == curves
    assert len(set(bars.values())) == 3
    assert ax.get_yscale() == "log"  # 50 mg/L would hide 0.001 mg/L


def test_labels_stay_apart_in_order_and_near_their_curves():
    assert panels.spread([0.5, 0.1, 0.52], 0.1) == pytest.approx([0.46, 0.1, 0.56])
    assert panels.spread([0.98, 1.0], 0.1) == pytest.approx([0.9, 1.0])
    assert panels.spread([0.0, 0.0, 0.0], 0.2) == pytest.approx([0.0, 0.2, 0.4])
    assert panels.spread([], 0.1) == []


@pytest.mark.parametrize(
    ("baseline", "nadir"),
    [((2.0, 7500.0), (3.5, 7100.0)), ((2.0, 700.0), (3.0, 650.0)), ((2.0, 7500.0), (9.0, 90.0)),
     ((24.0, 9000.0), (27.0, 8000.0)), ((2.0, 7500.0), (20.0, 7400.0))],
)  # fmt: skip
def test_labels_of_baseline_and_nadir_do_not_cover_each_other(baseline, nadir):
    figure = Figure(figsize=(3.5, 1.8), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 28], [4000, 12000])
    axes.set_ylim(0, 15000)
    panels._mark_response(axes, panels.Point(*baseline), panels.Point(*nadir))
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in axes.texts]
    told = " ".join(t.get_text() for t in axes.texts)
    assert f"baseline {baseline[1]:.0f}" in told
    assert f"nadir {nadir[1]:.0f}" in told
    assert len(boxes) == 1 or not boxes[0].overlaps(boxes[1])


def test_clones_of_one_name_are_told_apart(tmp_path):
    model = StandIn()
    model.clones.append(SimpleNamespace(**vars(model.clones[0]) | {"index": 1}))
    record(tmp_path / "run.h5", model, ticks=20)
    assert clone_names(open_run(tmp_path / "run.h5")) == ["tumor (0)", "tumor (1)"]


def test_a_single_dose_lasts_until_the_next_one_planned(tmp_path):
    model = StandIn()
    resolved = model.scenario.resolved()
    resolved["therapy"] = [{"drug": "vemurafenib", "every": "21 d"}]
    model.scenario.resolved = lambda: resolved
    record(tmp_path / "run.h5", model, ticks=30)
    (treatment,) = treatments(open_run(tmp_path / "run.h5"))
    assert (treatment.start, treatment.end) == (120.0, 180.0)  # the end of the run


def test_the_folder_of_a_report_is_made(run, tmp_path):
    assert report.draw(run, tmp_path / "new" / "run.png").is_file()


def test_another_suffix_is_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"a \.png, \.pdf or \.svg file"):
        report.draw(run, tmp_path / "run.docx")
