"""Why tumor cells survive: one planted cause at a time gives that name and no other."""

import numpy as np
import pytest

import surrogates
import tme_sim
from surrogates.channels import GENOTYPES, basal_inputs, genotype_bits
from surrogates.contract import Cells
from surrogates.dosed import Dosed
from surrogates.trajectory import simulate
from tests.model.small import small
from tme_sim import cli
from tme_sim.analysis.explain import counterfactual, survival
from tme_sim.analysis.explain.counterfactual import STEP, grow, situation
from tme_sim.errors import InputError
from tme_sim.output import explanation as file_format
from tme_sim.output.explanation import COMBINED, DYING, FATES, UNEXPLAINED
from tme_sim.output.run import open_run
from tme_sim.replay.frames import NO_VALUE, Frames

BATH = {"vemurafenib": 11.0, "doxorubicin": 0.02}  # [uM] kills a naive cell, slowly
NRAS = 1 << GENOTYPES.index("NRAS_Q61")
MELANOMA = genotype_bits(["BRAF_V600E"])
DAYS_10 = 600  # steps


@pytest.fixture(scope="module")
def network():
    return surrogates.load("tme-cell")


@pytest.fixture
def dish(network):
    """A function: a dish with drug in the medium and cells at places of one's choice."""

    def build(places, bath=BATH, **more):
        drugs = {
            name: {"initial": f"{level} uM", "boundary": {"all": f"{level} uM"}}
            for name, level in bath.items()
        }
        data = {
            "format": 1,
            "time": {"duration": "1 d"},
            "domain": {"size": ["200 um", "200 um"]},
            "substrates": {
                "oxygen": {"boundary": {"all": "38 mmHg"}},
                "glucose": {"boundary": {"all": "5 mM"}},
                "HGF": {"initial": "0 nM", "plasma": "0 nM"},
                **drugs,
            },
            "cells": {
                kind: {"type": kind, "count": len(where), "placement": "everywhere"}
                | ({"genotype": ["BRAF_V600E"]} if kind == "tumor" else {})
                for kind, where in places.items()
            },
            **more,
        }
        model = tme_sim.TumorModel(tme_sim.load_scenario(data), cell_model=network)
        population = model.population
        for kind, where in places.items():
            rows = population["type"] == model.cell_types.code(kind)
            population["position"][rows, :2] = where
        return model

    return build


def why(model, **options):
    """Names of the single causes of the only tumor cell, and its class."""
    verdict = survival.explain_model(model, **options).verdict
    assert len(verdict.cause) == 1
    names = (*FATES, *verdict.put_back)
    causes = [n for k, n in enumerate(verdict.put_back) if verdict.causes[0] >> k & 1]
    return causes, names[verdict.cause[0]]


def mutate(model, time):
    clone = model.clones.add(parent=0, genotype=MELANOMA | NRAS, time=time, name="mutant")
    tumor = counterfactual.tumor_rows(model)
    model.population["clone"][tumor] = clone.index
    model.population["genotype"][tumor] = clone.genotype
    kinds = np.zeros(len(tumor), np.int8)
    bits = model.population["genotype"][tumor]
    model.population["nodes"][tumor] = model.cell_model.initial_state(kinds, bits)


def names_of(network):
    return [channel.name for channel in network.inputs]


def after_ten_days_of(network, bath):
    code, bits = np.zeros(1, np.int8), np.full(1, MELANOMA, np.int32)
    inputs = basal_inputs(1, network.inputs)
    for name, level in bath.items():
        inputs[0, names_of(network).index(name)] = level
    state, out = network.initial_state(code, bits), network.allocate(1)
    for _ in range(DAYS_10):
        network.step(Cells(state, inputs, bits, code), STEP, out=out)
        state = out.state.copy()
    return state[0]


def test_a_naive_cell_is_dying_anyway(dish):
    assert why(dish({"tumor": [(100, 100)]})) == ([], FATES[DYING])


def test_hgf_beside_a_fibroblast_is_a_stromal_ligand(dish):
    model = dish({"tumor": [(100, 100)], "fibroblast": [(120, 100)]})
    model.env["HGF"][:] = 1.0

    assert why(model) == (["stromal ligand"], "stromal ligand")


def test_hgf_that_only_tumor_cells_could_have_made_is_not_stromal(dish):
    model = dish({"tumor": [(100, 100)]})
    model.env["HGF"][:] = 1.0

    assert why(model) == ([], FATES[UNEXPLAINED])


@pytest.mark.parametrize(("time", "origin"), [(600.0, "acquired"), (0.0, "pre-existing")])
def test_a_mutation_is_named_with_its_origin(dish, time, origin):
    model = dish({"tumor": [(100, 100)]})
    mutate(model, time)

    assert why(model) == ([f"{origin} NRAS_Q61"], f"{origin} NRAS_Q61")


def test_a_mutation_that_a_group_brings_along_is_pre_existing(dish):
    model = dish({"tumor": [(100, 100)]})
    model.population["genotype"][:] |= np.int32(NRAS)

    assert "pre-existing NRAS_Q61" in why(model)[0]


def test_a_persister_is_saved_by_its_memory(dish, network):
    model = dish({"tumor": [(100, 100)]})
    model.population["nodes"][0] = after_ten_days_of(network, BATH)

    assert why(model) == (["memory"], "memory")


def test_a_cell_that_the_drug_does_not_reach_is_saved_by_that(dish):
    model = dish({"tumor": [(100, 100)]})
    for name in BATH:
        model.env[name][:] *= 0.01

    assert why(model) == (["low drug"], "low drug")


def test_pdl1_saves_a_cell_from_the_t_cell_at_it(dish):
    model = dish({"tumor": [(100, 100)], "cd8_t": [(112, 100)]}, {"vemurafenib": 0.005})
    t_cell = model.population["type"] == model.cell_types.code("cd8_t")
    model.population["antigen_contact"][t_cell] = 1.0
    model.population["PDL1_contact"][t_cell] = 6.0

    assert why(model) == (["PD-L1"], "PD-L1")


def test_hits_of_an_engaged_t_cell_are_expected_on_its_target_alone(dish):
    model = dish({"tumor": [(88, 100), (112, 100)], "cd8_t": [(100, 100)]})
    model.outputs["kill_rate"][:] = model.population["type"] == model.cell_types.code("cd8_t")
    tumor = model.population["type"] == model.cell_types.code("tumor")
    model.outputs["MHC1"][:], model.outputs["antigen"][:] = 1.0, 1.0
    free, _ = counterfactual.expected_hits(model)
    assert free[tumor] == pytest.approx([free.sum() / 2] * 2, rel=1e-6)
    assert free.sum() > 0.0

    t_cell, target = np.flatnonzero(~tumor)[0], np.flatnonzero(tumor)[1]
    model.population["target"][t_cell] = model.population["id"][target]
    engaged, blind = counterfactual.expected_hits(model)
    for hits in (engaged, blind):
        assert np.flatnonzero(hits).tolist() == [target]
    assert engaged[target] == pytest.approx(free.sum(), rel=1e-6)


def test_two_causes_that_each_suffice_are_combined(dish):
    model = dish({"tumor": [(100, 100)], "fibroblast": [(120, 100)]})
    model.env["HGF"][:] = 1.0
    mutate(model, 600.0)

    assert why(model) == ([], FATES[COMBINED])


def test_a_drug_that_only_slows_leaves_survival_unexplained_unless_growth_is_asked_for(dish):
    model = dish({"tumor": [(100, 100)], "fibroblast": [(120, 100)]}, {"vemurafenib": 2.0})
    model.env["HGF"][:] = 1.0

    assert why(model) == ([], FATES[UNEXPLAINED])
    assert why(model, threshold=0.5) == (["stromal ligand"], "stromal ligand")


def test_without_therapy_there_is_nothing_to_explain(dish):
    with pytest.raises(InputError, match="without therapy needs no explanation"):
        why(dish({"tumor": [(100, 100)]}, {}))


def crowd(dish):
    """Cells that differ in drug, HGF and genotype."""
    places = [(20 + 23 * (k % 8), 20 + 80 * (k // 8)) for k in range(16)]
    model = dish({"tumor": places, "fibroblast": [(100, 60)]})
    model.env["HGF"][..., :5] = 0.4
    model.env["vemurafenib"][..., 5:] *= 0.05
    model.population["genotype"][2:5] |= np.int32(NRAS)
    return model


def test_a_batch_equals_single_cells_that_are_simulated(dish, network):
    found = situation(crowd(dish))
    batch = grow(network, found.cells).net
    alone = Dosed(network.model.member(0), network.table)

    for k in (0, 7, 15):
        one = found.cells.take(np.array([k]))
        course = simulate(
            network, minutes=72 * 60, dt=STEP, state=one.state[0],
            inputs=dict(zip(names_of(network), one.inputs[0].tolist(), strict=True)),
            genotype=[g for b, g in enumerate(GENOTYPES) if one.genotype[0] >> b & 1],
        )  # fmt: skip
        expected = 1440.0 * course["growth_rate_net"][1:].mean()
        assert batch[k] == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert grow(alone, one).net[0] != batch[k]


def test_permuted_cells_get_permuted_answers(dish, network):
    model = crowd(dish)
    rows = counterfactual.tumor_rows(model)
    order = np.random.default_rng(1).permutation(len(rows))

    first = survival.judge(network, situation(model, rows))
    second = survival.judge(network, situation(model, rows[order]))

    assert len(np.unique(first.cause)) > 2
    for name in ("cause", "causes", "net", "joint", "effect"):
        assert np.array_equal(getattr(first, name)[order], getattr(second, name), equal_nan=True)


def test_the_joint_effect_stands_beside_the_single_ones(dish, network):
    found = situation(crowd(dish))
    verdict = survival.judge(network, found)
    surviving = verdict.cause != DYING

    together = counterfactual.everything(found.put_back)
    changed = together.change(found.cells, np.arange(len(found.ids)))
    joint = grow(network, changed).net
    assert np.array_equal(verdict.joint[surviving], joint[surviving])
    assert (verdict.effect[~surviving] == 0.0).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "a.h5"
    bath = {"initial": "11 uM", "boundary": {"all": "11 uM"}, "plasma": "0 uM"}
    scenario = small({"substrates.vemurafenib": bath}, therapy=None, cells={
        "tumor": {"type": "tumor", "genotype": ["BRAF_V600E"], "count": 40,
                  "placement": {"disk": {"radius": "90 um"}}},
        "fibroblast": {"type": "fibroblast", "count": 12,
                       "placement": {"ring": {"inner": "95 um", "outer": "130 um"}}},
    })  # fmt: skip
    return tme_sim.simulate(scenario, path, until="6 h").path


def test_explain_prints_a_table_and_leaves_files_that_the_replay_reads(run, capsys):
    assert cli.main(["explain", str(run), "--cells", "8", "-o", str(run.with_suffix(".pdf"))]) == 0

    said = capsys.readouterr()
    assert max(len(line) for line in said.out.splitlines()[:-1]) <= 80
    for word in ("stromal ligand", "low drug", "dying anyway", "sum of single effects",
                 "everything at once", "one ensemble member", "in domain"):  # fmt: skip
        assert word in said.out
    assert "8 of" in said.err
    assert run.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    assert len(run.with_suffix(".explain.csv").read_text().splitlines()) == 1 + 8 * 2
    opened = open_run(run)
    kept = file_format.read_beside(opened)
    frames = Frames(opened)
    names = {column["name"]: column for column in frames.described()["columns"]}
    shown = np.frombuffer(frames.column(len(opened.times) - 1, "survival"), np.uint8)
    ids = opened.frame(len(opened.times) - 1, ("id",))["id"]
    last = kept.at(len(kept.time) - 1)
    expected = dict(zip(last["id"].tolist(), last["cause"].tolist(), strict=True))
    assert [c["name"] for c in names["survival"]["categories"]] == list(kept.categories)
    assert shown.tolist() == [expected.get(i, NO_VALUE) for i in ids.tolist()]
    assert frames.column(0, "survival") == bytes([NO_VALUE]) * opened.n_cells[0]


def test_the_explanation_of_another_run_is_not_shown(run):
    opened = open_run(run)
    found = survival.explain(opened, at=["3 h"], cells=3)
    file_format.write(survival.explanation(found, 0.0), opened)
    assert file_format.read_beside(opened) is not None

    opened.__dict__["provenance"] = opened.provenance | {"started": "another day"}

    assert file_format.read_beside(opened) is None
    assert "survival" not in [c["name"] for c in Frames(opened).described()["columns"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--at", "1 min"], "no checkpoint at or before"),
        (["--cells", "0"], "at least one cell"),
        (["-o", "figure.doc"], "not '.doc'"),
    ],
)
def test_a_bad_question_gets_one_clear_message(run, options, message, capsys):
    assert cli.main(["explain", str(run), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_run_without_therapy_is_refused(tmp_path, capsys):
    path = tmp_path / "b.h5"
    tme_sim.simulate(small(therapy=None, output=None), path, until="6 min")

    assert cli.main(["explain", str(path)]) == 2
    assert "gives no drug" in capsys.readouterr().err
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".checkpoints", ".h5"]
