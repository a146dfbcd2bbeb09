"""Every key of the schema has a reader: changed, it changes the run, or the change is refused.

The walk over the schema fails on a key that has no line in ``EXAMPLES``.
"""

import functools
import hashlib
from typing import NamedTuple

import numpy as np
import pytest

from surrogates.channels import TARGETS
from surrogates.constant import Constant
from surrogates.dosed import Dosed
from surrogates.occupancy import DrugTable
from tme_sim import TumorModel, simulate
from tme_sim.continuation import checkpoint_folder
from tme_sim.errors import InputError
from tme_sim.scenario import load_scenario, schema
from tme_sim.scenario.scenario import PROCESSES
from tme_sim.simulation import default_path

N_TICKS = 6
SCHEMA = schema()

BASE = {
    "format": 1,
    "name": "walk",
    "seed": 1,
    "time": {
        "duration": "24 min",
        "tick": "6 min",
        "frame_every": "6 min",
        "checkpoint_every": "12 min",
    },
    "domain": {"size": ["200 um", "200 um"], "voxel": "20 um"},
    "substrates": {
        "oxygen": {"boundary": {"all": "38 mmHg"}},
        "glucose": {"boundary": {"all": "5 mM"}, "permeability": "50 um/min", "plasma": "4 mM"},
        "HGF": {"initial": "1 nM"},
    },
    "cells": {
        "tumor": {
            "type": "tumor",
            "genotype": ["BRAF_V600E"],
            "count": 30,
            "placement": {"disk": {"radius": "60 um"}},
        },
        "skin": {"type": "epithelium", "count": 4, "placement": {"disk": {"radius": "80 um"}}},
        "vessel": {"type": "endothelial", "placement": {"poisson": {"spacing": "80 um"}}},
        "cd8": {"type": "cd8_t", "supply": "600 per hour"},
    },
    "therapy": [{"drug": "novel", "dose": "100 mg", "every": "6 min"}],
    "evolution": {"NRAS_Q61": {"rate": "0.5 per division"}},
    "drugs": {
        "novel": {
            "unit": "uM",
            "acts_as": "vemurafenib",
            "molar_mass": "500 g/mol",
            "free_fraction": 0.1,
            "route": "oral",
            "absorption_rate": "1 per hour",
            "bioavailability": 0.5,
            "clearance": "10 L/h",
            "central_volume": "20 L",
            "intercompartmental_clearance": "5 L/h",
            "peripheral_volume": "20 L",
            "second_intercompartmental_clearance": "5 L/h",
            "second_peripheral_volume": "20 L",
            "diffusivity": "600 um2/min",
            "permeability": "10 um/min",
            "decay_rate": "0.01 per min",
            "cell_clearance": "10 um3/min",
            "bound_ratio": 1,
        }
    },
    "cell_types": {"tumor": {"s_duration": "10 min", "apoptosis_duration": "20 min"}},
    "surrogate": {
        "name": "constant",
        "rates": {
            "tumor": {
                "growth_rate": "1 per hour",
                "g1s_rate": "5 per hour",
                "g2m_rate": "5 per hour",
                "apoptosis_rate": "1 per hour",
                "necrosis_rate": "1 per hour",
                "phagocytosis_rate": "2 per hour",
                "speed": "3 um/min",
                "persistence_time": "5 min",
                "adhesion": 1,
                "oxygen_uptake": "1000 amol/min",
                "glucose_uptake": "1000 amol/min",
            },
            "endothelial": {"extravasation_rate": "0.05 per min", "vessel_PS": 1},
        },
    },
}
FILES = {  # in a folder that {folder} stands for
    "drugs.yaml": "trametinib: {preset: vemurafenib, acts_as: trametinib}",
    "substrates.yaml": "HGF: {preset: EGF}",
    "cell_types.yaml": "tumor: {preset: macrophage, network_type: tumor}",
    "mutations.yaml": "NRAS_Q61: {rate: 0.9 per division}",
    "cells.csv": "x,y,volume,phase\n60,60,6000,0\n100,100,7000,0\n140,140,6000,0\n",
    "other.csv": "x,y\n60,60\n100,120\n",
    "rules.py": "def whole(visits, share):\n    return 1.0\n\n\n"
    "def half(visits, share):\n    return 0.5\n",
}
STAND_INS = {
    "substrates.*": "substrates.glucose",
    "cells.*": "cells.tumor",
    "therapy.[]": "therapy.0",
    "drugs.*": "drugs.novel",
    "cell_types.*": "cell_types.tumor",
    "evolution.*": "evolution.NRAS_Q61",
    "surrogate.rates.*.*": "surrogate.rates.tumor.speed",
    "affinity.*": "affinity.tumor",
    "nodes.*": "nodes.ERK",
}


class Change(NamedTuple):
    """A value for a key, where it is changed, and what is said of the scenario before."""

    value: object
    at: str = ""
    before: tuple = ()


def after(value, at="", **before):
    """A change of a scenario that says more than the base; ``__`` is a dot."""
    return Change(value, at, tuple((key.replace("__", "."), repr(v)) for key, v in before.items()))


def placed(kind, **shape):
    """A tumor of 12 cells of a placement."""
    count = {} if kind in ("poisson", "file") else {"count": 12}
    placement = {kind: shape.get("file", shape)}
    return {"cells__tumor": {"type": "tumor", **count, "placement": placement}}


def adaptive(**rule):
    """The therapy follows an adaptive rule that sees a noisy burden."""
    return {"therapy__0__adaptive": {"visit_every": "6 min", "noise": 1, **rule}}


RING = placed("ring", inner="20 um", outer="60 um")
SPACE = {"domain__size": ["200 um", "200 um", "100 um"], "cells": {}}
BALL, SHELL = (
    {**SPACE, "cells": {"tumor": {"type": "tumor", "count": 12, "placement": placement}}}
    for placement in (
        {"ball": {"radius": "40 um"}},
        {"shell": {"inner": "20 um", "outer": "40 um"}},
    )
)
BOX = placed("box", size=["100 um", "80 um"])
EVERYWHERE = placed("everywhere", size=["100 um", "80 um"])
POISSON = placed("poisson", spacing="30 um", outer="80 um")
CYCLE = {"therapy__0__cycle": {"treat": "12 min", "rest": "6 min"}}
ESCALATE = {"therapy__0__escalate": {"by": "50 mg", "every": "6 min", "up_to": "200 mg"}}
SWITCH = {**adaptive(stop_below=0.9, resume_at=0.95), "seed": 2}  # its visits fall and rise
MODULATE = adaptive(modulate_by=0.2, tolerance=0)
TOXICITY = {
    "therapy__0__toxicity": {
        "hold_below": 0.8,
        "resume_at": 0.85,
        "visit_every": "6 min",
        "noise": 1,
    }
}
INFUSED = {"therapy__0__route": "iv"}
OWN = {
    "surrogate": {"name": "teacher"},
    "evolution": {"odd": {"rate": "0.5 per division", "nodes": {"ERK": {"times": 2}}}},
    "cells__tumor__genotype": ["odd"],
}
TRAINED = {"surrogate": {"name": "tme-cell"}, "substrates__oxygen__boundary__all": "500 mmHg"}
OVERSIZED = placed("file", file="{folder}/cells.csv")
CENTER = ["90 um", "110 um"]

EXAMPLES = {
    "format": 2,
    "name": "other",
    "seed": 2,
    "time.duration": "12 min",
    "time.tick": "3 min",
    "time.frame_every": "12 min",
    "time.checkpoint_every": "6 min",
    "stop.burden_below": "1000 cells",
    "stop.burden_above": "10 cells",
    "domain.size": ["220 um", "200 um"],
    "domain.voxel": "10 um",
    "domain.walls": "periodic",
    "substrates.*.preset": Change("EGF", "substrates.HGF.preset"),
    "substrates.*.unit": "uM",
    "substrates.*.input": "lactate",
    "substrates.*.diffusivity": "100 um2/min",
    "substrates.*.decay_rate": "1 per min",
    "substrates.*.cell_clearance": "1000 um3/min",
    "substrates.*.initial": "1 mM",
    "substrates.*.half_saturation": "3 mM",
    "substrates.*.permeability": "5 um/min",
    "substrates.*.plasma": "1 mM",
    "cells.*.type": "fibroblast",
    "cells.*.genotype": [],
    "cells.*.count": 31,
    "cells.*.placement.disk.radius": "70 um",
    "cells.*.placement.disk.center": CENTER,
    "cells.*.placement.ring.inner": after("30 um", **RING),
    "cells.*.placement.ring.outer": after("70 um", **RING),
    "cells.*.placement.ring.center": after(CENTER, **RING),
    "cells.*.placement.ball.radius": after("45 um", **BALL),
    "cells.*.placement.ball.center": after([*CENTER, "50 um"], **BALL),
    "cells.*.placement.shell.inner": after("10 um", **SHELL),
    "cells.*.placement.shell.outer": after("45 um", **SHELL),
    "cells.*.placement.shell.center": after([*CENTER, "50 um"], **SHELL),
    "cells.*.placement.box.size": after(["80 um", "100 um"], **BOX),
    "cells.*.placement.box.center": after(CENTER, **BOX),
    "cells.*.placement.everywhere.size": after(["80 um", "100 um"], **EVERYWHERE),
    "cells.*.placement.everywhere.center": after(CENTER, **EVERYWHERE),
    "cells.*.placement.poisson.spacing": after("40 um", **POISSON),
    "cells.*.placement.poisson.inner": after("40 um", **POISSON),
    "cells.*.placement.poisson.outer": after("60 um", **POISSON),
    "cells.*.placement.poisson.center": after(CENTER, **POISSON),
    "cells.*.placement.file": after("{folder}/other.csv", **OVERSIZED),
    "cells.*.supply": Change("100 per hour", "cells.cd8.supply"),
    "cells.*.represents": "200 cells",
    "therapy.[].drug": "trametinib",
    "therapy.[].dose": "200 mg",
    "therapy.[].every": "12 min",
    "therapy.[].start": "6 min",
    "therapy.[].until": "12 min",
    "therapy.[].route": "iv",
    "therapy.[].infusion": after("3 min", **INFUSED),
    "therapy.[].loading": "50 mg",
    "therapy.[].cycle.treat": after("6 min", **CYCLE),
    "therapy.[].cycle.rest": after("18 min", **CYCLE),
    "therapy.[].escalate.by": after("20 mg", **ESCALATE),
    "therapy.[].escalate.every": after("12 min", **ESCALATE),
    "therapy.[].escalate.up_to": after("120 mg", **ESCALATE),
    "therapy.[].missed": 1,
    "therapy.[].adaptive.stop_below": after(0.1, **SWITCH),
    "therapy.[].adaptive.resume_at": after(50, **SWITCH),
    "therapy.[].adaptive.modulate_by": after(0.5, **MODULATE),
    "therapy.[].adaptive.tolerance": after(0.9, **MODULATE),
    "therapy.[].adaptive.policy": after(
        "{folder}/rules.py:half", **adaptive(policy="{folder}/rules.py:whole")
    ),
    "therapy.[].adaptive.visit_every": after("12 min", **MODULATE),
    "therapy.[].adaptive.noise": after(0, **MODULATE),
    "therapy.[].adaptive.delay": after("6 min", **MODULATE),
    "therapy.[].toxicity.hold_below": after(0.05, **TOXICITY),
    "therapy.[].toxicity.resume_at": after(50, **TOXICITY),
    "therapy.[].toxicity.reduce_by": after(0.5, **TOXICITY),
    "therapy.[].toxicity.visit_every": after("12 min", **TOXICITY),
    "therapy.[].toxicity.noise": after(0, **TOXICITY),
    "therapy.[].toxicity.delay": after("6 min", **TOXICITY),
    "evolution.*.rate": "0.1 per division",
    "evolution.*.because": "the patch is small",
    "evolution.*.nodes.*.times": after(3, "evolution.odd.nodes.ERK.times", **OWN),
    "evolution.*.nodes.*.held": after({"held": 0.5}, "evolution.odd.nodes.ERK", **OWN),
    "surrogate.name": Change({"name": "teacher"}, "surrogate"),
    "surrogate.path": Change({"path": "{folder}/no-weights"}, "surrogate"),
    "surrogate.member": after(0, **TRAINED),
    "surrogate.out_of_domain": after("teacher", **TRAINED),
    "surrogate.rates.*.*": "2 um/min",
    **{f"processes.{name}": False for name in PROCESSES},
    "catalogue.drugs": after("{folder}/drugs.yaml", therapy__0__drug="trametinib"),
    "catalogue.substrates": "{folder}/substrates.yaml",
    "catalogue.cell_types": "{folder}/cell_types.yaml",
    "catalogue.mutations": after("{folder}/mutations.yaml", evolution={"NRAS_Q61": {}}),
    "output.fields": ["oxygen"],
    "output.columns": "all",
    "patient.body_surface_area": after("2.5 m2", therapy__0__dose="50 mg/m2"),
    "patient.weight": after("40 kg", therapy__0__dose="1 mg/kg"),
    "cell_types.*.preset": "macrophage",
    "cell_types.*.network_type": "fibroblast",
    "cell_types.*.volume": "2000 um3",
    "cell_types.*.nuclear_fraction": 0.3,
    "cell_types.*.fluid_fraction": 0.6,
    "cell_types.*.fluid_rate": "1 per hour",
    "cell_types.*.cytoplasm_rate": after("1 per hour", **OVERSIZED),
    "cell_types.*.nucleus_rate": after("1 per hour", **OVERSIZED),
    "cell_types.*.apoptosis_fluid_rate": "1 per hour",
    "cell_types.*.apoptosis_cytoplasm_rate": "2 per hour",
    "cell_types.*.apoptosis_nucleus_rate": "2 per hour",
    "cell_types.*.necrosis_fluid_rate": "1 per hour",
    "cell_types.*.necrosis_cytoplasm_rate": "1 per hour",
    "cell_types.*.necrosis_nucleus_rate": "1 per hour",
    "cell_types.*.apoptosis_duration": "10 min",
    "cell_types.*.lysis_volume_factor": 1.001,
    "cell_types.*.debris_clearance_time": after(
        "6 min", cell_types__tumor__lysis_volume_factor=1.001
    ),
    "cell_types.*.s_duration": "20 min",
    "cell_types.*.repulsion": "5 um/min",
    "cell_types.*.adhesion": "4 um/min",
    "cell_types.*.adhesion_range": 1.5,
    "cell_types.*.affinity.*": 0.1,
    "cell_types.*.costimulation": 1,
    "cell_types.*.motile": False,
    "cell_types.*.inheritance_noise": 0.5,
    "cell_types.*.vessel_radius": Change("9 um", "cell_types.endothelial.vessel_radius"),
    "drugs.*.preset": after(
        "dabrafenib",
        "drugs.named.preset",
        drugs={"named": {"preset": "vemurafenib"}},
        therapy__0__drug="named",
    ),
    "drugs.*.unit": "nM",
    "drugs.*.acts_as": "trametinib",
    "drugs.*.targets.*": Change("20 nM", "drugs.novel.targets.MEK"),
    "drugs.*.kind": "antibody",
    "drugs.*.molar_mass": "400 g/mol",
    "drugs.*.free_fraction": 0.2,
    "drugs.*.route": "iv",
    "drugs.*.infusion": after("3 min", **INFUSED),
    "drugs.*.clearance": "20 L/h",
    "drugs.*.central_volume": "30 L",
    "drugs.*.intercompartmental_clearance": "20 L/h",
    "drugs.*.peripheral_volume": "5 L",
    "drugs.*.second_intercompartmental_clearance": "20 L/h",
    "drugs.*.second_peripheral_volume": "5 L",
    "drugs.*.absorption_rate": "2 per hour",
    "drugs.*.bioavailability": 0.8,
    "drugs.*.diffusivity": "100 um2/min",
    "drugs.*.decay_rate": "1 per min",
    "drugs.*.cell_clearance": "1000 um3/min",
    "drugs.*.bound_ratio": 3,
    "drugs.*.permeability": "1 um/min",
}
FACES = ("all", "x_low", "x_high", "y_low", "y_high", "z_low", "z_high")
for _face in FACES:
    EXAMPLES[f"substrates.*.boundary.{_face}"] = "1 mM"
_BATH = {"substrates__HGF__boundary": {"all": "exchange", "bath": "5 nM", "rate": "1e-3 per um"}}
for _key, _value in {"bath": "1 nM", "rate": "1e-2 per um"}.items():
    EXAMPLES[f"substrates.*.boundary.{_key}"] = after(
        _value, f"substrates.HGF.boundary.{_key}", **_BATH
    )


REFUSED = {  # keys whose change is refused, with words of the message
    "format": "it should be 1",
    "substrates.*.unit": "the cell model reads glucose in mM",
    "drugs.*.unit": "the cell model reads novel in uM",
    "surrogate.path": "no-weights",
}


class Levelled(Constant):
    """Fixed rates of cells whose state is not zero, and tells what drugs are at their targets."""

    def initial_state(self, cell_type, genotype):
        return super().initial_state(cell_type, genotype) + np.float32(0.5)

    def step(self, cells, dt, *, out):
        super().step(cells, dt, out=out)
        n = len(TARGETS)
        out.state[:, :n] = 0.5 + 0.5 * cells.inputs[:, -n:]


def keys(node, path=()):
    """Every key of the schema: dotted paths, with * for a name and [] for an index."""
    while "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    below = [
        key
        for part in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ()))
        for key in keys(part, path)
        if key != path
    ]
    named = node.get("propertyNames", {}).get("enum", ())
    inside = {**node.get("properties", {}), **{key: {} for key in named}}
    extra, items = node.get("additionalProperties"), node.get("items")
    if isinstance(extra, dict) and not named:
        inside["*"] = extra
    if isinstance(items, dict):
        listed = [key for key in keys(items, (*path, "[]")) if key != (*path, "[]")]
        below += listed
    for name, part in inside.items():
        below += keys(part, (*path, name))
    return below or [path]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a scenario with some overrides comes to; each is looked at once."""
    folder = tmp_path_factory.mktemp("files")
    for name, text in FILES.items():
        (folder / name).write_text(text)

    @functools.cache
    def outcome(overrides, recorded):
        filled = {key: filled_in(eval(value), folder) for key, value in overrides}
        scenario = load_scenario(BASE, filled)
        return record(scenario, folder) if recorded else trace(scenario)

    return outcome


def filled_in(value, folder):
    """A value with the folder of the files in it."""
    if isinstance(value, dict):
        return {key: filled_in(item, folder) for key, item in value.items()}
    return value.replace("{folder}", str(folder)) if isinstance(value, str) else value


def trace(scenario):
    """Hash of the state of a few ticks."""
    surrogate = scenario.surrogate
    levelled = None
    if surrogate.name == "constant":
        table = DrugTable(tuple(scenario.sensed_drugs.values()))
        levelled = Dosed(Levelled(surrogate.rates), table)
    model = TumorModel(scenario, cell_model=levelled)
    found = hashlib.sha256()
    for _ in range(N_TICKS):
        model.step()
        for columns in (model.population.state(), {n: model.env[n] for n in model.env.names}):
            for name, values in columns.items():
                found.update(name.encode() + np.ascontiguousarray(values).tobytes())
    found.update(repr((model.events, model.lineage, list(model.clones))).encode())
    return found.hexdigest()


def record(scenario, folder):
    """What a run leaves: where, its result, when it was saved, why it ended."""
    path = folder / default_path(scenario).name
    run = simulate(scenario, path, force=True)
    saved = sorted(file.name for file in checkpoint_folder(path).glob("*"))
    return path.name, run.digest(), saved, run.reason


def test_every_key_of_the_schema_has_an_example():
    assert sorted(".".join(key) for key in keys(SCHEMA)) == sorted(EXAMPLES)


@pytest.mark.parametrize("key", EXAMPLES)
def test_a_key_that_is_changed_changes_the_run_or_is_refused(key, seen):
    change = EXAMPLES[key] if isinstance(EXAMPLES[key], Change) else Change(EXAMPLES[key])
    place = change.at or functools.reduce(lambda k, s: k.replace(*s), STAND_INS.items(), key)
    recorded = key.split(".")[0] in ("name", "time", "stop", "output")
    before = seen(change.before, recorded)
    if key in REFUSED:
        with pytest.raises(InputError, match=REFUSED[key]):
            seen((*change.before, (place, repr(change.value))), recorded)
    else:
        assert seen((*change.before, (place, repr(change.value))), recorded) != before
