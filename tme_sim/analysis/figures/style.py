"""How figures look: widths and type sizes at which journals print them, and what draws them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tme_sim.errors import InputError

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

ONE_COLUMN, TWO_COLUMNS = 3.46, 7.2  # [inch], 88 and 183 mm
DPI = 300
SUFFIXES = (".png", ".pdf", ".svg")
STYLE: "dict[RcKeyType, Any]" = {  # of figures drawn for the screen, wider than a page
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
}
PRINT: "dict[RcKeyType, Any]" = (
    STYLE
    | {  # of figures at the size they are printed at: no letter below 6 points
        "font.size": 7,
        "axes.titlesize": 7.5,
        "axes.labelsize": 7,
        "axes.linewidth": 0.6,
        "axes.labelpad": 2.5,
        "lines.linewidth": 1.1,
        "legend.fontsize": 6.5,
        "legend.title_fontsize": 6.5,
        "xtick.labelsize": 6.5,
        "ytick.labelsize": 6.5,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.pad": 2,
        "ytick.major.pad": 2,
    }
)


def refuse_suffix(path: Path) -> None:
    """Refuse, before the work, a figure that cannot be drawn.

    Raises:
        InputError: the suffix is none of ``SUFFIXES``.
    """
    if path.suffix.lower() not in SUFFIXES:
        msg = f"{path}: a figure is a .png, .pdf or .svg file, not {path.suffix!r}"
        raise InputError(msg)
