"""Searches: trials share pasts and runs, go on after a stop, and end in a Pareto front."""

import pandas as pd
import pytest

from tests.scan.scans import write
from tme_sim import cli
from tme_sim.errors import InputError
from tme_sim.scan import optimize

SEARCH = {
    "axes": None,
    "replicates": 1,
    "set": {"time.duration": "3 h"},
    "search": {"therapy.0.dose": {"low": "100 mg", "high": "900 mg"}},
    "choices": {"therapy.0.every": ["30 min", "2 h"]},
    "objectives": {"given": "minimize", "end": "minimize"},
    "outcomes": {"end": {"burden": {}}, "given": {"cumulative_dose": {"drug": "vemurafenib"}}},
    "sampler": "random",
    "trials": 3,
}


def found(path, *, resume=False, progress=None):
    return optimize.run(optimize.plan(path), workers=1, resume=resume, progress=progress)


def test_a_search_goes_on_where_it_stopped_and_ends_in_its_front(tmp_path, here):
    first = found(write(tmp_path, **SEARCH))
    segments = {key for key in here.submitted if (tmp_path / "store/segments" / key).exists()}

    more = found(write(tmp_path, **{**SEARCH, "trials": 5}), resume=True)

    assert list(more.trials["number"]) == [0, 1, 2, 3, 4]
    assert more.trials[:3].equals(first.trials)
    assert len(set(more.trials["therapy.0.dose"])) == 5  # the resumed sampler draws other numbers
    assert len(segments) == 1
    # the constant cell model knows no drug: the smallest dose is the whole front
    assert list(more.best["given"]) == [more.trials["given"].min()]
    n_doses = more.trials["therapy.0.every"].map({"30 min": 2, "2 h": 1})
    given = (n_doses * more.trials["therapy.0.dose"]).to_numpy()
    assert more.trials["given"].to_numpy() == pytest.approx(given, rel=1e-5)  # told in six digits
    stored = pd.read_parquet(tmp_path / "store" / "trials.parquet")
    assert stored.equals(more.trials)
    assert (tmp_path / "store" / "figures" / "pareto.png").stat().st_size > 5000


@pytest.mark.usefixtures("here")
def test_trials_that_are_worse_than_the_median_are_pruned(tmp_path, monkeypatch):
    dose = {"sampler": "random", "prune": True, "objectives": {"given": "minimize"}, "trials": 12}
    path = write(tmp_path, **{**SEARCH, **dose, "replicates": 2})
    n_runs = []

    def values(_study, _client, arm, *_):
        n_runs.append(arm.label)
        return [float(arm.overrides["therapy.0.dose"].split()[0])]

    monkeypatch.setattr(optimize, "_values", values)

    result = found(path)

    pruned = result.trials["state"] == "PRUNED"
    assert pruned.any()
    assert len(n_runs) == 24 - pruned.sum()  # one seed each, not two
    assert result.trials.loc[pruned, "therapy.0.dose"].min() > result.best["given"].iloc[0]


@pytest.mark.usefixtures("here")
def test_a_trial_that_fails_is_told_and_the_search_goes_on(tmp_path, monkeypatch):
    real = optimize._values

    def values(study, client, arm, *more):
        if arm.label.startswith("trial 0"):
            msg = "out of luck"
            raise RuntimeError(msg)
        return real(study, client, arm, *more)

    monkeypatch.setattr(optimize, "_values", values)

    lines = []
    result = found(write(tmp_path, **{**SEARCH, "trials": 2}), progress=lines.append)

    assert lines[0].startswith("trial 0 fail: out of luck (therapy.0.dose ")
    assert " mg, therapy.0.every " in lines[0]
    assert list(result.trials["state"]) == ["FAIL", "COMPLETE"]
    assert result.trials["message"][0] == "out of luck"


@pytest.mark.usefixtures("here")
def test_a_trial_without_a_number_has_failed_and_all_are_told_if_none_ends_well(tmp_path):
    rest = {"outcomes": {"rest": {"toxicity": {}}}, "objectives": {"rest": "minimize"}}
    skin = {"type": "epithelium", "count": 0, "placement": {"disk": {"radius": "50 um"}}}
    more = {"set": {"time.duration": "1 h", "cells.skin": skin}, "trials": 2}
    path = write(tmp_path, **{**SEARCH, **more, **rest})

    with pytest.raises(InputError, match="no trial ended well; the last: rest is nan, no number"):
        found(path)

    trials = pd.read_csv(tmp_path / "store" / "trials.csv")
    assert list(trials["state"]) == ["FAIL", "FAIL"]
    assert trials["message"].str.startswith("rest is nan, no number to compare, at seed 5").all()


@pytest.mark.parametrize(
    ("sections", "what"),
    [
        ({"choices": {"therapy.0.every": ["30 min", "2 h", "1 h"]}}, "choices differ"),
        ({"search": {"therapy.0.dose": {"low": "0.1 g", "high": "0.9 g"}}}, "search differ"),
        ({"objectives": {"given": "maximize", "end": "minimize"}}, "objectives differ"),
        ({"objectives": {"end": "minimize", "given": "minimize"}}, "objectives, outcomes differ"),
        ({"set": {"time.duration": "2 h"}}, "scenario differ"),
        ({"replicates": 2}, "seeds differ"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_search_is_not_resumed_with_other_questions(tmp_path, sections, what, monkeypatch):
    monkeypatch.setattr(optimize, "_values", lambda *_: [1.0, 2.0])
    found(write(tmp_path, **SEARCH))
    before = (tmp_path / "store" / "trials.csv").read_bytes()

    with pytest.raises(InputError, match=f"{what}.*another name or store"):
        found(write(tmp_path, **{**SEARCH, **sections}), resume=True)

    assert (tmp_path / "store" / "trials.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"choices": {"plan": {"a": {"therapy": []}}}},
            "therapy: would change therapy.0.dose (",
        ),
        ({"outcomes": {"number": {"burden": {}}}, "objectives": {"number": "minimize"}}, "number"),
        ({"search": {"therapy.0.doze": {"low": "1 mg", "high": "2 mg"}}}, "did you mean 'dose'?"),
        ({"objectives": {"givn": "minimize"}}, "did you mean 'given'?"),
        ({"objectives": {"given": "smallest"}}, "'minimize'"),
        ({"prune": True}, "one objective"),
        ({"choices": {"therapy.0.every": ["2 mg"]}}, "[time]"),
        ({"search": {}, "choices": {}}, "nothing to search for"),
    ],
)
def test_a_bad_search_is_refused_with_one_message(sections, message, tmp_path, capsys):
    assert cli.main(["optimize", str(write(tmp_path, **{**SEARCH, **sections}))]) == 2

    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "store").exists()


def test_a_storage_that_cannot_be_opened_is_refused(tmp_path, capsys):
    path = write(tmp_path, **SEARCH, storage="sqlite:////no/such/folder/study.db")

    assert cli.main(["optimize", str(path)]) == 2

    assert "storage of Optuna cannot be opened" in capsys.readouterr().err
