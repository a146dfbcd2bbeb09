"""Weights and cards: found by name, saved, loaded, described, refused with a message."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import surrogates
from surrogates import registry
from surrogates.channels import OUTPUTS
from surrogates.network.domain import everywhere
from surrogates.network.parameters import random_raw
from surrogates.prior.graph import load_network


def test_the_shipped_models_are_listed():
    names = {row["name"] for row in registry.list_surrogates()}
    assert names >= {"tme-cell", "teacher", "constant"}


def test_the_card_belongs_to_the_weights_and_says_what_each_output_rests_on():
    folder = registry.find_weights("tme-cell")
    card = registry.load_card(folder)
    assert card["hash"] == registry.weights_hash(folder) == surrogates.load("tme-cell").hash
    assert [o["name"] for o in card["outputs"]] == list(OUTPUTS)
    assert all(o["evidence"] for o in card["outputs"])


def test_the_card_was_written_for_the_teacher_that_ships():
    card = registry.load_card(registry.find_weights("tme-cell"))
    assert card["training"]["teacher_hash"] == surrogates.load("teacher").hash


def test_the_network_learned_its_teacher():
    metrics = registry.load_card(registry.find_weights("tme-cell"))["metrics"]
    assert metrics["one_step"]["r2_median"] >= 0.99
    assert metrics["rollout"]["nrmse_mean"] <= 0.08
    assert metrics["knock_outs"]["r"] >= 0.9
    assert metrics["rollout"]["nrmse_mean"] < 0.2 * metrics["rollout"]["nrmse_persistence"]


def test_show_prints_the_card_with_its_rivals():
    text = registry.show("tme-cell")
    assert "gradient boosting" in text
    assert "72 h free rollout" in text
    assert "mechanistic" in registry.show("teacher")


def test_weights_are_small():
    assert (registry.find_weights("tme-cell") / registry.WEIGHT_FILE).stat().st_size < 1e6


def test_saved_weights_load_as_they_were_and_run(tmp_path):
    network = load_network()
    raw = random_raw(network, 2, 4, joint=(network.n_nodes,))
    registry.save_weights(tmp_path / "mine", registry.Weights(raw, everywhere()))
    model = surrogates.load(path=tmp_path / "mine").model
    np.testing.assert_array_equal(model.raw.theta, raw.theta)
    assert model.raw.joint == raw.joint
    assert model.name == "mine"
    assert model.simulate(minutes=12)["ERK"].shape == (3,)


def test_a_missing_name_lists_those_that_exist():
    with pytest.raises(FileNotFoundError, match="tme-cell"):
        surrogates.load("tme-sell")


def test_weights_of_another_scaffold_are_refused_with_both_shapes(tmp_path):
    raw = random_raw(load_network(), 1, 4)
    cut = registry.Weights(
        type(raw)(raw.theta[:, :-1], raw.bias, raw.share, raw.tempo), everywhere()
    )
    registry.save_weights(tmp_path, cut)
    with pytest.raises(ValueError, match="theta has shape"):
        surrogates.load(path=tmp_path)


def test_a_member_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="member 9"):
        surrogates.load("tme-cell", member=9)


def cut(file):
    file.write_bytes(file.read_bytes()[:1000])


def turned_into_text(file):
    file.write_text("weights")


def without_domain(file):
    save_file({k: v for k, v in load_file(file).items() if not k.startswith("domain")}, file)


def changed(file):
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1  # a bit of a number
    file.write_bytes(content)


def with_a_card_of_another(file):
    card = file.with_name(registry.CARD_FILE)
    card.write_text(card.read_text().replace(registry.weights_hash(file.parent), "0" * 64))


def with_a_broken_card(file):
    file.with_name(registry.CARD_FILE).write_text('{"hash": ')


def with_nan(file):
    tensors = load_file(file)
    tensors["domain.limits"][:] = np.nan  # no cell would ever be found outside
    save_file(tensors, file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [(cut, "is damaged, or no weight file"), (turned_into_text, "is damaged, or no weight file"),
     (without_domain, "lacks domain.high, domain.limits"), (with_nan, "domain.limits hold values"),
     (changed, "has the hash .{12}, but card.json was written for e4d8bcc82c3d"),
     (with_a_card_of_another, "has the hash e4d8bcc82c3d, but card.json was written for 0{12};"),
     (with_a_broken_card, "is damaged, or no card")],
)  # fmt: skip
def test_damaged_weights_are_refused(tmp_path, damage, message):
    folder = tmp_path / "weights"
    shutil.copytree(registry.find_weights("tme-cell"), folder)
    damage(folder / registry.WEIGHT_FILE)
    with pytest.raises(ValueError, match=message):
        surrogates.load(path=folder)
