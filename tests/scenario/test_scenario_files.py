"""Scenarios are read with units and presets, and read back from what they resolve to."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tme_sim.scenario import ScenarioError, load_scenario, schema
from tme_sim.scenario.catalogue import EVIDENCE, SECTIONS, builtin
from tme_sim.scenario.drugs import DrugSpec
from tme_sim.scenario.mutations import MutationSpec, scaled_rates
from tme_sim.scenario.substrates import SubstrateSpec
from tme_sim.scenario.tissue import CellTypeSpec

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))


def variants(file):
    """What the comments at the top of a scenario offer as ``--set KEY=VALUE``."""
    lines = file.read_text(encoding="utf-8").split("format:")[0].splitlines()
    header = re.sub(r"\s+", " ", " ".join(line.lstrip("# ") for line in lines))
    found = re.findall(r'--set ([\w.]+)=(?:"([^"]*)"|([^\s"]+?))[.,;]?(?= |$)', header)
    assert len(found) == header.count("--set")
    return [(key, quoted or plain) for key, quoted, plain in found]


VARIANTS = [(file, *variant) for file in SCENARIOS for variant in variants(file)]

EVERYTHING = """
format: 1
name: melanoma_vemurafenib
seed: 1
time: {duration: 28 d, tick: 6 min, frame_every: 6 h, checkpoint_every: 1 d}
stop: {burden_below: 1 cells, burden_above: 2e4 cells}
domain: {size: [1500 um, 1.5 mm], voxel: 20 um, walls: reflecting}
substrates:
  oxygen: {preset: oxygen, boundary: {all: 38 mmHg}}
  HGF: {preset: HGF}
  CXCL10: {preset: CXCL10, boundary: {all: exchange, bath: 0 nM, rate: 2e-4 per um}}
  glucose:
    boundary: {x_low: 5 mM, x_high: {exchange: 1e-3 per um, bath: 5e3 uM}, y_low: no_flux}
cells:
  tumor:
    type: tumor
    genotype: [BRAF_V600E]
    count: 1e3
    placement: {disk: {radius: 300 um}}
    represents: 1e9 cells
  caf: {type: fibroblast, count: 150, placement: {ring: {inner: 310 um, outer: 450 um}}}
  vessel: {type: endothelial, placement: {poisson: {spacing: 150 um}}}
  cd8: {type: cd8_t, supply: 10 per hour}
therapy:
  - {drug: vemurafenib, dose: 960 mg, every: 12 h, start: 3 d, until: 20 d}
  - drug: trametinib
    dose: 2 mg
    every: 24 h
    adaptive: {stop_below: 0.5, resume_at: 1.0, visit_every: 1 d}
evolution:
  NRAS_Q61: {rate: 1e-7 per division}
surrogate: {name: constant, rates: {tumor: {g1s_rate: 0.06 per hour, speed: 0.5 um/min}}}
processes: {mechanics: on, arrival: off}
output: {fields: [oxygen, HGF, vemurafenib], columns: standard}
"""


@pytest.fixture(scope="module")
def everything():
    return load_scenario(EVERYTHING)


def test_values_are_in_internal_units(everything):
    s = everything
    assert (s.time.duration, s.time.tick, s.time.frame_every) == (40320.0, 6.0, 360.0)
    assert s.domain.size == (1500.0, 1500.0)
    assert s.grid_shape() == (1, 75, 75)
    assert s.stop.burden_above == 20000.0
    assert s.cells["tumor"].count == 1000
    assert s.cells["cd8"].supply == pytest.approx(10 / 60)
    assert s.cells["tumor"].represents == 1e9
    assert s.evolution["NRAS_Q61"].rate == 1e-7
    assert s.therapy[0].dose == 960.0
    assert s.therapy[1].adaptive.visit_every == 1440.0
    assert s.surrogate.options()["rates"]["tumor"]["g1s_rate"] == pytest.approx(1e-3)
    assert s.process_is_on("mechanics")
    assert not s.process_is_on("arrival")


def test_boundaries_are_those_of_the_field_solver(everything):
    assert everything.substrates["oxygen"].boundary == {"all": 38.0}
    assert everything.substrates["HGF"].boundary == {"all": "no_flux"}
    assert everything.substrates["CXCL10"].boundary == {"all": {"exchange": 2e-4, "bath": 0.0}}
    assert everything.substrates["glucose"].boundary == {
        "x_low": 5.0,
        "x_high": {"exchange": 1e-3, "bath": 5.0},
        "y_low": "no_flux",
    }


def test_periodic_walls_make_periodic_substrates():
    tissue = {"size": ["200 um", "200 um"], "walls": "periodic"}
    s = load_scenario({"time": {"duration": "1 d"}, "domain": tissue, "substrates": {"HGF": {}}})
    assert s.substrates["HGF"].boundary == {"all": "periodic"}


def test_drugs_of_the_therapy_are_substrates_after_those_of_the_file(everything):
    assert list(everything.substrates) == [
        *("oxygen", "HGF", "CXCL10", "glucose"),
        *("vemurafenib", "trametinib"),
    ]
    drug = everything.drugs["vemurafenib"]
    substrate = everything.substrates["vemurafenib"]
    assert substrate.diffusivity == pytest.approx(drug.diffusivity / (1 + drug.bound_ratio))
    assert substrate.input == "vemurafenib"
    assert substrate.unit == "uM"


def test_a_resolved_scenario_is_read_back_to_the_same(everything):
    resolved = everything.resolved()
    again = load_scenario(resolved)
    assert again.resolved() == resolved
    assert again.therapy == everything.therapy
    assert again.substrates.keys() == everything.substrates.keys()


def test_a_resolved_scenario_takes_overrides(everything):
    again = load_scenario(everything.resolved(), {"therapy.0.dose": "480 mg", "seed": "7"})
    assert again.therapy[0].dose == 480.0
    assert again.seed == 7


def test_a_scenario_survives_pickling(everything):
    assert pickle.loads(pickle.dumps(everything)).resolved() == everything.resolved()


def test_a_scenario_is_frozen(everything):
    with pytest.raises(Exception, match="frozen"):
        everything.seed = 3


def test_oxygen_may_be_given_as_a_concentration():
    text = EVERYTHING.replace("{all: 38 mmHg}", "{all: 0.0513 mM}")
    assert load_scenario(text).substrates["oxygen"].boundary["all"] == pytest.approx(38.0)


def test_doses_per_body_are_for_the_patient():
    text = EVERYTHING.replace("960 mg", "60 mg/m2").replace("dose: 2 mg", "dose: 2 mg/kg")
    s = load_scenario(text, {"patient.weight": "50 kg"})
    assert s.therapy[0].dose == pytest.approx(108.0)
    assert s.therapy[1].dose == pytest.approx(100.0)


def test_users_bring_their_own_drugs_substrates_and_types(tmp_path):
    (tmp_path / "drugs.yaml").write_text(
        "slowmab: {preset: pembrolizumab, clearance: {value: 0.1 L/d, source: ours}}\n"
    )
    (tmp_path / "substrates.yaml").write_text("tracer: {unit: uM, diffusivity: 1e4 um2/min}\n")
    (tmp_path / "types.yaml").write_text(
        "big_tumor: {preset: tumor, volume: 4000 um3, s_duration: 10 h}\n"
    )
    file = tmp_path / "mine.yaml"
    file.write_text(
        "time: {duration: 1 d}\n"
        "domain: {size: [400 um, 400 um]}\n"
        "catalogue: {drugs: drugs.yaml, substrates: substrates.yaml, cell_types: types.yaml}\n"
        "substrates: {tracer: {boundary: {all: 1 uM}}}\n"
        "cells: {a: {type: big_tumor, count: 3, placement: {disk: {radius: 100 um}}}}\n"
        "therapy: [{drug: slowmab, dose: 200 mg, every: 3 week}]\n"
    )
    s = load_scenario(file)
    assert s.name == "mine"
    assert s.drugs["slowmab"].clearance == pytest.approx(0.1 / 1440)
    assert s.drugs["slowmab"].central_volume == 3.5
    assert s.cell_types["big_tumor"].volume == 4000.0
    assert s.cell_types["big_tumor"].network_type == "tumor"
    assert s.substrates["tracer"].input is None
    assert load_scenario(s.resolved()).resolved() == s.resolved()


def test_a_scenario_may_change_a_preset_in_place():
    s = load_scenario(EVERYTHING, {"drugs.vemurafenib.clearance": "3 L/h"})
    assert s.drugs["vemurafenib"].clearance == pytest.approx(0.05)
    s = load_scenario(EVERYTHING, {"cell_types.tumor.s_duration": "6 h"})
    assert s.cell_types["tumor"].s_duration == 360.0


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_of_the_catalogue_has_a_source_and_an_evidence(section):
    kind = {
        "substrates": SubstrateSpec,
        "drugs": DrugSpec,
        "cell_types": CellTypeSpec,
        "mutations": MutationSpec,
    }[section]
    plain = ("preset", "unit", "input", "acts_as", "kind", "route", "network_type", "motile")
    presets = builtin()
    for name in presets.names(section):
        sources = presets.sources(section, name)
        for key in presets.preset(section, name):
            if key in plain:
                continue
            assert key in kind.model_fields
            source, evidence = sources[key]
            assert len(source) > 5, (name, key)
            assert evidence in EVIDENCE


def test_every_preset_is_complete():
    presets = builtin()
    for name in presets.names("substrates"):
        SubstrateSpec.model_validate(presets.preset("substrates", name))
    for name in presets.names("drugs"):
        DrugSpec.model_validate(presets.preset("drugs", name))
    for name in set(presets.names("cell_types")) - {"generic"}:
        CellTypeSpec.model_validate(presets.preset("cell_types", name))


def test_every_genotype_of_the_cell_model_has_a_rate_with_a_source():
    channels = pytest.importorskip("surrogates.channels")
    known = set(builtin().names("mutations")) - {"loss", "amplification"}
    assert known == set(channels.GENOTYPES)
    s = load_scenario(EVERYTHING, {"evolution": {name: {} for name in channels.GENOTYPES}})
    assert s.evolution["NRAS_Q61"].rate == 1e-8
    assert all(0.0 < spec.rate <= 1e-5 for spec in s.evolution.values())
    assert scaled_rates(s) == []


def test_a_scaled_rate_is_said_with_its_reason():
    s = load_scenario(EVERYTHING, {"evolution.NRAS_Q61": {"rate": "1e-5 per division"}})
    assert "1e+03 times the catalogue's 1e-08" in scaled_rates(s)[0]
    assert "no reason" in scaled_rates(s)[0]
    s = load_scenario(EVERYTHING, {"evolution.NRAS_Q61.because": "the patch is small"})
    assert scaled_rates(s)[0].endswith("because the patch is small")


def test_the_cell_model_knows_every_preset():
    channels = pytest.importorskip("surrogates.channels")
    presets = builtin()
    units = {channel.name: channel.unit for channel in channels.INPUT_CHANNELS}
    for name in presets.names("substrates"):
        preset = presets.preset("substrates", name)
        assert units[preset["input"]] == preset["unit"]
    drugs = pytest.importorskip("surrogates.drugs").SHIPPED
    for name in presets.names("drugs"):
        preset = presets.preset("drugs", name)
        assert drugs[preset["acts_as"]].unit == preset["unit"]
    types = set(presets.names("cell_types")) - {"generic"}
    assert types == set(channels.CELL_TYPES)


def test_the_schema_lists_every_key_and_requires_no_preset_value():
    result = schema()
    assert set(result["properties"]) >= {"format", "time", "domain", "cells", "catalogue"}
    assert result["additionalProperties"] is False
    assert "required" not in result["$defs"]["SubstrateSpec"]
    assert result["$defs"]["Dose"]["required"] == ["drug", "dose"]


def test_what_loads_is_valid_by_the_schema(everything):
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema())
    for data in (
        everything.document.data,
        everything.resolved(),
        *(load_scenario(file).document.data for file in SCENARIOS),
    ):
        assert [error.message for error in validator.iter_errors(data)] == []


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_scenarios_that_ship_can_be_read(file):
    scenario = load_scenario(file)
    assert scenario.source == file.read_text(encoding="utf-8")
    assert scenario.path == file
    assert load_scenario(scenario.resolved()).resolved() == scenario.resolved()


@pytest.mark.parametrize(
    ("file", "key", "value"), VARIANTS, ids=[f"{file.stem}-{key}" for file, key, _ in VARIANTS]
)
def test_variants_in_the_header_of_a_scenario_change_what_they_name(file, key, value):
    changed = load_scenario(file, {key: value}).resolved()
    section = key.split(".")[0]
    assert changed[section] != load_scenario(file).resolved()[section]


def test_importing_the_package_loads_neither_pydantic_nor_pint():
    code = (
        "import sys, tme_sim, tme_sim.scenario, tme_sim.therapy;"
        "print([m for m in ('pydantic', 'pint', 'scipy', 'torch', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_a_scenario_needs_no_torch():
    code = (
        "import sys, tme_sim.scenario as s;"
        f"s.load_scenario({EVERYTHING!r});"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_errors_of_a_scenario_survive_pickling():
    error = ScenarioError("a message", "file.yaml:3")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.where) == ("file.yaml:3: a message", "file.yaml:3")
