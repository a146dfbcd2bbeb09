"""What every study shares: where its figure goes, and whether it runs at full size."""

from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")
FIGURES = Path(__file__).parents[2] / "outputs" / "validation"


@pytest.fixture(scope="session")
def save():
    """Function that writes a figure as outputs/validation/NAME.png."""

    def write(figure, name):
        FIGURES.mkdir(parents=True, exist_ok=True)
        figure.savefig(FIGURES / f"{name}.png", dpi=120, bbox_inches="tight")

    return write


@pytest.fixture(scope="session")
def full(request):
    """Whether the study was asked for at its full size: ``--full``."""
    return request.config.getoption("--full")
