"""What a scenario implies before it runs, and the refusal of what cannot run."""

import math

import numpy as np
import pytest

import surrogates
from surrogates.channels import INPUTS, basal_inputs, cell_type_code, genotype_bits
from surrogates.constant import Constant
from surrogates.dosed import dosed
from surrogates.occupancy import DrugTable
from tme_sim.analysis.implications import implications
from tme_sim.scenario import ScenarioError, load_scenario
from tme_sim.scenario.memory import available_bytes, in_words, refuse_if_too_large

RATES = {"oxygen_uptake": 1200.0, "HGF_clearance": 1800.0}
DOUBLINGS = 1 / 1440  # [1/min]
VOXEL = 20.0


class Recording(Constant):
    """A cell model whose outputs do not depend on anything; keeps what it was asked about."""

    def __init__(self):
        super().__init__({"tumor": RATES})
        self.asked = []

    def step(self, cells, dt, *, out):
        self.asked.append(cells)
        super().step(cells, dt, out=out)

    def inputs_of(self, group, *names):
        return [self.asked[0].inputs[group, INPUTS.index(name)] for name in names]


@pytest.fixture
def model(monkeypatch):
    model = Recording()
    monkeypatch.setattr(
        surrogates,
        "load",
        lambda *, drugs, **_options: dosed(model, DrugTable(list(drugs.values()))),
    )
    monkeypatch.setattr(
        "tme_sim.analysis.implications.net_growth_rate",
        lambda outputs: np.full(len(outputs), DOUBLINGS),
    )
    return model


def scenario(overrides=None, **more):
    return load_scenario(
        {
            "time": {"duration": "4 d"},
            "domain": {"size": ["800 um", "800 um"]},
            "substrates": {"oxygen": {"boundary": {"all": "38 mmHg"}}, "HGF": {}},
            "cells": {
                "tumor": {
                    "type": "tumor",
                    "genotype": ["BRAF_V600E"],
                    "count": 500,
                    "placement": {"disk": {"radius": "200 um"}},
                },
                "vessel": {
                    "type": "endothelial",
                    "placement": {"poisson": {"spacing": "100 um"}},
                },
            },
            "therapy": [{"drug": "vemurafenib", "dose": "960 mg", "every": "12 h"}],
            **more,
        },
        overrides,
    )


@pytest.mark.usefixtures("model")
def test_diffusion_lengths_are_those_of_the_cells_at_their_density():
    found = {reach.name: reach for reach in implications(scenario()).substrates}
    density = 500 / (math.pi * 200**2 * VOXEL)
    hgf, oxygen = found["HGF"], found["oxygen"]
    assert hgf.free_length == pytest.approx(math.sqrt(600 / 2e-3))
    assert hgf.tissue_length == pytest.approx(math.sqrt(600 / (2e-3 + 1800 * density)))
    assert hgf.tissue == "tumor"
    most = 1200 * density / 1.35e-3
    assert oxygen.free_length == math.inf
    assert oxygen.tissue_length == pytest.approx(math.sqrt(1.05e5 / (most / 39)))
    assert oxygen.exhausted_depth == pytest.approx(math.sqrt(2 * 1.05e5 * 38 / most))


def test_the_cell_model_is_asked_in_the_surroundings_at_the_start(model):
    found = implications(scenario())
    asked = model.asked[0]
    assert asked.genotype.tolist() == [genotype_bits(["BRAF_V600E"], model.genotypes), 0]
    assert asked.cell_type.tolist() == [cell_type_code("tumor"), cell_type_code("endothelial")]
    assert model.inputs_of(0, "oxygen", "HGF", "MEK_occupancy") == pytest.approx([38.0, 0.02, 0.0])
    assert model.inputs_of(0, "EGF") == pytest.approx(basal_inputs()[0, INPUTS.index("EGF")])
    assert found.growth[0].doublings_per_day == pytest.approx(1.0)
    assert "tumor: double in 24 h at the start" in found.text()


def test_what_a_wall_holds_is_not_there_at_the_start(model):
    given = scenario({"substrates.HGF": {"initial": "0 nM", "boundary": {"all": "2 nM"}}})
    found = implications(given)
    assert model.inputs_of(0, "HGF") == [0.0]
    assert "HGF: 0 nM at the start, 2 nM at the walls; diffusion length" in found.text()
    assert "oxygen: 38 mmHg at the start; diffusion length" in found.text()


@pytest.mark.usefixtures("model")
def test_a_drug_that_cells_take_up_reaches_less_far_among_them():
    given = scenario(therapy=[], substrates={"doxorubicin": {"boundary": {"all": "1 uM"}}})
    (doxorubicin,) = implications(given).substrates
    uptake = 1.19e4 * 500 / (math.pi * 200**2 * VOXEL)
    assert doxorubicin.free_length == math.inf
    assert doxorubicin.tissue_length == pytest.approx(math.sqrt(1e4 / uptake))
    assert 0.0 < doxorubicin.vessel_share < 0.9


@pytest.mark.usefixtures("model")
def test_drug_at_the_cells_is_told_by_day():
    (course,) = implications(scenario()).drugs
    assert course.days == (1, 2, 3, 4)
    assert course.level[0] == pytest.approx(18 * 0.103, rel=0.05)
    assert sorted(course.level) == list(course.level)


@pytest.mark.usefixtures("model")
def test_cost_grows_with_cells_and_stays_within_the_room():
    small = scenario({"time.duration": "1 d"})
    large = scenario({"time.duration": "1 d", "cells.tumor.count": 530})
    assert implications(large).memory_bytes > implications(small).memory_bytes
    found = implications(scenario({"time.duration": "60 d"}))
    assert found.expected_cells == pytest.approx(800 * 800 / 222.4, rel=0.01)
    stopped = scenario({"time.duration": "60 d", "stop": {"burden_above": 700}})
    assert implications(stopped).expected_cells == 1400


@pytest.mark.usefixtures("model")
def test_surprises_are_noted():
    dry = scenario({"cells.vessel.placement.poisson.spacing": "90 um"})
    assert not implications(dry).notes
    data = dry.resolved()
    del data["cells"]["vessel"]
    data["cells"]["cd8"] = {"type": "cd8_t", "supply": "1 per hour"}
    notes = implications(load_scenario(data)).notes
    assert "vemurafenib never reaches the tissue: there are no vessels" in notes
    assert "cells are supplied, but without endothelium none can enter" in notes


def test_a_cell_model_that_cannot_be_loaded_is_named_with_its_line(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(
        "time: {duration: 1 d}\ndomain: {size: [1 mm, 1 mm]}\nsurrogate: {name: tme-sell}\n"
    )
    with pytest.raises(ScenarioError, match=r"a\.yaml:3: surrogate: .*tme-sell"):
        implications(load_scenario(file))


def test_constant_rates_are_those_of_the_file():
    rates = {"tumor": {"g1s_rate": "0.06 per hour", "g2m_rate": "0.6 per hour"}}
    found = implications(scenario(surrogate={"name": "constant", "rates": rates}))
    growth = {g.group: g.doublings_per_day for g in found.growth}
    assert 0.5 < growth["tumor"] < 1.5
    assert growth["vessel"] == 0.0


@pytest.mark.usefixtures("model")
def test_implications_are_plain_data_too():
    found = implications(scenario()).as_dict()
    assert found["substrates"][0]["name"] == "oxygen"
    assert found["n_voxels"] == 1600


def test_a_domain_that_does_not_fit_in_memory_is_refused_with_a_figure(tmp_path):
    file = tmp_path / "huge.yaml"
    file.write_text(
        "time: {duration: 1 d}\n"
        "domain:\n"
        "  size: [900 mm, 900 mm, 900 mm]\n"
        "substrates: {oxygen: {}}\n"
    )
    with pytest.raises(ScenarioError) as caught:
        refuse_if_too_large(load_scenario(file))
    assert str(caught.value).startswith(f"{file}:3: domain.size: 45000 x 45000 x 45000 voxels")
    assert "14.6 PB" in str(caught.value)
    assert in_words(available_bytes()) in str(caught.value)


def test_more_cells_than_memory_are_refused(tmp_path):
    file = tmp_path / "huge.yaml"
    file.write_text(
        "time: {duration: 1 d}\n"
        "domain: {size: [1 mm, 1 mm]}\n"
        "cells:\n"
        "  a: {type: tumor, count: 1e12, placement: everywhere}\n"
    )
    with pytest.raises(ScenarioError, match=r"huge.yaml:3: cells: 1e\+12 cells need 2.5 PB"):
        refuse_if_too_large(load_scenario(file))


def test_what_fits_is_let_through():
    assert refuse_if_too_large(scenario()) is None


CLOSED = {"substrates.oxygen.boundary": {"all": "no_flux"}, "substrates.oxygen.initial": "38 mmHg"}
TUMOR = {
    "type": "tumor",
    "count": 500,
    "placement": {"disk": {"radius": "200 um"}},
}


@pytest.mark.usefixtures("model")
def test_what_nothing_supplies_is_told_with_how_long_it_lasts():
    found = implications(scenario({**CLOSED, "cells": {"tumor": TUMOR}}))
    there = 38.0 * 1.35e-3 * 800.0 * 800.0 * VOXEL  # amol
    lasts = there / (500 * RATES["oxygen_uptake"] * 38.0 / 39.0)
    (oxygen,) = found.exhausted
    assert oxygen.name == "oxygen"
    assert oxygen.lasts == pytest.approx(lasts)
    assert "nothing supplies oxygen: no vessel and no open wall" in found.text()
    assert "starving, at most 5e+02 cells at the end" in found.text()
    assert found.expected_cells == pytest.approx(500 * 2 ** (lasts / 1440), rel=1e-6)


@pytest.mark.parametrize(
    "supply",
    [
        {"substrates.oxygen.boundary": {"x_low": "38 mmHg"}},
        {"substrates.oxygen.boundary": {"x_low": {"exchange": "1 per um", "bath": "38 mmHg"}}},
        {"cells": scenario().document.data["cells"]},
        {"time.duration": "1 min", "time.tick": "1 min", "time.frame_every": "1 min"}
        | {"time.checkpoint_every": "1 min"},
    ],
)
@pytest.mark.usefixtures("model")
def test_what_is_supplied_or_lasts_is_not(supply):
    assert implications(scenario({**CLOSED, "cells": {"tumor": TUMOR}, **supply})).exhausted == ()


@pytest.mark.usefixtures("model")
def test_a_bath_without_anything_in_it_supplies_nothing():
    bath = {"substrates.oxygen.boundary": {"all": "0 mmHg"}}
    found = implications(scenario({**CLOSED, "cells": {"tumor": TUMOR}, **bath}))
    assert [each.name for each in found.exhausted] == ["oxygen"]
