"""What has happened to a run stays: branches, resumed runs and their files."""

import copy
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest

from tests.output.stand_in import changing
from tme_sim import simulation
from tme_sim.cli import main
from tme_sim.continuation import checkpoint_folder, saved_state
from tme_sim.errors import InputError
from tme_sim.model.tumor_model import TumorModel
from tme_sim.output.run import open_run
from tme_sim.scenario import load_scenario
from tme_sim.state import checkpoint

TISSUE = {
    "tumor": {"type": "tumor", "count": 12, "placement": {"disk": {"radius": "60 um"}}},
    "vessel": {"type": "endothelial", "placement": {"poisson": {"spacing": "150 um"}}},
}
DOSES = {"drug": "vemurafenib", "dose": "960 mg", "every": "12 h", "start": "4 h"}
BASE = {
    "name": "small",
    "seed": 3,
    "time": {
        "duration": "48 h",
        "tick": "12 min",
        "frame_every": "6 h",
        "checkpoint_every": "12 h",
    },
    "domain": {"size": ["300 um", "300 um"], "voxel": "20 um"},
    "substrates": {"oxygen": {"boundary": {"all": "38 mmHg"}}},
    "cells": TISSUE,
    "therapy": [DOSES],
    "surrogate": {
        "name": "constant",
        "rates": {
            "tumor": {"g1s_rate": "0.03 /h", "g2m_rate": "0.2 /h", "growth_rate": "0.02 /h"},
            "endothelial": {"vessel_PS": "1"},
        },
    },
}


def simulated(path, until=None, **sections):
    data = copy.deepcopy(BASE) | sections
    return simulation.simulate(load_scenario(data), path, until=until, force=True)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("parent") / "a.h5")


def doses(run):
    return [(time / 60, text) for time, kind, text in run.events.values.tolist() if kind == "dose"]


def branch(parent, at, path, **overrides):
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return simulation.branch(parent.path, at, overrides=keys, output=path)


# ---- branches


def test_a_branch_without_a_change_is_the_run_itself(parent, tmp_path):
    assert branch(parent, "17.2 h", tmp_path / "b.h5").digest() == parent.digest()
    again = simulation.branch(tmp_path / "b.h5", "30 h", output=tmp_path / "c.h5")
    assert again.digest() == parent.digest()


def test_conditions_change_at_the_time_that_is_asked_for(parent, tmp_path):
    found = branch(parent, "22 h", tmp_path / "b.h5", therapy__0__dose="480 mg")
    assert doses(found) == [
        (4.0, "vemurafenib 960 mg"), (16.0, "vemurafenib 960 mg"),
        (28.0, "vemurafenib 480 mg"), (40.0, "vemurafenib 480 mg"),
    ]  # fmt: skip


def test_a_branch_names_its_parent_and_leaves_nothing_beside_it(parent, tmp_path):
    found = branch(parent, "22 h", tmp_path / "b.h5")
    assert found.provenance["parent"] == str(parent.path)
    assert found.provenance["branch_time"] == "1320 min"
    assert found.provenance["parent_digest"] == parent.digest()
    assert found.id != parent.id
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.h5", "b.h5.checkpoints"]
    assert f"{parent.path} at 1320 min" in " ".join(found.info().split())


@pytest.mark.parametrize(
    "therapy", [[], [DOSES | {"drug": "trametinib", "dose": "2 mg", "start": "24 h"}]]
)
def test_a_drug_that_a_branch_lacks_is_washed_out(parent, tmp_path, therapy):
    ended = branch(parent, "24 h", tmp_path / "ended.h5", therapy__0__until="24 h")
    found = branch(parent, "24 h", tmp_path / "b.h5", therapy=therapy)
    wanted = ended.field("vemurafenib", "36 h")
    assert wanted.max() > 0.1
    assert found.field("vemurafenib", "36 h") == pytest.approx(wanted, rel=1e-3)


def test_an_entry_that_was_still_to_come_is_left_out_of_the_washout(tmp_path):
    later = DOSES | {"start": "40 h"}
    run = simulated(tmp_path / "a.h5", until="24 h", therapy=[DOSES | {"until": "20 h"}, later])
    found = branch(run, "24 h", tmp_path / "b.h5", therapy=[])
    assert [time for time, _ in doses(found)] == [4.0, 16.0]
    assert found.field("vemurafenib", "36 h").max() > 0.1


def test_a_branch_says_which_doses_are_never_given(parent, tmp_path):
    late = {"drug": "trametinib", "dose": "2 mg", "start": "2 h"}
    found = branch(parent, "24 h", tmp_path / "b.h5", therapy=[DOSES, late])
    assert "trametinib: no dose is due from 1 d on" in " ".join(found.events["text"])


def test_a_rule_remembers_what_it_saw_when_its_entry_ends_otherwise(tmp_path):
    rule = {"visit_every": "6 h", "stop_below": 0.8, "resume_at": 1.0}
    dying = {"name": "constant", "rates": {"tumor": {"apoptosis_rate": "0.02 /h"}}}
    entry = {**DOSES, "every": "6 h", "start": "2 h", "adaptive": rule}
    stopped = simulated(tmp_path / "a.h5", therapy=[entry], surrogate=dying)
    assert [time for time, _ in doses(stopped)] == [2.0]
    found = branch(stopped, "24 h", tmp_path / "b.h5", therapy__0__until="40 h")
    assert [time for time, _ in doses(found)] == [2.0]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"time__tick": "6 min"}, "time.tick is 6.0 min, was 12.0 min"),
        ({"domain__voxel": "10 um"}, "domain.voxel"),
        ({"cells__tumor__count": 99}, "cells.tumor.count is 99, was 12"),
        ({"cells": {"tumor": TISSUE["tumor"]}}, "groups of its past"),
        ({"cells": {"extra": TISSUE["tumor"], **TISSUE}}, "found extra, tumor, vessel"),
    ],
)
def test_a_branch_cannot_change_its_past(parent, tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        branch(parent, "24 h", tmp_path / "b.h5", **overrides)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("evolution", [{}, {"KB": {"rate": "1e-6 per division",
                                                   "nodes": {"p53": {"held": 0.9}}}}])  # fmt: skip
def test_mutants_stay_mutants(tmp_path, evolution):
    own = {"KA": {"rate": "1e-3 per division", "nodes": {"ERK": {"held": 0.9}}}}
    mutating = simulated(tmp_path / "a.h5", until="12 h", evolution=own, surrogate={})
    with pytest.raises(InputError, match="own mutations of its past as they were"):
        branch(mutating, "12 h", tmp_path / "b.h5", evolution=evolution)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("90 h", "ends at 2 d"),
        ("-1 h", "no time of"),
        ("nan d", "number"),
        ("2 h", "no checkpoint of its own at or before 2 h; the first is at 12 h"),
    ],
)
def test_a_branch_begins_within_the_run(parent, tmp_path, at, message):
    with pytest.raises(InputError, match=message):
        branch(parent, at, tmp_path / "b.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_branch_onto_its_parent_is_refused(parent):
    before = sorted(checkpoint_folder(parent.path).iterdir())
    with pytest.raises(InputError, match="is the run to branch from"):
        simulation.branch(parent.path, "24 h", output=parent.path, force=True)
    assert sorted(checkpoint_folder(parent.path).iterdir()) == before


# ---- resumed runs


@pytest.mark.parametrize(
    ("asked", "told"),
    [(["--seed", "77"], "seed is 77, was 3"), (["--set", "time.duration=96 h"], "time.duration"),
     (["--set", "cells.tumor.count=5"], "cells.tumor.count is 5, was 12")],
)  # fmt: skip
def test_a_run_is_not_resumed_as_another(tmp_path, capsys, asked, told):
    run = simulated(tmp_path / "a.h5", until="12 h")
    code = main(["run", str(run.path), "--resume", "--quiet", *asked])
    message = capsys.readouterr().err
    assert code == 2
    assert told in message
    assert f"tme-sim branch {run.path} --at '12 h'" in message


def test_a_run_file_is_all_that_resume_needs(parent, tmp_path):
    simulated(tmp_path / "a.h5", until="20 h")
    assert main(["run", str(tmp_path / "a.h5"), "--resume", "--quiet"]) == 0
    assert open_run(tmp_path / "a.h5").digest() == parent.digest()


def test_a_run_without_checkpoint_begins_anew(parent, tmp_path):
    simulated(tmp_path / "a.h5", until="3 h")
    checkpoint.clear(checkpoint_folder(tmp_path / "a.h5"))
    assert simulation.resume(tmp_path / "a.h5").digest() == parent.digest()


def test_checkpoints_of_another_run_are_passed_over(parent, tmp_path):
    simulated(tmp_path / "a.h5", until="20 h")
    simulated(tmp_path / "b.h5", seed=4)
    for file in checkpoint_folder(tmp_path / "b.h5").iterdir():
        file.replace(checkpoint_folder(tmp_path / "a.h5") / file.name)
    with pytest.warns(UserWarning, match="belongs to another run"):
        found = simulation.resume(tmp_path / "a.h5")
    assert found.digest() == parent.digest()


def test_other_code_of_a_policy_is_refused(tmp_path):
    rules = tmp_path / "rules.py"
    rules.write_text("def f(visits, share):\n    return 1.0\n")
    adaptive = {"visit_every": "6 h", "policy": f"{rules}:f"}
    simulated(tmp_path / "a.h5", until="12 h", therapy=[DOSES | {"adaptive": adaptive}])
    rules.write_text("def f(visits, share):\n    return 0.25\n")
    with pytest.raises(InputError, match=r"policy .*rules\.py:f are not those"):
        simulation.resume(tmp_path / "a.h5", trust=True)


def test_who_goes_on_with_a_run_is_told_beside_who_began_it(tmp_path):
    begun = simulated(tmp_path / "a.h5", until="12 h").provenance
    first = simulation.resume(tmp_path / "a.h5", until="24 h").provenance
    added = {name: value for name, value in first.items() if name not in begun}
    assert [name.split()[0] for name in added] == ["resumed"]
    assert list(added.values()) == ["as begun"]
    assert {name: first[name] for name in begun} == begun
    with changing(tmp_path / "a.h5") as file:
        file["provenance"].attrs["numpy"] = "1.0"
    with pytest.warns(UserWarning, match=r"begun with numpy 1\.0, now .* last bits"):
        again = simulation.resume(tmp_path / "a.h5")
    assert any(str(value).startswith("numpy ") for value in again.provenance.values())
    assert "resumed" in again.info()


@pytest.fixture
def with_code(tmp_path):
    """A run under a policy whose module leaves a trace where it is imported."""
    rules = tmp_path / "rules.py"
    trace = f"from pathlib import Path\nPath({str(tmp_path / 'imported')!r}).touch()\n"
    rules.write_text(trace + "def f(visits, share):\n    return 1.0\n")
    adaptive = {"visit_every": "6 h", "policy": f"{rules}:f"}
    run = simulated(tmp_path / "a.h5", until="24 h", therapy=[DOSES | {"adaptive": adaptive}])
    (tmp_path / "imported").unlink()
    return run, rules, tmp_path / "imported"


@pytest.mark.parametrize("arguments", [
    ["run", "a.h5", "--resume"], ["run", "--again", "a.h5"], ["branch", "a.h5", "--at", "13 h"],
    ["run", "a.h5", "--resume", "-o", "new.h5"],
])  # fmt: skip
def test_code_that_a_run_file_names_is_run_only_when_trusted(with_code, tmp_path, capsys,
                                                             monkeypatch, arguments):  # fmt: skip
    _, rules, imported = with_code
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--quiet"]) == 2
    assert f"names Python code that would be run: {rules}:f" in capsys.readouterr().err
    assert not imported.exists()
    assert main([*arguments, "--quiet", "--trust"]) == 0
    assert imported.exists()


def test_a_run_is_read_without_the_code_that_decided_in_it(with_code, tmp_path):
    run, rules, imported = with_code
    text = rules.read_text()
    rules.unlink()
    again = open_run(run.path)
    assert again.scenario.policies == (f"{rules}:f",)
    assert [found.text for found in again.inputs] == [text]
    assert "kept in this file" in again.info()
    _, state = saved_state(again)
    assert TumorModel(again.scenario, state=state["model"]).tick_index == 120  # as explain does
    assert not imported.exists()
    with pytest.raises(InputError, match=r"rules\.py:f cannot be read"):
        simulation.branch(run.path, "13 h", output=tmp_path / "b.h5", trust=True)
    assert not (tmp_path / "b.h5").exists()


# ---- what a run was made from


@pytest.fixture
def from_a_table(tmp_path):
    table = tmp_path / "cells.csv"
    table.write_text("x,y\n" + "".join(f"{100 + 25 * k},150\n" for k in range(5)))
    cells = {"tumor": {"type": "tumor", "placement": {"file": str(table)}}}
    return simulated(tmp_path / "a.h5", until="24 h", cells=TISSUE | cells), table


@pytest.mark.parametrize("fate", ["moved", "changed"])
def test_a_run_goes_on_without_its_table(from_a_table, tmp_path, fate):
    run, table = from_a_table
    text = table.read_text()
    table.unlink() if fate == "moved" else table.write_text("x,y\n10,99999\n")
    assert open_run(run.path).tables == {str(table): text}
    branched = simulation.branch(run.path, "13 h", output=tmp_path / "b.h5", until="24 h")
    assert branched.digest() == run.digest()
    assert main(["run", "--again", str(run.path), "--quiet"]) == 0


def test_a_run_is_not_resumed_with_another_table(from_a_table):
    run, table = from_a_table
    asked = run.resolved
    table.write_text("x,y\n150,150\n")
    with pytest.raises(InputError, match=f"begun with another content of {table}"):
        simulation.resume(run.path, scenario=load_scenario(asked))


# ---- repeated runs


def test_a_branch_of_a_branch_is_repeated_with_its_past(parent, tmp_path, capsys):
    first = branch(parent, "15 h", tmp_path / "b.h5", therapy__0__dose="480 mg")
    second = branch(first, "30 h", tmp_path / "c.h5", therapy__0__every="6 h")
    assert [part["until"] for part in second.past] == [15 * 60.0, 30 * 60.0]
    assert main(["run", "--again", str(second.path), "--quiet"]) == 0
    again = open_run(tmp_path / "c-again.h5")
    assert again.digest() == second.digest()
    assert f"the same result, digest {second.digest()}" in capsys.readouterr().out
    assert sorted(path.suffix for path in tmp_path.glob(".*")) == []


def test_a_repetition_that_differs_says_in_what(parent, tmp_path, capsys):
    path = tmp_path / "a.h5"
    path.write_bytes(parent.path.read_bytes())
    with changing(path) as file:
        file["provenance"].attrs["numpy"] = "1.0"
        file["metrics/values"][5, 0] += 1.0
    assert main(["run", "--again", str(path), "--quiet"]) == 1
    told = capsys.readouterr().out
    assert "another result" in told
    assert "numpy 1.0, now" in told


def test_a_repetition_is_of_a_whole_run_and_as_it_was(parent, capsys):
    assert main(["run", "--again", str(parent.path), "--seed", "4"]) == 2
    assert "--seed cannot be given" in capsys.readouterr().err


def test_other_weights_are_refused(tmp_path):
    simulated(tmp_path / "a.h5", until="12 h")
    with changing(tmp_path / "a.h5") as file:
        file["provenance"].attrs["surrogate_hash"] = "0" * 64
    with pytest.raises(InputError, match="the weights are not those"):
        simulation.resume(tmp_path / "a.h5")


@pytest.mark.parametrize(("number", "stops"), [(signal.SIGUSR1, False), (signal.SIGHUP, True)])
def test_signals_write_a_checkpoint(parent, tmp_path, number, stops):
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")

    def send(model):
        if model.tick_index == 7:
            os.kill(os.getpid(), number)

    scenario = load_scenario(copy.deepcopy(BASE))
    run = simulation.simulate(scenario, tmp_path / "a.h5", progress=send)
    assert checkpoint.ticks(checkpoint_folder(run.path))[0] == 8
    assert run.complete is not stops
    if stops:
        run = simulation.resume(run.path)
    assert run.digest() == parent.digest()


# ---- what is there already


@pytest.mark.parametrize("until", ["banana", "nan d", "inf d", "-1 h", "5"])
def test_a_bad_until_costs_nothing(tmp_path, until):
    digest = simulated(tmp_path / "a.h5", until="12 h").digest()
    with pytest.raises(InputError):
        simulated(tmp_path / "a.h5", until=until)
    assert open_run(tmp_path / "a.h5").digest() == digest
    assert checkpoint.ticks(checkpoint_folder(tmp_path / "a.h5")) == [60]


@pytest.mark.parametrize(("until", "last"), [("1.1 d", 1584.0), ("0.07 d", 108.0)])
def test_a_run_ends_with_the_tick_that_it_names(tmp_path, until, last):
    run = simulated(tmp_path / "a.h5", until=until)
    assert run.times[-1] == pytest.approx(last, abs=1e-9)
    assert run.end == pytest.approx(last, abs=1e-9)


def test_a_second_writer_is_refused(tmp_path):
    def second(_model):
        with pytest.raises(InputError, match=f"is being written by process {os.getpid()}"):
            simulated(tmp_path / "a.h5", until="12 min")
        tried.append(True)

    tried = []
    scenario = load_scenario(copy.deepcopy(BASE))
    simulation.simulate(scenario, tmp_path / "a.h5", until="12 min", progress=second)
    assert tried
    assert not (tmp_path / "a.h5.lock").exists()
    simulated(tmp_path / "a.h5", until="12 min")


def test_the_lock_ends_with_its_process(tmp_path):
    code = f"""
import os
from pathlib import Path
from tme_sim.state.lock import locked
with locked(Path({str(tmp_path / "a.h5")!r})):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    assert (tmp_path / "a.h5.lock").exists()
    simulated(tmp_path / "a.h5", until="12 min")


def test_a_figure_never_replaces_a_run(tmp_path):
    scenario = tmp_path / "s.yaml"
    import yaml

    scenario.write_text(yaml.safe_dump({"format": 1} | BASE))
    for name in ("a.png", "r.1", "r.2"):
        arguments = ["run", str(scenario), "-o", str(tmp_path / name), "--until", "1 h", "--quiet"]
        assert main(arguments) == 0
        assert open_run(tmp_path / name).complete
        assert (tmp_path / f"{name}.png").is_file()


def test_a_run_that_ends_at_once_is_told(tmp_path, capsys):
    run = simulated(tmp_path / "a.h5", stop={"burden_above": "1 cells"})
    assert run.complete
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["info", str(run.path)]) == 0
    assert "ended by" in capsys.readouterr().out
