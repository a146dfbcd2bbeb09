"""Oxygen used up by tissue against closed forms (validation cases A10-A13).

D = 2e-9 m^2/s, M = 22.102 mmHg/s (Grimes 2014); half-saturations far below the oxygen tension
make the use of oxygen zero-order.
"""

import math

import numpy as np
import pytest

from tme_sim.fields import Grid, Microenvironment, Substrate

DIFFUSIVITY = 2e-9 * 1e12 * 60.0  # um^2/min
USE = 22.102 * 60.0  # mmHg/min


def _tissue(shape, voxel, *, outside, half, boundary=None, used=None):
    """Steady oxygen of a tissue; `outside` says from the radius which voxels are held at 100."""
    grid = Grid(shape, voxel)
    substrate = Substrate("oxygen", DIFFUSIVITY, 0.0, 100.0, boundary or {})
    env = Microenvironment(grid, [substrate], dtype=np.float64)
    centres = np.meshgrid(*(grid.centres(axis) for axis in "zyx"), indexing="ij")
    r = np.sqrt(sum(x**2 for x, n in zip(centres, shape, strict=True) if n > 1))
    env.set_saturating_uptake("oxygen", USE * (np.ones(shape) if used is None else used(r)), half)
    if outside is not None:
        env.fix("oxygen", outside(r), 100.0)
    return env, env.steady_state("oxygen"), r


def test_anoxia_begins_at_the_depth_of_zero_order_use_in_a_slab():
    _, c, r = _tissue((1, 1, 100), 4.0, outside=None, half=0.01, boundary={"x_low": 100.0})
    assert r[c > 0.05].max() == pytest.approx(134.5, abs=8.0)
    depth = math.sqrt(2 * DIFFUSIVITY * 100.0 / USE)
    near = r < 100.0
    np.testing.assert_allclose(c[near], 100.0 * (1 - r[near] / depth) ** 2, atol=0.5)


@pytest.mark.parametrize(
    ("shape", "radius", "geometry"), [((1, 52, 52), 190.3, 4.0), ((26, 26, 26), 233.0, 6.0)]
)
def test_a_cylinder_and_a_sphere_become_anoxic_at_their_limit_radius(shape, radius, geometry):
    voxel = 5.0 if shape[0] == 1 else 10.0
    below, above = 0.85 * radius, 1.05 * radius
    _, c, r = _tissue(shape, voxel, outside=lambda r: r > below, half=0.01)
    size = math.sqrt(r[c >= 100.0].min() * r[c < 100.0].max())
    assert c.flat[0] == pytest.approx(100.0 - USE * size**2 / geometry / DIFFUSIVITY, abs=2.5)
    _, c, r = _tissue(shape, voxel, outside=lambda r: r > above, half=0.01)
    assert c.flat[0] < 0.5


def test_the_necrotic_core_of_a_spheroid_has_the_radius_of_greenspans_law():
    """r_o = 400 um with r_l = 233 um: 1 - 3 e^2 + 2 e^3 = (r_l / r_o)^2."""
    _, c, r = _tissue((23, 23, 23), 20.0, outside=lambda r: r > 390.0, half=0.05)
    limit2 = 6 * DIFFUSIVITY * 100.0 / USE
    core = 0.5 - math.cos((math.acos(1 - 2 * limit2 / 400.0**2) - 2 * math.pi) / 3)
    on_axis = c[0, 0] < 0.5
    assert r[0, 0][on_axis].max() == pytest.approx(400.0 * core, abs=20.0)


def test_a_spheroid_with_michaelis_menten_use():
    _, c, r = _tissue((23, 23, 23), 10.0, outside=lambda r: r > 195.0, half=1.0)
    assert c.flat[0] == pytest.approx(27.941, abs=2.0)
    assert np.interp(100.0, r[0, 0], c[0, 0]) == pytest.approx(45.814, abs=2.0)
    inside = r <= 200.0
    assert (c / (1.0 + c))[inside].mean() == pytest.approx(0.985, abs=0.005)


@pytest.mark.parametrize(("reach", "anoxic"), [(56.0, False), (66.0, True)])
def test_tissue_around_a_vessel_runs_out_of_oxygen_beyond_the_krogh_radius(reach, anoxic):
    """Vessel of 5 um at 40 mmHg; the largest anoxia-free tissue radius is 60.3 um."""
    grid = Grid((1, 110, 110), 0.6)
    env = Microenvironment(grid, [Substrate("oxygen", DIFFUSIVITY, 0.0, 40.0)], dtype=np.float64)
    r = np.hypot(*np.meshgrid(grid.centres("y"), grid.centres("x"), indexing="ij"))[None]
    env.fix("oxygen", r < 5.0, 40.0)
    env.set_saturating_uptake("oxygen", USE * ((r >= 5.0) & (r < reach)), 0.01)
    c = env.steady_state("oxygen")
    assert ((c < 0.5) & (r < reach)).any() == anoxic
    if not anoxic:
        near = (r > 8.0) & (r < 30.0)
        exact = 40.0 + USE / (4 * DIFFUSIVITY) * (r**2 - 25.0)
        exact -= USE * reach**2 / (2 * DIFFUSIVITY) * np.log(r / 5.0)
        np.testing.assert_allclose(c[near], exact[near], atol=1.0)
