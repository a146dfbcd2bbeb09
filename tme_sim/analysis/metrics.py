"""What a run amounts to over time: burden by clone, and when it was treated."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tme_sim.output.run import Run
from tme_sim.output.summary import DOSE
from tme_sim.scenario.units import DAY, minutes
from tme_sim.state.columns import ALIVE

TUMOR = "tumor"


@dataclass(frozen=True)
class Treatment:
    """A stretch of regular doses of one drug."""

    drug: str
    start: float  # [min] first dose
    end: float  # [min] one interval after the last dose, at most the end of the run
    doses: tuple[float, ...]  # [min]


def burden_by_clone(run: Run) -> pd.DataFrame:
    """Living tumor cells of each clone in each frame: index time [min], one column per clone index.

    Only clones that were ever seen in a frame are there, in the order of their origin.
    """
    n_clones = len(run.clones)
    is_tumor = np.isin(np.arange(len(run.columns["type"]["categories"])), tumor_codes(run))
    counts = np.zeros((len(run.times), n_clones), "i8")
    for k in range(len(run.times)):
        cells = run.frame(k, ("type", "status", "clone"))
        counted = is_tumor[cells["type"]] & (cells["status"] == ALIVE)
        counts[k] = np.bincount(cells["clone"][counted], minlength=n_clones)[:n_clones]
    index = pd.Index(run.times, name="time")
    table = pd.DataFrame(counts, index=index, columns=run.clones["index"].tolist())
    return table.loc[:, counts.any(axis=0)]


def clone_names(run: Run) -> list[str]:
    """Name of each clone; one that several have gets the clone's number behind it."""
    names = [str(name) for name in run.clones["name"]]
    shared = {name for name, n in Counter(names).items() if n > 1}
    return [f"{n} ({k})" if n in shared else n for k, n in enumerate(names)]


def tumor_codes(run: Run) -> list[int]:
    """Codes of the column ``type`` that stand for tumor cells; none in a healthy tissue."""
    types = run.resolved.get("cell_types", {})
    return [
        code
        for code, name in enumerate(run.columns["type"]["categories"])
        if types.get(name, {}).get("network_type", name) == TUMOR
    ]


def treatments(run: Run) -> list[Treatment]:
    """When each drug was given: doses grouped where they follow each other regularly."""
    events = run.events
    doses = events[events["kind"] == DOSE]
    end = float(run.metrics["time"].iloc[-1])
    found = []
    for drug, times in doses.groupby(doses["text"].str.split().str[0], sort=False)["time"]:
        planned = _planned_interval(run, str(drug))
        found += _stretches(str(drug), np.sort(times.to_numpy("f8")), end, planned)
    return found


def _planned_interval(run: Run, drug: str) -> float:
    """Interval of a drug's doses in the scenario [min], a day where it has none."""
    entries = run.resolved.get("therapy", ())
    every = (entry["every"] for entry in entries if entry["drug"] == drug and entry["every"])
    return minutes(next(every, DAY))


def _stretches(drug: str, times: np.ndarray, end: float, planned: float) -> list[Treatment]:
    """Split doses where a gap is more than 1.5 times the usual interval."""
    gaps = np.diff(times)
    usual = float(np.median(gaps)) if len(gaps) else planned
    parts = np.split(times, np.flatnonzero(gaps > 1.5 * usual) + 1)
    return [
        Treatment(drug, float(p[0]), min(float(p[-1]) + usual, end), tuple(map(float, p)))
        for p in parts
    ]
