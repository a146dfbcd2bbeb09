"""Boolean models of others as sign tests: does a lost node push another the same way?

Every node that the cell models share is lost in turn, and every ligand that they share is set on
against off; an effect on another shared node counts where the Boolean model moves it by more than
LEAST_EFFECT of its time. The score is the share of these effects that a cell model has with the
same sign; one that it does not show at all counts as wrong. A Boolean model is a model, not a
measurement: agreement says that two readings of the literature agree.
"""

from functools import partial
from pathlib import Path

import numpy as np

from surrogates.channels import NODES
from surrogates.data import boolean, boolean_model
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.data.boolean import FOLDER, STUDIES, Study, boolean_effects
from surrogates.evaluation.folds import FoldCache, Models, Progress, code_of
from surrogates.evaluation.table import Row
from surrogates.variants import NetworkModel, with_abundance

LEAST_EFFECT = 0.1  # share of time on; five standard errors of a difference
SILENT = 1e-3  # effect on a node of the cell models that counts as none
HOURS = 24.0  # a cell model is followed with its node lost
SPLIT = "losses and ligands, no fit"


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """Share of the effects with the same sign, a row per Boolean model."""
    report = progress or (lambda _what, _share: None)
    out = []
    for k, study in enumerate(STUDIES):
        files = [folder / FOLDER / f"{study.file}.{kind}" for kind in ("bnd", "cfg")]
        if not files[0].is_file():
            continue
        report(f"Boolean {study.title}", k / len(STUDIES))
        stored = FoldCache(
            cache, FOLDER, [*files, Path(__file__), *code_of(boolean_model, boolean)]
        )
        wanted = stored.array(study.title, partial(boolean_effects, files, study))
        found = {
            name: stored.array(
                study.title, partial(cell_effects, model, study), contender=model.hash
            )
            for name, model in models.by_name().items()
        }
        out.append(_row(study, wanted, found))
    return out


def cell_effects(model: NetworkModel, study: Study) -> np.ndarray:
    """The same changes in a cell model, a day after the ligand, with the node never there."""
    columns = [NODES.index(node) for node in study.node.values()]

    def at_end(which: NetworkModel, **ligands: float) -> np.ndarray:
        dish = Condition(((MEDIUM, {}), (0.0, {**study.present, **ligands})))
        return follow(which, [dish], [60.0 * HOURS], tick=30.0).nodes[0, 0, columns]

    base = at_end(model)
    losses = [at_end(with_abundance(model, {node: 0.0})) - base for node in study.node.values()]
    ligands = [
        at_end(model, **{name: level}) - at_end(model, **{name: 0.0})
        for name, level in study.ligand.values()
    ]
    return np.array([*losses, *ligands], float)


def large_effects(wanted: np.ndarray) -> np.ndarray:
    """Effects that count: large enough, and not of a node on itself."""
    counts: np.ndarray = np.abs(wanted) >= LEAST_EFFECT
    np.fill_diagonal(counts, val=False)
    return counts


def _row(study: Study, wanted: np.ndarray, found: dict[str, np.ndarray]) -> Row:
    counts = large_effects(wanted)
    sign = np.sign(wanted[counts])
    right = {
        name: float(
            (np.sign(effect[counts]) == sign)[np.abs(effect[counts]) > SILENT].sum() / counts.sum()
        )
        for name, effect in found.items()
    }
    silent = int((np.abs(found["network"][counts]) <= SILENT).sum())
    common = float(np.mean(sign == (1.0 if sign.sum() > 0 else -1.0)))
    return Row.of(
        FOLDER,
        study.title,
        SPLIT,
        "share",
        right | {"mean": common},
        n=len(sign),
        note=f"{len(wanted)} perturbations, {wanted.shape[1]} shared nodes; {silent} of the "
        "effects the network does not show at all. The mean says the commoner sign "
        "every time; ridge and boosting have nothing to be fitted to.",
    )


__all__ = ["FOLDER", "rows"]
