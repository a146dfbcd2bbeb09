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


@pytest.mark.parametrize("shape", [(1, 1, 100), (1, 3, 100), (2, 3, 100)])
@pytest.mark.parametrize(("outer", "depth"), [(40.0, 85.1), (100.0, 134.5), (160.0, 170.2)])
def test_anoxia_begins_at_the_depth_of_zero_order_use_in_a_slab(outer, depth, shape):
    env, c, _ = _tissue(shape, 4.0, outside=None, half=0.01, boundary={"x_low": outer})
    x = np.broadcast_to(env.grid.centres("x"), shape)
    assert x[c > 0.05].max() == pytest.approx(depth, abs=8.0)
    near = x < 0.75 * depth
    np.testing.assert_allclose(c[near], outer * (1 - x[near] / depth) ** 2, atol=0.5)


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


@pytest.mark.parametrize(
    ("radius", "necrotic"),
    [(250, 58.5), (300, 130.3), (400, 244.4), (500, 350.3), (600, 453.6), (800, 657.3)],
)
def test_the_necrotic_core_of_a_spheroid_has_the_radius_of_greenspans_law(radius, necrotic):
    """With r_l = 232 um: 1 - 3 e^2 + 2 e^3 = (r_l / r_o)^2, e = r_n / r_o, within one voxel."""
    voxel = 10.0 if radius < 400 else 20.0
    n = int(radius / voxel) + 2
    held = radius - voxel / 2  # on average the first fixed centre is then at the radius
    _, c, _ = _tissue((n, n, n), voxel, outside=lambda r: r > held, half=0.05)
    volume = (c < 0.5).sum() * voxel**3 * 8  # one octant
    assert (0.75 * volume / math.pi) ** (1 / 3) == pytest.approx(necrotic, abs=voxel)


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


@pytest.mark.parametrize(("reach", "anoxic"), [(54.0, False), (68.0, True)])
def test_tissue_between_vessels_in_hexagonal_array_is_anoxic_where_they_are_far_apart(
    reach, anoxic
):
    """Each vessel of 5 um serves the area of a circle of radius `reach`; Krogh's limit is 60.3."""
    spacing = reach * math.sqrt(2 * math.pi / math.sqrt(3))
    ny, nx = round(math.sqrt(3) * spacing / 1.2), round(spacing / 1.2)
    boundary = dict.fromkeys(("x_low", "x_high", "y_low", "y_high"), "periodic")
    grid = Grid((1, ny, nx), 1.2)
    substrate = Substrate("oxygen", DIFFUSIVITY, 0.0, 40.0, boundary)
    env = Microenvironment(grid, [substrate], dtype=np.float64)
    y, x = np.meshgrid(grid.centres("y"), grid.centres("x"), indexing="ij")
    width, height, _ = grid.size
    corners = [(at_y, at_x) for at_y in (0.0, height) for at_x in (0.0, width)]
    vessels = [*corners, (height / 2, width / 2)]
    inside = np.any([np.hypot(y - at_y, x - at_x) < 5.0 for at_y, at_x in vessels], axis=0)[None]
    env.fix("oxygen", inside, 40.0)
    env.set_saturating_uptake("oxygen", USE * ~inside, 0.01)
    assert (env.steady_state("oxygen") < 0.5).any() == anoxic
