"""Volumes relax as PhysiCell's do, whatever the step."""

import math

import numpy as np
import pytest

from tme_sim.processes.volume import hydrated, radii, radius_of, relaxed, swollen


@pytest.mark.parametrize("dt", [0.1, 1.0, 6.0])
def test_doubled_targets_give_the_published_curve(dt):
    nucleus, cytoplasm, fluid = 135.0, 488.5, 1870.5
    published = {60: 2789.717, 240: 3872.318, 480: 4609.366, 1440: 4983.434}
    for step in range(1, round(1440 / dt) + 1):
        nucleus = relaxed(nucleus, 270.0, 0.33 / 60, dt)
        cytoplasm = relaxed(cytoplasm, 977.0, 0.27 / 60, dt)
        fluid = hydrated(fluid, nucleus + cytoplasm, 0.75, 3.0 / 60, dt)
        minutes = step * dt
        if round(minutes, 6) in published:
            total = nucleus + cytoplasm + fluid
            assert total == pytest.approx(published[round(minutes)], rel=0.005)


def test_steps_add_up():
    whole = relaxed(10.0, 2.0, 0.1, 7.0)
    assert relaxed(relaxed(10.0, 2.0, 0.1, 3.0), 2.0, 0.1, 4.0) == pytest.approx(whole)
    assert whole == pytest.approx(2.0 + 8.0 * math.exp(-0.7))


def test_swelling_takes_in_what_the_decaying_solids_draw():
    solids = 600.0 * np.exp(-0.01 * (np.arange(60_000) + 0.5) * 1e-3)
    assert swollen(5.0, 600.0, 0.01, 0.02, 60.0) == pytest.approx(5.0 + 0.02 * solids.sum() * 1e-3)
    assert swollen(5.0, 600.0, 0.0, 0.02, 60.0) == pytest.approx(5.0 + 0.02 * 600.0 * 60.0)


def test_radius_of_the_default_cell():
    assert radius_of(2494.0) == pytest.approx(8.412710548, rel=1e-9)
    np.testing.assert_allclose(radii(np.array([0.0, 2494.0])), [0.0, 8.412710548], rtol=1e-9)
