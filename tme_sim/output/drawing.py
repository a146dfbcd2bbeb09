"""What draws a run. It stands above the reader, so it registers here instead of being imported.

``import tme_sim`` registers ``tme_sim.analysis.figures.notebook``; reading a run needs no drawing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

    from tme_sim.output.run import Run


class Drawing(Protocol):
    """The drawing methods of ``Run``, as functions of a run."""

    def plot(
        self,
        run: "Run",
        time: str | float | None = None,
        *,
        field: str | None = None,
        color: str | None = None,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """The tissue at a time."""
        ...

    def plot_burden(self, run: "Run", *, ax: "Axes | None" = None) -> "Axes":
        """Burden by clone over time."""
        ...

    def animate(
        self,
        run: "Run",
        *,
        field: str | None = None,
        color: str | None = None,
        interval: float = 150.0,
    ) -> "FuncAnimation":
        """The tissue frame by frame."""
        ...

    def as_html(self, run: "Run") -> str:
        """What a notebook shows."""
        ...


_loaders: list[Callable[[], Drawing]] = []


def register(load: Callable[[], Drawing]) -> None:
    """Draw with what ``load`` returns; it is called when something is drawn, not before."""
    _loaders[:] = [load]


def drawing() -> Drawing:
    """What was registered."""
    (load,) = _loaders
    return load()
