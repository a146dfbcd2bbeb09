"""Exports: each is read back by the program's own library and holds the same cells."""

import importlib.util
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from surrogates.channels import GENOTYPES
from tests.output.stand_in import StandIn, record
from tme_sim import cli
from tme_sim.analysis.exports import export
from tme_sim.errors import InputError
from tme_sim.fields.grid import Grid
from tme_sim.output.run import open_run

TIME = 120.0


def recorded(folder, ticks, **kinds):
    """A recorded stand-in, with the names of genotypes that a scenario of its own would have."""
    record(folder / "run.h5", StandIn(**kinds), ticks=ticks)
    run = open_run(folder / "run.h5")
    run.__dict__["scenario"] = SimpleNamespace(genotypes=(*GENOTYPES, "mine"))
    return run


@pytest.fixture
def run(tmp_path):
    return recorded(tmp_path, 40)


@pytest.fixture
def run_3d(tmp_path):
    return recorded(tmp_path, 20, dim=3)


def same_cells(run, time, ids, position):
    cells = run.cells(time)
    assert np.array_equal(ids, cells["id"])
    expected = cells[["x", "y", "z"]].to_numpy()
    np.testing.assert_array_equal(position, expected[:, : position.shape[1]])


# AnnData


def test_anndata_holds_the_cells_nodes_and_lineage_of_a_frame(tmp_path):
    anndata = pytest.importorskip("anndata")
    run = recorded(tmp_path, 40, columns="all")

    found = anndata.read_h5ad(export(run, "anndata", at=TIME))

    cells = run.cells(TIME)
    same_cells(run, TIME, found.obs_names.astype(int), found.obsm["spatial"])
    assert found.obs_names.tolist() == cells["id"].astype(str).tolist()
    assert found.var_names.tolist() == ["ERK", "AKT", "HIF1A", "crowding"]
    assert np.array_equal(found[:, "ERK"].X.ravel(), cells["ERK"])
    assert found.obs["type"].tolist() == cells["type"].tolist()
    assert np.array_equal(found.obs["crowding"], cells["crowding"])  # of the body, not the node
    family = run.pedigree.set_index("id").loc[cells["id"]]
    for name in ("mother", "birth", "death"):
        np.testing.assert_array_equal(found.obs[name], family[name])
    assert found.uns["tme_sim"]["time_min"] == TIME
    assert found.uns["tme_sim"]["digest"] == run.digest()
    assert json.loads(found.uns["tme_sim"]["resolved"]) == run.resolved
    assert len(found.uns["type_colors"]) == len(found.obs["type"].cat.categories)


def test_anndata_names_clones_and_tells_tissue_from_tumor(run):
    anndata = pytest.importorskip("anndata")

    obs = anndata.read_h5ad(export(run, "anndata")).obs

    tumor = obs["type"] == "tumor"
    assert set(obs["clone_name"][~tumor]) == {"none"}
    assert set(obs["clone_name"][tumor]) == {"tumor", "tumor NRAS"}
    assert set(obs["genotype"][obs["clone_name"] == "tumor"]) == {"BRAF_V600E"}


def test_anndata_gives_each_cell_the_substrates_of_its_voxel(run_3d):
    anndata = pytest.importorskip("anndata")

    found = anndata.read_h5ad(export(run_3d, "anndata"))

    same_cells(run_3d, run_3d.times[-1], found.obs_names.astype(int), found.obsm["spatial"])
    oxygen = run_3d.field("oxygen", run_3d.times[-1])
    x, y, z = np.floor(found.obsm["spatial"] / run_3d.voxel).astype(int).T
    inside = (x < 30) & (y < 30) & (z < 20)
    assert inside.sum() > 100
    np.testing.assert_array_equal(
        found.obsm["substrates"]["oxygen"][inside], oxygen[z[inside], y[inside], x[inside]]
    )


def test_anndata_of_a_run_without_recorded_nodes_has_no_variables(tmp_path):
    anndata = pytest.importorskip("anndata")
    run = recorded(tmp_path, 10, columns=["volume"])

    assert anndata.read_h5ad(export(run, "anndata")).shape == (run.n_cells[-1], 0)


# VTK


def test_vtk_holds_every_column_of_every_cell_and_every_voxel(run_3d):
    pv = pytest.importorskip("pyvista")

    folder = export(run_3d, "vtk")

    assert len(list(folder.glob("*.vt?"))) == 2 * len(run_3d.times)
    cells = pv.read(folder / "cells_0001.vtp")
    stored = run_3d.frame(1, tuple(run_3d.columns))
    same_cells(run_3d, run_3d.times[1], cells["id"], cells.points)
    for name in stored.keys() - {"position"}:
        assert np.array_equal(cells[name], stored[name]), name
    assert list(cells.field_data["type names"]) == list(run_3d.columns["type"]["categories"])
    assert "volume [um3]" in list(cells.field_data["units"])
    fields = pv.read(folder / "fields_0001.vti")
    assert fields.bounds == (0.0, 600.0, 0.0, 600.0, 0.0, 400.0)
    where = [310.0, 250.0, 30.0]
    voxel = fields.find_containing_cell(where)
    assert voxel == Grid(shape=run_3d.shape, voxel=20.0).voxel_of(np.array([where]))[0]
    assert fields["oxygen"][voxel] == run_3d.field_frame("oxygen", 1)[1, 12, 15]


def test_vtk_lists_its_frames_with_their_times(run):
    pv = pytest.importorskip("pyvista")

    folder = export(run, "vtk", at=TIME)

    reader = pv.PVDReader(folder / "cells.pvd")
    assert reader.time_values == [TIME]
    (cells,) = reader.read()
    same_cells(run, TIME, cells["id"], cells.points)
    assert pv.PVDReader(folder / "fields.pvd").read()[0].dimensions == (31, 31, 2)


# Simularium


def test_simularium_holds_the_cells_of_all_frames(run_3d):
    simulariumio = pytest.importorskip("simulariumio")
    run = run_3d

    path = export(run, "simularium")

    found = simulariumio.FileConverter(simulariumio.InputFileData(str(path)))._data
    agents = found.agent_data
    np.testing.assert_allclose(agents.times, run.times / 60.0, rtol=1e-3)
    assert agents.n_agents.tolist() == run.n_cells.tolist()
    assert (found.spatial_units.name, found.time_units.name) == ("µm", "h")
    half = np.array([600.0, 600.0, 400.0]) / 2
    ids = run.pedigree["id"].to_numpy()
    for k, n in enumerate(run.n_cells):
        cells = run.cells(run.times[k])
        assert np.array_equal(ids[agents.unique_ids[k, :n].astype(int)], cells["id"])
        np.testing.assert_allclose(
            agents.positions[k, :n] + half, cells[["x", "y", "z"]], atol=1e-3
        )
        np.testing.assert_allclose(agents.radii[k, :n], cells["radius"], rtol=1e-5)
        kinds = [name.partition("#")[0] for name in agents.types[k][:n]]
        labels = cells["type"].astype(str).replace({"cd8_t": "CD8 T cell"})
        assert kinds == labels.tolist()
        dead = np.array(["#" in name for name in agents.types[k][:n]])
        assert np.array_equal(dead, cells["status"] != "alive")


def test_simularium_opens_with_all_of_the_tissue_in_sight(run_3d):
    pytest.importorskip("simulariumio")
    content = export(run_3d, "simularium").read_bytes().decode("latin-1")
    told = json.JSONDecoder().raw_decode(content[content.index('{"') :])[0]
    camera = told["cameraDefault"]
    position = np.array([camera["position"][axis] for axis in "xyz"])
    half = np.array([told["size"][axis] for axis in "xyz"]) / 2
    for corner in itertools.product(*np.stack([-half, half]).T):
        seen = corner - position
        across = seen @ -position / np.linalg.norm(seen) / np.linalg.norm(position)
        assert np.arccos(across) <= np.radians(camera["fovDegrees"]) / 2


# tables


def test_csv_holds_every_cell_of_every_frame_and_all_tables(run):
    folder = export(run, "csv")

    cells = pd.read_csv(folder / "cells.csv")
    assert cells.groupby("time").size().tolist() == run.n_cells.tolist()
    for time, frame in cells.groupby("time"):
        same_cells(run, time, frame["id"], frame[["x", "y", "z"]].to_numpy("f4"))
        assert frame["type"].tolist() == run.cells(time)["type"].tolist()
    metrics = pd.read_csv(folder / "metrics.csv")
    pd.testing.assert_frame_equal(metrics, run.metrics, check_dtype=False)
    assert len(pd.read_csv(folder / "pedigree.csv")) == len(run.pedigree)
    columns = pd.read_csv(folder / "columns.csv").set_index(["table", "column"])["unit"]
    assert columns["cells", "volume"] == "um3"
    for name in ("cells", "metrics", "pedigree", "lineage", "clones", "events"):
        assert set(pd.read_csv(folder / f"{name}.csv").columns) == set(columns[name].index)


def test_parquet_holds_what_csv_holds_in_its_own_types(run):
    pytest.importorskip("pyarrow")

    folder = export(run, "parquet")

    cells = pd.read_parquet(folder / "cells.parquet")
    last = cells[cells["time"] == run.times[-1]].drop(columns="time").reset_index(drop=True)
    pd.testing.assert_frame_equal(last, run.cells(run.times[-1]), check_categorical=False)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "events.parquet"), run.events)


# what is refused


@pytest.mark.parametrize("to", ["csv", "anndata"])  # a folder, a file
def test_what_is_there_is_overwritten_only_when_told_so(to, run):
    if to == "anndata":
        pytest.importorskip("anndata")
    path = export(run, to, at=0.0)
    with pytest.raises(InputError, match="overwrite it with --force"):
        export(run, to)
    assert export(run, to, force=True) == path
    assert sorted(p.name for p in path.parent.iterdir()) == sorted(["run.h5", path.name])


def test_a_folder_of_somebody_else_is_never_replaced(run, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="a folder that no export made"):
        export(run, "csv", precious, force=True)
    assert (precious / "thesis.tex").read_text() == "x"


def test_a_missing_package_is_named_with_what_installs_it(run, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert cli.main(["export", str(run.path), "--to", "vtk"]) == 2
    assert "pyvista, which is not installed; get it with: pip install 'tme-sim[export]'" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "xlsx"], "the formats are anndata, vtk, simularium, csv, parquet"),
        (["--to", "anndata", "-o", "a.csv"], "needs the ending .h5ad"),
        (["--to", "csv", "-o", "{run}"], "is a file, but this format is a folder"),
        (["--to", "csv", "--at", "-1 d"], "the first is at 0 min"),
        (["--to", "csv", "--at", "noon"], "noon"),
    ],
)
def test_a_bad_option_ends_with_one_message_and_writes_nothing(options, message, run, capsys):
    options = [o.replace("{run}", str(run.path)) for o in options]

    assert cli.main(["export", str(run.path), *options]) == 2

    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [p.name for p in run.path.parent.iterdir()] == ["run.h5"]


def test_an_export_that_fails_leaves_what_was_there(run, monkeypatch):
    path = export(run, "csv")
    before = {p.name: p.read_bytes() for p in path.iterdir()}
    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda *_a, **_k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(run, "csv", force=True)
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["run-csv", "run.h5"]


def test_the_command_says_what_it_wrote(run, capsys):
    assert cli.main(["export", str(run.path), "--to", "csv", "--at", "2 h"]) == 0
    assert capsys.readouterr().out == f"wrote {run.path.parent / 'run-csv'}\n"
