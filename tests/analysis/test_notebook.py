"""What a run shows in a notebook: matplotlib objects, and a summary as HTML."""

import base64
import io
import re
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.animation import FuncAnimation
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_hex
from matplotlib.image import imread

from tests.output.stand_in import StandIn, record
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import open_run

mpl.use("Agg")


@pytest.fixture
def run(tmp_path):
    record(tmp_path / "run.h5", ticks=40)
    return open_run(tmp_path / "run.h5")


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def drawn_cells(ax):
    (cells,) = ax.findobj(EllipseCollection)
    return cells


def test_plot_draws_every_cell_of_the_frame_at_its_place_and_size(run):
    ax = run.plot("2 h")
    cells = run.cells("2 h")
    drawn = drawn_cells(ax)
    np.testing.assert_array_equal(drawn.get_offsets(), cells[["x", "y"]])
    np.testing.assert_allclose(drawn.get_widths(), 2 * cells["radius"])
    assert ax.get_title(loc="left") == "stand_in, day 0.0833"
    assert ax.images[0].get_array().shape == (30, 30)


def test_plot_draws_into_axes_that_are_given_and_shows_the_end_unless_told(run):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert run.plot(ax=ax) is ax
    assert len(drawn_cells(ax).get_offsets()) == run.n_cells[-1]


def test_a_legend_of_many_clones_leaves_the_tissue_its_room(tmp_path):
    model = StandIn(n_cells=300)
    name = "tumor + BRAF_V600E + NRAS_Q61 + MET_amp"
    for k in range(1, 7):
        clone = vars(model.clones[0]) | {"index": k, "parent": 0, "name": name}
        model.clones.append(SimpleNamespace(**clone))
    tumor = np.flatnonzero(model.population["group"] == 0)
    model.population["clone"][tumor] = tumor % 7
    record(tmp_path / "run.h5", model, ticks=1)
    ax = open_run(tmp_path / "run.h5").plot("0 d")
    ax.figure.draw_without_rendering()
    assert len(ax.get_legend().get_texts()) >= 7
    assert ax.get_position().width > 0.5


def test_plot_of_a_3d_tissue_draws_the_cut_through_its_middle(tmp_path):
    record(tmp_path / "run.h5", StandIn(dim=3), ticks=1)
    run = open_run(tmp_path / "run.h5")
    cells = run.cells(0.0)
    off = np.abs(cells["z"] - 200.0)
    cut = off < cells["radius"]
    drawn = drawn_cells(run.plot(0.0))
    assert 0 < len(drawn.get_offsets()) == cut.sum()
    widths = 2 * np.sqrt((cells["radius"] ** 2 - off**2)[cut])
    np.testing.assert_allclose(drawn.get_widths(), widths, rtol=1e-3)


def test_plot_colours_cells_by_a_column_over_its_range_in_the_run(run):
    drawn = drawn_cells(run.plot("2 h", color="ERK"))
    cells = run.cells("2 h")
    values = np.concatenate([run.cells(t)["ERK"] for t in run.times]).astype(float)
    lowest, highest = values.min(), values.max()
    share = (cells["ERK"].astype(float) - lowest) / (highest - lowest)
    alive = (cells["status"] == "alive").to_numpy()
    wanted = mpl.colormaps["viridis"](share.to_numpy())
    found = drawn.get_facecolors()
    assert [to_hex(c) for c in found[alive]] == [to_hex(c) for c in wanted[alive]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"field": "HGF"}, "no field 'HGF'"),
        ({"color": "EKR"}, "no column 'EKR'"),
        ({"color": "type"}, "'type' is no number to colour by"),
        ({"time": -5.0}, "the first is at 0 min"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(run, wrong, message):
    with pytest.raises(RunFileError, match=message):
        run.plot(**wrong)


def test_plot_burden_shows_the_burden_of_every_tick_and_marks_the_therapy(run):
    ax = run.plot_burden()
    curves = [line for line in ax.get_lines() if len(line.get_xdata()) == len(run.metrics)]
    np.testing.assert_array_equal(curves[0].get_ydata(), run.metrics["burden"])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["vemurafenib"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time [d]", "living tumor cells")


def test_animate_shows_frame_after_frame(run):
    shown = run.animate()
    assert isinstance(shown, FuncAnimation)
    assert len(list(shown.new_frame_seq())) == len(run.times)
    ax = shown._fig.axes[0]
    for frame in (3, 1):
        shown._draw_frame(frame)
        assert len(drawn_cells(ax).get_offsets()) == run.n_cells[frame]
        assert ax.get_title(loc="left") == f"stand_in, day {run.times[frame] / 1440:.3g}"
    shown._draw_was_started = True  # it is looked at, not played


def test_a_run_shows_itself_as_html_with_a_picture(run):
    text = run._repr_html_()
    for fact in ("stand_in, seed 1 (complete", "vemurafenib 960 mg every 2 h", run.digest()):
        assert fact in text
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", text).group(1))
    assert imread(io.BytesIO(picture)).std() > 0.05  # something is drawn


def test_html_of_a_name_that_looks_like_html_is_text(tmp_path):
    record(tmp_path / "run.h5", StandIn(name="<script>x</script>"), ticks=0)
    text = open_run(tmp_path / "run.h5")._repr_html_()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_run_without_a_frame_says_so(tmp_path):
    from tme_sim.output.recorder import Recorder

    Recorder(tmp_path / "run.h5", StandIn()).close()
    run = open_run(tmp_path / "run.h5")
    assert "not complete" in run._repr_html_()
    for draw in (run.plot, run.plot_burden, run.animate):
        with pytest.raises(RunFileError, match="holds no whole frame"):
            draw()
