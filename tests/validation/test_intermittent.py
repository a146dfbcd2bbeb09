"""Intermittent against continuous BRAF and MEK inhibition, and when a holiday can pay.

Trial S1320 (Algazi 2020, doi:10.1038/s41591-020-1060-8): after a lead-in, patients off therapy for
three of eight weeks progressed after 5.5 months, under continuous therapy after 9.0. Asked: the
same ratio of times to 1.2 x burden, 0.61 within 0.15; and the model must say when a holiday keeps
resistant cells down: only where sensitive ones take their room. Vemurafenib and trametinib at
their clinical levels in the medium, switched at once, days for weeks (tempo of cell culture): 1 day
of lead-in, then 3 days off and 5 on (3 here). One cell in ten carries NRAS_Q61. In a disk with room
and in a box that cells fill. One seed; full size: eight seeds, two cycles. About three minutes,
full an hour. Run with ``pytest -m validation -k intermittent``.
"""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import surrogates
import tme_sim
from tests.validation.kept_runs import observe

TISSUE = """
format: 1
name: intermittent
time: {duration: 7 d, tick: 12 min, checkpoint_every: 1 d}
stop: {burden_above: 3000 cells}
domain: {size: [800 um, 800 um]}
substrates:
  oxygen: {initial: 140 mmHg, boundary: {all: 140 mmHg}}
  glucose: {boundary: {all: 5 mM}}
  vemurafenib: {initial: 0 uM, decay_rate: 0 per min}
  trametinib: {initial: 0 uM, decay_rate: 0 per min}
cells:
  sensitive: {type: tumor, genotype: [BRAF_V600E], count: 108, placement: {disk: {radius: 110 um}}}
  resistant:
    type: tumor
    genotype: [BRAF_V600E, NRAS_Q61]
    count: 12
    placement: {disk: {radius: 110 um}}
processes: {motility: off}
"""
FULL_BOX = {
    "domain.size": "[200 um, 200 um]",
    "cells.sensitive.placement": "everywhere",
    "cells.resistant.placement": "everywhere",
}
DAY, LEAD_IN = 1440.0, 1440.0  # [min]


def continuous(model):
    """Both drugs at their clinical levels, nominal in 10 % serum [uM]."""
    model.env["vemurafenib"][:] = 11.0
    model.env["trametinib"][:] = 3.1e-3


def intermittent(model):
    """The same for a day, then three days off and five on."""
    on = model.time < 1440.0 or (model.time - 1440.0) % (8 * 1440.0) >= 3 * 1440.0
    model.env["vemurafenib"][:] = 11.0 * on
    model.env["trametinib"][:] = 3.1e-3 * on


def numbers(model):
    return [model.count("sensitive"), model.count("resistant")]


SCHEDULES = {"continuous": continuous, "intermittent": intermittent}
TISSUES = {"room": {}, "full box": FULL_BOX}


def courses(where, schedule, full):
    """Numbers of sensitive and resistant cells every six hours (n_seeds, n_times, 2)."""
    length = {"time.duration": "17 d" if full else "7 d"}
    runs = [
        observe(tme_sim.load_scenario(TISSUE, where | length | {"seed": seed}), numbers,
                every=360.0, cell_model=surrogates.load("tme-cell"), steer=SCHEDULES[schedule])
        for seed in (range(1, 9) if full else (1,))
    ]  # fmt: skip
    shortest = min(map(len, runs))
    return np.array([run[:shortest] for run in runs])


def time_to_progression(course):
    """Days after the lead-in until the burden is 1.2 x that at its end."""
    burden = course.sum(axis=1)[int(LEAD_IN / 360.0) :].astype(float)
    above = np.flatnonzero(burden > 1.2 * burden[0])
    if not above.size:
        return np.inf
    k = above[0]
    return (k - 1 + (1.2 * burden[0] - burden[k - 1]) / (burden[k] - burden[k - 1])) / 4.0


@pytest.fixture(scope="module")
def found(full, save):
    runs = {(t, s): courses(TISSUES[t], s, full) for t in TISSUES for s in SCHEDULES}
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for axis, tissue in zip(axes, TISSUES, strict=True):
        for colour, schedule in enumerate(SCHEDULES):
            mean = runs[tissue, schedule].mean(axis=0)
            days = np.arange(len(mean)) / 4.0 - 1.0
            axis.plot(days, mean.sum(axis=1), color=f"C{colour}", label=schedule)
            axis.plot(days, mean[:, 1], "--", color=f"C{colour}")
        axis.axvspan(0.0, 3.0, color="0.93")
        axis.set(
            title=tissue,
            xlabel="days since the lead-in (grey: holiday)",
            yscale="log",
            ylabel="tumor cells (dashed: resistant)",
        )
        axis.legend()
    save(figure, "intermittent")
    return runs


@pytest.mark.validation
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="0.28 of the time: off drug the tumor doubles daily, and on it hardly shrinks",
)
def test_intermittent_therapy_progresses_earlier_as_in_the_trial(found):
    median = {s: np.median([time_to_progression(c) for c in found["room", s]]) for s in SCHEDULES}

    assert median["intermittent"] < median["continuous"]
    assert median["intermittent"] / median["continuous"] == pytest.approx(5.5 / 9.0, abs=0.15)


def kept_down(runs, tissue):
    """Resistant cells at the end, intermittent over continuous."""
    return np.mean(runs[tissue, "intermittent"][:, -1, 1]) / np.mean(
        runs[tissue, "continuous"][:, -1, 1]
    )


@pytest.mark.validation
def test_intermittent_therapy_keeps_resistance_down_where_room_is_short(found):
    assert kept_down(found, "full box") < 0.9


@pytest.mark.validation
def test_intermittent_therapy_does_not_keep_resistance_down_where_there_is_room(found):
    assert kept_down(found, "room") > 0.9
