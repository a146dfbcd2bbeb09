"""Boolean models of others: what a lost node or a ligand changes in them.

Published stochastic Boolean models (files of the MaBoSS collection, BSD-3):

    BRAF melanoma    Beal 2021, PLoS Comput Biol 17:e1007900
    TNF cell fate    Calzone 2010, PLoS Comput Biol 6:e1000702
    metastasis       Cohen 2015, PLoS Comput Biol 11:e1004571

Every node that the cell models share is lost in turn, and every ligand that they share is set on
against off. A Boolean model is a model, not a measurement.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from surrogates.data import boolean_model

FOLDER = "boolean_models"
COPIES, TIME, SEED = 1000, 30.0, 1  # of a Boolean model; its unit of time is that of a flip


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
