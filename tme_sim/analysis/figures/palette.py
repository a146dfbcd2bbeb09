"""Colours of cell types, clones, phases and status: one set for figures and the replay page.

From the colour-blind-safe sets of Okabe and Ito (2008) and of Tol (2021). Tumor clones keep to
warm hues, other cell types to cool ones, so that both can be told apart in one picture.
"""

import colorsys
import zlib
from collections.abc import Container, Iterable

TYPE_COLORS = {
    "tumor": "#D55E00",
    "fibroblast": "#009E73",
    "cd8_t": "#0072B2",
    "macrophage": "#56B4E9",
    "endothelial": "#CC79A7",
    "epithelium": "#C4C0B4",
}
TYPE_LABELS = {"cd8_t": "CD8 T cell"}
CLONE_COLORS = (
    "#D55E00",
    "#F0E442",
    "#882255",
    "#E69F00",
    "#AA4499",
    "#661100",
    "#DDCC77",
    "#CC6677",
    "#999933",
)
PHASE_COLORS = {"G1": "#A6CEE3", "S": "#3B8BC2", "G2M": "#1B3A6B"}
STATUS_COLORS = {
    "alive": "#3B8BC2",
    "apoptotic": "#E69F00",
    "necrotic": "#661100",
    "debris": "#8C8C8C",
}
CAUSE_COLORS = {  # why a cell survives therapy
    "stromal ligand": "#009E73",
    "pre-existing": "#882255",
    "acquired": "#D55E00",
    "memory": "#F0C93A",
    "low drug": "#56B4E9",
    "PD-L1": "#0072B2",
    "combined": "#B79ACB",
    "unexplained": "#C8C8C8",
    "dying": "#4D4D4D",
}
DRUG_COLORS = {  # of the catalogue; the ones first that are given together most often
    "vemurafenib": "#6A3D9A",
    "trametinib": "#1B7F79",
    "pembrolizumab": "#B15928",
    "doxorubicin": "#C9A227",
    "erlotinib": "#2525F4",
    "capmatinib": "#96C587",
    "cobimetinib": "#E255F6",
    "dabrafenib": "#562929",
    "pictilisib": "#47C0D1",
    "palbociclib": "#293556",
    "nivolumab": "#791506",
    "galunisertib": "#F655A6",
    "atezolizumab": "#9B5F4B",
    "LY3009120": "#A60BDA",
    "osimertinib": "#F2F20C",
    "binimetinib": "#320560",
    "gemcitabine": "#9EF9CC",
    "temozolomide": "#3DF47A",
}
OTHER_COLORS = (  # of a user's own cell types: far from those above in every kind of vision
    *("#8C25F4", "#5C1966", "#091DAA", "#82B464", "#BA55F6"),
    *("#295629", "#61783A", "#59248F", "#9B4B7D"),
)
DEAD_COLOR = "#4D4D4D"


def type_color(name: str, among: Iterable[str] = ()) -> str:
    """The colour of a cell type; one of a user's own has it by its name.

    Two types that are shown together differ: ``among`` names all of them, in one order.
    """
    if name in TYPE_COLORS:
        return TYPE_COLORS[name]
    taken: set[str] = set()
    for own in [*(other for other in among if other not in TYPE_COLORS), name]:
        color = _own_color(own, taken)
        if own == name:
            break
        taken.add(color)
    return color


def _own_color(name: str, taken: Container[str]) -> str:
    """Of the colours for what is a user's own the first free one from a place that hangs on a name.

    Where all are taken: a hue of its own.
    """
    place = zlib.crc32(name.encode()) % len(OTHER_COLORS)
    around = (*OTHER_COLORS[place:], *OTHER_COLORS[:place])
    return next((color for color in around if color not in taken), _hue(name))


def _hue(name: str) -> str:
    """A colour that hangs on a name alone."""
    rgb = colorsys.hls_to_rgb(zlib.crc32(name.encode()) / 2**32, 0.4, 0.6)
    return "#" + "".join(f"{round(255 * share):02X}" for share in rgb)


def clone_color(index: int) -> str:
    """The colour of a clone; repeats after the palette's end."""
    return CLONE_COLORS[index % len(CLONE_COLORS)]


def cause_color(name: str) -> str:
    """The colour of a cause of survival; mutations share that of their origin."""
    return CAUSE_COLORS[name] if name in CAUSE_COLORS else CAUSE_COLORS[name.split()[0]]


def drug_color(name: str) -> str:
    """The colour of a drug, in every run the same."""
    return DRUG_COLORS.get(name) or _hue(name)
