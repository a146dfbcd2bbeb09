"""Sensitivity: indices of functions that are known, and a study from file to figure."""

import numpy as np
import pandas as pd
import pytest

from tests.scan.scans import write
from tme_sim import cli
from tme_sim.scan import sensitivity
from tme_sim.scan.study import read_study

RANGES = {
    "therapy.0.dose": {"low": "100 mg", "high": "900 mg"},
    "cells.tumor.count": {"low": 20, "high": 60, "whole": True},
}
WEIGHTS = np.array([3.0, -1.0])


def study_of(folder, **sections):
    more = {"axes": None, "parameters": RANGES, **sections}
    return read_study(write(folder, **more), sensitivity.Sensitivity)


def test_morris_finds_the_slopes_of_a_linear_function(tmp_path):
    study = study_of(tmp_path, method="morris", n=5)
    points = study.sample()

    found = sensitivity._indices_of(study, points, points @ WEIGHTS + 7.0)

    assert found["mu_star"].to_numpy() == pytest.approx([3.0, 1.0])
    assert found["mu"].to_numpy() == pytest.approx(WEIGHTS)
    assert found["sigma"].to_numpy() == pytest.approx([0.0, 0.0], abs=1e-9)
    assert found["mu_star_low"].to_numpy() == pytest.approx([3.0, 1.0])


def test_sobol_indices_of_a_linear_function_are_shares_of_its_variance(tmp_path):
    study = study_of(tmp_path, method="sobol", n=256)
    points = study.sample()

    found = sensitivity._indices_of(study, points, points @ WEIGHTS)

    assert found["S1"].to_numpy() == pytest.approx([0.9, 0.1], abs=0.02)
    assert found["ST"].to_numpy() == pytest.approx([0.9, 0.1], abs=0.02)
    assert (found["S1_low"] < [0.9, 0.1]).all()
    assert (found["S1_high"] > [0.9, 0.1]).all()


def test_an_outcome_that_never_varies_has_no_indices(tmp_path):
    study = study_of(tmp_path, method="morris", n=2)

    found = sensitivity._indices_of(study, study.sample(), np.ones(6))

    assert found["mu_star"].isna().all()


@pytest.mark.parametrize(("method", "n"), [("morris", 6), ("sobol", 256)])
def test_points_without_a_number_are_left_out_with_what_belongs_to_them(tmp_path, method, n):
    study = study_of(tmp_path, method=method, n=n)
    points = study.sample()
    values = points @ WEIGHTS + 7.0
    whole = sensitivity._indices_of(study, points, values)
    values[[0, 3]] = np.nan  # of one trajectory or two: three points or four each

    found = sensitivity._indices_of(study, points, values)

    main = sensitivity.INDICES[method][0]
    left = n - 2 if method == "morris" else n - 1
    assert set(found["n"]) == {left}
    assert found[main].to_numpy() == pytest.approx(whole[main].to_numpy(), abs=0.05)
    assert sensitivity.gaps(study, found.assign(outcome="x"))[0].startswith(f"x: {left} of {n} ")


def test_indices_of_less_than_two_trajectories_are_missing(tmp_path):
    study = study_of(tmp_path, method="morris", n=2)
    values = np.arange(6.0)
    values[4] = np.nan

    found = sensitivity._indices_of(study, study.sample(), values)

    assert set(found["n"]) == {1}
    assert found["mu_star"].isna().all()


@pytest.mark.usefixtures("here")
def test_failed_runs_are_missing_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "wanting.py").write_text(
        "def f(run):\n    n = run.n_cells[0]\n    return float('nan') if n > 60 else float(n)\n"
        "def g(run):\n    raise RuntimeError('out of luck')\n"
    )
    more = {"axes": None, "parameters": RANGES, "method": "morris", "n": 4, "replicates": 1}
    more |= {"set": {"time.duration": "1 h"}, "store": "a"}
    one = ("--workers", "1")
    outcomes = {"some": {"function": {"path": "wanting:f"}}, "end": {"burden": {}}}
    code = cli.main(["sensitivity", str(write(tmp_path, **more, outcomes=outcomes)), *one])
    out = capsys.readouterr().out
    table = pd.read_csv(tmp_path / "a" / "sensitivity.csv").set_index("outcome")

    assert code == 0
    assert (table.loc["some", "n"] < 4).all()
    assert (table.loc["end", "n"] == 4).all()
    assert "some: " in out
    assert " of 4 trajectories gave numbers" in out

    more |= {"store": "b"}
    outcomes = {"less": {"function": {"path": "wanting:g"}}}
    code = cli.main(["sensitivity", str(write(tmp_path, **more, outcomes=outcomes)), *one])

    assert code in (1, 2)
    assert (
        "RuntimeError: out of luck"
        in pd.read_csv(tmp_path / "b" / "results.csv")["message"].tolist()[0]
    )


@pytest.mark.usefixtures("here")
def test_a_study_ranks_the_parameters_of_a_scenario(tmp_path):
    path = write(
        tmp_path,
        axes=None,
        parameters=RANGES,
        method="morris",
        n=2,
        replicates=1,
        set={"time.duration": "3 h"},
        outcomes={"end": {"burden": {}}, "given": {"cumulative_dose": {"drug": "vemurafenib"}}},
    )

    table = sensitivity.run(sensitivity.plan(path)).set_index(["outcome", "parameter"])

    # one dose falls into the run, so its amount is the dose; cells are what a run starts with
    assert table.loc[("given", "therapy.0.dose"), "mu"] == pytest.approx(800.0)
    assert table.loc[("given", "cells.tumor.count"), "mu_star"] == pytest.approx(0.0)
    assert table.loc[("end", "cells.tumor.count"), "mu"] == pytest.approx(40.0, abs=8.0)
    assert table.loc[("end", "therapy.0.dose"), "mu_star"] == 0.0  # no drug in the constant model
    drawn = {path.stem for path in (tmp_path / "store" / "figures").iterdir()}
    assert drawn == {"tornado_end", "tornado_given"}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"parameters": {"therapy.0.doze": RANGES["therapy.0.dose"]}}, "did you mean 'dose'?"),
        ({"method": "sobol", "n": 6}, "power of 2"),
        ({"method": "moris"}, "morris"),
    ],
)
def test_a_bad_study_is_refused_with_one_message(sections, message, tmp_path, capsys):
    whole = {"axes": None, "parameters": RANGES, "method": "morris", "n": 2, **sections}

    assert cli.main(["sensitivity", str(write(tmp_path, **whole))]) == 2

    assert message in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
