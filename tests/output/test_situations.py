"""A few cells' inputs of every frame are kept, whatever happens to the run, and are reported."""

import re

import h5py
import numpy as np
import pytest

from surrogates.channels import INPUT_CHANNELS, SURROUNDINGS, basal_inputs
from tests.model.small import small
from tests.output.stand_in import StandIn, advance, record
from tests.output.test_recorder import interrupted_at
from tme_sim.analysis.figures.caption import caption, inputs_line
from tme_sim.output.recorder import Recorder
from tme_sim.output.run import open_run
from tme_sim.output.situations import GROUP, SAMPLE
from tme_sim.simulation import simulate
from tme_sim.state.columns import Population


class Telling(StandIn):
    """Every cell's inputs are its id and its status."""

    def _decide(self):
        super()._decide()
        self.population["inputs"][:, 0] = self.population["id"]
        self.population["inputs"][:, 1] = self.population["status"]


def test_each_frame_keeps_a_sample_of_its_living_cells(tmp_path):
    record(tmp_path / "run.h5", Telling())
    run = open_run(tmp_path / "run.h5")
    met, names = run.situations()
    assert names == ("oxygen", "vemurafenib")
    assert len(met.type) == SAMPLE * len(run.times)
    assert (met.inputs[:, 1] == 0).all()
    last = met.inputs[-SAMPLE:, 0]
    assert len(np.unique(last)) == SAMPLE
    cells = run.frame(len(run.times) - 1, ["id", "type"])
    kinds = dict(zip(cells["id"].tolist(), cells["type"].tolist(), strict=True))
    assert met.type[-SAMPLE:].tolist() == [kinds[int(i)] for i in last]


def test_a_frame_of_few_cells_keeps_those(tmp_path):
    record(tmp_path / "run.h5", Telling(n_cells=7), ticks=0)
    met, _ = open_run(tmp_path / "run.h5").situations()
    assert sorted(met.inputs[:, 0]) == [1, 2, 3, 4, 5, 6, 7]


def test_a_cell_born_in_the_tick_has_not_sensed_yet(tmp_path):
    model = Telling(n_cells=10)
    recorder = Recorder(tmp_path / "run.h5", model)
    model.tick_index, model.time = 5, 30.0
    model.population["birth_time"][:4] = 30.0
    recorder.frame(model)
    recorder.finish(model, "duration")
    met, _ = open_run(tmp_path / "run.h5").situations()
    assert sorted(met.inputs[:, 0]) == [5, 6, 7, 8, 9, 10]


def test_a_resumed_run_keeps_what_an_undisturbed_one_keeps(tmp_path):
    record(tmp_path / "whole.h5")
    interrupted_at(tmp_path / "resumed.h5", 25, 30)
    whole, resumed = (
        open_run(tmp_path / f"{name}.h5").situations()[0] for name in ("whole", "resumed")
    )
    for a, b in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_without_situations_is_read_and_continued(tmp_path):
    """Files of version 0.1 have none: their frames hold nobody, later ones do."""
    path = tmp_path / "run.h5"
    model = StandIn()
    recorder = Recorder(path, model)
    recorder.frame(model)
    saved = {"recorder": recorder.state(), "model": model.state()}
    recorder.close()
    del saved["recorder"]["checksums"]  # nor has their checkpoint any
    with h5py.File(path, "r+") as file:
        del file[GROUP]
    assert len(open_run(path).situations()[0].type) == 0
    again = model.restored(saved["model"])
    recorder = Recorder(path, again, resume_from=saved["recorder"])
    advance(again, recorder, 20)
    recorder.finish(again, "duration")
    assert len(open_run(path).situations()[0].type) == 2 * SAMPLE


def test_the_report_compares_them_with_training(tmp_path):
    sensed = INPUT_CHANNELS[: len(SURROUNDINGS)]

    class Basal(StandIn):
        def __init__(self):
            super().__init__()
            self.cell_model.inputs = sensed

        def _decide(self):
            if self.population["inputs"].shape[1] != len(sensed):
                kept = self.population
                self.population = Population(4, len(sensed), 3)
                self.population.append(
                    kept.n,
                    id=kept["id"],
                    type=kept["type"],
                    group=kept["group"],
                    position=kept["position"],
                    volume=kept["volume"],
                    radius=kept["radius"],
                )
            super()._decide()
            self.population["inputs"][:] = basal_inputs(self.population.n, sensed)

    record(tmp_path / "run.h5", Basal(), ticks=40)
    line = inputs_line(open_run(tmp_path / "run.h5"))
    assert line.startswith(f"Inputs: {5 * SAMPLE} situations are easily told from those of")
    assert re.search(r"AUC (0\.9[5-9]|1\.00)", line)
    assert "p <= 0.005" in line
    assert "outside the training domain were 10" in line  # ids that end in 0


def test_the_report_says_where_there_is_nothing_to_compare(tmp_path):
    record(tmp_path / "run.h5", ticks=10)
    assert "too few" in inputs_line(open_run(tmp_path / "run.h5"))


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    overrides = {"time.duration": "3 h", "time.frame_every": "30 min", "surrogate.member": 2}
    return simulate(small(overrides), tmp_path_factory.mktemp("situations") / "run.h5")


def test_a_real_run_keeps_what_its_cells_sensed(small_run):
    met, names = small_run.situations()
    assert names == (*SURROUNDINGS, "vemurafenib")
    assert len(met.type) > 150
    assert 0.0 < met.inputs[:, names.index("oxygen")].mean() < 40.0
    assert np.isin(met.genotype[met.type == 0], [1, 5]).all()
    assert "classifier AUC" in caption(small_run)


def test_one_member_alone_decides_a_run_and_leaves_no_spread(small_run):
    assert str(small_run.provenance["surrogate_hash"]).endswith("[2]")
    assert (small_run.metrics["sigma_mean"] == 0.0).all()
    assert small_run.metrics["share_out_of_domain"].notna().all()
