"""What reads files of others: a valid folder for each, what of it is mutated, and the reading."""

import asyncio
import functools
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import yaml

import tme_sim
from tests.fuzz.mutations import pick, word
from tests.scan.scans import SCAN, SCENARIO

ROOT = Path(__file__).parents[2]
POLICY = """import math
def careful(visits, share):
    first, last = visits[0], visits[-1]
    limit = 0.7 * first.healthy
    if last.healthy < limit:
        return 0.0
    return 0.5 if last.burden < 0.67 * first.burden else 1.0
"""
TABLE = "x,y,volume,phase,genotype\n10,20,2000,0,1\n100,30,2494,2,0\n150,200,2100.5,1,3\n"
NETWORK = (
    "source\ttarget\tis_stimulation\tis_inhibition\treferences\n"
    "EGF\tRAS\t1\t0\tPMID:1\nRAS\tERK\t1\t0\t\nERK\tRAS\t0\t1\tPMID:2\nTNF\tERK\t1\t0\t\n"
)
BND = """node A {
  logic = B AND !C;
  rate_up = @logic ? 1.0 : 0.0;
  rate_down = @logic ? 0.0 : $u;
}
node B {
  logic = A;
  rate_up = @logic ? 1.0 : 0.0;
  rate_down = 1.0;
}
node C { rate_up = 0.0; rate_down = 0.0; }
"""
CFG = """$u = 0.5;
A.istate = 1;
[B].istate = 0.5 [0], 0.5 [1];
C.istate = 0;
time_tick = 0.5;
max_time = 5;
"""
TREE, ARRAYS = ("tree", "tree", "bytes"), ("archive", "archive", "bytes")
PARTS = {
    "drugs": "vemurafenib",
    "substrates": "oxygen",
    "cell_types": "tumor",
    "mutations": "NRAS_Q61",
}


@dataclass(frozen=True)
class Loader:
    """One kind of input.

    Attributes:
        prepare: makes a valid input in a folder.
        read: reads it, as far as the product would.
        targets: file -> the kinds of mutation that fit it.
        refusals: what may be raised beside ``InputError``.
        tells_file: a refusal names a file of the folder.
    """

    prepare: Callable[[Path], None]
    read: Callable[[Path, str], None]
    targets: dict[str, tuple[str, ...]]
    refusals: tuple[type[Exception], ...] = ()
    tells_file: bool = True


def write(path, data):
    path.write_text(json.dumps(data, indent=1), "utf-8")


def scenario_data(**sections):
    return {**json.loads(json.dumps(SCENARIO)), **sections}


def a_scenario(folder):
    shipped = [yaml.safe_load(f.read_text()) for f in sorted((ROOT / "scenarios").glob("*.yaml"))]
    write(folder / "a.yaml", scenario_data())
    for k, data in enumerate(shipped):
        write(folder / f"s{k}.yaml", data)


def read_scenario(folder, target):
    tme_sim.load_scenario(tme_sim.load_scenario(folder / target).resolved())


def a_study(name):
    def prepare(folder):
        write(folder / "small.yaml", scenario_data())
        if name == "scan":
            data = {
                **SCAN,
                "scenario": "small.yaml",
                "axes": {"therapy.0.dose": ["240 mg", "960 mg"]},
                "arms": {"one": {"therapy.0.every": "2 h"}},
                "keep": "best",
                "best": {"outcome": "given", "direction": "minimize"},
            }
        else:
            shipped = {"optimize": "vemurafenib_search", "sensitivity": "what_matters"}[name]
            data = yaml.safe_load((ROOT / f"scenarios/scans/{shipped}.yaml").read_text())
            data |= {"scenario": "small.yaml", "set": {"time.duration": "2 h"}}
        write(folder / "study.yaml", {**data, "store": "store", "replicates": 1})

    return prepare


def read_scan(folder, _target):
    from tme_sim.scan import scan

    scan.check_store(scan.plan(folder / "study.yaml").study, resume=False)


def read_search(folder, _target):
    from tme_sim.scan import optimize

    optimize.plan(folder / "study.yaml")


def read_sensitivity(folder, _target):
    from tme_sim.scan import sensitivity

    sensitivity.plan(folder / "study.yaml")


def a_store(folder):
    from tme_sim.scan import scan
    from tme_sim.scan.store import Store

    a_study("scan")(folder)
    planned = scan.plan(folder / "study.yaml")
    store = Store(folder / "store")
    store.create()
    row = {
        "status": "done",
        "message": "",
        "digest": "0" * 64,
        "outcomes": {"burden_end": 5.0, "given": 1.0},
        "asked": planned.terms.outcomes,
        "course": {"day": [0.0, 0.1], "burden": [80.0, 81.0], "first_dose": 0.05},
    }
    for k, task in enumerate(t for t in planned.tasks if t.is_run):
        store.publish(task.key, is_run=True, row=row)
        place = store.place(task.key, is_run=True)
        (folder / "keys").mkdir(exist_ok=True)
        (folder / "keys" / f"{k}").write_text(str(place.relative_to(folder)))
        if k == 0:
            shutil.move(place / "row.json", folder / "row.json")


def read_store(folder, _target):
    from tme_sim.scan import scan

    planned = scan.plan(folder / "study.yaml")
    planned = scan.Planned(
        planned.study.model_copy(update={"store": str(folder / "store")}),
        planned.runs,
        planned.tasks,
    )
    shutil.copy(folder / "row.json", folder / (folder / "keys/0").read_text() / "row.json")
    scan.needed(planned.tasks, planned.terms)
    scan.results(planned)
    scan.courses(planned)


def a_catalogue(folder):
    builtin = ROOT / "tme_sim/scenario/catalogue"
    for section, name in PARTS.items():
        entries = yaml.safe_load((builtin / f"{section}.yaml").read_text())
        some = list(entries.items())[:3]
        write(folder / f"{section}.yaml", dict([*some, (name, entries[name])]))
    write(folder / "a.yaml", scenario_data(catalogue={s: f"{s}.yaml" for s in PARTS}))


def read_catalogue(folder, _target):
    tme_sim.load_scenario(folder / "a.yaml")


def a_table(folder):
    (folder / "cells.csv").write_text(TABLE)
    data = scenario_data()
    data["cells"]["biopsy"] = {"type": "tumor", "placement": {"file": "cells.csv"}}
    write(folder / "a.yaml", data)


def read_table(folder, _target):
    from tme_sim.scenario import tables

    scenario = tme_sim.load_scenario(folder / "a.yaml")
    group = scenario.cells["biopsy"]
    tables.read_table(group.placement.file, scenario.domain, where="a.yaml:1")


def a_policy(folder):
    (folder / "rules.py").write_text(POLICY)


def read_policy(folder, _target):
    from tme_sim.therapy.policies import Visit, checked_share, load_policy

    visits = [Visit(0.0, 100.0, 50.0), Visit(60.0, 40.0, 30.0)]
    checked_share(load_policy(f"{folder / 'rules.py'}:careful"), visits, 1.0)


def some_weights(folder):
    from surrogates.registry import find_weights

    for name in ("weights.safetensors", "card.json"):
        shutil.copy(find_weights("tme-cell") / name, folder / name)


def read_weights(folder, _target):
    import surrogates
    from surrogates.registry import load_weights

    network = _network()
    load_weights(folder, network)
    surrogates.load(path=folder)


@functools.cache
def _network():
    from surrogates.prior.graph import load_network

    return load_network()


def a_run(folder):
    """A tiny run of the real model, with its checkpoints."""
    data = scenario_data(
        time={"duration": "2 h", "tick": "12 min", "frame_every": "1 h", "checkpoint_every": "1 h"}
    )
    tme_sim.simulate(tme_sim.load_scenario(data), folder / "run.h5")


def read_run(folder, _target):
    """What all commands that read a run would read."""
    from tme_sim.replay.frames import Frames

    run = tme_sim.open_run(folder / "run.h5")
    run.info()
    run.digest()
    run.summary_lines()
    for table in (run.metrics, run.lineage, run.events, run.clones, run.pedigree, run.balances):
        len(table)
    run.situations()
    for k, time in enumerate(run.times):
        run.cells(float(time))
        for name in run.fields:
            run.field_frame(name, k)
    frames = Frames(run)
    json.dumps(frames.described())
    json.dumps(frames.curves())
    for k in range(len(run.times)):
        frames.cells(k)
        frames.columns(k, ("type", "clone", "phase"))
        frames.cell(k, 0)
    frames.families()
    _ = run.scenario


def a_checkpoint(folder):
    a_run(folder)
    last = max((folder / "run.h5.checkpoints").glob("*.npz"))
    for other in (folder / "run.h5.checkpoints").glob("*.npz"):
        if other != last:
            other.unlink()
    last.rename(folder / "state.npz")
    (folder / "name").write_text(last.name)


def read_checkpoint(folder, _target):
    from tme_sim.continuation import refuse_without_checkpoint, saved_state
    from tme_sim.model.tumor_model import TumorModel

    place = folder / "run.h5.checkpoints"
    place.mkdir(exist_ok=True)
    shutil.copy(folder / "state.npz", place / (folder / "name").read_text())
    run = tme_sim.open_run(folder / "run.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, state = saved_state(run) or refuse_without_checkpoint(run)
    TumorModel(run.scenario, state=state["model"])


def a_network(folder):
    (folder / "net.tsv").write_text(NETWORK)
    (folder / "net.bnd").write_text(BND)
    (folder / "net.cfg").write_text(CFG)


def read_network(folder, _target):
    from surrogates.own_network.scaffold import build_scaffold
    from surrogates.prior.omnipath import load_signed_table

    edges = load_signed_table(folder / "net.tsv")
    str(build_scaffold(edges, ["EGF"], ["ERK"]))


def read_boolean(folder, _target):
    from surrogates.data.boolean_model import load

    load(folder / "net.bnd", folder / "net.cfg")


def a_training(folder):
    shutil.copy(ROOT / "surrogates/configs/tme-cell.toml", folder / "mine.toml")


def read_training(folder, _target):
    from surrogates.training.config import load_config

    load_config(folder / "mine.toml")


def queries(folder):
    a_run(folder)
    write(folder / "ask.json", ["api", "runs", "0", "frames", "1", "columns", "clone", "z", "0"])


PATHS = (
    "runs",
    "runs/0",
    "runs/0/state",
    "runs/0/curves",
    "runs/0/frames/1",
    "runs/0/frames/1/columns/clone",
    "runs/0/frames/1/fields/oxygen?z=0",
    "runs/0/frames/1/cells/3",
    "runs/0/frames/1/ids/7",
    "runs/0/history/3/volume",
)


@functools.cache
def _application(path):
    from tme_sim.replay.server import application

    return application([path])


def ask(folder, _target):
    """Send one request to the application, which must answer or refuse it in few words."""
    rng = np.random.default_rng(list((folder / "ask.json").read_bytes()))
    parts = f"/api/{pick(rng, PATHS)}".replace("?", "/?/").split("/")
    for _ in range(int(rng.integers(1, 3))):
        k = int(rng.integers(1, len(parts)))
        parts[k] = str(word(rng))
        if rng.random() < 0.3:
            parts[k] = pick(
                rng,
                (
                    "0",
                    "1",
                    "9" * 19,
                    "9" * 5000,
                    "-1",
                    "position",
                    "id",
                    "%00",
                    "..",
                    "z=1",
                    "z=" + "9" * 5000,
                    "x=2&y=3",
                    "survival",
                ),
            )
    path, _, query = "/".join(parts).replace("/?/", "?").partition("?")
    encoded = quote(path.encode("utf-8", "surrogatepass")).encode()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": pick(rng, ("GET", "GET", "GET", "HEAD", "POST")),
        "path": path,
        "raw_path": encoded,
        "query_string": query.encode("utf-8", "surrogatepass"),
        "root_path": "",
        "headers": [(b"host", pick(rng, (b"localhost", b"127.0.0.1:80", b"[", b"evil", b"\xff")))],
    }
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(_application(str(folder.parent / "valid/run.h5"))(scope, receive, send))
    body = b"".join(m.get("body", b"") for m in sent)
    assert sent[0]["status"] < 500, (path, query)
    assert sent[0]["status"] < 400 or len(body) < 2000, (path, query)


FILE = (ValueError, OSError, LookupError)  # as the command line takes them from `surrogates`
SCENARIOS = {
    "a.yaml": (*TREE, "tree"),
    "s1.yaml": ("tree",),
    "s3.yaml": ("tree",),
    "s8.yaml": ("tree",),
}
WEIGHTS = {"weights.safetensors": ("safetensors", "bytes"), "card.json": ("tree",)}
BOOLEAN = {"net.bnd": ("text", "bytes"), "net.cfg": ("text",)}
LOADERS = {
    "scenario": Loader(a_scenario, read_scenario, SCENARIOS),
    "scan": Loader(a_study("scan"), read_scan, {"study.yaml": TREE, "small.yaml": ("tree",)}),
    "optimize": Loader(a_study("optimize"), read_search, {"study.yaml": TREE}),
    "sensitivity": Loader(a_study("sensitivity"), read_sensitivity, {"study.yaml": TREE}),
    "store": Loader(a_store, read_store, {"row.json": TREE}),
    "catalogue": Loader(a_catalogue, read_catalogue, {f"{s}.yaml": TREE for s in PARTS}),
    "table": Loader(a_table, read_table, {"cells.csv": ("text", "text", "bytes")}),
    "policy": Loader(
        a_policy, read_policy, {"rules.py": ("text", "bytes")}, FILE, tells_file=False
    ),
    "weights": Loader(some_weights, read_weights, WEIGHTS, FILE),
    "run": Loader(a_run, read_run, {"run.h5": ("hdf5", "hdf5", "bytes")}),
    "checkpoint": Loader(a_checkpoint, read_checkpoint, {"state.npz": ARRAYS}, tells_file=False),
    "network": Loader(
        a_network, read_network, {"net.tsv": ("text", "bytes")}, FILE, tells_file=False
    ),
    "boolean": Loader(a_network, read_boolean, BOOLEAN, FILE, tells_file=False),
    "training": Loader(a_training, read_training, {"mine.toml": ("text",)}, FILE, tells_file=False),
    "page": Loader(queries, ask, {"ask.json": ("tree",)}, tells_file=False),
}
