"""Oxygen used up at zero order against closed forms: slab, spheroid and Krogh cylinder.

D = 2e-9 m^2/s and use M = 22.102 mmHg/s (Grimes 2014, doi:10.1098/rsif.2013.1124); 100 mmHg at the
tissue's face, 40 mmHg in a vessel of 5 um. The edge of what is held lies on average half a voxel
within its last voxel. About a minute. Run with ``pytest -m validation -k oxygen``.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.optimize import brentq

from tme_sim.fields import Grid, Microenvironment, Substrate

DIFFUSIVITY = 2e-9 * 1e12 * 60.0  # um^2/min
USE = 22.102 * 60.0  # mmHg/min
SURFACE, PLASMA, VESSEL, REACH = 100.0, 40.0, 5.0, 56.0  # mmHg, mmHg, um, um
VOXEL = 0.6  # um, around a vessel


def steady(shape, voxel, *, fixed=None, used=None, boundary=None, level=SURFACE):
    """Steady oxygen [mmHg] and the distance of each voxel from the origin [um]."""
    grid = Grid(shape, voxel)
    centres = np.meshgrid(*(grid.centres(axis) for axis in "zyx"), indexing="ij")
    r = np.sqrt(sum(x**2 for x, n in zip(centres, shape, strict=True) if n > 1))
    oxygen = Substrate("oxygen", DIFFUSIVITY, 0.0, level, boundary or {})
    env = Microenvironment(grid, [oxygen], dtype=np.float64)
    use = np.ones(shape) if used is None else used(r).astype(float)
    env.set_saturating_uptake("oxygen", USE * use, 0.01)
    if fixed is not None:
        env.fix("oxygen", fixed(r), level)
    return env.steady_state("oxygen"), r


def greenspan(radius):
    """Necrotic radius [um] of a spheroid: 1 - 3 e^2 + 2 e^3 = (limit / radius)^2."""
    limit = math.sqrt(6 * DIFFUSIVITY * SURFACE / USE)
    if radius <= limit:
        return 0.0
    share = (limit / radius) ** 2
    return radius * brentq(lambda e: 1 - 3 * e**2 + 2 * e**3 - share, 0.0, 1.0)


@pytest.mark.validation
def test_oxygen_profiles(save):
    depth = math.sqrt(2 * DIFFUSIVITY * SURFACE / USE)
    slab, x = steady((1, 1, 100), 4.0, boundary={"x_low": SURFACE})
    slab, x = slab[0, 0], x[0, 0]
    slab_exact = SURFACE * np.maximum(1 - x / depth, 0.0) ** 2

    radii, necrotic = (200.0, 300.0, 400.0, 500.0), []
    for radius in radii:
        n = int(radius / 10.0) + 2
        c, _ = steady((n, n, n), 10.0, fixed=lambda r, edge=radius - 5.0: r > edge)
        necrotic.append((0.75 * 8e3 * (c < 0.5).sum() / math.pi) ** (1 / 3))

    krogh, r = steady(
        (1, 110, 110),
        VOXEL,
        fixed=lambda r: r < VESSEL + VOXEL / 2,
        used=lambda r: r < REACH,
        level=PLASMA,
    )
    krogh, r = krogh[0, 0], r[0, 0]
    near = (r > VESSEL + VOXEL / 2) & (r < REACH)
    krogh_exact = PLASMA + USE / (4 * DIFFUSIVITY) * (r**2 - VESSEL**2)
    krogh_exact -= USE * REACH**2 / (2 * DIFFUSIVITY) * np.log(r / VESSEL)

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
    fine = np.linspace(150.0, 520.0, 200)
    for axis, title, pairs in (
        (axes[0], "slab", ((x, slab, "o"), (x, slab_exact, "k-"))),
        (
            axes[1],
            "necrotic core of a spheroid",
            ((radii, necrotic, "o"), (fine, [greenspan(a) for a in fine], "k-")),
        ),
        (
            axes[2],
            "around a vessel",
            ((r[near], krogh[near], "o"), (r[near], krogh_exact[near], "k-")),
        ),
    ):
        for a, b, style in pairs:
            label = "closed form" if style == "k-" else "solver"
            axis.plot(a, b, style, markersize=4, label=label)
        axis.set_title(title)
        axis.legend()
    axes[0].set(xlabel="depth [um]", ylabel="oxygen [mmHg]", xlim=(0, 200))
    axes[1].set(xlabel="radius of the spheroid [um]", ylabel="radius of the core [um]")
    axes[2].set(xlabel="distance from the axis [um]", ylabel="oxygen [mmHg]")
    save(figure, "oxygen_profiles")

    np.testing.assert_allclose(slab, slab_exact, atol=1.0)
    np.testing.assert_allclose(necrotic, [greenspan(a) for a in radii], atol=10.0)  # a voxel
    np.testing.assert_allclose(krogh[near], krogh_exact[near], atol=1.0)
