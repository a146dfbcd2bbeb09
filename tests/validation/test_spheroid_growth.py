"""Melanoma spheroids: oxygen use fitted on two seedings, a third and the limit radius predicted.

Measured: radius R, arrested radius phi R and necrotic radius eta R of WM983b spheroids seeded with
2500, 5000 and 10000 cells (Browning 2021, doi:10.7554/eLife.73020). Asked for the seeding not
fitted, on day 6: R within 40 um, phi and eta within 0.06; at the limit of 353 um that all seedings
share within 7 %: no growth (5 um/day) and a living rim of 92 to 100 um. An eighth of each spheroid
from its measured radius of day 3, in medium of 140 mmHg oxygen at 60 um or more from the rim; use
of oxygen is scaled through its diffusivity (only their ratio acts). Three days, two scales, and two
days from the limit radius; full size: to day 18, four scales. Needs the radii in the folder that
TME_SIM_DATA names. About fifteen minutes, full some hours.
Run with ``pytest -m validation -k spheroid_growth``.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import surrogates
import tme_sim
from tests.surrogates.data_folder import real
from tests.validation import octants
from tests.validation.kept_runs import observe

SCENARIO = Path(__file__).parents[2] / "scenarios" / "spheroid_3d.yaml"
FOLDER, FILE = "browning2021_spheroids", "ConfocalData.csv"
SEEDINGS = {2500: 156.0, 5000: 182.0, 10000: 222.0}  # R on day 3 [um]
FITTED, PREDICTED, LIMIT = (2500, 10000), 5000, 353.0
START = 3  # [d]
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
    """R, phi, eta once a day (days + 1, 3) of a spheroid that starts at ``radius``."""
    walls = {"oxygen": "140 mmHg", "glucose": "5 mM", "lactate": "0 mM"}
    scenario = tme_sim.load_scenario(SCENARIO, {
        **octants.overrides(radius, 420.0, walls),
        "name": "spheroid_growth",
        "time": f"{{duration: {days} d, tick: 12 min, checkpoint_every: 12 h}}",
        "stop": {},
        "substrates.oxygen.initial": "140 mmHg",
        "substrates.oxygen.diffusivity": f"{1.05e5 / use} um^2/min",
    })  # fmt: skip
    seen = observe(scenario, shells, every=1440.0, cell_model=surrogates.load("tme-cell"),
                   prepare=octants.eighth_of_a_ball)
    return np.array([structure(one) for one in seen])


def measured(seeding):
    """Days and means (n_days, 3) of R, phi and eta."""
    path = real(FOLDER) / FOLDER / FILE
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["InitialCondition"]) == seeding]
    days = sorted({int(row["Day"]) for row in rows})
    means = [[np.mean([float(row[name]) for row in rows if int(row["Day"]) == day])
              for name in ("R", "ϕ", "η")] for day in days]
    return np.array(days), np.array(means)


def at(seeding, days):
    """Measured R, phi and eta at some days, between those measured on a straight line."""
    known, means = measured(seeding)
    return np.column_stack([np.interp(days, known, column) for column in means.T])


@pytest.fixture(scope="module")
def found(full, save):
    days, uses = (15, (0.5, 1.0, 2.0, 4.0)) if full else (3, (1.0, 2.0))
    time = START + np.arange(days + 1)
    scale = np.array([40.0, 0.06, 0.06])
    fits = {(s, use): course(SEEDINGS[s], use, days) for s in FITTED for use in uses}
    misfit = [sum((((fits[s, use] - at(s, time)) / scale)[1:] ** 2).mean() for s in FITTED)
              for use in uses]
    best = uses[int(np.argmin(misfit))]
    predicted = course(SEEDINGS[PREDICTED], best, days)
    limit = course(LIMIT, best, 2)

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for colour, seeding in enumerate(SEEDINGS):
        known, means = measured(seeding)
        run = predicted if seeding == PREDICTED else fits[seeding, best]
        for k, axis in enumerate(axes):
            axis.plot(known, means[:, k], "o", color=f"C{colour}", markersize=4)
            axis.plot(time, run[:, k], "--" if seeding == PREDICTED else "-", color=f"C{colour}",
                      label=f"{seeding} cells" + (", predicted" if seeding == PREDICTED else ""))
    for k, axis in enumerate(axes):
        axis.plot(18 + np.arange(3), limit[:, k], "k.-", label="from the limit radius")
    for axis, label in zip(axes, ("R [um]", "phi: arrested", "eta: necrotic"), strict=True):
        axis.set(xlabel="days since seeding (dots: measured)", ylabel=label, ylim=(0, None))
    axes[0].legend(fontsize=8)
    axes[0].set_title(f"oxygen use x {best:g}")
    save(figure, "spheroid_growth")
    return time, predicted, limit


@pytest.mark.validation
@pytest.mark.parametrize("quantity", ["R", "phi", "eta"])
def test_spheroid_growth_of_the_seeding_not_fitted(found, quantity):
    time, predicted, _ = found
    k = ("R", "phi", "eta").index(quantity)

    assert predicted[-1, k] == pytest.approx(at(PREDICTED, time)[-1, k], abs=(40.0, 0.06, 0.06)[k])


@pytest.mark.validation
def test_spheroid_growth_ends_at_the_limit_radius(found):
    _, _, limit = found

    assert abs(limit[-1, 0] - limit[0, 0]) / 2.0 <= 5.0  # [um/d]


@pytest.mark.validation
def test_spheroid_growth_leaves_a_living_rim_as_thick_as_measured(found):
    radius, _, eta = found[2][-1]

    assert 92.0 <= radius * (1.0 - eta) <= 100.0
