"""Growth of melanoma lines against the dose of a BRAF inhibitor, from cell counts over days.

Counts of four BRAF-mutant lines under PLX4720, 0.125 to 32 uM (Harris 2016 Nat Methods 13:497).
The rate of a dose is the slope of log2(count) from 24 h on [doublings/day], 0 uM from the whole
course (controls become confluent); the model's is the mean of `growth_rate_net` over the same time,
at a vemurafenib of the same nominal dose.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from surrogates.data.assay import DAY, Condition, follow
from surrogates.phenotype import net_growth_rate
from surrogates.trajectory import Surrogate

FOLDER, FILE = "harris2016_dip", "mel_plx_time_course.csv"
FROM_HOUR, TO_HOUR = 24.0, 112.0
OXYGEN = 140.0  # [mmHg] of an incubator
LINES = {  # genotypes as in public catalogues (from memory); V600D of WM115 stands as V600E
    "A375": ("BRAF_V600E",),
    "SKMEL5": ("BRAF_V600E", "CDKN2A_loss"),
    "WM115": ("BRAF_V600E", "PTEN_loss", "CDKN2A_loss"),
    "A2058": ("BRAF_V600E", "PTEN_loss", "TP53_loss"),
}


class Rates(NamedTuple):
    """Of a line."""

    dose: np.ndarray  # (n,) [uM]
    rate: np.ndarray  # (n,) [doublings/day]


def rates(folder: Path, line: str) -> Rates:
    """Growth rates of a line by dose."""
    path = folder / FOLDER / FILE
    text = path.read_text("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    rows = [row for row in csv.DictReader(text.splitlines()) if row["cellLine"] == line]
    if not rows:
        msg = f"{path} has no line {line!r}"
        raise ValueError(msg)
    table = np.array(
        [[float(row["Conc"]) * 1e6, float(row["rel.time"]), float(row["nl2"])] for row in rows]
    )
    doses = np.unique(table[:, 0].round(6))
    slopes = []
    for dose in doses:
        course = table[np.isclose(table[:, 0], dose)]
        course = course[(course[:, 1] >= FROM_HOUR) | (dose == 0.0)]
        slopes.append(24.0 * np.polyfit(course[:, 1], course[:, 2], 1)[0])
    return Rates(doses, np.array(slopes))


def predict(model: Surrogate, line: str, doses: np.ndarray) -> np.ndarray:
    """The model's mean growth rate [doublings/day] over the measured time."""
    conditions = [
        Condition(
            steps=((-DAY, {"oxygen": OXYGEN}), (0.0, {"vemurafenib": float(dose)})),
            genotype=LINES[line],
        )
        for dose in doses
    ]
    hours = np.linspace(FROM_HOUR, TO_HOUR, 12)
    course = follow(model, conditions, (60.0 * hours).tolist())
    rate: np.ndarray = DAY * net_growth_rate(course.outputs).mean(axis=0)
    return rate
