import numpy as np
import pytest

from surrogates import metabolism, phenotype
from surrogates.channels import CELL_TYPES, INPUTS, OUTPUT_CHANNELS, OUTPUTS, basal_inputs


def column(name):
    return OUTPUTS.index(name)


def random_cells(n=200, seed=0):
    rng = np.random.default_rng(seed)
    inputs = basal_inputs(n)
    inputs[:, INPUTS.index("oxygen")] = rng.random(n) * 100
    inputs[:, INPUTS.index("glucose")] = rng.random(n) * 10
    types = rng.integers(0, len(CELL_TYPES), n).astype(np.int8)
    return rng.random((n, len(OUTPUTS))).astype(np.float32), inputs, types


def test_outputs_stay_in_their_ranges():
    fractions, inputs, types = random_cells()
    outputs = phenotype.physical_outputs(fractions, inputs, types)
    widest = np.maximum(phenotype.HEAD_COMPETENCE.max(axis=0), 1.0)
    for k, channel in enumerate(OUTPUT_CHANNELS):
        least = 0.0 if channel.name.startswith(("apoptosis", "necrosis")) else channel.low
        assert outputs[:, k].min() >= least * 0.999
        assert outputs[:, k].max() <= channel.high * widest[k] * 1.001


def test_no_fraction_means_no_death():
    fractions, inputs, types = random_cells()
    outputs = phenotype.physical_outputs(fractions * 0, inputs, types)
    assert np.all(outputs[:, column("apoptosis_rate")] == 0.0)
    assert np.all(outputs[:, column("necrosis_rate")] == 0.0)


def test_lactate_never_holds_more_carbon_than_the_glucose_taken_up():
    fractions, inputs, types = random_cells(2000)
    outputs = phenotype.physical_outputs(fractions, inputs, types)
    glucose = inputs[:, INPUTS.index("glucose")]
    taken = outputs[:, column("glucose_uptake")] * glucose / (glucose + metabolism.GLUCOSE_HALF)
    assert np.all(outputs[:, column("lactate_secretion")] <= 2.0 * taken * (1 + 1e-5))


def test_pyruvate_that_is_not_secreted_can_be_burnt_or_built_in():
    rng = np.random.default_rng(1)
    for glucose, oxygen, growth, share in rng.random((500, 4)) * [5e3, 3e3, 1e-3, 1.0]:
        lactate = metabolism.lactate_flux(glucose, oxygen, growth, share)
        sink = oxygen / 3.0 + metabolism.BIOMASS_PYRUVATE * growth
        assert 2.0 * glucose - lactate <= sink * (1 + 1e-12) + 1e-9 or lactate >= share * glucose
        assert lactate >= min(2.0 * glucose, 2.0 * glucose - sink) - 1e-9


def test_without_oxygen_and_growth_all_glucose_becomes_lactate():
    assert metabolism.lactate_flux(100.0, 0.0, 0.0, 0.1) == pytest.approx(200.0)
    assert metabolism.atp_supply(100.0, 50.0) == pytest.approx(450.0)


def test_the_growth_rate_solves_its_equation():
    g1, g2, s = np.array([(1.65e-3, 3.6e-3, 480.0), (1e-5, 1e-2, 900.0), (5e-3, 1e-2, 336.0)]).T
    _, r = phenotype.stationary_phases(g1, g2, s)
    np.testing.assert_allclose(2 * np.exp(-r * s) * g1 / (g1 + r) * g2 / (g2 + r), 1.0, atol=1e-9)
    assert phenotype.stationary_phases(0.0, 1e-2, 480.0)[1] == 0.0


def test_stationary_phases_solve_the_balance_of_flows():
    fractions, rate = phenotype.stationary_phases(1 / 300, 1 / 180, 480.0)
    (g1, s, g2m), r = fractions[0], rate[0]
    assert np.log(2) / r == pytest.approx(15.3206 * 60.0, rel=1e-5)
    assert g1 + s + g2m == pytest.approx(1.0)
    assert 2 * g2m / 180 - g1 / 300 == pytest.approx(r * g1)  # newborns - entries into S
    assert g1 / 300 * (1 - np.exp(-480 * r)) == pytest.approx(r * s)
    assert g1 / 300 * np.exp(-480 * r) - g2m / 180 == pytest.approx(r * g2m)


def test_cells_that_cannot_divide_rest_in_g1():
    fractions, rate = phenotype.stationary_phases(
        np.array([0.0, 0.1, 0.0]), np.array([0.1, 0.0, 0]), 9
    )
    assert (rate == 0.0).all()
    assert (fractions == [1.0, 0.0, 0.0]).all()


def test_the_growth_rate_is_what_a_population_of_cells_does():
    rng = np.random.default_rng(2)
    g1, g2, s, horizon = 3e-3, 6e-3, 300.0, 6000.0
    grid = np.arange(0, horizon, 100.0)
    alive, generation = np.zeros(grid.size), np.zeros(40)
    while generation.size:
        end = generation + rng.exponential(1 / g1, generation.size) + s
        end += rng.exponential(1 / g2, generation.size)
        alive += (generation[:, None] <= grid).sum(0) - (end[:, None] <= grid).sum(0)
        generation = np.repeat(end[end < horizon], 2)
    rate = np.polyfit(grid[30:], np.log(alive[30:]), 1)[0]
    assert rate == pytest.approx(phenotype.stationary_phases(g1, g2, s)[1][0], rel=0.03)


def test_net_growth_subtracts_death():
    fractions, inputs, types = random_cells(3)
    outputs = phenotype.physical_outputs(fractions, inputs, types)
    more = outputs.copy()
    more[:, column("apoptosis_rate")] += np.float32(1e-3)
    drop = phenotype.net_growth_rate(outputs) - phenotype.net_growth_rate(more)
    np.testing.assert_allclose(drop, 1e-3 / np.log(2), rtol=1e-4)


def test_tensors_of_fractions_become_the_same_outputs():
    torch = pytest.importorskip("torch")
    from surrogates.network.torch import Heads

    fractions, inputs, types = random_cells(500)
    found = Heads()(
        torch.from_numpy(fractions)[:, None],
        torch.from_numpy(inputs)[:, None],
        torch.from_numpy(phenotype.HEAD_COMPETENCE[types])[:, None],
    )
    width = phenotype.HIGH - phenotype.LOW
    expected = phenotype.physical_outputs(fractions, inputs, types)
    np.testing.assert_allclose(found[:, 0].numpy() / width, expected / width, atol=2e-6)
