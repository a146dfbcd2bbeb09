"""The rate of a descent: up, then down to nothing, the same after a stop."""

import numpy as np
import pytest
import torch

from surrogates.training.optimiser import one_cycle


def rates(steps, done=0, optimiser=None):
    """Rates of the steps that are left of a run whose highest one is 2."""
    optimiser = optimiser or torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    schedule, found = one_cycle(optimiser, 2.0, steps, done), []
    for _ in range(done, steps):
        found.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return found


def by_hand(done):
    """Share of the highest rate as it was written out here before: linear up, a cosine down."""
    if done < 0.1:
        return 0.05 + 0.95 * done / 0.1
    return 0.5 * (1.0 + np.cos(np.pi * (done - 0.1) / 0.9))


def test_the_rate_is_the_one_by_hand_but_for_the_form_of_the_warm_up():
    found = np.array(rates(1000)) / 2.0
    before = np.array([by_hand(k / 1000) for k in range(1000)])
    np.testing.assert_allclose(found[100:], before[100:], atol=0.005)
    np.testing.assert_allclose(found[[0, 99]], [0.05, 1.0], atol=0.01)
    assert (np.diff(found[:100]) > 0.0).all()
    assert np.abs(found - before).max() < 0.15


@pytest.mark.parametrize("done", [1, 5, 6, 37, 59])
def test_a_run_that_was_stopped_goes_on_at_the_same_rates_to_the_bit(done):
    assert rates(60, done) == rates(60)[done:]


@pytest.mark.parametrize("steps", range(25))
def test_the_shortest_runs_have_a_rate_too(steps):
    found = np.array(rates(steps))
    assert len(found) == steps
    assert np.isfinite(found).all()
    assert (found > 0.0).all()
    assert (found <= 2.0).all()
