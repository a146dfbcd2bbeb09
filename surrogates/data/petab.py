"""Published time courses in the PEtab format.

PEtab (Schmiester 2021, PLoS Comput Biol 17:e1008646, doi:10.1371/journal.pcbi.1008646) keeps the
measurements, conditions and observables of a model apart from the model; only the tables are read,
no model of the collection is simulated. Studies of the benchmark collection (BSD-3):

    Fiedler 2016, BMC Syst Biol 10:80         pMEK, pERK of HeLa cells, RAF and MEK inhibitor
    Raimundez 2020, PLoS Comput Biol 16:e1007147
                                              pEGFR, pERK, pAKT of gastric lines: EGF, cetuximab
    Lucarelli 2018, Cell Syst 6:75            phospho-SMAD and target genes of Hepa1-6 after TGFb
    Raia 2011, Cancer Res 71:693              JAK2, STAT5, SOCS3 of lymphoma lines after IL13

Every gel, array or absolute scale is a plate of the observation layer; the unit of a plate is its
own standard deviation around its own mean, so that an error of 1 is what a constant per plate would
reach. What the cell models have no node for is left out and counted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from surrogates.channels import NODES
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.trajectory import Surrogate

FOLDER = "petab_benchmark"
EGF_NM = 0.161  # [nM] in 1 ng/ml EGF, 6.2 kDa
TGFB_NM = 0.04  # [nM] in 1 ng/ml TGFb, 25 kDa
CETUXIMAB_KD = 0.06  # [ug/ml], 0.39 nM (Goldstein 1995, Clin Cancer Res 1:1311)
STARVED = {"EGF": 0.0, "IGF1": 0.0, "FGF2": 0.0}
SERUM = {"EGF": 0.5, "IGF1": 1.0, "FGF2": 0.1}  # [nM] of a medium with 10 % serum


@dataclass(frozen=True)
class Study:
    """How the tables of a study are read and mapped to the cell models."""

    name: str  # of the sub-folder
    title: str
    held_out: tuple[str, ...]  # columns of the condition table that make a condition
    node: Callable[[str], tuple[str, float] | None]  # observable -> node and sign, None: no node
    dish: Callable[[Mapping[str, float]], Condition] | None  # None: no such input
    minutes: float = 1.0  # per unit of time
    note: str = ""


@dataclass(frozen=True, eq=False)
class Table:
    """Measurements of a study that have a node, standardised by plate."""

    y: np.ndarray  # (n,)
    time: np.ndarray  # (n,) [min]
    node: np.ndarray  # int (n,), into NODES
    sign: np.ndarray  # (n,)
    plate: np.ndarray  # int (n,)
    condition: np.ndarray  # int (n,), into conditions
    group: np.ndarray  # int (n,), what is held out together
    conditions: pd.DataFrame
    doses: np.ndarray  # (n_conditions, n_held_out), 0 where the cells' own amount is meant
    n_without: int  # measurements whose observable has no node


def load(folder: Path, study: Study) -> Table:
    """Read the tables of a study."""
    where = folder / FOLDER / study.name
    conditions = pd.read_csv(
        where / f"experimentalCondition_{study.name}.tsv", sep="\t", index_col="conditionId"
    )
    measured = pd.read_csv(where / f"measurementData_{study.name}.tsv", sep="\t")
    observables = pd.read_csv(
        where / f"observables_{study.name}.tsv", sep="\t", index_col="observableId"
    )
    by_row = [study.node(name) for name in measured.observableId]
    known = np.array([entry is not None for entry in by_row])
    measured, mapped = measured[known], [entry for entry in by_row if entry is not None]
    log = observables.observableTransformation.reindex(measured.observableId).to_numpy() == "log10"
    y = measured.measurement.to_numpy(float)
    y = np.where(log, np.log10(np.where(log, y, 1.0)), y)
    plate = np.unique(_plates(measured), return_inverse=True)[1]
    used = conditions.loc[measured.simulationConditionId, list(study.held_out)]
    return Table(
        y=_standardised(y, plate),
        time=measured.time.to_numpy(float) * study.minutes,
        node=np.array([NODES.index(node) for node, _ in mapped]),
        sign=np.array([sign for _, sign in mapped]),
        plate=plate,
        condition=conditions.index.get_indexer(measured.simulationConditionId),
        group=np.unique(used.astype(str).agg("|".join, axis=1), return_inverse=True)[1],
        conditions=conditions,
        doses=conditions[list(study.held_out)]
        .apply(pd.to_numeric, errors="coerce")
        .fillna(0.0)
        .to_numpy(float),
        n_without=int((~known).sum()),
    )


def _plates(measured: pd.DataFrame) -> np.ndarray:
    """Observable and, where it has one of its own, scale: what was measured on one scale."""
    scale = measured.get("observableParameters", pd.Series("", measured.index)).fillna("")
    names: np.ndarray = (measured.observableId + "|" + scale.astype(str)).to_numpy(str)
    return names


def _standardised(y: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """Measurements in standard deviations of their plate around its mean: a unit, no more."""
    count = np.bincount(plate)
    mean = np.bincount(plate, y) / count
    sd = np.sqrt(np.bincount(plate, (y - mean[plate]) ** 2) / count)
    standardised: np.ndarray = (y - mean[plate]) / np.where(sd > 0.0, sd, 1.0)[plate]
    return standardised


def predict(model: Surrogate, study: Study, table: Table) -> np.ndarray:
    """The node behind every measurement (n,), by a cell model."""
    if study.dish is None:
        msg = f"study {study.name} has no input of the cell models"
        raise ValueError(msg)
    used = np.unique(table.condition)
    dishes = [study.dish(table.conditions.iloc[k].to_dict()) for k in used]
    times = np.unique(table.time)
    nodes = follow(model, dishes, times.tolist(), tick=6.0).nodes
    values: np.ndarray = nodes[
        np.searchsorted(times, table.time), np.searchsorted(used, table.condition), table.node
    ]
    return values


# --- the studies -------------------------------------------------------------------------------


def _prefix(**nodes: str) -> Callable[[str], tuple[str, float] | None]:
    """Observables by what they begin with; a node with a leading minus is seen upside down."""

    def node(observable: str) -> tuple[str, float] | None:
        for prefix, name in nodes.items():
            if observable.startswith(prefix):
                return name.removeprefix("-"), -1.0 if name.startswith("-") else 1.0
        return None

    return node


def _fiedler(row: Mapping[str, float]) -> Condition:
    """HeLa cells released from arrest into fresh medium; inhibitors [uM] from then on."""
    drugs = {"LY3009120": row["Sorafenib"] / 10.0, "trametinib": row["UO126"] / 300.0}
    return Condition(((MEDIUM, STARVED), (0.0, SERUM | drugs)))


def _raimundez(row: Mapping[str, float]) -> Condition:
    """MKN1 (PIK3CA E545K) or Hs746T (MET exon 14): EGF [ng/ml] and cetuximab [ug/ml]."""
    medium = SERUM if row["full_medium"] else STARVED
    free = row["EGF_level"] * EGF_NM + medium["EGF"]
    egf = free / (1.0 + row["CET_level"] / CETUXIMAB_KD)
    genotype = ("PIK3CA_mut",) if row["MKN1"] else ("MET_amp",)
    met = {"capmatinib": 1.0 if row["METinh_level"] else 0.0}
    return Condition(((MEDIUM, medium), (0.0, {"EGF": egf} | met)), "epithelium", genotype)


def _lucarelli(row: Mapping[str, float]) -> Condition:
    """Hepa1-6 cells: TGFb [ng/ml]."""
    return Condition(((MEDIUM, STARVED), (0.0, {"TGFb": row["init_TGFb"] * TGFB_NM})))


def _smad(observable: str) -> tuple[str, float] | None:
    """Phosphorylated shares of SMAD2 and 3 rise with SMAD23, the rest falls; genes follow."""
    part = observable.split("_")
    if observable.startswith("Smad7"):
        return "SMAD7", 1.0
    if part[1] in ("ppS2", "ppS3", "pS2", "pS3"):
        return "SMAD23", 1.0
    return ("SMAD23", -1.0) if part[1] in ("S2", "S3") else None


STUDIES = (
    Study(
        "Fiedler_BMCSystBiol2016",
        "RAF/MEK/ERK, HeLa",
        ("Sorafenib", "UO126"),
        _prefix(pMek="MEK", pErk="ERK"),
        _fiedler,
        minutes=60.0,
        note="Sorafenib and UO126 act as weak RAF dimer and MEK inhibitors.",
    ),
    Study(
        "Raimundez_PCB2020",
        "EGFR/ERK/AKT, gastric",
        ("EGF_level", "CET_level", "METinh_level", "MKN1"),
        _prefix(pEGFR="EGFR", pMAPK="ERK", pAKT="AKT"),
        _raimundez,
        note="Cetuximab takes the place of EGF at the receptor (Kd 0.39 nM).",
    ),
    Study(
        "Lucarelli_CellSystems2018",
        "TGFb/SMAD, Hepa1-6",
        ("init_TGFb", "init_S2", "init_S3", "init_S4"),
        _smad,
        _lucarelli,
        note="Overexpressed SMADs of some conditions are not given to the cell models.",
    ),
    Study(
        "Raia_CancerResearch2011",
        "JAK2/STAT5, lymphoma",
        ("il13_level",),
        _prefix(observable_pSTAT5="STAT5", observable_pJAK2="JAK1", observable_SOCS3="SOCS3"),
        None,
        note="The cell models have no IL13 and tumor cells no STAT5: rivals alone.",
    ),
)
