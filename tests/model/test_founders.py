"""Cells of a table start as it says; what it does not say follows from steady growth."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from tests.model.small import small
from tme_sim import TumorModel
from tme_sim.analysis.implications import implications
from tme_sim.scenario import ScenarioError
from tme_sim.state.columns import APOPTOTIC, G1, G2M, S

RATES = {"g1s_rate": "0.1 /h", "g2m_rate": "0.25 /h", "growth_rate": "0.05 /h"}
CONSTANT = {"name": "constant", "rates": {"tumor": RATES}}
SITES = [(60, 60), (150, 150), (240, 240), (60, 240)]


def crowded(folder, rows):
    """Scenario of a table with some cells in one place."""
    (folder / "cells.csv").write_text("x,y\n" + "150,150\n" * rows + "60,60\n")
    cells = {"tumor": {"type": "tumor", "placement": {"file": str(folder / "cells.csv")}}}
    return small(cells=cells, therapy=None, evolution=None, output=None, surrogate=CONSTANT)


def test_cells_that_share_a_place_are_told_and_spread_within_the_hour(tmp_path):
    scenario = crowded(tmp_path, 40)
    model = TumorModel(scenario)
    (note,) = (text for _, kind, text in model.events if kind == "crowded")
    assert note.startswith("tumor: 40 of 41 cells start in the same place")
    assert f"  note: {note}" in implications(scenario).text().splitlines()
    model.run_for("1 h")
    assert pdist(model.population["position"]).min() > 6.0
    assert not any(kind == "crowded" for _, kind, _ in TumorModel(crowded(tmp_path, 1)).events)


@pytest.fixture
def founded(tmp_path):
    """Model whose tumor cells stand in a table with these columns."""

    def found(surrogate=CONSTANT, group=None, **columns):
        names = ",".join(("x", "y", *columns))
        rows = zip(*columns.values(), strict=True)
        lines = [f"{x},{y},{','.join(map(str, row))}" for (x, y), row in zip(SITES, rows)]  # noqa: B905
        (tmp_path / "cells.csv").write_text("\n".join([names, *lines]))
        table = {"placement": {"file": str(tmp_path / "cells.csv")}}
        cells = {"tumor": {"type": "tumor", **(group or {}), **table}}
        parts = {"therapy": None, "evolution": None, "output": None, "surrogate": surrogate}
        return TumorModel(small(cells=cells, **parts))

    return found


def test_volume_and_phase_are_kept(founded):
    cells = founded(volume=[3333, 4444, 2600], phase=[2, 2, 0]).population
    assert cells["volume"].tolist() == [3333.0, 4444.0, 2600.0]
    assert cells["phase"].tolist() == [G2M, G2M, G1]
    np.testing.assert_allclose(cells["radius"], np.cbrt(0.75 / np.pi * cells["volume"]), rtol=1e-6)
    np.testing.assert_allclose(cells["fluid_volume"], 0.75 * cells["volume"], rtol=1e-6)


def test_every_column_of_a_table_is_kept(founded):
    given = {
        "phase": [G1, S, G2M],
        "phase_age": [12.0, 30.0, 45.0],
        "phase_progress": [0.0, 0.75, 0.0],
        "volume": [2500.0, 3000.0, 4500.0],
        "fluid_volume": [1800.0, 2200.0, 3300.0],
        "nuclear_volume": [100.0, 150.0, 250.0],
        "birth_time": [-30.0, -60.0, -90.0],
        "n_divisions": [3, 1, 4],
        "crowding": [0.5, 1.0, 1.5],
        "n_contacts": [6, 5, 4],
        "antigen_contact": [0.1, 0.2, 0.3],
        "granzyme_hits": [1, 0, 2],
        "oxygen_realised": [5.0, 6.0, 7.0],
        "status": [0, APOPTOTIC, 0],
        "death_time": [0.0, 60.0, 0.0],
        "death_cause": [0, 1, 0],
        "death_volume": [0.0, 3100.0, 0.0],
    }
    cells = founded(**given).population
    for name, values in given.items():
        assert cells[name].tolist() == pytest.approx(values, rel=1e-6), name


def test_a_phase_alone_gets_an_age_and_a_size_of_that_phase(founded):
    cells = founded(phase=[S, G2M, G1, S]).population
    assert cells["phase"].tolist() == [S, G2M, G1, S]
    in_s = cells["phase"] == S
    assert (cells["phase_age"][in_s] < 480.0).all()
    assert len(set(cells["phase_age"].tolist())) == 4
    np.testing.assert_allclose(cells["phase_progress"], in_s * cells["phase_age"] / 480, rtol=1e-6)
    assert (cells["volume"] > 2494.0).tolist() == [True, True, False, True]


def test_a_volume_alone_tells_when_the_cell_left_g1(founded):
    sizes = np.exp(0.05 / 60.0 * np.array([-100.0, 120.0, 480.0 + 90.0]))
    cells = founded(volume=(2494.0 * sizes).tolist()).population
    assert cells["phase"].tolist() == [G1, S, G2M]
    assert cells["phase_age"][1:].tolist() == pytest.approx([120.0, 90.0], rel=1e-3)


def test_a_dead_cell_of_a_table_died_at_the_size_it_has(founded):
    cells = founded(status=[0, APOPTOTIC], volume=[2494, 2000]).population
    assert cells["death_volume"].tolist() == [0.0, 2000.0]


def test_a_dead_cell_of_a_table_died_of_what_its_status_says(founded):
    cells = founded(status=[0, 1, 2, 3]).population
    assert cells["death_cause"].tolist() == [0, 1, 2, 2]
    assert founded(status=[1], death_cause=[2]).population["death_cause"].tolist() == [2]
    with pytest.raises(ScenarioError, match=r"cells\.csv:3: death_cause.*the cell lives"):
        founded(status=[1, 0], death_cause=[1, 1])


def test_genotypes_of_a_table_are_those_of_a_group(founded):
    model = founded(surrogate=None, genotype=[1, 0, 1])
    expected = founded(surrogate=None, group={"genotype": ["BRAF_V600E"]}, phase=[0, 0, 0])
    nodes, others = model.population["nodes"], expected.population["nodes"]
    assert (nodes[[0, 2]] == others[[0, 2]]).all()
    assert (nodes[1] != others[1]).any()
    clones = [(c.name, c.parent, c.genotype) for c in model.clones]
    assert clones == [("tumor", -1, 0), ("tumor + BRAF_V600E", 0, 1)]
    assert model.population["clone"].tolist() == [1, 0, 1]


def test_clone_labels_of_a_table_found_clones(founded):
    model = founded(clone=[5, 0, 5], genotype=[0, 0, 1])
    names = [model.clones[k].name for k in model.population["clone"]]
    assert names == ["tumor 5", "tumor 0", "tumor 5 + BRAF_V600E"]
    assert all(clone.index == k for k, clone in enumerate(model.clones))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("volume", "0", "from 1 to"),
        ("volume", "-5", "from 1 to"),
        ("volume", "1e9", "from 1 to"),
        ("phase_age", "1e39", "from 0 to"),
        ("phase", "9.5", "a whole number from 0 to 2"),
        ("phase", "-1", "a whole number"),
        ("status", "7", "from 0 to 3"),
        ("granzyme_hits", "-3", "from 0 to"),
        ("n_divisions", "0.5", "a whole number"),
        ("birth_time", "6", "up to 0"),
        ("clone", "-1", "a whole number"),
        ("genotype", "1e9", "a whole number from 0 to"),
        ("z", "300", "20 um thick"),
    ],
)
def test_values_that_no_cell_can_have_are_refused(founded, column, value, words):
    with pytest.raises(ScenarioError, match=rf"cells\.csv:2.*{column}.*{words}"):
        founded(**{column: [value]})


@pytest.mark.parametrize("column", ["id", "type", "radius", "sigma"])
def test_columns_that_others_decide_are_refused_with_the_reason(founded, column):
    with pytest.raises(ScenarioError, match=rf"cells\.csv:1.*{column}.*cannot be given: "):
        founded(**{column: [1]})


def test_parts_of_a_cell_fit_into_it(founded):
    with pytest.raises(ScenarioError, match=r"cells\.csv:3.*less than the volume of 2000 um3"):
        founded(volume=[2494, 2000], fluid_volume=[1800, 1900], nuclear_volume=[100, 100])
    with pytest.raises(ScenarioError, match=r"cells\.csv:2.*less than the volume"):
        founded(volume=[2494], fluid_volume=["2493.9999999"])  # the same once stored
    with pytest.raises(ScenarioError, match="needs the column 'volume'"):
        founded(fluid_volume=[1800])
