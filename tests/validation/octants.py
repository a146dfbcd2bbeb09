"""Spheroids as an eighth of themselves: three walls of the box are planes of symmetry."""

import numpy as np

from tme_sim.model import tick

CELL, SPACING = 8.41, 16.02  # [um]: radius of a tumor cell, distance of two at rest


def eighth_of_a_ball(model):
    """Of tumor cells in a box at the origin keep those in the ball around it that fits the box."""
    radius = model.scenario.cells["tumor"].placement.box.size[0]
    model.population.keep(np.linalg.norm(model.population["position"], axis=1) <= radius)
    tick.exchange_with_fields(model)


def overrides(radius, size, boundary):
    """Of a spheroid of ``radius`` in a box of ``size`` [um]; ``boundary`` of each substrate."""
    sites = np.sqrt(2.0) * ((radius - CELL) / SPACING) ** 3
    return {
        "domain.size": [f"{size} um"] * 3,
        "cells.tumor.count": int(0.85 * sites),
        "cells.tumor.placement": {
            "box": {"size": [f"{radius} um"] * 3, "center": [f"{radius / 2} um"] * 3}
        },
        **{f"substrates.{name}.boundary": dict.fromkeys(("x_high", "y_high", "z_high"), level)
           for name, level in boundary.items()},
    }  # fmt: skip
