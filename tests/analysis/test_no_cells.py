"""Runs without a tumor, or without any cell: whatever people look at works, and no nan is read."""

import copy
import warnings

import matplotlib as mpl
import numpy as np
import pytest

import tme_sim
from tme_sim import cli
from tme_sim.analysis.explain import report as explain_report
from tme_sim.analysis.figures import report
from tme_sim.analysis.lineage.figures import draw_muller
from tme_sim.output.run import open_run
from tme_sim.replay.frames import Frames

mpl.use("Agg")
BASE = {
    "format": 1,
    "name": "small",
    "seed": 3,
    "time": {
        "duration": "3 h",
        "tick": "12 min",
        "frame_every": "1 h",
        "checkpoint_every": "1 h",
    },
    "domain": {"size": ["200 um", "200 um"], "voxel": "20 um"},
    "substrates": {"oxygen": {"boundary": {"all": "38 mmHg"}}},
    "surrogate": {"name": "constant", "rates": {"tumor": {"apoptosis_rate": "20 /h"}}},
}
TUMOR = {"type": "tumor", "genotype": ["BRAF_V600E"], "placement": {"disk": {"radius": "50 um"}}}
VESSEL = {"type": "endothelial", "placement": {"poisson": {"spacing": "100 um"}}}
DRUG = [{"drug": "vemurafenib", "dose": "960 mg", "every": "1 h", "start": "1 h"}]
SEEN = [DRUG[0] | {"adaptive": {"visit_every": "1 h"}}]
CASES = {
    "fields alone": {"substrates": {"HGF": {"boundary": {"all": "1 nM"}}}},
    "count 0": {"cells": {"tumor": TUMOR | {"count": 0}, "vessel": VESSEL}, "therapy": SEEN},
    "healthy": {
        "cells": {"skin": {"type": "epithelium", "count": 5, "placement": "everywhere"}},
        "surrogate": {"name": "constant"},
    },
    "eradicated": {"cells": {"tumor": TUMOR | {"count": 6}, "vessel": VESSEL}, "therapy": DRUG},
    "at once": {"cells": {"tumor": TUMOR | {"count": 6}}, "stop": {"burden_above": "1 cells"}},
}


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("none") / "a.h5"
    scenario = tme_sim.load_scenario({**copy.deepcopy(BASE), **CASES[request.param]})
    return tme_sim.simulate(scenario, path)


@pytest.fixture(autouse=True)
def _without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_figures_are_drawn(run, tmp_path):
    assert run.plot() is not None
    assert run.plot_burden().get_ylim()[1] >= 1.0
    assert draw_muller(run, tmp_path / "m.png").stat().st_size > 1000
    if report.can_draw(run):
        assert report.draw(run, tmp_path / "r.png").stat().st_size > 1000


def test_what_is_read_says_so(run, capsys):
    assert cli.main(["info", str(run.path)]) == 0
    text = "\n".join([capsys.readouterr().out, *run.summary_lines(), run._repr_html_()])
    text += " ".join(run.events["text"])

    assert "nan" not in text.split("base64")[0]
    living = run.metrics[[c for c in run.metrics if c in [f"n_{g}" for g in run.scenario.cells]]]
    assert ("the cell model was not asked" in text) == (living.to_numpy().sum() == 0)


def test_tables_and_lineage_are_written(run, tmp_path):
    out = tmp_path / "out"

    assert cli.main(["export", str(run.path), "--to", "csv", "-o", str(out)]) == 0
    assert cli.main(["lineage", str(run.path), "--csv", str(tmp_path / "l.csv")]) == 0
    assert cli.main(["replay", str(run.path), "--html", str(tmp_path / "r.html")]) == 0


def test_cells_are_exported_for_scanpy_where_there_may_be_some(run, tmp_path, capsys):
    warnings.simplefilter("default")  # of a library that is not ours
    pytest.importorskip("anndata")
    out = tmp_path / "a.h5ad"

    code = cli.main(["export", str(run.path), "--to", "anndata", "-o", str(out)])

    assert out.is_file() == bool(run.scenario.cells)
    assert code == (0 if run.scenario.cells else 2)
    assert "Traceback" not in capsys.readouterr().err


def test_the_replay_shows_every_frame(run):
    frames = Frames(open_run(run.path))

    described = frames.described()
    for frame, n in enumerate(run.n_cells):
        assert len(frames.cells(frame)) % max(int(n), 1) == 0
        for column in described["columns"]:
            frames.column(frame, column["name"])
    assert "nan" not in str(frames.curves()).lower().replace("none", "")


def test_explain_of_no_cells_counts_none(run, capsys):
    code = cli.main(["explain", str(run.path), "-o", str(run.path.with_suffix(".pdf"))])
    said = capsys.readouterr()

    assert code == (0 if "vemurafenib" in run.events["text"].str.cat() else 2)
    assert "nan" not in said.out
    if code == 0:
        assert "living tumor cells" in said.out


def test_ticks_without_cells_do_not_dilute_the_share_outside_the_domain(run, monkeypatch):
    metrics = run.metrics.copy()
    groups = [f"n_{name}" for name in run.scenario.cells]
    metrics["share_out_of_domain"] = np.where(metrics[groups].sum(axis=1) > 0, 1.0, 0.0)
    monkeypatch.setitem(run.__dict__, "metrics", metrics)

    share = run.summary().share_out_of_domain

    assert share == 1.0 or (np.isnan(share) and metrics["share_out_of_domain"].max() == 0.0)


def test_shares_of_no_survivors_are_a_dash():
    assert explain_report._percent(float("nan")) == "-"
    assert explain_report._percent(0.25) == "25.0%"
