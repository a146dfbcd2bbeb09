"""Training from a file: the weights are kept first, then measured; the circle does not close."""

import ast
from pathlib import Path

import surrogates.training
from surrogates.network.domain import everywhere
from surrogates.network.parameters import random_raw
from surrogates.prior.graph import load_network
from surrogates.registry import Weights, load_weights
from surrogates.training import train as module
from surrogates.training.pipeline import Trained


def test_the_card_is_written_of_weights_that_are_kept_and_of_what_the_stages_did(
    tmp_path, monkeypatch
):
    network = load_network()
    stages = [{"stage": "drives", "drive_rmse": 0.1, "worst_unit": "ERK", "worst_rmse": 0.2}]
    weights = Weights(random_raw(network, 2, 1), everywhere())
    monkeypatch.setattr(module, "train_weights", lambda *_given: Trained(weights, stages, {}))
    seen = {}

    def card_of(folder, config, _teacher, *, stages, progress):  # noqa: ARG001
        seen.update(name=config.name, stages=stages, raw=load_weights(folder, network).raw)

    monkeypatch.setattr(module, "card_of", card_of)
    (tmp_path / "mine.toml").write_text('name = "mine"\n')
    folder = module.train(tmp_path / "mine.toml", tmp_path / "out")
    assert folder == tmp_path / "out"
    assert seen["name"] == "mine"
    assert seen["stages"] == stages
    assert (seen["raw"].theta == weights.raw.theta).all()
    assert (folder / module.CURVE_FILE).is_file()


def test_no_stage_of_training_knows_how_weights_are_evaluated():
    for path in Path(surrogates.training.__file__).parent.glob("*.py"):
        if path.name != "train.py":
            imports = [
                node.module
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.ImportFrom)
            ]
            assert "surrogates.evaluation.evaluate" not in imports, path
