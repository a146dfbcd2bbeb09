"""Drugs and their targets: occupancies by hand, competition, resistance, what a user may give."""

import numpy as np
import pytest

import surrogates
from surrogates.channels import GENOTYPES, SURROUNDINGS, TARGETS, UnknownName, genotype_bits
from surrogates.contract import Cells
from surrogates.dosed import dosed
from surrogates.drugs import SHIPPED, Binding, Drug, own_drug
from surrogates.occupancy import SHIPPED_TABLE, DrugTable
from surrogates.teacher.model import Teacher
from tests.surrogates.doses import inputs_at

BRAF = genotype_bits(["BRAF_V600E"])


def drug(name, half, efficacy=1.0, target="MET", factors=None):
    return Drug(name, "uM", (Binding(target, half, efficacy, factors or {}, "assumed"),))


def effect(drugs, doses, target="MET", genotype=0):
    table = DrugTable(drugs)
    found = table.occupancy(np.array([doses], np.float32), np.array([genotype]))
    return float(found[0, TARGETS.index(target)])


@pytest.fixture(scope="module")
def teacher():
    return dosed(Teacher())


def test_half_is_occupied_at_k():
    assert effect([drug("a", 0.2)], [0.2]) == pytest.approx(0.5)
    assert effect([drug("a", 0.2)], [0.6]) == pytest.approx(0.75)
    assert effect([drug("a", 0.2)], [0.0]) == 0.0


def test_the_exponent_is_that_of_the_target():
    h = 1.5  # BRAF_V600
    assert effect([drug("a", 0.2, target="BRAF_V600")], [0.8], "BRAF_V600") == pytest.approx(
        4**h / (1 + 4**h)
    )


def test_a_drug_as_two_entries_of_half_the_dose_is_the_whole():
    one, other = drug("a", 0.2, target="MEK"), drug("b", 0.2, target="MEK")
    for dose in (1e-3, 0.1, 5.0):
        whole = effect([one], [dose], "MEK")
        assert effect([one, other], [dose / 2, dose / 2], "MEK") == pytest.approx(whole, rel=1e-6)


def test_drugs_of_one_target_compete():
    full, partial, silent = drug("a", 0.1), drug("b", 0.1, 0.4), drug("c", 0.1, -1.0)
    assert effect([full, partial], [0.1, 0.3]) == pytest.approx((1 + 3 * 0.4) / 4 * 4 / 5)
    assert effect([full, partial], [0.1, 1e3]) == pytest.approx(0.4, abs=1e-3)
    assert effect([full, silent], [1.0, 0.4]) == pytest.approx((10 - 4) / 15)
    assert effect([silent], [1.0]) == 0.0


def test_an_alteration_changes_k_and_several_multiply():
    resisted = drug("a", 0.1, factors={"EGFR_mut": 0.01, "EGFR_T790M": 1000.0})
    mutant, both = (genotype_bits(g) for g in (["EGFR_mut"], ["EGFR_mut", "EGFR_T790M"]))
    assert effect([resisted], [1e-3], genotype=mutant) == pytest.approx(0.5)
    assert effect([resisted], [1.0], genotype=both) == pytest.approx(0.5)
    assert effect([resisted], [0.1], genotype=genotype_bits(["PTEN_loss"])) == pytest.approx(0.5)


def test_the_whole_target_is_never_taken():
    assert effect([drug("a", 1e-9)], [1e6]) < 1.0


def test_a_cell_of_the_batch_depends_on_itself_alone():
    rng = np.random.default_rng(3)
    doses = 10.0 ** rng.uniform(-4, 1, (40, len(SHIPPED))) * (rng.random((40, len(SHIPPED))) < 0.1)
    bits = rng.integers(0, 1 << len(GENOTYPES), 40)
    together = SHIPPED_TABLE.occupancy(doses.astype(np.float32), bits)
    for k in (0, 7, 39):
        alone = SHIPPED_TABLE.occupancy(doses[[k]].astype(np.float32), bits[[k]])
        np.testing.assert_array_equal(alone[0], together[k])


def test_the_shipped_tables_hold_together():
    for name, found in SHIPPED.items():
        targets = [binding.target for binding in found.bindings]
        assert len(set(targets)) == len(targets), name
        assert found.unit in ("uM", "nM")
        assert name not in SURROUNDINGS
        assert all(b.half > 0.0 and -1.0 <= b.efficacy <= 1.0 for b in found.bindings), name
    assert {b.target for found in SHIPPED.values() for b in found.bindings} == set(TARGETS)


def test_the_teacher_follows_a_drug_as_it_does_its_occupancies(teacher):
    by_drug = teacher.simulate(genotype=["BRAF_V600E"], inputs={"vemurafenib": 0.3}, minutes=120)
    row = inputs_at({"vemurafenib": 0.3}, genotype=["BRAF_V600E"])[0]
    given = dict(zip(TARGETS, row[len(SURROUNDINGS) :].tolist(), strict=True))
    occupied = {target: value for target, value in given.items() if value}
    direct = teacher.simulate(genotype=["BRAF_V600E"], inputs={"occupancy": occupied}, minutes=120)
    assert by_drug["ERK"][-1] < 0.3 * by_drug["ERK"][0]
    np.testing.assert_array_equal(by_drug.nodes, direct.nodes)


def test_doses_and_occupancies_may_change_in_mid_course(teacher):
    steps = [(0, 0.0), (60, 1.0), (120, 0.0)]
    course = teacher.simulate(genotype=["BRAF_V600E"], inputs={"vemurafenib": steps}, minutes=600)
    erk = course["ERK"]
    assert erk[9] == pytest.approx(erk[0], abs=0.01)
    assert erk[20] < 0.3 * erk[0]
    assert erk[-1] > 0.7 * erk[0]
    held = teacher.simulate(inputs={"occupancy": {"AKT": [(0, 0.0), (60, 0.99)]}}, minutes=180)
    assert held["AKT"][-1] < 0.1 * held["AKT"][9]


def test_a_target_is_occupied_by_a_drug_or_directly_not_both(teacher):
    with pytest.raises(ValueError, match="MEK: its occupancy is given"):
        teacher.simulate(inputs={"trametinib": 0.01, "occupancy": {"MEK": 0.5}}, minutes=6)
    with pytest.raises(UnknownName, match=r"'MEKK'.*'MEK'"):
        teacher.simulate(inputs={"occupancy": {"MEKK": 0.5}}, minutes=6)


def test_a_drug_of_the_users_needs_only_its_targets():
    model = surrogates.load("teacher", drugs={"trametinib": None, "mine": {"MEK": 0.002}})
    assert [c.name for c in model.inputs][len(SURROUNDINGS) :] == ["trametinib", "mine"]
    mine = model.simulate(genotype=["BRAF_V600E"], inputs={"mine": 0.2}, minutes=240)
    none = model.simulate(genotype=["BRAF_V600E"], minutes=240)
    assert mine["ERK"][-1] < 0.3 * none["ERK"][-1]
    with pytest.raises(UnknownName, match="'vemurafenib' is unknown"):
        model.simulate(inputs={"vemurafenib": 1.0}, minutes=6)
    with pytest.raises(UnknownName, match=r"target of 'x': 'MEK9'.*'MEK'"):
        own_drug("x", "uM", {"MEK9": 1.0})
    with pytest.raises(ValueError, match="must be above 0"):
        own_drug("x", "uM", {"MEK": 0.0})


def test_a_step_sees_concentrations(teacher):
    n = 3
    inputs = np.tile([c.basal for c in teacher.inputs], (n, 1)).astype(np.float32)
    inputs[1, [c.name for c in teacher.inputs].index("vemurafenib")] = 1.0
    code, bits = np.zeros(n, np.int8), np.full(n, BRAF, np.int32)
    state, out = teacher.initial_state(code, bits), teacher.allocate(n)
    for _ in range(20):
        teacher.step(Cells(state, inputs, bits, code), 6.0, out=out)
        state = out.state.copy()
    erk = state[:, [c.name for c in teacher.nodes].index("ERK")]
    assert erk[1] < 0.3 * erk[0]
    assert erk[0] == erk[2]
