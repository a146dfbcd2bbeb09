"""The run file and its reader: what was recorded comes back, and bad files say what they are."""

import h5py
import numpy as np
import pytest

from tests.output.stand_in import DAY, StandIn, changing, record
from tme_sim.output import layout
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import open_run


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


def test_the_last_frame_is_the_population_at_the_end(path):
    model = record(path)
    cells = open_run(path).cells(model.time)
    pop = model.population
    assert np.array_equal(cells["id"], pop["id"])
    np.testing.assert_array_equal(cells[["x", "y", "z"]], pop["position"].astype("f4"))
    assert np.array_equal(cells["volume"], pop["volume"])
    assert list(cells["type"].unique()) <= ["tumor", "fibroblast", "cd8_t"]
    assert np.array_equal(cells["in_domain"], pop["in_domain"])


def test_node_levels_come_back_to_half_precision_and_outputs_in_full(path):
    model = record(path)
    cells = open_run(path).cells(model.time)
    np.testing.assert_allclose(cells["ERK"], model.population["nodes"][:, 0], atol=5e-4)
    assert np.array_equal(cells["kill_rate"], model.population["outputs"][:, 1])


def test_a_time_picks_the_last_frame_not_after_it(path):
    record(path, ticks=40, frame_every=10)
    run = open_run(path)
    assert run.times.tolist() == [0, 60, 120, 180, 240]
    assert [run.frame_at(t) for t in (0, 59.9, 60, "3 h", "1 d")] == [0, 0, 1, 3, 4]


def test_a_time_before_the_first_frame_is_refused(path):
    record(path)
    with pytest.raises(RunFileError, match="the first is at 0 min"):
        open_run(path).frame_at(-1.0)


def test_fields_come_back_with_their_units(path):
    model = record(path)
    run = open_run(path)
    assert run.fields == {"oxygen": "mmHg", "vemurafenib": "uM"}
    assert np.array_equal(run.field("vemurafenib", model.time), model.env["vemurafenib"])
    with pytest.raises(RunFileError, match="no field 'HGF'"):
        run.field("HGF", 0)


def test_a_3d_run_keeps_its_shape(path):
    model = record(path, StandIn(dim=3), ticks=10)
    run = open_run(path)
    assert run.shape == (20, 30, 30)
    assert run.size == (600.0, 600.0, 400.0)
    assert run.field("oxygen", model.time).shape == (20, 30, 30)


def test_metrics_have_one_row_per_tick_and_a_unit_per_column(path):
    model = record(path, ticks=50)
    metrics = open_run(path).metrics
    assert metrics["time"].tolist() == [6.0 * k for k in range(51)]
    assert metrics.attrs["units"]["tissue_vemurafenib"] == "uM"
    assert set(metrics.attrs["units"]) == set(metrics.columns)
    living = model.population["status"] == 0
    assert metrics["burden"].iloc[-1] == np.sum(living & (model.population["type"] == 0))


def test_lineage_events_and_clones_come_back_as_they_were_listed(path):
    model = record(path)
    run = open_run(path)
    assert [tuple(row) for row in run.lineage.itertuples(index=False)] == model.lineage
    assert [tuple(row) for row in run.events.itertuples(index=False)] == model.events
    assert run.clones["name"].tolist() == ["tumor", "tumor NRAS"]


def test_every_data_set_of_numbers_names_its_unit(path):
    record(path)
    missing = []
    with h5py.File(path) as file:

        def look(name, item):
            if isinstance(item, h5py.Dataset) and item.dtype != object:
                missing.extend([name] if "units" not in item.attrs else [])

        file.visititems(look)
    assert missing == []


def test_all_columns_records_every_channel_once_under_a_name_of_its_own(path):
    record(path, StandIn(columns="all"), ticks=3)
    columns = open_run(path).columns
    assert {"ERK", "PDL1", "crowding", "node:crowding", "oxygen", "birth_time"} <= set(columns)
    assert columns["node:crowding"]["source"] == "node"


def test_a_list_of_columns_records_these_and_the_required_ones(path):
    record(path, StandIn(columns=["ERK"]), ticks=3)
    assert set(open_run(path).columns) == {*layout.REQUIRED_COLUMNS, "ERK"}


def test_an_unknown_column_is_refused_and_nothing_is_written(path):
    with pytest.raises(ValueError, match=r"names \['EKR'\]"):
        record(path, StandIn(columns=["EKR"]))
    assert list(path.parent.iterdir()) == []


def test_a_run_that_cannot_be_laid_out_leaves_an_existing_file_alone(path):
    record(path, ticks=3)
    before = path.read_bytes()
    model = StandIn()
    model.scenario.resolved = lambda: {"not": object()}
    with pytest.raises(TypeError):
        record(path, model)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


def test_the_summary_tells_baseline_nadir_and_end(path):
    record(path)
    run = open_run(path)
    burden = run.metrics["burden"].to_numpy()
    summary = run.summary()
    assert summary.baseline_time == 120.0
    assert summary.baseline == burden[20]
    assert summary.nadir == burden[20:].min()
    assert summary.burden_end == burden[-1]
    assert len(run.summary_lines("figure.png")) == 5
    assert run.digest() in run.info()


def test_a_run_without_a_dose_has_no_baseline(path):
    record(path, ticks=10)
    summary = open_run(path).summary()
    assert summary.baseline is None
    assert "at the start" in summary.lines(path)[2]


def test_a_day_of_a_thousand_cells_is_small(path):
    record(path, StandIn(1000), ticks=int(DAY / 6), frame_every=60)
    assert path.stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "does not exist"),
        (lambda p: p.mkdir(), "is a directory"),
        (lambda p: p.write_text("name: quickstart\n"), "no run file of tme-sim"),
        (lambda p: p.write_bytes(b""), "no run file of tme-sim"),
        (lambda p: h5py.File(p, "w").close(), "its format is None"),
    ],
)
def test_what_is_no_run_file_is_refused_in_words(path, make, message):
    make(path)
    with pytest.raises(RunFileError, match=message):
        open_run(path)


def test_a_truncated_file_says_so(path):
    record(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(RunFileError, match="is truncated"):
        open_run(path)


def test_a_newer_format_says_so(path):
    record(path)
    with changing(path) as file:
        file.attrs["format_version"] = layout.FORMAT_VERSION + 1
    with pytest.raises(RunFileError, match="a newer tme-sim can read it"):
        open_run(path)
