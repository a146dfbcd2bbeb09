"""Boolean models: read as they are written, simulated exactly, compared by sign."""

import numpy as np
import pytest

from surrogates.channels import UnknownName
from surrogates.data import boolean, boolean_model
from tests.surrogates.data.data_folder import real

pytest.importorskip("cmaboss_dn", reason="extra `boolean`")


@pytest.fixture
def write(tmp_path):
    def model(bnd, cfg=""):
        (tmp_path / "m.bnd").write_text(bnd)
        (tmp_path / "m.cfg").write_text(cfg)
        return boolean_model.load(tmp_path / "m.bnd", tmp_path / "m.cfg")

    return model


def node(name, logic, up="1", down="1"):
    return (
        f"Node {name} {{ logic = {logic}; rate_up = @logic ? {up} : 0; "
        f"rate_down = @logic ? 0 : {down}; }}\n"
    )


def test_the_format_bnet_is_read_too(write):
    model = write("targets, factors\nA, A\nB, A & !C\nC, B\n", "A.istate = 1;")
    assert sorted(model.nodes) == ["A", "B", "C"]
    assert model.on_time({"A": False}, copies=50, time=60.0, seed=1)[model.nodes.index("B")] < 0.1


@pytest.mark.parametrize("text", ["A, A\nB, A & !C\n", "<sbml></sbml>", ""])
def test_a_file_of_another_format_is_refused(write, text):
    with pytest.raises(ValueError, match=r"m\.bnd: "):
        write(text)


def test_a_switching_node_is_on_for_its_share_of_the_time(write):
    model = write("node A { rate_up = $u; rate_down = 3.0; }", "$u = 1; A.istate = 0;")
    on = model.on_time({}, copies=2000, time=20.0, seed=1)
    np.testing.assert_allclose(on, 0.25, atol=0.01)


def test_waiting_times_are_exponential(write):
    model = write("node A { rate_up = 1; rate_down = 0; }", "A.istate = 0;")
    on = model.on_time({}, copies=20000, time=2.0, seed=1)
    expected = 1.0 - (np.exp(-1.0) - np.exp(-2.0))  # mean of 1 - e^-t from 1 to 2
    np.testing.assert_allclose(on, expected, atol=0.01)


@pytest.mark.parametrize(
    ("logic", "truth"),
    [
        ("A & !B", [0, 1, 0, 0]),
        ("A AND NOT B", [0, 1, 0, 0]),
        ("A | B & C", [0, 1, 0, 1]),
        ("(A | B) & C", [0, 0, 0, 0]),
        ("A ^ B", [0, 1, 1, 0]),
        ("A ? B : !B", [1, 0, 0, 1]),
        ("A + B == 1", [0, 1, 1, 0]),
        ("1", [1, 1, 1, 1]),
        ("!(A || B) && $on", [1, 0, 0, 0]),
    ],
)
def test_logic_is_read_with_the_usual_precedence(write, logic, truth):
    bnd = "".join(node(name, name) for name in "ABC") + node("D", logic)
    model = write(bnd, "$on = 1; C.istate = 0; D.istate = 0;")
    for value, (a, b) in zip(truth, [(0, 0), (1, 0), (0, 1), (1, 1)], strict=True):
        on = model.on_time({"A": bool(a), "B": bool(b)}, copies=20, time=60.0, seed=2)
        assert on[3] == pytest.approx(value, abs=0.01)


def test_a_lost_node_stays_lost_and_takes_what_follows_with_it(write):
    model = write(node("A", "A") + node("B", "A"), "A.istate = 1; B.istate = 0;")
    kept = model.on_time({}, copies=50, time=60.0, seed=3)
    lost = model.on_time({"A": False}, copies=50, time=60.0, seed=3)
    np.testing.assert_allclose(kept, 1.0)
    np.testing.assert_allclose(lost, 0.0)


@pytest.mark.parametrize(
    ("value", "share"),
    [
        ("1", 1.0),
        ("FALSE", 0.0),
        ("0.5 [0], 0.5 [1]", 0.5),
        ("0.3 [0], 0.7 [1]", 0.7),
        ("1.0[0] , 0.0[1]", 0.0),
    ],
)
def test_initial_states_are_read_in_all_their_forms(write, value, share):
    name = "[A]" if "[" in value else "A"
    model = write("node A { rate_up = 0; rate_down = 0; }", f"{name}.istate = {value};")
    on = model.on_time({}, copies=4000, time=2.0, seed=1)
    np.testing.assert_allclose(on, share, atol=0.03)


def test_a_node_that_the_file_keeps_to_itself_is_shown_too(write):
    model = write(node("A", "A") + node("B", "A"), "A.istate = 1; B.is_internal = 1;")
    np.testing.assert_allclose(model.on_time({}, copies=50, time=60.0, seed=3), 1.0)


def test_a_seed_gives_the_same_answer_twice_and_what_is_fixed_is_so_in_one_call_only(write):
    model = write(node("A", "B", "2") + node("B", "!A"), "A.istate = 0; B.istate = 0;")
    first = model.on_time({}, copies=200, time=5.0, seed=3)
    model.on_time({"A": True}, copies=200, time=5.0, seed=3)
    np.testing.assert_array_equal(first, model.on_time({}, copies=200, time=5.0, seed=3))
    assert (first != model.on_time({}, copies=200, time=5.0, seed=4)).any()


@pytest.mark.parametrize("logic", ["A & X", "A & (A", "A A"])
def test_what_cannot_be_read_is_told_with_its_file(write, logic):
    with pytest.raises(ValueError, match=r"m\.bnd: "):
        write(node("A", logic))


def test_an_unknown_node_is_refused_by_name(write):
    with pytest.raises(UnknownName, match="node of the Boolean model 'Z'"):
        write(node("A", "A")).on_time({"Z": True}, copies=1, time=1.0, seed=0)


def test_every_model_of_the_folder_is_read_and_its_shared_nodes_exist():
    folder = real(boolean.FOLDER) / boolean.FOLDER
    models = {
        path.stem: boolean_model.load(path, path.with_suffix(".cfg"))
        for path in folder.glob("*.bnd")
    }
    assert len(models["Montagud2022_prostate"].nodes) == 133
    for study in boolean.STUDIES:
        assert {*study.node, *study.ligand, *study.fixed} <= set(models[study.file].nodes)


def test_lost_braf_pathway_nodes_of_the_melanoma_model_behave_as_published():
    study = boolean.STUDIES[0]
    folder = real(boolean.FOLDER) / boolean.FOLDER
    files = [folder / f"{study.file}.{kind}" for kind in ("bnd", "cfg")]
    effects = boolean.boolean_effects(files, study)
    names = list(study.node)
    assert effects[names.index("MEK_b1"), names.index("ERK_b1")] < -0.3
    assert effects[names.index("PI3K"), names.index("AKT")] < -0.3


def test_effects_are_those_that_a_simulation_by_hand_found_before_maboss_did_it():
    """Of the model of metastasis, lost SNAI1 and TGFb on against off; 0.1 is what counts there."""
    study = boolean.STUDIES[2]
    folder = real(boolean.FOLDER) / boolean.FOLDER
    files = [folder / f"{study.file}.{kind}" for kind in ("bnd", "cfg")]
    effects = boolean.boolean_effects(files, study)
    before = [
        [-0.008, -0.355, -0.056, 0.053, 0.002, -0.052, 0.016, 0.019],
        [0.572, 0.018, 0.017, -0.017, -0.001, 0.222, -0.019, -0.015],
    ]
    np.testing.assert_allclose(effects[[1, 8]], before, atol=0.05)
