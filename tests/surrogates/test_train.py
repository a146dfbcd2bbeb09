"""Training: gradients that are gradients, runs that repeat and resume, samples split by course."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates.cell_model import MonotoneUnits
from surrogates.channels import INPUT_CHANNELS, INPUTS
from surrogates.datasets.conditions import HELD_OUT_PAIRS, draw_courses
from surrogates.datasets.sampling import Sampling, sample, split
from surrogates.gradient import LANES, drive_loss
from surrogates.network import load_network
from surrogates.parameters import effective, random_raw, sweeps
from surrogates.teacher import Teacher
from surrogates.train import Config, fit, load_config, prepare, rows_of_step

SMALL = Config(n_members=2, steps=60, batch=2 * LANES, checkpoint_every=30,
               sampling=Sampling(n_trajectories=40, n_held_out=10, minutes=720.0, snapshots=8))


@pytest.fixture(scope="module")
def rows():
    return sample(Teacher(), SMALL.sampling)


@pytest.fixture(scope="module")
def network():
    return load_network()


def quiet(_what, _share):
    pass


def test_the_written_gradient_is_the_one_torch_derives(network, rows):
    batches = prepare(network, rows, SMALL)
    chosen = rows_of_step(SMALL, 0, len(rows))
    units = MonotoneUnits(network, random_raw(network, 2, 3))
    drive_loss(*units.acting(), batches.tables, batches.take(chosen)).backward()
    written = [p.grad.clone() for p in (units.theta, units.bias, units.share)]
    units.zero_grad()
    drive = units(torch.from_numpy(batches.sources[chosen][:, :-1]))
    error = drive - torch.from_numpy(batches.target[chosen])[:, None]
    weight = (torch.from_numpy(batches.factor[chosen])[:, None]
              * torch.from_numpy(batches.bootstrap[chosen])[:, :, None])
    (error * error * weight).sum().backward()
    for found, parameter in zip(written, (units.theta, units.bias, units.share), strict=True):
        scale = parameter.grad.abs().max()
        assert torch.allclose(found, parameter.grad, atol=1e-5 * float(scale))


def test_training_lowers_the_loss_and_repeats_to_the_bit(network, rows, tmp_path):
    losses = []
    for name in ("a", "b"):
        units = fit(network, rows, SMALL, tmp_path / name, quiet)
        batches = prepare(network, rows, SMALL)
        batch = batches.take(rows_of_step(SMALL, 0, len(rows)))
        losses.append(float(drive_loss(*units.acting(), batches.tables, batch).detach()))
    start = MonotoneUnits(network, random_raw(network, 2, SMALL.seed))
    before = float(drive_loss(*start.acting(), batches.tables, batch).detach())
    assert losses[0] == losses[1]
    assert losses[0] < 0.2 * before


def test_a_stopped_training_goes_on_to_the_same_weights(network, rows, tmp_path):
    whole = fit(network, rows, SMALL, tmp_path / "whole", quiet).raw()

    class Killed(Exception):
        pass

    def kill(_what, share):
        if share > 0.8:  # after the checkpoint at half, before the end
            raise Killed

    with pytest.raises(Killed):
        fit(network, rows, SMALL, tmp_path / "parts", kill)
    resumed = fit(network, rows, SMALL, tmp_path / "parts", quiet).raw()
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(array, resumed.arrays()[name])


def test_a_course_is_whole_in_one_part_of_the_split(rows):
    training, validation = split(rows, 0.2, 1)
    assert not set(training.trajectory) & set(validation.trajectory)
    assert len(training) + len(validation) == len(rows)


def test_held_out_pairs_are_never_together_in_training_and_always_in_the_test():
    together = [[INPUTS.index(name) for name in pair] for pair in HELD_OUT_PAIRS]
    seen = draw_courses(np.random.default_rng(0), 4000, 2).inputs
    held = draw_courses(np.random.default_rng(0), 400, 6, held_out=True).inputs
    assert not any(((seen[..., a] > 0) & (seen[..., b] > 0)).any() for a, b in together)
    met = sum(((held[..., a] > 0) & (held[..., b] > 0)).any(axis=0) for a, b in together)
    assert (met > 0).mean() > 0.7


def test_conditions_stay_in_the_documented_ranges():
    inputs = draw_courses(np.random.default_rng(1), 2000, 2).inputs
    low, high = (np.array([getattr(c, side) for c in INPUT_CHANNELS], np.float32)
                 for side in ("low", "high"))
    assert (inputs >= low).all()
    assert (inputs <= high).all()


def test_the_drive_of_every_row_is_the_teachers(rows):
    again = Teacher().drive(rows.state, rows.inputs, rows.genotype, rows.cell_type)
    np.testing.assert_array_equal(again, rows.target)


def test_a_configuration_names_the_key_it_does_not_know(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("stepps = 3\n")
    with pytest.raises(ValueError, match="stepps"):
        load_config(path)


def test_time_constants_stay_within_a_factor_of_two_of_the_prior(network):
    raw = random_raw(network, 2, 0)
    far = replace(raw, tempo=np.full_like(raw.tempo, 50.0))
    np.testing.assert_allclose(effective(far, network).tau, np.tile(2.0 * network.tau, (2, 1)))


def test_sweeps_fill_the_tick_and_last_about_three_minutes():
    assert [sweeps(dt)[0] for dt in (0.0, 1.0, 3.0, 6.0, 12.0)] == [1, 1, 1, 2, 4]
    assert all(n * length == pytest.approx(dt) for dt in (1.0, 3.0, 7.0)
               for n, length in [sweeps(dt)])
