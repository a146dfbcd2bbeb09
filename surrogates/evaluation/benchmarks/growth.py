"""Growth of melanoma lines against the dose of a BRAF inhibitor: the line tuned to, other lines.

The teacher was tuned to A375 at all ten doses, so this line is no test of it. The others, of which
it knows the genotype, are one, but not a blind one: they weighed a twentieth in the first fits and
nothing in the last.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from surrogates.data import growth
from surrogates.data.growth import FILE, FOLDER, LINES, Rates, predict, rates
from surrogates.evaluation import baselines
from surrogates.evaluation.baselines import rivals
from surrogates.evaluation.folds import FoldCache, Models, Progress, code_of
from surrogates.evaluation.metrics import rmse
from surrogates.evaluation.table import Row

TUNED_LINE = "A375"  # at all doses
Measured = Mapping[str, Rates]  # by line
Predicted = dict[str, dict[str, np.ndarray]]  # rates by contender and line


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """Root mean square error of growth rates: the line tuned to, other lines."""
    stored = FoldCache(
        cache, FOLDER, [folder / FOLDER / FILE, Path(__file__), *code_of(growth, baselines)]
    )
    measured = {line: rates(folder, line) for line in LINES}
    found: Predicted = {}
    for k, (name, model) in enumerate(models.by_name().items()):
        if progress:
            progress(f"growth rates of the {name}", k / 2)
        found[name] = {
            line: stored.array(line, partial(predict, model, line, doses), contender=model.hash)
            for line, (doses, _) in measured.items()
        }
    others = [line for line in LINES if line != TUNED_LINE]
    return [
        _row(
            "A375, all doses", "tuned to, no test", [TUNED_LINE], measured, found, target="<= 0.2"
        ),
        _row("other lines, all doses", "lines not in the last fit", others, measured, found),
    ]


def _row(
    what: str, split: str, held: list[str], measured: Measured, found: Predicted, target: str = ""
) -> Row:
    truth = np.concatenate([measured[line].rate for line in held])
    expected = {
        name: np.concatenate([by_line[line] for line in held]) for name, by_line in found.items()
    }
    scores = {name: rmse(truth, rates) for name, rates in expected.items()}
    largest = {name: np.abs(rates - truth).max() for name, rates in expected.items()}
    return Row.of(
        FOLDER,
        what,
        split,
        "RMSE",
        scores | _rivals(held, measured),
        target=target,
        n=len(truth),
        note="[doublings/day]; largest error: network "
        f"{largest['network']:.2f}, teacher {largest['teacher']:.2f}. Rivals see the dose "
        "and the line, and learn from all that is not in the row.",
    )


def _rivals(held: list[str], measured: Measured) -> dict[str, float]:
    """Mean, ridge and boosting, fitted on everything that is not held out."""
    lines = list(measured)
    line = np.repeat(np.arange(len(lines)), [len(of.dose) for of in measured.values()])
    dose = np.concatenate([of.dose for of in measured.values()])
    y = np.concatenate([of.rate for of in measured.values()])
    one = line[:, None] == np.arange(len(lines))
    x = np.column_stack([np.log10(dose + 0.05), dose > 0.0, one]).astype(float)
    out = np.isin(line, [lines.index(name) for name in held])
    found = rivals(x, y, ~out, condition=dose.tolist(), group=line)
    return {name: rmse(y[out], values[out]) for name, values in found.items()}


__all__ = ["FOLDER", "rows"]
