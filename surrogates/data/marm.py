"""Measurements of pERK and pMEK in A375 melanoma cells under RAF and MEK inhibitors and ligands.

Immunofluorescence, normalised to the untreated control of the plate; BRAF-V600E line A375 and its
CRISPR lines with more or less EGFR (Gerosa 2020 Cell Syst 11:478, Froehlich 2023 Mol Syst Biol
19:e10988). Every row is one condition:

    24 h at the doses `before`, `adapted` minutes at the doses `now`, then `time` minutes of ligand

Training is the authors' training file with the ligand courses of the same experiments (D1: dose of
EGF, D5: HGF), and one set of their prediction file: pan-RAF inhibitors alone with EGF, without
which nothing says how they act on RAF dimers. The rest of the prediction files is held out; rows
that repeat a training condition, or another held-out row, are dropped. The
EGFR of a line is a fold f of the parental level with competence f / (f + 1 / c - 1), c that of the
parental line.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from surrogates.channels import NODES, cell_type_code, genotype_bits, genotype_names
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.prior.graph import UNITS
from surrogates.variants import NetworkModel, with_abundance

FOLDER = "marm_melanoma_pERK"
STEM = "processed_EGF_EGFR_MEKi_PRAFi_RAFi"
DRUGS = (
    "Vemurafenib",
    "Dabrafenib",
    "PLX8394",
    "LY3009120",
    "AZ_628",
    "Cobimetinib",
    "Trametinib",
    "Selumetinib",
    "Binimetinib",
    "PD0325901",
)
NAMES = tuple(name if any(map(str.isdigit, name)) else name.lower() for name in DRUGS)  # ours
PAN_RAF = ("LY3009120", "AZ_628")
LIGAND_NM = {"EGF": 1.0 / 6.2, "HGF": 1.0 / 83.0}  # [nM per ng/ml]: 6.2 kDa and 83 kDa
SINGLE, COMBINATION = "_singleprediction", "_comboprediction"
MAIN, COURSES = "main", "courses"  # plates of the training split; D5 has its own zero
TICK = 0.5  # [min]; ligand acts within minutes


@dataclass(frozen=True, eq=False)
class Conditions:
    """One row per condition: doses [uM], times [min], ligands [ng/ml], NaN where missing."""

    before: np.ndarray  # (n, n_drugs) for 24 h
    now: np.ndarray  # (n, n_drugs)
    adapted: np.ndarray  # (n,) at `now` before ligand
    time: np.ndarray  # (n,) after ligand
    EGF: np.ndarray  # (n,)
    HGF: np.ndarray  # (n,)
    EGFR: np.ndarray  # (n,) fold of the parental level
    genotype: np.ndarray  # int32 (n,), bits
    plate: np.ndarray  # str (n,)
    pERK: np.ndarray  # (n,) relative to the untreated control
    pMEK: np.ndarray  # (n,)

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: np.ndarray) -> "Conditions":
        """Rows by index or mask."""
        return Conditions(*(getattr(self, field.name)[rows] for field in fields(self)))

    def protocols(self) -> list[tuple[float, ...]]:
        """What was done to the cells, one hashable key per row."""
        table = np.column_stack(
            [
                self.before,
                self.now,
                self.adapted,
                self.time,
                self.EGF,
                self.HGF,
                self.EGFR,
                self.genotype,
            ]
        )
        return [tuple(np.round(row, 7).tolist()) for row in table]


def join(*parts: Conditions) -> Conditions:
    """All rows of several tables."""
    return Conditions(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Conditions)
        )
    )


def training(folder: Path) -> Conditions:
    """The training split: the authors' training file, courses D1 and D5, pan-RAF with EGF."""
    rows = read(folder / FOLDER / f"{STEM}.csv")
    return join(
        rows,
        egf_doses(folder),
        ligand_courses(folder, "HGF"),
        ligand_courses(folder, "-"),
        pan_raf(folder),
    )


def held_out(folder: Path, which: str) -> Conditions:
    """Rows of a prediction file that repeat no training row and no other row; pERK known."""
    known = set(training(folder).protocols())
    rows = read(folder / FOLDER / f"{STEM}{which}.csv")
    keep = np.zeros(len(rows), bool)
    for k, key in enumerate(rows.protocols()):
        keep[k] = key not in known and np.isfinite(rows.pERK[k])
        known.add(key)
    return rows.take(keep)


def repeated(folder: Path, which: str) -> tuple[Conditions, np.ndarray]:
    """Rows of a prediction file that repeat a training condition, and what training measured."""
    first = training(folder)
    table = dict(zip(first.protocols(), first.pERK, strict=True))
    rows = read(folder / FOLDER / f"{STEM}{which}.csv")
    found = np.array([table.get(protocol, np.nan) for protocol in rows.protocols()])
    both = np.isfinite(found) & np.isfinite(rows.pERK)
    return rows.take(both), found[both]


def read(path: Path) -> Conditions:
    """Conditions of one of the authors' processed files."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    missing = {"time", "t_presim", "EGF_0", "pERK_IF_obs"} - set(rows[0] if rows else ())
    if missing:
        msg = f"{path}: columns {sorted(missing)} are missing"
        raise ValueError(msg)

    def column(name: str, default: float = np.nan) -> np.ndarray:
        return np.array([float(row.get(name) or default) for row in rows])

    def doses(suffix: str) -> np.ndarray:
        return np.column_stack([column(f"{drug}_0{suffix}", 0.0) for drug in DRUGS])

    before, now = doses("_preeq"), doses("")
    bits = [genotype_bits(names) for names in (["BRAF_V600E"], ["BRAF_V600E", "NRAS_Q61"])]
    alone = (before.sum(axis=1) == 0.0) & (now.sum(axis=1) > 0.0)  # drug and ligand as in D5
    return Conditions(
        before=before,
        now=now,
        adapted=_minutes(column("t_presim", 0.0)),
        time=_minutes(column("time")),
        EGF=column("EGF_0", 0.0),
        HGF=np.zeros(len(rows)),
        EGFR=column("EGFR_crispr", 1.0),
        genotype=np.where(column("NRAS_Q61mut", 0.0) > 0.0, bits[1], bits[0]).astype(np.int32),
        plate=np.where(alone, COURSES, MAIN),
        pERK=column("pERK_IF_obs"),
        pMEK=column("pMEK_IF_obs"),
    )


def pan_raf(folder: Path) -> Conditions:
    """Pan-RAF inhibitors alone on parental cells with EGF, from the prediction file."""
    rows = read(folder / FOLDER / f"{STEM}{SINGLE}.csv")
    other = ~np.isin(DRUGS, PAN_RAF)
    alone = (rows.now[:, ~other].sum(axis=1) > 0.0) & (rows.now[:, other].sum(axis=1) == 0.0)
    return rows.take(alone & (rows.EGF > 0.0) & (rows.EGFR == 1.0))


def egf_doses(folder: Path) -> Conditions:
    """D1: courses after EGF below the dose of the training file, 24 h on vemurafenib 1 uM."""
    table = _cells(folder / FOLDER / "D1.csv")
    hours = [float(value) for value in table[1][1:11]]
    rows = [
        (1.0, 1.0, 0.0, hour, float(line[0]), 0.0, MAIN, float(value))
        for line in table[2:7]  # 0.001 to 10 ng/ml
        for hour, value in zip(hours[1:], line[2:11], strict=True)
    ]
    return _on_vemurafenib(rows)


def ligand_courses(folder: Path, ligand: str) -> Conditions:
    """D5: pERK after HGF (or mock, "-") against the time on vemurafenib 1 uM."""
    table = _cells(folder / FOLDER / "D5.csv")
    starts = [k for k, line in enumerate(table) if line[0].startswith("Time (h) of GF addition")]
    rows = []
    for start in starts:
        values = next(line for line in table[start + 2 :] if line[0] == ligand)
        for on_drug, after, value in zip(table[start], table[start + 1], values, strict=False):
            if value in ("", ligand):
                continue
            adapted = float(on_drug)
            rows.append(
                (
                    0.0,
                    float(adapted > 0.0),
                    adapted,
                    float(after),
                    0.0,
                    100.0 * (ligand == "HGF"),
                    COURSES,
                    float(value),
                )
            )
    return _on_vemurafenib(rows)


def _on_vemurafenib(rows: Sequence[tuple[float | str, ...]]) -> Conditions:
    before, now, adapted, time, egf, hgf, plate, measured = zip(*rows, strict=True)
    first = np.arange(len(DRUGS)) == DRUGS.index("Vemurafenib")
    n = len(rows)
    return Conditions(
        before=np.outer(before, first),
        now=np.outer(now, first),
        adapted=_minutes(np.array(adapted)),
        time=_minutes(np.array(time)),
        EGF=np.array(egf),
        HGF=np.array(hgf),
        EGFR=np.ones(n),
        genotype=np.full(n, genotype_bits(["BRAF_V600E"]), np.int32),
        plate=np.array(plate),
        pERK=np.array(measured),
        pMEK=np.full(n, np.nan),
    )


def _minutes(hours: np.ndarray) -> np.ndarray:
    """Half minutes: the files round 5 min to .08 and .0833 h."""
    return np.round(hours * 120.0) / 2.0


def _cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return [line for line in csv.reader(lines) if line]


def egfr_competence(fold: float, parental: float) -> float:
    """Competence of EGFR in a line with `fold` times the receptors of the parental line."""
    return fold / (fold + 1.0 / parental - 1.0)


def treatments(rows: Conditions) -> list[Condition]:
    """What was done, minute 0 being the ligand; the medium holds no EGF before."""
    return [
        Condition(
            steps=(
                (MEDIUM - rows.adapted[k], {"EGF": 0.0} | _doses(rows.before[k])),
                (-rows.adapted[k], _doses(rows.now[k])),
                (
                    0.0,
                    {"EGF": rows.EGF[k] * LIGAND_NM["EGF"], "HGF": rows.HGF[k] * LIGAND_NM["HGF"]},
                ),
            ),
            genotype=genotype_names(int(rows.genotype[k])),
        )
        for k in range(len(rows))
    ]


def _doses(row: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, row.tolist(), strict=True))


def predict(model: NetworkModel, rows: Conditions, tick: float = TICK) -> np.ndarray:
    """ERK (n,) of a cell model at the end of every condition; a line has its own competence."""
    erk = np.empty(len(rows))
    parental = float(model.network.competence[cell_type_code("tumor"), UNITS.index("EGFR")])
    for fold in np.unique(rows.EGFR):
        here = np.flatnonzero(np.equal(rows.EGFR, fold))
        part = rows.take(here)
        line = with_abundance(model, {"EGFR": egfr_competence(fold, parental) / parental})
        times = np.unique(part.time)
        course = follow(line, treatments(part), times.tolist(), tick=tick)
        erk[here] = course.nodes[
            np.searchsorted(times, part.time), np.arange(len(part)), NODES.index("ERK")
        ]
    return erk
