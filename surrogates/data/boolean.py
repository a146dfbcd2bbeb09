"""Boolean models of others as sign tests: does a lost node push another the same way?

Published stochastic Boolean models (files of the MaBoSS collection, BSD-3):

    BRAF melanoma    Beal 2021, PLoS Comput Biol 17:e1007900
    TNF cell fate    Calzone 2010, PLoS Comput Biol 6:e1000702
    metastasis       Cohen 2015, PLoS Comput Biol 11:e1004571

Every node that the cell models share is lost in turn, and every ligand that they share is set on
against off; an effect on another shared node counts where the Boolean model moves it by more than
LEAST_EFFECT of its time. The score is the share of these effects that a cell model has with the
same sign; one that it does not show at all counts as wrong. A Boolean model is a model, not a
measurement: agreement says that two readings of the literature agree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from surrogates.channels import NODES
from surrogates.data import boolean_model
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.evaluation.folds import FoldCache, Models, Progress
from surrogates.evaluation.table import Row
from surrogates.variants import with_abundance

FOLDER = "boolean_models"
COPIES, TIME, SEED = 1000, 30.0, 1  # of a Boolean model; its unit of time is that of a flip
LEAST_EFFECT = 0.1  # share of time on; five standard errors of a difference
SILENT = 1e-3  # effect on a node of the cell models that counts as none
HOURS = 24.0  # a cell model is followed with its node lost
SPLIT = "losses and ligands, no fit"


@dataclass(frozen=True)
class Study:
    """A Boolean model and what the cell models share with it."""

    file: str
    title: str
    node: Mapping[str, str]  # Boolean node -> node of the cell models
    ligand: Mapping[str, tuple[str, float]] = field(default_factory=dict)  # -> input, level [nM]
    present: Mapping[str, float] = field(default_factory=dict)  # inputs of the cells meanwhile [nM]
    fixed: Mapping[str, bool] = field(default_factory=dict)  # Boolean nodes held throughout


STUDIES = (
    Study(
        "BRAF_melanoma_Beal",
        "BRAF melanoma",
        {
            "PTEN": "PTEN",
            "AKT": "AKT",
            "PI3K": "PI3K",
            "mTOR": "mTORC1",
            "p70_b1": "S6K",
            "ERK_b1": "ERK",
            "MEK_b1": "MEK",
            "CRAF": "RAF_dimer",
            "RAS": "RAS",
            "SPRY": "SPRY2",
            "EGFR": "EGFR",
            "MET": "MET",
            "FGFR2": "FGFR",
            "ERBB3": "ERBB3",
            "TSC2": "TSC",
            "p53": "p53",
            "p21": "p21",
            "MDM2": "MDM2",
        },
        {"EGF": ("EGF", 2.0), "HGF": ("HGF", 1.0), "FGF": ("FGF2", 1.0)},
        present={"EGF": 0.1, "HGF": 0.1, "FGF2": 0.1},
    ),
    Study(
        "Calzone2010_cellfate_TNF",
        "TNF cell fate",
        {
            "TNFR": "TNFR",
            "IKK": "IKK",
            "NFkB": "NFkB",
            "CASP8": "CASP8",
            "CASP3": "CASP3",
            "BCL2": "BCL2",
            "ATP": "ATP",
        },
        {"TNF": ("TNF", 1.0)},
        present={"TNF": 0.5},
        fixed={"TNF": True},
    ),
    Study(
        "Cohen2015_metastasis",
        "metastasis",
        {
            "SMAD": "SMAD23",
            "SNAI1": "SNAIL",
            "ZEB1": "ZEB1",
            "CDH1": "CDH1",
            "AKT1": "AKT",
            "ERK": "ERK",
            "p53": "p53",
            "p21": "p21",
        },
        {"TGFbeta": ("TGFb", 0.3)},
        present={"TGFb": 0.03, "EGF": 0.1},
    ),
)


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
        kept = FoldCache(cache, FOLDER, [*files, Path(__file__), Path(boolean_model.__file__)])
        wanted = np.array(
            kept.get(study.title, lambda f=files, s=study: boolean_effects(f, s).tolist())
        )
        found = {}
        for name, model in models.items():
            found[name] = np.array(
                kept.get(
                    study.title,
                    lambda m=model, s=study: cell_effects(m, s).tolist(),
                    contender=model.hash,
                )
            )
        out.append(_row(study, wanted, found))
    return out


def boolean_effects(files: list[Path], study: Study) -> np.ndarray:
    """Change of the time that shared nodes are on (n_losses + n_ligands, n_nodes)."""
    model = boolean_model.load(*files)
    columns = [model.nodes.index(name) for name in study.node]

    def on(**fixed: bool) -> np.ndarray:
        held = {**study.fixed, **fixed}
        return model.on_time(held, copies=COPIES, time=TIME, seed=SEED)[columns]

    base = on()
    losses = [on(**{name: False}) - base for name in study.node]
    ligands = [on(**{name: True}) - on(**{name: False}) for name in study.ligand]
    return np.array([*losses, *ligands])


def cell_effects(model, study: Study) -> np.ndarray:
    """The same changes in a cell model, a day after the ligand, with the node never there."""
    columns = [NODES.index(node) for node in study.node.values()]

    def at_end(which, **ligands: float) -> np.ndarray:
        dish = Condition(((MEDIUM, {}), (0.0, {**study.present, **ligands})))
        return follow(which, [dish], [60.0 * HOURS], tick=30.0).nodes[0, 0, columns]

    base = at_end(model)
    losses = [at_end(with_abundance(model, {node: 0.0})) - base for node in study.node.values()]
    ligands = [
        at_end(model, **{name: level}) - at_end(model, **{name: 0.0})
        for name, level in study.ligand.values()
    ]
    return np.array([*losses, *ligands], float)


def counted(wanted: np.ndarray) -> np.ndarray:
    """Effects that count: large enough, and not of a node on itself."""
    own = np.eye(*wanted.shape, dtype=bool)
    return (np.abs(wanted) >= LEAST_EFFECT) & ~own


def _row(study: Study, wanted: np.ndarray, found: dict[str, np.ndarray]) -> Row:
    counts = counted(wanted)
    sign = np.sign(wanted[counts])
    right = {
        name: float(
            (np.sign(effect[counts]) == sign)[np.abs(effect[counts]) > SILENT].sum() / counts.sum()
        )
        for name, effect in found.items()
    }
    silent = int((np.abs(found["network"][counts]) <= SILENT).sum())
    common = float(np.mean(sign == (1.0 if sign.sum() > 0 else -1.0)))
    return Row(
        FOLDER,
        study.title,
        SPLIT,
        "share",
        **right,
        mean=common,
        ridge=None,
        boosting=None,
        n=len(sign),
        note=f"{len(wanted)} perturbations, {wanted.shape[1]} shared nodes; {silent} of the "
        "effects the network does not show at all. The mean says the commoner sign "
        "every time; ridge and boosting have nothing to be fitted to.",
    )


__all__ = ["FOLDER", "STUDIES", "boolean_effects", "cell_effects", "rows"]
