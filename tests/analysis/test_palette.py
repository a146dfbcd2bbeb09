"""Colours that stand for different things can be told apart, by colour-blind readers too."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tme_sim.analysis.figures.palette import (
    DEAD_COLOR,
    DRUG_COLORS,
    OTHER_COLORS,
    PHASE_COLORS,
    TYPE_COLORS,
    drug_color,
    type_color,
)
from tme_sim.scenario import catalogue

LEAST = 15.0  # CIE76 difference; 2.3 is just noticeable
VISION = {  # linear RGB, severity 1: Machado, Oliveira & Fernandes 2009, doi:10.1109/TVCG.2009.113
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
WHITE = (0.9505, 1.0, 1.089)


def lab(color, vision):
    """CIE L*a*b* of an sRGB colour as seen with a kind of vision."""
    srgb = np.array(to_rgb(color))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0.0, 1.0)
    t = np.array(TO_XYZ) @ seen / WHITE
    x, y, z = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(
    "colors",
    [
        (*TYPE_COLORS.values(), DEAD_COLOR, *OTHER_COLORS),
        tuple(DRUG_COLORS.values()),
        tuple(PHASE_COLORS.values()),
    ],
    ids=["types", "drugs", "phases"],
)
def test_colours_are_told_apart(colors, vision):
    seen = {color: lab(color, vision) for color in colors}
    apart = {(a, b): np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(seen, 2)}
    closest = min(apart, key=apart.get)
    assert apart[closest] > LEAST, f"{closest} differ by {apart[closest]:.1f}"


def test_every_drug_of_the_catalogue_has_a_colour_of_its_own():
    assert set(DRUG_COLORS) == set(catalogue.builtin().names("drugs"))


def test_a_colour_hangs_on_the_name_alone():
    assert drug_color("aspirin") == drug_color("aspirin") not in DRUG_COLORS.values()
    assert drug_color("aspirin") != drug_color("zinc")
    assert type_color("NK") == type_color("NK", ["tumor", "NK"]) != type_color("DC")


def test_types_that_are_shown_together_differ():
    names = ["tumor", *(f"own_{k}" for k in range(14))]
    colors = [type_color(name, names) for name in names]
    assert len(set(colors)) == len(names)
    assert set(OTHER_COLORS) < set(colors)
    assert colors == [type_color(name, tuple(names)) for name in names]
