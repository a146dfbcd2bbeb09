"""Training: gradients that are gradients, runs that repeat and resume, samples split by course."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates.channels import INPUT_CHANNELS, INPUTS, OCCUPIED, UnknownName
from surrogates.contract import Cells
from surrogates.data.conditions import HELD_OUT_PAIRS, draw_courses
from surrogates.data.sampling import Sampling, join, sample, split
from surrogates.evaluation.card import render
from surrogates.network.domain import everywhere
from surrogates.network.ensemble import TmeCell
from surrogates.network.parameters import effective, random_raw, sweeps
from surrogates.network.torch import MonotoneUnits
from surrogates.prior.graph import load_network
from surrogates.registry import find_weights, load_card
from surrogates.teacher.model import Teacher
from surrogates.training.config import Config, load_config
from surrogates.training.drives import LANES, drive_loss
from surrogates.training.optimiser import write_curves
from surrogates.training.pipeline import (
    Training,
    best_starts,
    joint_units,
    prepare,
    rows_of_step,
)
from surrogates.training.rollout_stage import Relabelling, Rollouts, draw_pool

SMALL = Config(
    n_members=2,
    joint=("growth_rate", "g1s_rate"),
    starts=2,
    start_steps=20,
    steps=60,
    batch=2 * LANES,
    checkpoint_every=30,
    sampling=Sampling(n_trajectories=40, n_held_out=10, minutes=720.0, snapshots=8),
    relabelling=Relabelling(rounds=0),
    rollouts=Rollouts((), ()),
)
STAGES = replace(
    SMALL,
    steps=20,
    checkpoint_every=8,
    relabelling=Relabelling(1, 16, 10, 0.02),
    rollouts=Rollouts((1, 4), (6, 12), n_courses=64, batch=64),
)


@pytest.fixture(scope="module")
def rows():
    return sample(Teacher(), SMALL.sampling)


@pytest.fixture(scope="module")
def network():
    return load_network()


def quiet(_what, _share):
    pass


def fit(network, rows, config, folder, report=quiet):
    """All stages that the configuration has, with the same rows for validation."""
    folder.mkdir(exist_ok=True)
    return Training(network, Teacher(), config, folder, report).run(rows, rows, None)


def test_the_written_gradient_is_the_one_torch_derives(network, rows):
    batches = prepare(network, rows, SMALL)
    chosen = rows_of_step(SMALL, 0, len(rows))
    units = MonotoneUnits(network, random_raw(network, 2, 3, joint_units(network, SMALL)))
    drive_loss(*units.acting(), batches.tables, batches.take(chosen)).backward()
    written = [p.grad.clone() for p in (units.theta, units.bias, units.share)]
    units.zero_grad()
    drive = units(torch.from_numpy(batches.sources[chosen][:, :-1]))
    error = drive - torch.from_numpy(batches.target[chosen])[:, None]
    weight = (
        torch.from_numpy(batches.factor[chosen])[:, None]
        * torch.from_numpy(batches.bootstrap[chosen])[:, :, None]
    )
    (error * error * weight).sum().backward()
    for found, parameter in zip(written, (units.theta, units.bias, units.share), strict=True):
        scale = parameter.grad.abs().max()
        assert torch.allclose(found, parameter.grad, atol=1e-5 * float(scale))


def test_the_best_of_several_starts_goes_on_unit_by_unit(network, rows):
    """Errors of the chosen draws, taken from torch, are the least of each unit and member."""
    config = replace(SMALL, starts=3)
    raw = random_raw(network, 6, 3, joint_units(network, config))
    units, batches = MonotoneUnits(network, raw), prepare(network, rows, config)
    batches = replace(batches, bootstrap=np.tile(batches.bootstrap, 3))
    chosen = best_starts(units, batches, config)
    taken = np.concatenate([rows_of_step(config, step, len(rows)) for step in range(16)])
    with torch.no_grad():
        drive = units(torch.from_numpy(batches.sources[taken][:, :-1])).numpy()
    error = (
        (drive - batches.target[taken][:, None]) ** 2
        * batches.factor[taken][:, None]
        * batches.bootstrap[taken][:, :, None]
    ).sum(axis=0)
    least = error.reshape(3, 2, -1).min(axis=0)
    np.testing.assert_allclose(error[chosen, np.arange(network.n_units)], least, rtol=1e-3)
    assert len(np.unique(chosen[0])) == 3
    assert (chosen % 2 == [[0], [1]]).all()


def test_a_joint_unit_that_is_no_head_is_refused_by_name(network):
    with pytest.raises(UnknownName, match=r"joint head 'groth_rate' .* 'growth_rate'"):
        joint_units(network, replace(SMALL, joint=("groth_rate",)))


def test_weights_with_other_joint_heads_are_not_gone_on_from(network, rows, tmp_path):
    units = MonotoneUnits(network, random_raw(network, 2, 3))
    course = Training(network, Teacher(), SMALL, tmp_path, quiet)
    with pytest.raises(ValueError, match="joint heads"):
        course.run(rows, rows, None, units)


def test_training_lowers_the_loss_and_repeats_to_the_bit(network, rows, tmp_path):
    losses = []
    for name in ("a", "b"):
        units = fit(network, rows, SMALL, tmp_path / name)
        batches = prepare(network, rows, SMALL)
        batch = batches.take(rows_of_step(SMALL, 0, len(rows)))
        losses.append(float(drive_loss(*units.acting(), batches.tables, batch).detach()))
    start = MonotoneUnits(network, random_raw(network, 2, SMALL.seed, joint_units(network, SMALL)))
    before = float(drive_loss(*start.acting(), batches.tables, batch).detach())
    assert losses[0] == losses[1]
    assert losses[0] < 0.2 * before


@pytest.mark.parametrize("where", ["starts", "drives", "on-policy-1", "rollouts-4"])
def test_a_training_stopped_in_any_stage_goes_on_to_the_same_weights(
    network, rows, tmp_path, whole, where
):
    class Killed(Exception):
        pass

    def kill(what, share):
        if what.startswith(f"{where},") and share > 0.8:  # after a checkpoint, before the end
            raise Killed

    with pytest.raises(Killed):
        fit(network, rows, STAGES, tmp_path / "parts", kill)
    resumed = fit(network, rows, STAGES, tmp_path / "parts").raw()
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(array, resumed.arrays()[name])


@pytest.fixture(scope="module")
def whole(network, rows, tmp_path_factory):
    return fit(network, rows, STAGES, tmp_path_factory.mktemp("whole")).raw()


def test_every_stage_leaves_its_curve_and_its_distance_from_the_teacher(network, rows, tmp_path):
    course = Training(network, Teacher(), STAGES, tmp_path, quiet)
    course.run(rows, rows, None)
    assert list(course.curves) == ["starts", "drives", "on-policy-1", "rollouts-1", "rollouts-4"]
    assert course.curves["rollouts-4"]["step"].tolist() == list(range(1, 13))
    assert course.curves["rollouts-4"].keys() == {"step", "drives", "rollouts"}
    write_curves(tmp_path / "curves.csv", course.curves)
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert len(lines) == 1 + 20 + 20 + 10 + 2 * 6 + 2 * 12
    first, last = course.stages[0], course.stages[-1]
    assert last["drive_rmse"] < first["drive_rmse"]
    card = render(load_card(find_weights("tme-cell")) | {"stages": course.stages})
    assert f"| rollouts of 4 ticks | {last['drive_rmse']:.5f} |" in card


def test_training_goes_on_from_weights_that_are_given(network, rows, tmp_path, whole):
    course = Training(network, Teacher(), STAGES, tmp_path, quiet)
    units = course.run(rows, rows, None, MonotoneUnits(network, whole))
    assert "drives" not in course.curves
    start = random_raw(network, STAGES.n_members, STAGES.seed, joint_units(network, STAGES))
    assert np.abs(units.raw().bias - whole.bias).max() < np.abs(start.bias - whole.bias).max()


def test_on_policy_rows_are_the_networks_states_with_the_teachers_drives(network):
    teacher = Teacher()
    model = TmeCell(network, random_raw(network, 2, 5), everywhere(), name="", hash="")
    visited = sample(teacher, SMALL.sampling, follower=model)
    own = sample(teacher, SMALL.sampling)
    drive = teacher.drive(Cells(visited.state, visited.inputs, visited.genotype, visited.cell_type))
    np.testing.assert_array_equal(visited.target, drive)
    np.testing.assert_array_equal(visited.inputs, own.inputs)
    assert np.abs(visited.state - own.state).max() > 0.3
    both = join(own, visited)
    assert len(np.unique(both.trajectory)) == 2 * len(np.unique(own.trajectory))


def test_rollouts_are_compared_with_where_the_teacher_arrives(rows):
    teacher = Teacher()
    pool = draw_pool(teacher, rows, 10, 4, seed=0)
    state, out = pool.start, teacher.allocate(10)
    assert (pool.inputs[0] != pool.inputs[1]).any()
    for tick in range(4):
        teacher.step(
            Cells(state, pool.inputs[tick // 2], pool.genotype, pool.cell_type), 6.0, out=out
        )
        state = out.state.copy()
        if 2 * (tick + 1) in pool.reads:
            found = pool.wanted[pool.reads.tolist().index(2 * (tick + 1))]
            np.testing.assert_array_equal(found, state)


def test_a_course_is_whole_in_one_part_of_the_split(rows):
    training, validation = split(rows, 0.2, 1)
    assert not set(training.trajectory) & set(validation.trajectory)
    assert len(training) + len(validation) == len(rows)


def test_held_out_pairs_are_never_together_in_training_and_always_in_the_test():
    together = [[INPUTS.index(name + OCCUPIED) for name in pair] for pair in HELD_OUT_PAIRS]
    seen = draw_courses(np.random.default_rng(0), 4000, 2).inputs
    held = draw_courses(np.random.default_rng(0), 400, 6, held_out=True).inputs
    assert not any(((seen[..., a] > 0) & (seen[..., b] > 0)).any() for a, b in together)
    met = sum(((held[..., a] > 0) & (held[..., b] > 0)).any(axis=0) for a, b in together)
    assert (met > 0).mean() > 0.7


def test_conditions_stay_in_the_documented_ranges():
    inputs = draw_courses(np.random.default_rng(1), 2000, 2).inputs
    low, high = (
        np.array([getattr(c, side) for c in INPUT_CHANNELS], np.float32) for side in ("low", "high")
    )
    assert (inputs >= low).all()
    assert (inputs <= high).all()


def test_the_drive_of_every_row_is_the_teachers(rows):
    again = Teacher().drive(Cells(rows.state, rows.inputs, rows.genotype, rows.cell_type))
    np.testing.assert_array_equal(again, rows.target)


def test_a_configuration_names_the_key_it_does_not_know(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("stepps = 3\n")
    with pytest.raises(ValueError, match="stepps"):
        load_config(path)


def test_a_table_of_a_configuration_names_the_key_it_does_not_know(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("[rollouts]\ntikcs = [1]\n")
    with pytest.raises(ValueError, match=r"rollouts.*tikcs"):
        load_config(path)


def test_time_constants_stay_within_a_factor_of_two_of_the_prior(network):
    raw = random_raw(network, 2, 0)
    far = replace(raw, tempo=np.full_like(raw.tempo, 50.0))
    np.testing.assert_allclose(effective(far, network).tau, np.tile(2.0 * network.tau, (2, 1)))


def test_sweeps_fill_the_tick_and_last_about_three_minutes():
    assert [sweeps(dt)[0] for dt in (0.0, 1.0, 3.0, 6.0, 12.0)] == [1, 1, 1, 2, 4]
    assert all(
        n * length == pytest.approx(dt) for dt in (1.0, 3.0, 7.0) for n, length in [sweeps(dt)]
    )
