"""The teacher's MAPK module on its own: its kernels with all other nodes at rest.

Runs the conditions of the pERK measurements, and cells and genotypes that no measurement covers
(anchors), for given values of the numbers that are fitted (`training.fit_teacher`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from surrogates.channels import (
    CELL_TYPES,
    INPUTS,
    NODES,
    OUTPUTS,
    basal_inputs,
    cell_type_code,
    genotype_bits,
)
from surrogates.data import marm
from surrogates.data.assay import DAY
from surrogates.occupancy import SHIPPED_TABLE, DrugTable
from surrogates.phenotype import HEAD_COMPETENCE, RANGES
from surrogates.prior.graph import load_network
from surrogates.teacher import kernels as teacher_kernels
from surrogates.teacher.model import Teacher
from surrogates.teacher.parameters import (
    DynamicEdges,
    Equations,
    Results,
    Situations,
    Tables,
    compile_parameters,
    tables,
    teacher_parameters,
)
from surrogates.training.fitted_numbers import FIELDS, Number

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
    "VEGFR",
    "TCR",
    "LCK",
    "CD28",
)
STEPS = ((20.0, 0.5), (60.0, 1.0), (1440.0, 3.0))  # [min] after ligand: until, internal step
SLOW_STEPS = ((120.0, 4.0), (1e9, 10.0))  # without ligand


Key = tuple[str, str, str]  # source, target, gate
Kind = tuple[np.ndarray, np.ndarray]  # cell types, genotypes


class Fitted(NamedTuple):
    """The module with one set of fitted numbers."""

    tables: Tables
    edges: DynamicEdges
    tau: np.ndarray


@dataclass(frozen=True)
class Anchor:
    """A level of ERK to keep: hours under inputs from the basal steady state."""

    cell_type: str
    genotype: tuple[str, ...]
    inputs: Mapping[str, float]
    hours: float
    wanted: float
    weight: float = 1.0


class Module:
    """The teacher's own kernels with all nodes but those of MODULE at rest."""

    def __init__(
        self, rows: marm.Conditions, anchors: Sequence[Anchor], fitted: Sequence[Number]
    ) -> None:
        self._network, self._parameters = load_network(), teacher_parameters()
        self._numbers = fitted
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
        model, drugs = self._tables(values)
        steady = self._rest.copy()
        hurried = model._replace(tau=np.minimum(model.tau, 240.0))
        self._advance(hurried, steady, basal_inputs(len(steady)), self._pairs, 2400.0, 8.0)
        state = steady[self._pair.ravel()]
        n = len(self._rows)
        erk = NODES.index("ERK")
        return (
            self._conditions(model, drugs.only(marm.NAMES), state[:n])[:, erk].astype(float),
            self._levels(model, drugs, state[n:])[:, erk].astype(float),
        )

    def _conditions(self, model: Fitted, drugs: DrugTable, state: np.ndarray) -> np.ndarray:
        rows, kind = self._rows, (self._type[: len(state)], self._genotype[: len(state)])
        first = self._first
        before = np.ascontiguousarray(state[first])
        medium = _medium(rows.before[first], kind[1][first], drugs)
        self._advance(model, before, medium, _part(kind, first), DAY)
        state = before[self._same.ravel()]
        medium = _medium(rows.now, kind[1], drugs)
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

    def _levels(self, model: Fitted, drugs: DrugTable, state: np.ndarray) -> np.ndarray:
        names = [channel.name for channel in drugs.inputs]
        medium = basal_inputs(len(state), drugs.inputs)
        for row, anchor in zip(medium, self._anchors, strict=True):
            for name, value in anchor.inputs.items():
                row[names.index(name)] = value
        hours = np.array([anchor.hours for anchor in self._anchors])
        kind = (self._type[-len(state) :], self._genotype[-len(state) :])
        inputs = drugs.at_targets(medium, kind[1])
        for length in np.unique(hours):
            here = np.flatnonzero(hours == length)
            part = np.ascontiguousarray(state[here])
            self._advance(model, part, inputs[here], _part(kind, here), 60.0 * length)
            state[here] = part
        return state

    def _tables(self, values: np.ndarray) -> tuple[Fitted, DrugTable]:
        """Edges of the module, taus, competences with one row per line; drugs."""
        parameters, halves = dict(self._parameters), {}
        tau, competence = self._network.tau.copy(), self._network.competence.copy()
        for number, value in zip(self._numbers, values, strict=True):
            if number.field == "tau":
                tau[NODES.index(number.target)] = value
            elif number.field == "competence":
                competence[cell_type_code("tumor"), NODES.index(number.target)] = value
            elif number.field == "K":
                halves[number.source, number.target] = value
            else:
                key = (number.source, number.target, number.gate)
                numbers = dict(zip(FIELDS, parameters[key], strict=True)) | {number.field: value}
                parameters[key] = (numbers["strength"], numbers["half"], numbers["exponent"])
        return self._equations(parameters, tau, competence), SHIPPED_TABLE.with_halves(halves)

    def _equations(
        self,
        parameters: dict[Key, tuple[float, float, float]],
        tau: np.ndarray,
        competence: np.ndarray,
    ) -> Fitted:
        """As the kernels take them; every line is a cell type behind those of the teacher."""
        basal, static, dynamic = compile_parameters(self._network, parameters)
        tumor, egfr = competence[cell_type_code("tumor")], NODES.index("EGFR")
        lines = np.tile(tumor, (len(self._folds), 1))
        lines[:, egfr] = [marm.egfr_competence(fold, tumor[egfr]) for fold in self._folds]
        competence = np.vstack([competence, lines]).astype(np.float32)
        return Fitted(tables(static, basal, competence), _only(dynamic, self._moves), tau)

    def _advance(
        self,
        model: Fitted,
        state: np.ndarray,
        inputs: np.ndarray,
        kind: Kind,
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
        ratio = minutes / n_steps / model.tau.astype(float)
        gain = -np.expm1(-ratio)
        full, mean = (
            np.where(self._moves, w, 0.0).astype(np.float32) for w in (gain, 1.0 - gain / ratio)
        )
        heads = np.vstack([HEAD_COMPETENCE, np.tile(HEAD_COMPETENCE[0], (len(self._folds), 1))])
        fractions = np.empty((len(state), len(OUTPUTS)), np.float32)
        teacher_kernels.step_cells(
            0,
            len(state),
            Equations(model.tables, model.edges, full, mean, heads, RANGES),
            Situations(state, np.ascontiguousarray(inputs), kind[1], kind[0]),
            n_steps,
            Results(state, fractions, np.empty_like(fractions)),
        )


def _medium(doses: np.ndarray, genotype: np.ndarray, drugs: DrugTable) -> np.ndarray:
    """Inputs of the teacher without EGF, at doses of these drugs."""
    medium = basal_inputs(len(doses), drugs.inputs)
    medium[:, INPUTS.index("EGF")] = 0.0
    medium[:, -doses.shape[1] :] = doses
    return drugs.at_targets(medium, genotype)


def _step_at(clock: float) -> float:
    """Internal step [min] at a time after ligand."""
    return next(step for until, step in STEPS if clock < until)


def _part(kind: Kind, rows: np.ndarray) -> Kind:
    cell_type, genotype = kind
    return np.ascontiguousarray(cell_type[rows]), np.ascontiguousarray(genotype[rows])


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


__all__ = ["MODULE", "Anchor", "Module"]
