"""Bad input is named; a restored or differently threaded microenvironment continues to the bit."""

import numba
import numba.cuda
import numpy as np
import pytest

from tme_sim.compute import chunks
from tme_sim.fields import Grid, Microenvironment, SolveError, Substrate, solver

GRID = Grid((1, 6, 7))


def _env(**options):
    return Microenvironment(GRID, [Substrate("oxygen", 1e5, 0.1, 38.0)], **options)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"diffusivity": -1.0}, "diffusivity.*-1.0"),
        ({"diffusivity": np.nan}, "diffusivity.*nan"),
        ({"decay_rate": np.inf}, "decay_rate.*inf"),
        ({"initial": -3.0}, "initial.*-3.0"),
        ({"boundary": {"all": -2.0}}, "boundary value.*-2.0"),
        ({"boundary": {"left": 1.0}}, "left.*x_high"),
        ({"boundary": {"all": "open"}}, "open.*no_flux"),
        ({"boundary": {"x_low": {"exchange": 1.0}}}, "exchange.*bath"),
    ],
)
def test_a_bad_substrate_is_named_with_its_value(changes, found):
    given = {"name": "oxygen", "diffusivity": 1e5, "decay_rate": 0.1} | changes
    with pytest.raises(ValueError, match=f"'oxygen'.*{found}"):
        Substrate(**given)


def _uptake_with(value):
    uptake = np.ones(GRID.shape)
    uptake[0, 2, 3] = value
    return uptake


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda env: env.set_exchange("oxygen", uptake=_uptake_with(np.nan)), r"uptake.*nan.*2, 3"),
        (lambda env: env.set_exchange("oxygen", source=_uptake_with(-4.0)), r"source.*-4.0.*2, 3"),
        (lambda env: env.set_exchange("oxygen", source=np.ones((6, 7))), r"source.*\(6, 7\)"),
        (lambda env: env.set_saturating_uptake("oxygen", 1.0, 0.0), "half_saturation.*0.0"),
        (lambda env: env.set_saturating_uptake("oxygen", -2.0), "maximum.*-2.0"),
        (lambda env: env.set_saturating_uptake("oxygen", 1.0, np.ones(3)), "half_saturation.*one"),
        (lambda env: env.set_vessels("oxygen", 1.0, np.nan), "plasma.*nan"),
        (lambda env: env.set_vessels("oxygen", _uptake_with(np.inf), 1.0), "permeability.*inf"),
        (lambda env: env.fix("oxygen", np.ones(GRID.shape, bool), -1.0), "fixed value.*-1.0"),
        (lambda env: env.fix("oxygen", np.ones((6, 7), bool), 1.0), r"mask.*\(6, 7\)"),
        (lambda env: env.set_exchange("oxygen", source="much"), "source.*much"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(change, found):
    with pytest.raises(ValueError, match=f"'oxygen'.*{found}"):
        change(_env())


@pytest.mark.parametrize(
    "call",
    [
        lambda env: env["oxigen"],
        lambda env: env.set_exchange("oxigen"),
        lambda env: env.set_saturating_uptake("oxigen", 1.0),
        lambda env: env.set_vessels("oxigen", 1.0, 1.0),
        lambda env: env.fix("oxigen", None),
        lambda env: env.gradient("oxigen"),
        lambda env: env.steady_state("oxigen"),
    ],
)
def test_an_unknown_substrate_is_named_beside_the_known_ones(call):
    with pytest.raises(KeyError, match=r"'oxigen'.*'oxygen'"):
        call(_env())


def test_a_substrate_given_twice_is_named():
    substrate = Substrate("oxygen", 1e5)
    with pytest.raises(ValueError, match="'oxygen' is given twice"):
        Microenvironment(GRID, [substrate, substrate])


def test_an_initial_field_of_the_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"'oxygen'.*initial.*\(6, 7\)"):
        Microenvironment(GRID, [Substrate("oxygen", 1e5, 0.1, np.ones((6, 7)))])


def test_a_periodic_wall_needs_its_opposite():
    with pytest.raises(ValueError, match=r"'oxygen'.*periodic at one end of x"):
        Microenvironment(GRID, [Substrate("oxygen", 1e5, boundary={"x_low": "periodic"})])


def test_fields_of_another_type_are_refused():
    with pytest.raises(ValueError, match="float16"):
        _env(dtype=np.float16)


@pytest.mark.parametrize("dt", [-1.0, 0.0, np.nan, np.inf])
def test_a_step_needs_a_positive_length(dt):
    with pytest.raises(ValueError, match=str(dt)):
        _env().step(dt)


def test_a_box_with_a_net_source_and_no_sink_has_no_steady_state():
    env = Microenvironment(GRID, [Substrate("lactate", 1e4)])
    env.set_exchange("lactate", source=2.0)
    with pytest.raises(ValueError, match=r"'lactate'.*no steady state.*84"):
        env.steady_state("lactate")
    env.set_saturating_uptake("lactate", 3.0, 1.0)
    np.testing.assert_allclose(env.steady_state("lactate"), 2.0, rtol=1e-4)


def test_a_solve_on_a_thread_of_its_own_fails_as_on_the_only_one(monkeypatch):
    monkeypatch.setattr(solver, "MAX_CYCLES", 2)
    shape = (28, 28, 28)
    names = ("oxygen", "glucose", "lactate")
    env = Microenvironment(
        Grid(shape), [Substrate(name, 1e5, 0.0, 38.0) for name in names], dtype=np.float64
    )  # at rest, but for what takes up glucose
    rng = np.random.default_rng(2)
    env.set_exchange("glucose", uptake=1e4 * (rng.random(shape) < 0.3))
    with pytest.raises(SolveError, match=r"'glucose'.*6 min did not converge"):
        env.step(6.0)
    assert (env["glucose"] == 38.0).all()


def test_a_solve_that_does_not_converge_raises_its_history_and_leaves_the_field(monkeypatch):
    monkeypatch.setattr(solver, "MAX_CYCLES", 2)
    env = Microenvironment(GRID, [Substrate("oxygen", 1e5, 0.1, 38.0)], dtype=np.float64)
    env.set_exchange("oxygen", uptake=_uptake_with(1e4))
    with pytest.raises(SolveError, match=r"'oxygen'.*6 min did not converge") as caught:
        env.step(6.0)
    history = caught.value.history
    assert len(history) >= 2
    assert history[0] > history[-1] > 1e-10
    assert (env["oxygen"] == 38.0).all()


def _tissue(shape):
    rng = np.random.default_rng(1)
    substrates = [
        Substrate("oxygen", 1e5, 0.1, 38.0, {"all": 38.0}),
        Substrate("drug", 2e4, 0.01, 0.0, {"x_low": "periodic", "x_high": "periodic"}),
    ]
    env = Microenvironment(Grid(shape), substrates)
    env.set_saturating_uptake("oxygen", 20.0 * (rng.random(shape) < 0.4), 1.0)
    env.set_vessels("drug", 1.0 * (rng.random(shape) < 0.02), 1.0)
    env.fix("oxygen", rng.random(shape) < 0.01, 20.0)
    return env


def test_a_restored_microenvironment_continues_to_the_bit():
    one, two = _tissue((1, 31, 33)), _tissue((1, 31, 33))
    one.step(6.0)
    two.restore(one.state())
    for env in (one, two):
        env.set_vessels("drug", env.state()["drug"]["permeability_area"], 0.5)
        env.step(6.0)
        env.step(6.0)
    for name in one.names:
        assert np.array_equal(one[name], two[name])
    assert np.array_equal(one.realised_uptake("oxygen"), two.realised_uptake("oxygen"))


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
@pytest.mark.parametrize("parallel_from", [1, chunks.PARALLEL_CHUNKS])
@pytest.mark.parametrize("shape", [(29, 30, 31), (1, 151, 160)])
def test_the_number_of_threads_does_not_change_a_bit(shape, parallel_from, monkeypatch):
    """Whether threads share a solve or, as on small grids, solve a substrate each."""
    monkeypatch.setattr(chunks, "PARALLEL_CHUNKS", parallel_from)
    fields = []
    for threads in (1, 2):
        numba.set_num_threads(threads)
        env = _tissue(shape)
        env.step(6.0)
        env.step(6.0)
        fields.append([env[name].copy() for name in env.names])
    assert all(np.array_equal(a, b) for a, b in zip(*fields, strict=True))


def test_two_substrates_do_not_see_each_other():
    """Nor what the shared work space holds of the other, of its periodic walls for one."""
    shape = (1, 20, 21)
    together = _tissue(shape)
    state = together.state()
    oxygen = Microenvironment(Grid(shape), [Substrate("oxygen", 1e5, 0.1, 38.0, {"all": 38.0})])
    oxygen.set_saturating_uptake("oxygen", state["oxygen"]["maximum"], 1.0)
    oxygen.fix("oxygen", state["oxygen"]["fixed"], 20.0)
    walls = {"x_low": "periodic", "x_high": "periodic"}
    drug = Microenvironment(Grid(shape), [Substrate("drug", 2e4, 0.01, 0.0, walls)])
    drug.set_vessels("drug", state["drug"]["permeability_area"], 1.0)
    for env in (together, together, oxygen, oxygen, drug, drug):
        env.step(6.0)
    assert np.array_equal(together["oxygen"], oxygen["oxygen"])
    assert np.array_equal(together["drug"], drug["drug"])


@pytest.mark.parametrize("shape", [(100, 100, 100), (1, 1000, 1000)])
def test_all_substrates_share_forty_bytes_of_work_space_per_voxel(shape):
    grid = Grid(shape)
    one = Microenvironment(grid, [Substrate("s0", 1e4)])
    three = Microenvironment(grid, [Substrate(f"s{i}", 1e4) for i in range(3)])
    assert one.workspace_bytes == three.workspace_bytes <= 40 * grid.n_voxels


def test_a_device_that_is_not_there_is_refused_by_name():
    with pytest.raises(ValueError, match="'cpu' or 'cuda', not on 'gpu'"):
        Microenvironment(GRID, [], device="gpu")
    if not numba.cuda.is_available():
        with pytest.raises(ValueError, match="no CUDA device was found; use 'cpu'"):
            Microenvironment(GRID, [], device="cuda")
