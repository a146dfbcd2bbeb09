"""Viability of 120 cell lines under seven kinase inhibitors.

6626 viabilities (counts relative to no drug) at eight doses of 2.5 nM to 8 uM, from the Cancer Cell
Line Encyclopedia (Barretina 2012, Nature 483:603, doi:10.1038/nature11003) as put together by
Froehlich 2018 (Cell Syst 7:567, PMID 30503647), with the five folds by cell line of LEMBAS (Nilsson
2022, Nat Commun 13:3069, doi:10.1038/s41467-022-30684-y, MIT).

A cell model predicts the ratio of counts after 72 h from its rates of division and death,

    v = 2^(integral of net growth under drug - net growth without).

A line enters by its mutations (genotype). Lines without a BRAF or RAS mutation grow on something
that the table does not tell; growth factors stand in for it. A drug acts through the model's
channel of the same target.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from surrogates.data import abundance
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.phenotype import net_growth_rate
from surrogates.variants import NetworkModel, with_abundance

FOLDER = "lembas_viability"
FILES = (
    "viability.tsv",
    "drug.tsv",
    "cellLine.tsv",
    "mutations.tsv",
    "CVtest.tsv",
    "cellLineRKPMZscored_subset.tsv",
)
CHANNELS = {  # drug -> itself among ours, or one with the same main targets
    "Erlotinib": "erlotinib",
    "Lapatinib": "lapatinib",
    "Vandetanib": "erlotinib",
    "PD0325901": "PD0325901",
    "Selumetinib": "selumetinib",
    "PLX_{4720}": "PLX4720",
    "CHIR_{265}": "LY3009120",
}
GENOTYPES = (  # alteration, genes, amino acid changes that count (empty: all of the table)
    ("BRAF_V600E", ("BRAF",), "V600"),
    ("NRAS_Q61", ("KRAS", "NRAS", "HRAS"), ""),
    ("PIK3CA_mut", ("PIK3CA",), ""),
)
FLAGS = ("BRAF", "KRAS", "NRAS", "HRAS", "PIK3CA")  # mutations that the rivals see, one per gene
DRIVERS = ("BRAF_V600E", "NRAS_Q61")  # alterations on which a line grows
STAND_IN = {"EGF": 0.5, "IGF1": 1.0, "FGF2": 0.1, "NRG1": 0.05}  # [nM] for lines without either
DOSES = 10.0 ** np.arange(-4.5, 1.31, 0.5)  # [uM] of a channel, at which the models are read
HOURS = (0.0, 6.0, 24.0, 48.0, 72.0)  # of drug, when growth is read
SLOPE_HOUR = 24.0  # when growth tells the effect of an abundance
TICK = 30.0  # [min]
VARIED = (  # nodes whose abundance may differ between lines
    "EGFR",
    "ERBB3",
    "MET",
    "IGF1R",
    "FGFR",
    "RTK_expr",
    "RAS",
    "RAF_dimer",
    "MEK",
    "ERK",
    "DUSP6",
    "SPRY2",
    "PI3K",
    "PTEN",
    "AKT",
    "FOXO",
    "mTORC1",
    "S6K",
    "STAT3",
    "NFkB",
    "SRC_FAK",
    "YAP",
    "MYC",
    "CyclinD",
    "CDK2",
    "RB",
    "E2F",
    "p21",
    "p27",
    "G2M",
    "p53",
    "BIM",
    "BCL2",
    "CASP3",
)


@dataclass(frozen=True, eq=False)
class Table:
    """Viabilities, one row each."""

    viability: np.ndarray  # (n,)
    drug: np.ndarray  # int (n,), into CHANNELS
    dose: np.ndarray  # (n,), log10 uM
    level: np.ndarray  # int (n,), rank of the dose
    line: np.ndarray  # int (n,), into lines
    fold: np.ndarray  # int (n,)
    lines: tuple[str, ...]
    genotype: tuple[tuple[str, ...], ...]  # of every line
    flags: np.ndarray  # (n_lines, 5)
    expression: np.ndarray  # (n_lines, n_genes), z scores

    @property
    def plate(self) -> np.ndarray:
        """Drug and dose as one code."""
        code: np.ndarray = self.drug * (int(self.level.max()) + 1) + self.level
        return code


def load(folder: Path) -> Table:
    """Read the six tables; the first column of each names its rows."""
    tables = {name: pd.read_csv(folder / FOLDER / name, sep="\t", index_col=0) for name in FILES}
    viability, drug, line, mutations, fold, genes = (tables[name] for name in FILES)
    drug, line = drug.loc[viability.index], line.loc[viability.index]
    log_nM = drug.to_numpy().max(axis=1)
    lines = tuple(line.columns)
    genes = genes[~genes.index.duplicated()][list(lines)]
    return Table(
        viability=viability.viability.to_numpy(),
        drug=np.array([list(CHANNELS).index(name) for name in drug.columns])[
            drug.to_numpy().argmax(axis=1)
        ],
        dose=log_nM - 3.0,
        level=np.unique(log_nM.round(2), return_inverse=True)[1],
        line=line.to_numpy().argmax(axis=1),
        fold=fold.testfold.loc[viability.index].to_numpy(),
        lines=lines,
        genotype=tuple(_genotype(mutations[name]) for name in lines),
        flags=_flags(mutations[list(lines)]),
        expression=genes.T.to_numpy(float),
    )


def _genotype(mutations: pd.Series) -> tuple[str, ...]:
    """Alterations of a line; rows are named MUT_MutAA[V600E]-BRAF."""
    present = mutations.index[mutations.to_numpy() > 0]
    return tuple(
        name
        for name, genes, change in GENOTYPES
        if any(row.rpartition("-")[2] in genes and change in row for row in present)
    )


def _flags(mutations: pd.DataFrame) -> np.ndarray:
    gene = mutations.index.str.rpartition("-").get_level_values(2)
    return np.array([mutations[gene == flag].max(axis=0).fillna(0) for flag in FLAGS], float).T


@dataclass(frozen=True, eq=False)
class Response:
    """What a cell model does with every genotype, channel and dose."""

    log_ratio: np.ndarray  # (n_genotypes, n_channels, n_doses), log2 of counts relative to no drug
    slope: np.ndarray  # (n_varied, n_genotypes, n_channels, n_doses), of it by ln abundance


def response(model: NetworkModel, genotypes: list[tuple[str, ...]]) -> Response:
    """Growth over 72 h, and what abundances of nodes change in it."""
    channels = sorted(set(CHANNELS.values()))
    dishes = [
        Condition(((MEDIUM, _medium(genotype)), (0.0, {channel: float(dose)})), "tumor", genotype)
        for genotype in genotypes
        for channel in channels
        for dose in (0.0, *DOSES)
    ]
    shape = (len(genotypes), len(channels), 1 + len(DOSES))

    def growth(which: NetworkModel, hours: tuple[float, ...]) -> np.ndarray:
        outputs = follow(which, dishes, [60.0 * hour for hour in hours], TICK).outputs
        return net_growth_rate(outputs).reshape(len(hours), *shape)

    course = growth(model, HOURS)
    total = np.trapezoid(course, 60.0 * np.array(HOURS), axis=0)
    at_slope = course[HOURS.index(SLOPE_HOUR)]
    changed = [
        growth(with_abundance(model, {node: abundance.STEP}), (SLOPE_HOUR,))[0] for node in VARIED
    ]
    slope = (np.array(changed) - at_slope) / np.log(abundance.STEP) * 60.0 * HOURS[-1]
    return Response(total[..., 1:] - total[..., :1], slope[..., 1:] - slope[..., :1])


def _medium(genotype: tuple[str, ...]) -> dict[str, float]:
    """Ligands beyond the basal ones: what stands in for a driver that is not in the table."""
    return {} if set(genotype) & set(DRIVERS) else STAND_IN
