"""Experiments as batches: the same cells as one by one, steps held until changed, lines apart."""

import numpy as np
import pytest

import surrogates
from surrogates.channels import NODES
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.variants import with_abundance

ERK, EGFR = NODES.index("ERK"), NODES.index("EGFR")


@pytest.mark.parametrize("name", ["tme-cell", "teacher"])
def test_a_batch_follows_each_cell_as_simulate_does(name):
    model = surrogates.load(name)
    steps = ((0.0, {"vemurafenib": 1.0}), (60.0, {"EGF": 16.0}))
    batch = follow(
        model,
        [Condition(((0.0, {}),)), Condition(steps, "tumor", ("BRAF_V600E",))],
        [0.0, 60.0, 120.0],
    )
    alone = model.simulate(
        genotype=["BRAF_V600E"],
        minutes=120,
        dt=6,
        inputs={"vemurafenib": 1.0, "EGF": [(0, 0.02), (60, 16.0)]},
    )
    np.testing.assert_allclose(batch.nodes[:, 1, ERK], alone["ERK"][[0, 10, 20]], atol=1e-5)


def test_what_cells_were_in_before_counts():
    model = surrogates.load("teacher")
    fed, starved = follow(
        model, [Condition(((MEDIUM, {"EGF": 5.0}),)), Condition(((MEDIUM, {"EGF": 0.0}),))], [0.0]
    ).nodes[0]
    assert fed[EGFR] > starved[EGFR] + 0.005  # most receptors have left the surface


def test_readings_come_before_a_change_of_the_same_time():
    model = surrogates.load("teacher")
    dish = Condition(((0.0, {"EGF": 16.0}),))
    still = Condition(((0.0, {}),))
    both = follow(model, [dish, still], [0.0, 30.0]).nodes
    np.testing.assert_array_equal(both[0, 0], both[0, 1])
    assert both[1, 0, EGFR] > both[1, 1, EGFR]


@pytest.mark.parametrize("name", ["tme-cell", "teacher"])
def test_a_line_with_half_the_receptor_signals_less_and_the_original_stays(name):
    model = surrogates.load(name)
    half = with_abundance(model, {"EGFR": 0.5})
    dish = [Condition(((0.0, {"EGF": 16.0}),))]
    weak, full = (follow(m, dish, [30.0]).nodes[0, 0] for m in (half, model))
    assert weak[EGFR] < 0.85 * full[EGFR]


def test_times_that_fall_are_refused():
    with pytest.raises(ValueError, match="rise"):
        follow(surrogates.load("teacher"), [Condition(())], [5.0, 1.0])


def test_an_unknown_input_is_refused_by_name():
    with pytest.raises(KeyError, match="EGF"):
        follow(surrogates.load("teacher"), [Condition(((0.0, {"EGFF": 1.0}),))], [1.0])
