"""Colours of cell types, clones, phases and status: one set for figures and the replay page.

From the colour-blind-safe sets of Okabe and Ito (2008) and of Tol (2021). Tumor clones keep to
warm hues, other cell types to cool ones, so that both can be told apart in one picture.
"""

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
DRUG_COLORS = ("#6A3D9A", "#1B7F79", "#B15928", "#C9A227")
OTHER_COLORS = ("#332288", "#44AA99", "#117733", "#88CCEE", "#AA4499", "#999933")
DEAD_COLOR = "#4D4D4D"


def type_color(name: str) -> str:
    """The colour of a cell type; a user's own type has one by its name."""
    return TYPE_COLORS.get(name) or OTHER_COLORS[sum(name.encode()) % len(OTHER_COLORS)]


def clone_color(index: int) -> str:
    """The colour of a clone; repeats after the palette's end."""
    return CLONE_COLORS[index % len(CLONE_COLORS)]


def cause_color(name: str) -> str:
    """The colour of a cause of survival; mutations share that of their origin."""
    return CAUSE_COLORS[name] if name in CAUSE_COLORS else CAUSE_COLORS[name.split()[0]]


def drug_color(index: int) -> str:
    """The colour of the n-th drug of a run."""
    return DRUG_COLORS[index % len(DRUG_COLORS)]
