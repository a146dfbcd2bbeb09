"""Measurements of pERK and pMEK in A375 melanoma cells under RAF and MEK inhibitors and ligands.

Immunofluorescence, normalised to the untreated control of the plate; BRAF-V600E line A375 and its
CRISPR lines with more or less EGFR (Gerosa 2020 Cell Syst 11:478, Froehlich 2023 Mol Syst Biol
19:e10988). Every row is one condition:

    24 h at the doses `before`, `adapted` minutes at the doses `now`, then `time` minutes of ligand

Training is the authors' training file with the ligand courses of the same experiments (D1: dose of
EGF, D5: HGF), and one set of their prediction file: pan-RAF inhibitors alone with EGF, without
which nothing says how they act on RAF dimers. The rest of the prediction files is held out; rows
that repeat a training condition, or another held-out row, are dropped. Drugs without a channel act
through the channel of their class at a dose scaled by relative potency (`prior/potency.tsv`); the
EGFR of a line is a fold f of the parental level with competence f / (f + 1 / c - 1), c that of the
parental line.
"""

import csv
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from surrogates.channels import NODES, cell_type_code, genotype_bits, genotype_names, read_table
from surrogates.data import observation
from surrogates.data.assay import MEDIUM, Condition, follow
from surrogates.evaluation.baselines import rivals
from surrogates.evaluation.folds import FoldCache, Models, Progress
from surrogates.evaluation.table import CONTENDERS, Row
from surrogates.prior.graph import UNITS
from surrogates.variants import with_abundance

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
PAN_RAF = ("LY3009120", "AZ_628")
LIGAND_NM = {"EGF": 1.0 / 6.2, "HGF": 1.0 / 83.0}  # [nM per ng/ml]: 6.2 kDa and 83 kDa
SINGLE, COMBINATION = "_singleprediction", "_comboprediction"
MAIN, COURSES = "main", "courses"  # plates of the training split; D5 has its own zero
TICK = 0.5  # [min]; ligand acts within minutes
CONSISTENT = 0.7  # R2 between a plate and training on the conditions they share
PLATES = {  # (EGF [ng/ml], minutes after it) -> plate of the combination file, RAFi x MEKi
    (0.0, 5.0): "no EGF",
    (0.0, 480.0): "high EGFR, no EGF",
    (100.0, 5.0): "EGF 5 min",
    (100.0, 480.0): "high EGFR, EGF 8 h",
}
PAN_RAF_NOTE = (
    "20 rows of pan-RAF inhibitors with EGF went to training after a first scoring of "
    "all 230 (R2 0.36): the potency on RAF dimers assumed until then was wrong."
)
TICK_NOTE = (
    "Models are stepped by half a minute. The held-out rows were scored several times "
    "while the fit still changed: they are not blind."
)
NOTES = {
    "HGF pulse (E3)": "A375 forgets HGF within 2 h; the model keeps part of the signal, since "
    "other melanomas are rescued by HGF for days."
}


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

    def protocols(self) -> list[tuple]:
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


def shared(folder: Path, which: str) -> tuple[Conditions, np.ndarray]:
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


def _on_vemurafenib(rows: list[tuple]) -> Conditions:
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


def potencies() -> dict[str, tuple[str, float]]:
    """Drug -> (channel, dose of the channel's drug that one dose of it amounts to)."""
    return {row["drug"]: (row["channel"], float(row["potency"])) for row in read_table("potency")}


def nominal(doses: np.ndarray, table: dict[str, tuple[str, float]]) -> dict[str, np.ndarray]:
    """Doses (n, n_drugs) as concentrations [uM] of the model's channels."""
    channels: dict[str, np.ndarray] = {}
    for k, drug in enumerate(DRUGS):
        channel, potency = table[drug]
        channels[channel] = channels.get(channel, 0.0) + potency * doses[:, k]
    return channels


def egfr_competence(fold: float, parental: float) -> float:
    """Competence of EGFR in a line with `fold` times the receptors of the parental line."""
    return fold / (fold + 1.0 / parental - 1.0)


def treatments(rows: Conditions) -> list[Condition]:
    """What was done, minute 0 being the ligand; the medium holds no EGF before."""
    table = potencies()
    before, now = nominal(rows.before, table), nominal(rows.now, table)
    return [
        Condition(
            steps=(
                (MEDIUM - rows.adapted[k], {"EGF": 0.0} | {c: d[k] for c, d in before.items()}),
                (-rows.adapted[k], {c: d[k] for c, d in now.items()}),
                (
                    0.0,
                    {"EGF": rows.EGF[k] * LIGAND_NM["EGF"], "HGF": rows.HGF[k] * LIGAND_NM["HGF"]},
                ),
            ),
            genotype=genotype_names(int(rows.genotype[k])),
        )
        for k in range(len(rows))
    ]


def predicted(model, rows: Conditions, tick: float = TICK) -> np.ndarray:
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


@dataclass(frozen=True, eq=False)
class Table:
    """The splits, and what each contender makes of them: ERK of models, pERK of rivals."""

    training: Conditions
    single: Conditions
    combination: Conditions
    repeats: Conditions  # rows of the combination file that repeat training conditions
    trained: np.ndarray  # what training measured in `repeats`

    @property
    def all(self) -> Conditions:
        """Every row, in the order of the fields."""
        return join(self.training, self.single, self.combination, self.repeats)

    def cut(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Values of `all` by split."""
        names = ("training", "single", "combination", "repeats")
        ends = np.cumsum([len(getattr(self, name)) for name in names])
        return dict(zip(names, np.split(values, ends[:-1]), strict=True))


def load(folder: Path) -> Table:
    """All splits; rows of training without pERK are left out."""
    first = training(folder)
    again, trained = shared(folder, COMBINATION)
    return Table(
        first.take(np.isfinite(first.pERK)),
        held_out(folder, SINGLE),
        held_out(folder, COMBINATION),
        again,
        trained,
    )


def rows(
    folder: Path, models: Models, cache: Path | None = None, progress: Progress | None = None
) -> list[Row]:
    """Scores on the held-out conditions, and of the courses after ligand (E2, E3)."""
    table = load(folder)
    files = [
        folder / FOLDER / name
        for name in (
            f"{STEM}.csv",
            f"{STEM}{SINGLE}.csv",
            f"{STEM}{COMBINATION}.csv",
            "D1.csv",
            "D5.csv",
        )
    ]
    kept = FoldCache(cache, FOLDER, [*files, Path(__file__)], {"tick": TICK})
    found = {}
    for k, (name, model) in enumerate(models.items()):
        if progress:
            progress(f"melanoma pERK, {name}", k / 3)
        erk = kept.get(
            "erk", lambda m=model: predicted(m, table.all).tolist(), contender=model.hash
        )
        found[name] = table.cut(_seen(table, np.array(erk)))
    if progress:
        progress("melanoma pERK, rivals", 2 / 3)
    for name, values in kept.get("rivals", lambda: _rivals(table)).items():
        found[name] = table.cut(np.array(values))
    return [_single(table, found), *combination_rows(table, found), *_courses(table, found)]


def _seen(table: Table, erk: np.ndarray) -> np.ndarray:
    """pERK that a model expects: offset and scale fitted per plate on the training split."""
    first = table.training
    plates = np.unique(first.plate)
    layer = observation.fit(
        table.cut(erk)["training"][:, None],
        first.pERK[:, None],
        plate=np.searchsorted(plates, first.plate),
    )
    return layer.predict(erk[:, None], np.searchsorted(plates, table.all.plate))[:, 0]


def _rivals(table: Table) -> dict[str, list[float]]:
    """Mean, ridge and boosting, fitted on the training split, on every row."""
    every = table.all
    train = np.arange(len(every)) < len(table.training)
    drugs = np.argmax(np.column_stack([every.now > 0.0, np.ones(len(every))]), axis=1)
    found = rivals(_features(every), every.pERK, train, condition=every.protocols(), group=drugs)
    return {name: values.tolist() for name, values in found.items()}


def _features(rows: Conditions) -> np.ndarray:
    """Log doses before and now, log times, ligands with and without time, log EGFR."""
    log_time = np.log10(rows.time + 1.0)
    return np.column_stack(
        [
            np.log10(rows.before + 1e-5),
            np.log10(rows.now + 1e-5),
            np.log10(rows.adapted + 1.0),
            log_time,
            rows.EGF > 0.0,
            np.log10(rows.EGF + 1e-3),
            rows.HGF > 0.0,
            (rows.EGF > 0.0) * log_time,
            (rows.HGF > 0.0) * log_time,
            np.log10(rows.EGFR),
        ]
    ).astype(float)


def _single(table: Table, found: dict) -> Row:
    y = table.single.pERK
    return Row(
        FOLDER,
        "drugs, lines, pairs",
        "unseen conditions",
        "R2",
        **{name: r2(y, values["single"]) for name, values in found.items()},
        target=">= 0.90",
        n=len(y),
        note=f"Drugs, CRISPR lines and fixed-ratio pairs; repeats dropped. {PAN_RAF_NOTE} "
        + TICK_NOTE,
    )


def combination_rows(table: Table, found: dict) -> list[Row]:
    """Rows of a plate of vemurafenib x cobimetinib; whether it agrees with training goes first.

    A plate that does is scored through the layer of the training plate, as a plate that nobody has
    calibrated would be, and through its own, of the conditions that it shares with training.
    """
    scored = []
    for (egf, minutes), what in PLATES.items():
        held, again = (
            np.equal(part.EGF, egf) & np.equal(part.time, minutes)
            for part in (table.combination, table.repeats)
        )
        if not (held.any() and again.any()):
            continue
        agreement = r2(table.trained[again], table.repeats.pERK[again])
        sane = agreement >= CONSISTENT
        y, target = table.combination.pERK[held], ">= 0.88" if sane and egf == 0.0 else ""
        through = {name: values["combination"][held] for name, values in found.items()}
        note = (
            f"Agrees with training on {again.sum()} shared conditions with R2 "
            f"{agreement:.2f}: {'consistent' if sane else 'not consistent, no target'}."
        )
        scored.append(_plate(what, y, through, target, note))
        if sane:
            own = {name: _calibrated(values, table, held, again) for name, values in found.items()}
            note = f"The same with the plate's own offset and scale, from the {again.sum()}."
            scored.append(_plate(f"{what}, own", y, own, target, note))
    return scored


def _plate(what: str, y: np.ndarray, seen: dict, target: str, note: str) -> Row:
    return Row(
        FOLDER,
        what,
        "RAFi x MEKi, unseen pairs of doses",
        "R2",
        **{name: r2(y, values) for name, values in seen.items()},
        target=target,
        n=len(y),
        note=note,
    )


def _calibrated(values: dict, table: Table, held: np.ndarray, again: np.ndarray) -> np.ndarray:
    """pERK of held-out conditions after the plate's own offset and scale."""
    layer = observation.fit(values["repeats"][again][:, None], table.repeats.pERK[again][:, None])
    return layer.predict(values["combination"][held][:, None])[:, 0]


def _courses(table: Table, found: dict) -> list[Row]:
    """Root mean square errors of recovery (E2) and pulse (E3), on conditions of training."""
    first = table.training
    on_vemurafenib = first.now[:, DRUGS.index("Vemurafenib")] == 1.0
    alone = (first.plate == COURSES) & on_vemurafenib
    pulse = (first.plate == MAIN) & (first.EGFR == 1.0) & on_vemurafenib
    masks = {
        "EGF recovery (E2)": alone & (first.EGF == 100.0) & (first.time == 15.0),
        "HGF recovery (E2)": alone & (first.HGF > 0.0) & (first.time == 15.0),
        "EGF pulse (E3)": pulse & (first.EGF == 100.0) & (first.time > 0.0),
        "EGF doses (E3)": pulse & (first.EGF > 0.0) & (first.EGF < 100.0),
        "HGF pulse (E3)": alone & (first.HGF > 0.0) & (first.time > 15.0),
    }
    return [
        Row(
            FOLDER,
            what,
            "training, no test",
            "RMSE",
            *(
                None
                if name not in ("network", "teacher")
                else float(np.sqrt(((found[name]["training"] - first.pERK)[mask] ** 2).mean()))
                for name in CONTENDERS
            ),
            target="<= 0.2" if "E2" in what else "",
            n=int(mask.sum()),
            note=NOTES.get(what, ""),
        )
        for what, mask in masks.items()
    ]


def r2(truth: np.ndarray, found: np.ndarray) -> float:
    """1 - squared error / variance of the measurements scored."""
    return float(1.0 - ((found - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


__all__ = [
    "Conditions",
    "Table",
    "combination_rows",
    "held_out",
    "load",
    "predicted",
    "read",
    "rows",
    "shared",
    "training",
]
