"""Fit the teacher's MAPK module to the training split of the pERK measurements.

    min_p  sum_conditions [w (offset + scale ERK(p) - pERK) / NOISE]^2
         + sum_peaks [ABSOLUTE (ERK(p) / ERK_untreated(p) - pERK) / NOISE]^2
         + sum_anchors [w (ERK(p) - wanted) / ANCHOR_NOISE]^2 + sum_p [PULL (z_p - z_start)]^2

over the numbers listed in `prior/fitted.tsv` with their bounds and starting values; z is the logit
of a strength and the logarithm of anything else. ERK is latent: offset and scale are solved for per
plate inside (variable projection, Golub & Pereyra 1973). Peaks are the responses 15 min after EGF
or HGF by time on drug, which are to be right without scale and offset too. Anchors hold the level
of ERK in cells and genotypes that no measurement covers, as the literature teacher had it: what
lies downstream of ERK was tuned to that. Only the nodes of MODULE move; the others rest at the
state they are in. A run that was stopped goes on from its checkpoint.

    python -m surrogates.fit_teacher DATA CHECKPOINT [--rounds N] [--write]
"""

import argparse
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from surrogates.channels import (
    CELL_TYPES,
    INPUTS,
    NODES,
    OUTPUTS,
    basal_inputs,
    cell_type_code,
    genotype_bits,
    read_table,
)
from surrogates.data import marm, observation
from surrogates.phenotype import HEAD_COMPETENCE, RANGES
from surrogates.prior.graph import load_network
from surrogates.teacher import kernels as teacher_kernels
from surrogates.teacher.model import Teacher
from surrogates.teacher.parameters import (
    DynamicEdges,
    Equations,
    Results,
    Situations,
    compile_parameters,
    tables,
    teacher_parameters,
)

MODULE = (
    "EGFR",
    "MET",
    "EGFR_internal",
    "MET_internal",
    "IGF1R",
    "ERBB3",
    "RTK_expr",
    "RAS",
    "BRAF_V600",
    "RAF_dimer",
    "MEK_free",
    "MEK",
    "ERK",
    "DUSP6",
    "SPRY2",
    "SRC_FAK",
    "PERSISTER",
    "erlotinib_affinity",
    "VEGFR",
    "TCR",
    "LCK",
    "CD28",
)
NOISE, ANCHOR_NOISE, PULL, ABSOLUTE = 0.12, 0.05, 0.25, 2.0
PEAK = 15.0  # [min] after ligand
EARLY_HGF, LATE_HGF = 1.7, 0.3  # weights: A375 forgets HGF in 2 h, other melanomas are rescued
STEPS = ((20.0, 0.5), (60.0, 1.0), (1440.0, 3.0))  # [min] after ligand: until, internal step
SLOW_STEPS = ((120.0, 4.0), (1e9, 10.0))  # without ligand
DAY = 1440.0
DIFFERENCE = 2e-3  # of z, for the Jacobian
EVALUATIONS = 5  # of the Jacobian in a round; a checkpoint follows each round
FIELDS = ("strength", "half", "exponent")
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Anchor:
    """A level of ERK to keep: hours under inputs from the basal steady state."""

    cell_type: str
    genotype: tuple[str, ...]
    inputs: Mapping[str, float]
    hours: float
    wanted: float
    weight: float = 1.0


BRAF = ("BRAF_V600E",)
ON_DRUG = {"vemurafenib": 1.0}
ANCHORS = (
    Anchor("tumor", BRAF, {}, 24, 0.461),
    Anchor("tumor", BRAF, ON_DRUG, 2.5, 0.018, 20.0),
    Anchor("tumor", BRAF, ON_DRUG, 24, 0.045, 20.0),
    Anchor("tumor", BRAF, ON_DRUG | {"HGF": 1.0}, 24, 0.25, 2.0),
    Anchor("tumor", BRAF, ON_DRUG | {"HGF": 1.0}, 72, 0.25, 2.0),
    Anchor("tumor", BRAF, ON_DRUG | {"HGF": 0.2}, 24, 0.22, 2.0),
    Anchor("tumor", BRAF, ON_DRUG | {"HGF": 0.02}, 24, 0.06, 2.0),
    Anchor("tumor", (*BRAF, "NRAS_Q61"), ON_DRUG, 24, 0.46, 2.0),
    Anchor("tumor", ("NRAS_Q61",), {}, 24, 0.36, 3.0),
    Anchor("tumor", ("NRAS_Q61",), ON_DRUG, 2, 0.46, 4.0),
    Anchor("tumor", ("NRAS_Q61",), ON_DRUG, 24, 0.43, 4.0),
    Anchor("tumor", (*BRAF, "MET_amp"), ON_DRUG, 24, 0.42),
    Anchor("tumor", (*BRAF, "MEK1_mut"), ON_DRUG, 24, 0.416),
    Anchor("tumor", (*BRAF, "BRAF_amp"), ON_DRUG, 24, 0.419),
    Anchor("tumor", (*BRAF, "NF1_loss"), ON_DRUG, 24, 0.44),
    Anchor("tumor", ("EGFR_mut",), {}, 24, 0.315),
    Anchor("tumor", ("EGFR_mut",), {"erlotinib": 1.0}, 24, 0.0),
    Anchor("tumor", ("EGFR_mut", "EGFR_T790M"), {"erlotinib": 1.0}, 24, 0.306),
    Anchor("epithelium", (), {}, 24, 0.169, 3.0),
    Anchor("epithelium", (), {"EGF": 0.1}, 24, 0.3, 2.0),
    Anchor("epithelium", (), ON_DRUG, 2, 0.35, 4.0),
    Anchor("epithelium", (), ON_DRUG, 24, 0.24, 3.0),
    Anchor("fibroblast", (), {}, 24, 0.155, 2.0),
    Anchor("endothelial", (), {}, 24, 0.134, 2.0),
    Anchor("endothelial", (), {"VEGF": 0.5}, 24, 0.375),
    Anchor("macrophage", (), {}, 24, 0.113),
    Anchor("cd8_t", (), {}, 24, 0.0),
    Anchor("cd8_t", (), {"antigen": 1.0}, 24, 0.444),
)
UNTREATED = 0  # the anchor that `peaks` are relative to


@dataclass(frozen=True)
class Number:
    """One fitted number: a field of an edge, a `tau`, a drug's `potency` or EGFR's `competence`."""

    field: str
    source: str
    target: str
    gate: str
    start: float
    low: float
    high: float

    @property
    def name(self) -> str:
        """How checkpoints name it."""
        return f"{self.source}>{self.target}:{self.gate}:{self.field}"


def numbers() -> list[Number]:
    """What is fitted: rows of `prior/fitted.tsv`."""
    return [
        Number(
            row["field"],
            row["source"],
            row["target"],
            row["gate"],
            float(row["start"]),
            float(row["low"]),
            float(row["high"]),
        )
        for row in read_table("fitted")
    ]


def fit(
    folder: Path, checkpoint: Path, *, rounds: int = 10, progress: Progress | None = None
) -> dict[str, float]:
    """Fitted values by name, in `rounds` of EVALUATIONS; `folder` holds the data sets."""
    from scipy.optimize import least_squares

    problem = Problem(marm.training(folder))
    z = problem.to_z(np.array([number.start for number in problem.numbers]))
    kept = json.loads(checkpoint.read_text("utf-8")) if checkpoint.is_file() else {"rounds": 0}
    if kept["rounds"]:
        z = problem.to_z(np.array([kept["values"][n.name] for n in problem.numbers]))
    low, high = (
        problem.to_z(np.array([getattr(n, side) for n in problem.numbers]))
        for side in ("low", "high")
    )
    for k in range(kept["rounds"], rounds):
        found = least_squares(
            problem.residuals,
            np.clip(z, low + 1e-6, high - 1e-6),
            jac=problem.jacobian,
            bounds=(low, high),
            max_nfev=EVALUATIONS,
        )
        z = found.x
        values = dict(
            zip((n.name for n in problem.numbers), problem.from_z(z).tolist(), strict=True)
        )
        checkpoint.write_text(
            json.dumps({"rounds": k + 1, "cost": found.cost, "values": values}, indent=1), "utf-8"
        )
        if progress:
            progress(f"fitting the teacher, cost {found.cost:.1f}", (k + 1) / rounds)
    return json.loads(checkpoint.read_text("utf-8"))["values"]


class Problem:
    """Residuals of the fit and their Jacobian as functions of z."""

    def __init__(self, rows: marm.Conditions, anchors: Sequence[Anchor] = ANCHORS) -> None:
        self.numbers = numbers()
        self.rows = rows.take(np.isfinite(rows.pERK))
        self.module = Module(self.rows, anchors, self.numbers)
        self._wanted = np.array([anchor.wanted for anchor in anchors])
        self._weight = np.array([anchor.weight for anchor in anchors])
        hgf = np.where(self.rows.time > 20.0, LATE_HGF, EARLY_HGF)
        self._row_weight = np.where(self.rows.HGF > 0.0, hgf, 1.0)
        self._peak = np.flatnonzero(
            (self.rows.plate == marm.COURSES)
            & (self.rows.time == PEAK)
            & (self.rows.adapted > 0.0)
            & ((self.rows.EGF > 0.0) | (self.rows.HGF > 0.0))
        )
        self._plate = np.unique(self.rows.plate, return_inverse=True)[1]
        self._logit = np.array([number.field == "strength" for number in self.numbers])
        self._start = self.to_z(np.array([number.start for number in self.numbers]))

    def to_z(self, values: np.ndarray) -> np.ndarray:
        """Logit of strengths, logarithm of the rest."""
        share = np.clip(values, 1e-6, 1.0 - 1e-6)
        return np.where(self._logit, np.log(share / (1.0 - share)), np.log(values))

    def from_z(self, z: np.ndarray) -> np.ndarray:
        """Inverse of `to_z`."""
        return np.where(self._logit, 1.0 / (1.0 + np.exp(-z)), np.exp(z))

    def residuals(self, z: np.ndarray) -> np.ndarray:
        """Measurements, peaks, anchors, pull to the start."""
        erk, anchors = self.module.run(self.from_z(z))
        measured = self.rows.pERK[:, None]
        seen = observation.fit(
            erk[:, None], measured, plate=self._plate, weight=self._row_weight[:, None] ** 2
        )
        error = (seen.predict(erk[:, None], self._plate) - measured)[:, 0]
        peaks = erk[self._peak] / anchors[UNTREATED] - self.rows.pERK[self._peak]
        return np.concatenate(
            [
                error * self._row_weight / NOISE,
                ABSOLUTE * peaks / NOISE,
                (anchors - self._wanted) / ANCHOR_NOISE * self._weight,
                PULL * (z - self._start),
            ]
        )

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        """Forward differences, two columns at a time."""
        base = self.residuals(z)

        def column(k: int) -> np.ndarray:
            moved = z.copy()
            moved[k] += DIFFERENCE
            return (self.residuals(moved) - base) / DIFFERENCE

        with ThreadPoolExecutor(2) as pool:
            return np.stack(list(pool.map(column, range(len(z)))), axis=1)


class Module:
    """The teacher's own kernels with all nodes but those of MODULE at rest."""

    def __init__(
        self, rows: marm.Conditions, anchors: Sequence[Anchor], fitted: Sequence[Number]
    ) -> None:
        self._network, self._parameters = load_network(), teacher_parameters()
        self._potencies, self._numbers = marm.potencies(), fitted
        self._moves = np.isin(NODES, MODULE)
        self._rows, self._anchors = rows, anchors
        self._folds, line = np.unique(rows.EGFR, return_inverse=True)
        types = [cell_type_code(anchor.cell_type) for anchor in anchors]
        self._type = np.concatenate([len(CELL_TYPES) + line, types]).astype(np.int8)  # line: a type
        self._genotype = np.concatenate(
            [rows.genotype, [genotype_bits(a.genotype) for a in anchors]]
        ).astype(np.int32)
        pairs, self._pair = np.unique(
            np.stack([self._type, self._genotype]), axis=1, return_inverse=True
        )
        self._pairs = (pairs[0].astype(np.int8), pairs[1].astype(np.int32))
        tumor = cell_type_code("tumor")
        known = np.where(self._pairs[0] < len(CELL_TYPES), self._pairs[0], tumor)
        self._rest = Teacher(self._network).initial_state(known, self._pairs[1])
        _, self._first, self._same = np.unique(
            np.column_stack([rows.before, rows.EGFR, rows.genotype]),
            axis=0,
            return_index=True,
            return_inverse=True,
        )

    def run(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ERK (n_rows,) at the end of every condition and (n_anchors,) of the anchors."""
        model, potencies = self._tables(values)
        steady = self._rest.copy()
        hurried = model | {"tau": np.minimum(model["tau"], 240.0)}
        self._advance(hurried, steady, basal_inputs(len(steady)), self._pairs, 2400.0, 8.0)
        state = steady[self._pair.ravel()]
        n = len(self._rows)
        erk = NODES.index("ERK")
        return (
            self._conditions(model, potencies, state[:n])[:, erk].astype(float),
            self._levels(model, state[n:])[:, erk].astype(float),
        )

    def _conditions(self, model: dict, potencies: dict, state: np.ndarray) -> np.ndarray:
        rows, kind = self._rows, (self._type[: len(state)], self._genotype[: len(state)])
        first = self._first
        before = np.ascontiguousarray(state[first])
        medium = self._inputs(rows.before[first], potencies)
        self._advance(model, before, medium, _part(kind, first), DAY)
        state = before[self._same.ravel()]
        medium = self._inputs(rows.now, potencies)
        for length in np.unique(rows.adapted[rows.adapted > 0.0]):
            here = np.flatnonzero(rows.adapted == length)
            part = np.ascontiguousarray(state[here])
            self._advance(model, part, medium[here], _part(kind, here), length)
            state[here] = part
        for name, dose in (("EGF", rows.EGF), ("HGF", rows.HGF)):
            medium[:, INPUTS.index(name)] = dose * marm.LIGAND_NM[name]
        clock = 0.0
        for moment in np.union1d(rows.time, [until for until, _ in STEPS]):
            here = np.flatnonzero(rows.time >= moment)
            part = np.ascontiguousarray(state[here])
            self._advance(
                model, part, medium[here], _part(kind, here), moment - clock, _step_at(clock)
            )
            state[here], clock = part, moment
        return state

    def _levels(self, model: dict, state: np.ndarray) -> np.ndarray:
        inputs = basal_inputs(len(state))
        for row, anchor in zip(inputs, self._anchors, strict=True):
            for name, value in anchor.inputs.items():
                row[INPUTS.index(name)] = value
        hours = np.array([anchor.hours for anchor in self._anchors])
        kind = (self._type[-len(state) :], self._genotype[-len(state) :])
        for length in np.unique(hours):
            here = np.flatnonzero(hours == length)
            part = np.ascontiguousarray(state[here])
            self._advance(model, part, inputs[here], _part(kind, here), 60.0 * length)
            state[here] = part
        return state

    def _inputs(self, doses: np.ndarray, potencies: dict) -> np.ndarray:
        inputs = basal_inputs(len(doses))
        inputs[:, INPUTS.index("EGF")] = 0.0
        for channel, dose in marm.nominal(doses, potencies).items():
            inputs[:, INPUTS.index(channel)] = dose
        return inputs

    def _tables(self, values: np.ndarray) -> tuple[dict, dict]:
        """Edges of the module, taus, competences with one row per line; potencies."""
        parameters, potencies = dict(self._parameters), dict(self._potencies)
        tau, competence = self._network.tau.copy(), self._network.competence.copy()
        for number, value in zip(self._numbers, values, strict=True):
            if number.field == "tau":
                tau[NODES.index(number.target)] = value
            elif number.field == "competence":
                competence[cell_type_code("tumor"), NODES.index(number.target)] = value
            elif number.field == "potency":
                potencies[number.source] = (potencies[number.source][0], value)
            else:
                key = (number.source, number.target, number.gate)
                edge = list(parameters[key])
                edge[FIELDS.index(number.field)] = float(value)
                parameters[key] = tuple(edge)
        basal, static, dynamic = compile_parameters(self._network, parameters)
        tumor, egfr = competence[cell_type_code("tumor")], NODES.index("EGFR")
        lines = np.tile(tumor, (len(self._folds), 1))
        lines[:, egfr] = [marm.egfr_competence(fold, tumor[egfr]) for fold in self._folds]
        competence = np.vstack([competence, lines]).astype(np.float32)
        found = tables(static, basal, competence)
        return {"tables": found, "edges": _only(dynamic, self._moves), "tau": tau}, potencies

    def _advance(
        self,
        model: dict,
        state: np.ndarray,
        inputs: np.ndarray,
        kind: tuple,
        minutes: float,
        step: float | None = None,
    ) -> None:
        """Move `state` in place; without a step, in SLOW_STEPS."""
        if step is None:
            clock = 0.0
            for until, step in SLOW_STEPS:
                self._advance(model, state, inputs, kind, min(until, minutes) - clock, step)
                clock = min(until, minutes)
            return
        if minutes <= 0.0:
            return
        n_steps = int(np.ceil(minutes / step - 1e-9))
        ratio = minutes / n_steps / model["tau"].astype(float)
        gain = -np.expm1(-ratio)
        weights = [
            np.where(self._moves, w, 0.0).astype(np.float32) for w in (gain, 1.0 - gain / ratio)
        ]
        heads = np.vstack([HEAD_COMPETENCE, np.tile(HEAD_COMPETENCE[0], (len(self._folds), 1))])
        fractions = np.empty((len(state), len(OUTPUTS)), np.float32)
        teacher_kernels.step_cells(
            (0, len(state)),
            Equations(model["tables"], model["edges"], *weights, heads, RANGES),
            Situations(state, np.ascontiguousarray(inputs), kind[1], kind[0]),
            n_steps,
            Results(state, fractions, np.empty_like(fractions)),
        )


def _step_at(clock: float) -> float:
    """Internal step [min] at a time after ligand."""
    return next(step for until, step in STEPS if clock < until)


def _part(kind: tuple[np.ndarray, np.ndarray], rows: np.ndarray) -> tuple:
    return tuple(np.ascontiguousarray(values[rows]) for values in kind)


def _only(dynamic: DynamicEdges, moves: np.ndarray) -> DynamicEdges:
    """The dynamic edges of the nodes that move."""
    start, *arrays = dynamic
    unit = np.repeat(np.arange(len(start) - 1), np.diff(start))
    keep = (unit < len(moves)) & np.pad(moves, (0, len(start) - 1 - len(moves)))[unit]
    counts = np.bincount(unit[keep], minlength=len(start) - 1)
    return DynamicEdges(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        *(np.ascontiguousarray(array[keep]) for array in arrays),
    )


PRIOR = Path(__file__).parents[1] / "prior"
FITTED = "fitted to the training split of the A375 pERK measurements"


def write(values: Mapping[str, float]) -> None:
    """Put fitted values into the tables of `prior`, marked as fitted."""
    by_table: dict[str, dict] = {"teacher": {}, "nodes": {}, "competence": {}, "potency": {}}
    for number in numbers():
        value = f"{values[number.name]:.4g}"
        if number.field in FIELDS:
            key = (number.source, number.target, number.gate)
            by_table["teacher"].setdefault(key, {})[number.field] = value
        elif number.field == "tau":
            by_table["nodes"][number.target] = {"tau": value}
        elif number.field == "competence":
            by_table["competence"][number.target] = {"tumor": value}
        else:
            by_table["potency"][number.source] = {"potency": value}
    marks = {"evidence": "fitted", "source_of_value": FITTED}
    for table, names in (
        ("teacher", ("source", "target", "gate")),
        ("nodes", ("name",)),
        ("competence", ("unit",)),
        ("potency", ("drug",)),
    ):
        rows = read_table(table)
        for row in rows:
            key = tuple(row[name] for name in names)
            changed = by_table[table].get(key if len(key) > 1 else key[0])
            if changed:
                row |= changed | ({} if table in ("nodes", "competence") else marks)
        _store(PRIOR / f"{table}.tsv", rows)


def _store(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys(), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder that holds marm_melanoma_pERK")
    parser.add_argument("checkpoint", type=Path, help="JSON file to go on from")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="put the values into prior/*.tsv")
    given = parser.parse_args(arguments)
    values = fit(
        given.data,
        given.checkpoint,
        rounds=given.rounds,
        progress=lambda what, share: print(f"{share:4.0%} {what}", flush=True),
    )
    if given.write:
        write(values)


if __name__ == "__main__":
    main()
