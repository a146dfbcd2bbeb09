"""The numbers that a run reports once per tick, and how counts grow out of the lineage."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tme_sim.state.columns import ALIVE, PHASE_NAMES

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel

OXYGEN = "oxygen"
LineageRow = tuple[float, int, int, str, str, int]  # time, id, mother, event, cause, clone

_UNITS = {
    "time": "min",
    "burden": "cells",
    "burden_volume": "um3",
    "n_clones": "1",
    "n_dead": "cells",
    "n_out_of_domain": "cells",
    "share_out_of_domain": "1",
    "sigma_mean": "1",
    "oxygen_tumor": "mmHg",
    "births": "cells",
    "arrivals": "cells",
    "deaths": "cells",
}
_PREFIX_UNITS = {
    "n_": "cells",
    "phase_": "1",
    "plasma_": "mg/L",
    "deaths_": "cells",
}
DEATH_CAUSES = ("apoptosis", "necrosis")  # a killed cell dies of the apoptosis it was hit into


class Tally:
    """Births, arrivals and deaths by cause since the start, counted from lineage rows.

    A row is (time, id, mother, event, cause, clone). Kept apart from the model so that the
    lineage need not stay in memory: a resumed run counts on from its checkpoint.
    """

    def __init__(self) -> None:
        self._counts = dict.fromkeys(
            ("births", "arrivals", "deaths", *(f"deaths_{cause}" for cause in DEATH_CAUSES)), 0
        )

    def count(self, rows: Iterable[LineageRow]) -> None:
        """Count more lineage rows."""
        counts = self._counts
        for _time, _id, _mother, event, cause, _clone in rows:
            if event == "birth":
                counts["births"] += 1
            elif event == "arrival":
                counts["arrivals"] += 1
            elif event == "death":
                counts["deaths"] += 1
                name = f"deaths_{cause}"
                if name in counts:
                    counts[name] += 1

    def values(self) -> dict[str, float]:
        """The counts as columns of the metrics."""
        return {name: float(n) for name, n in self._counts.items()}

    def state(self) -> dict[str, int]:
        """For a checkpoint."""
        return dict(self._counts)

    def restore(self, state: Mapping[str, int]) -> None:
        """Take over the counts of a checkpoint."""
        self._counts = {name: int(state[name]) for name in self._counts}


def row(model: "TumorModel", tally: Tally | None = None) -> dict[str, float]:
    """One row of metrics: the state of the model now.

    Args:
        model: between two ticks.
        tally: counts of what happened so far; counted from ``model.lineage`` where it is None.

    Returns:
        Column name to value, in a fixed order for one scenario; ``units`` names the unit of each.
        Means over no cell are NaN.
    """
    if tally is None:
        tally = Tally()
        tally.count(model.lineage)
    return {"time": float(model.time), **_cells(model), **_drugs(model), **tally.values()}


def units(column: str, substrate_units: Mapping[str, str] | None = None) -> str:
    """The unit of a column of metrics."""
    if column in _UNITS:
        return _UNITS[column]
    if column.startswith("tissue_"):
        return (substrate_units or {}).get(column.removeprefix("tissue_"), "uM")
    for prefix, unit in _PREFIX_UNITS.items():
        if column.startswith(prefix):
            return unit
    msg = f"column {column!r} of the metrics has no unit"
    raise KeyError(msg)


def _cells(model: "TumorModel") -> dict[str, float]:
    """Who is there, in which state, and how sure the cell model is of them."""
    pop = model.population
    alive = pop["status"] == ALIVE
    n_alive = int(np.count_nonzero(alive))
    per_group = np.bincount(pop["group"][alive], minlength=len(model.scenario.cells))
    tumor = alive & model.cell_types.tumor[pop["type"]]
    burden = int(np.count_nonzero(tumor))
    n_outside = int(np.count_nonzero(alive & ~pop["in_domain"]))
    phases = np.bincount(pop["phase"][tumor], minlength=len(PHASE_NAMES)) / (burden or np.nan)
    found = {f"n_{name}": float(n) for name, n in zip(model.scenario.cells, per_group, strict=True)}
    found["n_dead"] = float(pop.n - n_alive)
    found["burden"] = float(burden)
    found["burden_volume"] = float(np.sum(pop["volume"][tumor], dtype="f8"))
    found["n_clones"] = float(len(np.unique(pop["clone"][tumor])))
    found |= {
        f"phase_{name}": float(share) for name, share in zip(PHASE_NAMES, phases, strict=True)
    }
    found["n_out_of_domain"] = float(n_outside)
    found["share_out_of_domain"] = n_outside / max(n_alive, 1)
    found["sigma_mean"] = _mean(pop["sigma"][alive])
    return found


def _drugs(model: "TumorModel") -> dict[str, float]:
    """Drug in plasma, and drug and oxygen where the living tumor cells are."""
    pop = model.population
    tumor = (pop["status"] == ALIVE) & model.cell_types.tumor[pop["type"]]
    voxel = model.grid.voxel_of(pop["position"][tumor])
    found = {}
    if OXYGEN in model.env.names:
        found["oxygen_tumor"] = _mean(model.env[OXYGEN].ravel()[voxel])
    for drug, total in model.therapy.plasma().items():
        found[f"plasma_{drug}"] = float(total)
        if drug in model.env.names:
            found[f"tissue_{drug}"] = _mean(model.env[drug].ravel()[voxel])
    return found


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype="f8")) if len(values) else float("nan")
