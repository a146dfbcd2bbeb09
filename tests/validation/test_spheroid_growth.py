"""Melanoma spheroids: oxygen use fitted on two seedings, a third and the limit radius predicted.

Measured: radius R, arrested radius phi R and necrotic radius eta R of WM983b spheroids seeded with
2500, 5000 and 10000 cells (Browning 2021, doi:10.7554/eLife.73020), whose structure follows their
size. They start at their radii of day 3. Use of oxygen is scaled through its diffusivity (only
their ratio acts) so that two seedings have their eta of day 10 when they have their radius of that
day. Asked of the third: phi and eta there within 0.06, and R within 40 um in time; from the limit
of 353 um that all seedings share, no growth (5 um/day in the end) and a living rim of 92 to 100 um.
An eighth of each spheroid, medium of 140 mmHg oxygen 60 um and more from the rim, four days, four
scales of use; full size: to day 18, seven scales. Needs the radii in the folder that TME_SIM_DATA
names. About ten minutes, full some hours.
Run with ``pytest -m validation -k spheroid_growth``.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import surrogates
import tme_sim
from tests.surrogates.data.data_folder import real
from tests.validation import octants
from tests.validation.kept_runs import observe

SCENARIO = Path(__file__).parents[2] / "scenarios" / "spheroid_3d.yaml"
FOLDER, FILE = "browning2021_spheroids", "ConfocalData.csv"
FITTED, PREDICTED = (2500, 10000), 5000  # seeded cells
START, LATE, LIMIT = 3, 10, 353.0  # [d], [d], [um]
SHELL = 20.0  # [um]


def shells(model):
    """Numbers of living, of cycling and of dead cells in shells of 20 um around the origin."""
    columns = model.population
    shell = (np.linalg.norm(columns["position"], axis=1) / 20.0).astype(int)
    alive, cycling = columns["status"] == 0, columns["phase"] > 0
    distance = np.linalg.norm(columns["position"][alive], axis=1)
    return {
        "alive": np.bincount(shell[alive]).tolist(),
        "cycling": np.bincount(shell[alive & cycling], minlength=shell[alive].max() + 1).tolist(),
        "dead": int((~alive).sum()),
        "edge": float(np.quantile(distance, 0.98)) + 8.4,
        "oxygen": float(model.env["oxygen"].min()),
    }


def structure(seen):
    """R [um], phi and eta: where cycling and living cells are half as dense as at the rim."""
    radius, inner = seen["edge"], SHELL * np.arange(len(seen["alive"]))
    volume = (inner + SHELL) ** 3 - inner**3
    rim = (inner + SHELL / 2 > radius - 50.0) & (inner + SHELL < radius)
    found = [radius]
    for kind in ("cycling", "alive"):
        density = np.array(seen[kind]) / volume
        empty = np.flatnonzero((density < 0.5 * density[rim].mean()) & (inner < radius - 50.0))
        found.append((empty[-1] + 1) * SHELL / radius if empty.size else 0.0)
    return np.array(found)


def course(radius, use, days):
    """R, phi and eta every half day (2 days + 1, 3) of a spheroid that starts at ``radius``."""
    walls = {"oxygen": "140 mmHg", "glucose": "5 mM", "lactate": "0 mM"}
    scenario = tme_sim.load_scenario(SCENARIO, {
        **octants.overrides(radius, 480.0, walls),
        "name": "spheroid_growth",
        "time": f"{{duration: {days} d, tick: 12 min, checkpoint_every: 6 h}}",
        "stop": {},
        "substrates.oxygen.initial": "140 mmHg",
        "substrates.oxygen.diffusivity": f"{1.05e5 / use} um^2/min",
    })  # fmt: skip
    seen = observe(
        scenario,
        shells,
        every=720.0,
        cell_model=surrogates.load("tme-cell"),
        prepare=octants.eighth_of_a_ball,
    )
    return np.array([structure(one) for one in seen])


def measured(seeding):
    """Days and means (n_days, 3) of R, phi and eta."""
    path = real(FOLDER) / FOLDER / FILE
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["InitialCondition"]) == seeding]
    days = sorted({int(row["Day"]) for row in rows})
    means = [
        [
            np.mean([float(row[name]) for row in rows if int(row["Day"]) == day])
            for name in ("R", "ϕ", "η")
        ]
        for day in days
    ]
    return np.array(days), np.array(means)


def at(seeding, days):
    """Measured R, phi and eta at some days, between those measured on a straight line."""
    known, means = measured(seeding)
    return np.column_stack([np.interp(days, known, column) for column in means.T])


@pytest.fixture(scope="module")
def found(full, save):
    uses = (1.0, 1.4, 2.0, 2.8, 4.0, 5.6, 8.0) if full else (1.4, 2.8, 4.0, 5.6)
    days = 15 if full else 4

    def grown_up(seeding, use):
        """Course of a seeding from day 3 on; R, phi and eta at its radius of day 10."""
        whole = course(at(seeding, [START])[0, 0], use, days)
        size = at(seeding, [LATE])[0, 0]
        return whole, np.array([np.interp(size, whole[:, 0], column) for column in whole.T])

    late = {s: at(s, [LATE])[0] for s in (*FITTED, PREDICTED)}
    fits = {use: np.array([grown_up(s, use)[1][2] for s in FITTED]) for use in uses}
    misfit = [np.square(fits[use] - [late[s][2] for s in FITTED]).sum() for use in uses]
    best = uses[int(np.argmin(misfit))]
    grown, settled = grown_up(PREDICTED, best)
    limit = course(LIMIT, best, 5 if full else 3)

    figure, axes = plt.subplots(1, 4, figsize=(15, 3.6), layout="constrained")
    for colour, seeding in enumerate(FITTED):
        axes[0].plot(uses, [eta[colour] for eta in fits.values()], "o-", color=f"C{colour}")
        axes[0].axhline(late[seeding][2], color=f"C{colour}", linestyle=":")
    axes[0].set(xlabel="oxygen use (dotted: eta measured)", ylabel="eta on day 10", ylim=(0, 0.8))
    time = START + 0.5 * np.arange(len(grown))
    for colour, seeding in enumerate((*FITTED, PREDICTED)):
        days, means = measured(seeding)
        for axis, column in zip(axes[1:], means.T, strict=True):
            axis.plot(days, column, "o", color=f"C{colour}", markersize=4, label=f"{seeding} cells")
    for k, axis in enumerate(axes[1:]):
        axis.plot(time, grown[:, k], "C2-", label=f"{PREDICTED} cells, predicted")
        axis.plot(LATE, settled[k], "C2*", markersize=12, label="its radius of day 10")
        axis.plot(18 + 0.5 * np.arange(len(limit)), limit[:, k], "k.-", label="the limit radius")
        axis.set(xlabel="days since seeding (dots: measured)", ylim=(0, None))
    for axis, label in zip(axes[1:], ("R [um]", "phi: arrested", "eta: necrotic"), strict=True):
        axis.set_ylabel(label)
    axes[2].legend(fontsize=7)
    axes[1].set_title(f"oxygen use x {best:g}")
    save(figure, "spheroid_growth")
    return settled, (time, grown), limit


@pytest.mark.validation
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="326 um of 262 after four days: "
    "cells of the weights before these grew more slowly and met it",
)
def test_spheroid_growth_of_the_seeding_not_fitted(found):
    _, (time, grown), _ = found

    assert grown[-1, 0] == pytest.approx(at(PREDICTED, time[-1:])[0, 0], abs=40.0)


@pytest.mark.validation
def test_spheroid_growth_necrosis_of_the_seeding_not_fitted(found):
    assert found[0][2] == pytest.approx(at(PREDICTED, [LATE])[0, 2], abs=0.06)


@pytest.mark.validation
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="0.65 of 0.84: cells divide in twice as thick a rim as measured",
)
def test_spheroid_growth_arrest_of_the_seeding_not_fitted(found):
    assert found[0][1] == pytest.approx(at(PREDICTED, [LATE])[0, 1], abs=0.06)


@pytest.mark.validation
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="47 um a day on: nothing holds the rim back but oxygen, and dead cells leave room late",
)
def test_spheroid_growth_ends_at_the_limit_radius(found):
    _, _, limit = found

    assert abs(limit[-1, 0] - limit[-3, 0]) <= 5.0  # [um/d]


@pytest.mark.validation
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="183 um of 92 to 100, at a radius beyond the limit",
)
def test_spheroid_growth_leaves_a_living_rim_as_thick_as_measured(found):
    radius, _, eta = found[2][-1]

    assert 92.0 <= radius * (1.0 - eta) <= 100.0
