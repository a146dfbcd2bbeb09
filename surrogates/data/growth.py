"""Growth of melanoma lines against the dose of a BRAF inhibitor, from cell counts over days.

Counts of four BRAF-mutant lines under PLX4720, 0.125 to 32 uM (Harris 2016 Nat Methods 13:497).
The rate of a dose is the slope of log2(count) from 24 h on [doublings/day], 0 uM from the whole
course (controls become confluent); the model's is the mean of `growth_rate_net` over the same time,
at a vemurafenib of the same nominal dose. The teacher was tuned to A375 at all ten doses, so this
line is no test of it. The others, of which it knows the genotype, are one, but not a blind one:
they weighed a twentieth in the first fits and nothing in the last.
"""

import csv
from pathlib import Path

import numpy as np

from surrogates.data.assay import Condition, follow
from surrogates.evaluation.baselines import rivals
from surrogates.evaluation.folds import FoldCache, Models, Progress
from surrogates.evaluation.table import Row
from surrogates.phenotype import net_growth_rate

FOLDER, FILE = "harris2016_dip", "mel_plx_time_course.csv"
DAY = 1440.0  # [min]
FROM_HOUR, TO_HOUR = 24.0, 112.0
OXYGEN = 140.0  # [mmHg] of an incubator
LINES = {  # genotypes as in public catalogues (from memory); V600D of WM115 stands as V600E
    "A375": ("BRAF_V600E",),
    "SKMEL5": ("BRAF_V600E", "CDKN2A_loss"),
    "WM115": ("BRAF_V600E", "PTEN_loss", "CDKN2A_loss"),
    "A2058": ("BRAF_V600E", "PTEN_loss", "TP53_loss"),
}
TUNED_LINE = "A375"  # at all doses


def rates(folder: Path, line: str) -> tuple[np.ndarray, np.ndarray]:
    """Doses [uM] and growth rates [doublings/day] of a line."""
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
    return doses, np.array(slopes)


def predicted(model, line: str, doses: np.ndarray) -> np.ndarray:
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
    return DAY * net_growth_rate(course.outputs).mean(axis=0)


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """Root mean square error of growth rates: the line tuned to, other lines."""
    kept = FoldCache(cache, FOLDER, [folder / FOLDER / FILE, Path(__file__)])
    measured = {line: rates(folder, line) for line in LINES}
    found = {}
    for k, (name, model) in enumerate(models.items()):
        if progress:
            progress(f"growth rates of the {name}", k / 2)
        found[name] = {
            line: np.array(
                kept.get(
                    line,
                    lambda m=model, c=line: predicted(m, c, measured[c][0]).tolist(),
                    contender=model.hash,
                )
            )
            for line in LINES
        }
    others = [line for line in LINES if line != TUNED_LINE]
    return [
        _row(
            "A375, all doses", "tuned to, no test", [TUNED_LINE], measured, found, target="<= 0.2"
        ),
        _row("other lines, all doses", "lines not in the last fit", others, measured, found),
    ]


def _row(
    what: str, split: str, held: list[str], measured: dict, found: dict, target: str = ""
) -> Row:
    truth = np.concatenate([measured[line][1] for line in held])
    apart = {name: np.concatenate([found[name][line] for line in held]) - truth for name in found}
    scores = {name: _rmse(errors, 0.0) for name, errors in apart.items()}
    largest = {name: np.abs(errors).max() for name, errors in apart.items()}
    return Row(
        FOLDER,
        what,
        split,
        "RMSE",
        **scores,
        **_rivals(held, measured),
        target=target,
        n=len(truth),
        note="[doublings/day]; largest error: network "
        f"{largest['network']:.2f}, teacher {largest['teacher']:.2f}. Rivals see the dose "
        "and the line, and learn from all that is not in the row.",
    )


def _rivals(held: list[str], measured: dict) -> dict[str, float]:
    """Mean, ridge and boosting, fitted on everything that is not held out."""
    x, y, out, line, at = [], [], [], [], []
    for k, (name, (doses, values)) in enumerate(measured.items()):
        one = np.arange(len(measured)) == k
        x += [np.array([np.log10(dose + 0.05), dose > 0.0, *one], float) for dose in doses]
        y += values.tolist()
        out += [name in held] * len(doses)
        line += [k] * len(doses)
        at += doses.tolist()
    x, y, out = np.array(x), np.array(y), np.array(out)
    found = rivals(x, y, ~out, condition=at, group=np.array(line))
    return {name: _rmse(y[out], values[out]) for name, values in found.items()}


def _rmse(truth: np.ndarray, found: np.ndarray | float) -> float:
    return float(np.sqrt(((found - truth) ** 2).mean()))


__all__ = ["rates", "rows"]
