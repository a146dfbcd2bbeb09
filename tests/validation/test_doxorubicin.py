"""Doxorubicin in a spheroid: how deep it reaches, what it arrests, when it kills, what p53 adds.

The level halves every 40 to 50 um from its source (Primeau 2005, doi:10.1158/1078-0432.CCR-05-1664)
and reaches deeper once 5 uM have killed the outer cells (histocultures of prostate tumors); cells
stop in G2M, die late, and die less without p53. The shipped scenario as an eighth of its spheroid
of 150 um, two days at 0, 0.2 and 5 uM at the walls; full size: four days, three seeds. About two
minutes, full ten. Run with ``pytest -m validation -k doxorubicin``.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import surrogates
import tme_sim
from tests.validation import octants
from tests.validation.kept_runs import observe

SCENARIO = Path(__file__).parents[2] / "scenarios" / "spheroid_doxorubicin.yaml"
RADIUS, SIZE, LENGTH = 150.0, 260.0, 64.9  # [um]; the last is the decay length of the drug
EVERY = 240.0  # [min]
ARMS = {  # dose at the walls [uM], genotype
    "untreated": (0.0, "[BRAF_V600E]"),
    "0.2 uM": (0.2, "[BRAF_V600E]"),
    "5 uM": (5.0, "[BRAF_V600E]"),
    "5 uM, TP53 loss": (5.0, "[BRAF_V600E, TP53_loss]"),
}


def spheroid(model):
    """Living cells by phase, ids of dying ones (they stay 8.6 h), drug by distance (10 um)."""
    columns, axis = model.population, model.grid.centres("x")
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    shell = (np.sqrt(x**2 + y**2 + z**2) / 10.0).astype(int).ravel()
    drug = np.asarray(model.env["doxorubicin"]).ravel()
    number = np.bincount(shell)
    mean = np.bincount(shell, weights=drug) / np.maximum(number, 1)
    alive = columns["status"] == 0
    return {
        "phases": np.bincount(columns["phase"][alive], minlength=3).tolist(),
        "dying": columns["id"][columns["status"] == 1].tolist(),
        "at": [10.0 * k + 5.0 for k in np.flatnonzero(number).tolist()],
        "drug": mean[number > 0].tolist(),
    }


def courses(arm, full):
    dose, genotype = ARMS[arm]
    walls = {"oxygen": "38 mmHg", "glucose": "5 mM", "lactate": "0 mM", "doxorubicin": f"{dose} uM"}
    more = {
        **octants.overrides(RADIUS, SIZE, walls),
        "cells.tumor.genotype": genotype,
        "time.duration": "4 d" if full else "2 d",
    }
    return [
        observe(tme_sim.load_scenario(SCENARIO, more | {"seed": seed}), spheroid, every=EVERY,
                cell_model=surrogates.load("tme-cell"), prepare=octants.eighth_of_a_ball)
        for seed in ((1, 2, 3) if full else (1,))
    ]  # fmt: skip


def alive(course):
    return np.array([sum(seen["phases"]) for seen in course])


def g2m(course):
    return np.array([seen["phases"][2] / max(sum(seen["phases"]), 1) for seen in course])


def deaths(course):
    """Apoptoses between one observation and the next."""
    known, new = set(), []
    for seen in course:
        new.append(len(set(seen["dying"]) - known))
        known |= set(seen["dying"])
    return np.array(new)


def at_depth(seen, depth):
    """Drug at a depth below the first rim, relative to the rim."""
    return np.interp([RADIUS - depth, RADIUS], seen["at"], seen["drug"])


def ball(r):
    """Steady level in a ball over that at its surface: R sinh(r / L) / (r sinh(R / L))."""
    return RADIUS * np.sinh(r / LENGTH) / (r * np.sinh(RADIUS / LENGTH))


@pytest.fixture(scope="module")
def found(full, save):
    runs = {arm: courses(arm, full) for arm in ARMS}
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.4), layout="constrained")
    for arm, each in runs.items():
        hours = np.arange(len(each[0])) * EVERY / 60.0
        axes[1].plot(hours, np.mean([g2m(c) for c in each], axis=0), label=arm)
        axes[2].plot(hours, np.mean([deaths(c).cumsum() for c in each], axis=0), label=arm)
        axes[3].plot(hours, np.mean([alive(c) for c in each], axis=0), label=arm)
    course = runs["5 uM"][0]
    for k in (1, len(course) // 2, len(course) - 1):
        seen = course[k]
        rim = np.interp(RADIUS, seen["at"], seen["drug"])
        axes[0].plot(seen["at"], np.array(seen["drug"]) / rim, ".", label=f"{k * EVERY / 60:.0f} h")
    r = np.linspace(5.0, RADIUS, 60)
    axes[0].plot(r, ball(r), "k-", label="closed form")
    axes[0].set(
        title="5 uM",
        xlabel="distance from the centre [um]",
        xlim=(0, RADIUS + 5),
        ylabel="drug / that at the rim",
        ylim=(0, 1.1),
    )
    titles = ("share of the living in G2M", "apoptoses so far", "living cells")
    for axis, title in zip(axes[1:], titles, strict=True):
        axis.set(title=title, xlabel="time [h]", ylim=(0, None))
    for axis in axes:
        axis.legend(fontsize=8)
    save(figure, "doxorubicin")
    return runs


@pytest.mark.validation
def test_doxorubicin_halves_as_in_a_ball_of_its_decay_length(found):
    low, rim = at_depth(found["5 uM"][0][1], 45.0)

    assert low / rim == pytest.approx(ball(RADIUS - 45.0), abs=0.05)


@pytest.mark.validation
def test_doxorubicin_reaches_deeper_where_it_killed(found):
    for course in found["5 uM"]:
        (early, rim), (late, late_rim) = (at_depth(course[k], 45.0) for k in (1, -1))
        assert late / late_rim > 1.1 * early / rim


@pytest.mark.validation
def test_doxorubicin_stops_cells_in_g2m(found):
    treated, untreated = (np.mean([g2m(c)[6] for c in found[a]]) for a in ("0.2 uM", "untreated"))

    assert treated > 1.5 * untreated


@pytest.mark.validation
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="four of five deaths of two days fall in the first 12 h: damage opens apoptosis "
    "through p53 within hours",
)
def test_doxorubicin_kills_late(found):
    early, all_ = np.mean([[d[:4].sum(), d.sum()] for d in map(deaths, found["5 uM"])], axis=0)

    assert early < 0.15 * all_  # 12 h of 48 h; a constant number an hour would be 0.25


@pytest.mark.validation
def test_doxorubicin_spares_cells_without_p53(found):
    without, wild_type = (
        np.mean([alive(c)[12] for c in found[a]]) for a in ("5 uM, TP53 loss", "5 uM")
    )

    assert without > 2.0 * wild_type
