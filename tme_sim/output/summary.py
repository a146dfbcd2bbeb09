"""What a run came to: burden at baseline, nadir and end, clones, and how far to trust it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tme_sim.scenario.units import DAY
from tme_sim.text import printable

if TYPE_CHECKING:
    from tme_sim.output.run import Run

DOSE = "dose"


@dataclass(frozen=True)
class Summary:
    """The facts of the five lines that a run ends with."""

    name: str
    seed: int
    duration: float  # [min]
    reason: str
    cells_start: int
    cells_end: int
    counts_end: dict[str, int]  # living cells per group
    births: int
    deaths: int
    arrivals: int
    clones: int
    clones_alive: int
    burden_start: float
    baseline: float | None  # None where no dose was given
    baseline_time: float | None  # [min]
    nadir: float | None
    nadir_time: float | None  # [min]
    burden_end: float
    share_out_of_domain: float  # mean over the ticks with living cells; NaN without any
    peak_out_of_domain: float
    sigma_mean: float

    def lines(self, path: Path, figure: str | Path | None = None) -> list[str]:
        """Cells, clones, burden, trust, files."""
        counts = ", ".join(f"{n} {name}" for name, n in self.counts_end.items())
        figure_text = f", figure {figure}" if figure is not None else ""
        lines = [
            f"cells    {self.cells_start} at the start, {self.cells_end} living after "
            f"{_days(self.duration)} ({counts}); {self.births} births, {self.deaths} deaths, "
            f"{self.arrivals} arrivals; ended by: {self.reason or 'not yet ended'}",
            f"clones   {self.clones} in all, {self.clones_alive} alive in the tumor",
            f"burden   {self._burden()}",
            f"trust    {self._trust()}",
            f"files    run {path}{figure_text}",
        ]
        return [printable(line) for line in lines]

    def _trust(self) -> str:
        if np.isnan(self.share_out_of_domain):
            return "no living cell, so the cell model was not asked"
        return (
            f"{self.share_out_of_domain:.1%} of cells outside the training domain "
            f"(peak {self.peak_out_of_domain:.1%}); mean ensemble spread {self.sigma_mean:.3f}"
        )

    def _burden(self) -> str:
        if self.baseline is None or self.nadir is None:
            return f"{self.burden_start:.0f} at the start, {self.burden_end:.0f} at the end"
        return (
            f"{self.baseline:.0f} at baseline ({_days(self.baseline_time)}), "
            f"{self.nadir:.0f} at nadir ({_days(self.nadir_time)}), "
            f"{self.burden_end:.0f} at the end"
        )


def summarize(run: "Run") -> Summary:
    """The summary of a run with at least one tick recorded."""
    metrics = run.metrics
    first, last = metrics.iloc[0], metrics.iloc[-1]
    burden, time = metrics["burden"].to_numpy(), metrics["time"].to_numpy()
    baseline = baseline_row(run)
    nadir = None if baseline is None else baseline + int(np.argmin(burden[baseline:]))
    groups = run.columns["group"]["categories"]
    return Summary(
        name=run.name,
        seed=run.seed,
        duration=float(last["time"]),
        reason=run.reason,
        cells_start=int(sum(first[f"n_{group}"] for group in groups)),
        cells_end=int(sum(last[f"n_{group}"] for group in groups)),
        counts_end={group: int(last[f"n_{group}"]) for group in groups},
        births=int(last["births"]),
        deaths=int(last["deaths"]),
        arrivals=int(last["arrivals"]),
        clones=len(run.clones),
        clones_alive=int(last["n_clones"]),
        burden_start=float(burden[0]),
        baseline=None if baseline is None else float(burden[baseline]),
        baseline_time=None if baseline is None else float(time[baseline]),
        nadir=None if nadir is None else float(burden[nadir]),
        nadir_time=None if nadir is None else float(time[nadir]),
        burden_end=float(burden[-1]),
        share_out_of_domain=share_outside(run),
        peak_out_of_domain=float(metrics["share_out_of_domain"].max()),
        sigma_mean=float(metrics["sigma_mean"].mean()),
    )


def share_outside(run: "Run") -> float:
    """Mean share of cells outside the training domain, over the ticks with living cells."""
    metrics = run.metrics
    groups = [f"n_{group}" for group in run.columns["group"]["categories"]]
    living = metrics[groups].sum(axis=1) > 0
    return float(metrics["share_out_of_domain"][living].mean())


def dose_times(run: "Run") -> np.ndarray:
    """Times of the doses that were given [min]."""
    events = run.events
    given = events[events["kind"] == DOSE]
    times: np.ndarray = given["time"].to_numpy(dtype="f8")
    return times


def baseline_row(run: "Run") -> int | None:
    """The row of metrics that holds the burden at the first dose; None where none was given."""
    doses = dose_times(run)
    if len(doses) == 0:
        return None
    time = run.metrics["time"].to_numpy()
    return max(0, int(np.searchsorted(time, doses.min(), side="right")) - 1)


def _days(time: float | None) -> str:
    return "no time" if time is None else f"{round(time / DAY, 2):g} d"
