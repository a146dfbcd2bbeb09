"""Published time courses: new doses and treatments of known experiments.

Whole conditions are held out (a treatment, a dose, or a dose in one line). What the cell models
have no input or node for is left out for all contenders and counted in the note, or scored for the
rivals alone.
"""

from functools import partial
from pathlib import Path

import numpy as np

from surrogates.data import observation, petab
from surrogates.data.petab import FOLDER, STUDIES, Study, Table, load, predict
from surrogates.evaluation import baselines
from surrogates.evaluation.folds import FoldCache, Models, Progress, code_of
from surrogates.evaluation.metrics import rmse
from surrogates.evaluation.table import Row
from surrogates.trajectory import Surrogate

N_FOLDS = 5  # of conditions, fewer where there are fewer
LOG_FLOOR = 1e-6  # added to doses before their logarithm


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """One row per study: error relative to the spread of the measurements of a plate."""
    report = progress or (lambda _what, _share: None)
    out = []
    for k, study in enumerate(STUDIES):
        if not (folder / FOLDER / study.name).is_dir():
            continue
        table = load(folder, study)
        files = sorted((folder / FOLDER / study.name).glob("*.tsv"))
        stored = FoldCache(
            cache,
            FOLDER,
            [*files, Path(__file__), *code_of(petab, observation, baselines)],
        )
        found = {}
        for name, model in models.by_name().items() if study.dish else ():
            report(f"{study.title}, {name}", k / len(STUDIES))
            found[name] = stored.array(
                study.name, partial(_all_folds, model, study, table), contender=model.hash
            )
        for name, values in stored.get(f"rivals {study.name}", partial(_rivals, table)).items():
            found[name] = np.array(values)
        out.append(_row(study, table, found))
    return out


def folds(group: np.ndarray) -> np.ndarray:
    """Fold of every row; the conditions of one group stay together."""
    return group % min(N_FOLDS, int(group.max()) + 1)


def _all_folds(model: Surrogate, study: Study, table: Table) -> np.ndarray:
    """Expected measurements, offset and scale of each plate from the other folds."""
    node = (table.sign * predict(model, study, table))[:, None]
    fold, out = folds(table.group), np.empty(len(node))
    for k in np.unique(fold):
        train = fold != k
        layer = observation.fit(node[train], table.y[train, None], plate=table.plate[train])
        out[~train] = layer.predict(node, table.plate)[~train, 0]
    return out.round(5)


def _rivals(table: Table) -> dict[str, list[float]]:
    """Mean of the plate and time, ridge and boosting: plate, time and doses."""
    fold = folds(table.group)
    doses = table.doses[table.condition]
    log_time = np.log1p(table.time)[:, None]
    plates = (table.plate[:, None] == np.unique(table.plate)).astype(float)
    x = np.column_stack(
        [plates, log_time, np.log10(doses + LOG_FLOOR), doses > 0.0, (doses > 0.0) * log_time]
    )
    condition = list(zip(table.plate.tolist(), table.time.tolist(), strict=True))
    out = {name: np.empty(len(fold)) for name in ("mean", "ridge", "boosting")}
    for k in np.unique(fold):
        held = fold == k
        found = baselines.rivals(x, table.y, ~held, condition=condition, group=table.group)
        for name, values in found.items():
            out[name][held] = values[held]
    return {name: values.round(5).tolist() for name, values in out.items()}


def _row(study: Study, table: Table, found: dict[str, np.ndarray]) -> Row:
    error = {name: rmse(table.y, values) for name, values in found.items()}
    left_out = f" {table.n_without} measurements have no node." if table.n_without else ""
    n_groups = int(table.group.max()) + 1
    return Row.of(
        FOLDER,
        study.title,
        "new doses and treatments",
        "NRMSE",
        error,
        n=len(table.y),
        note=f"{n_groups} conditions in {int(folds(table.group).max()) + 1} folds, error in "
        f"standard deviations of a plate.{left_out} {study.note}",
    )


__all__ = ["FOLDER", "rows"]
