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


def test_population_rate_solves_its_equation():
    for g1, g2, s in ((1.65e-3, 3.6e-3, 480.0), (1e-5, 1e-2, 900.0), (5e-3, 1e-2, 336.0)):
        r = phenotype.population_rate(g1, g2, s)
        assert 2 * np.exp(-r * s) * g1 / (g1 + r) * g2 / (g2 + r) == pytest.approx(1.0, abs=1e-9)
    assert phenotype.population_rate(0.0, 1e-2, 480.0) == 0.0


def test_population_rate_is_what_a_population_of_cells_does():
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
    assert rate == pytest.approx(phenotype.population_rate(g1, g2, s), rel=0.03)


def test_phase_shares_sum_to_one():
    assert sum(phenotype.phase_shares(1.65e-3, 3.6e-3, 480.0)) == pytest.approx(1.0)


def test_net_growth_subtracts_death():
    fractions, inputs, types = random_cells(3)
    outputs = phenotype.physical_outputs(fractions, inputs, types)
    more = outputs.copy()
    more[:, column("apoptosis_rate")] += np.float32(1e-3)
    drop = phenotype.net_growth_rate(outputs) - phenotype.net_growth_rate(more)
    np.testing.assert_allclose(drop, 1e-3 / np.log(2), rtol=1e-4)
