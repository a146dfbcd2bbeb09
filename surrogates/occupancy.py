"""Work occupancies of drug targets out of concentrations, for many cells; equation: `drugs`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np

from surrogates.channels import (
    FULL,
    GENOTYPES,
    INPUT_CHANNELS,
    INPUTS,
    SURROUNDINGS,
    TARGETS,
    find,
    read_table,
)
from surrogates.disk_cache import cached
from surrogates.drugs import SHIPPED, Drug

_N = len(SURROUNDINGS)


class Rows(NamedTuple):
    """Bindings as kernels read them, sorted by target, each (n_rows,)."""

    drug: np.ndarray  # int32, column of the concentrations
    target: np.ndarray  # int32, column of the occupancies
    half: np.ndarray  # float64
    efficacy: np.ndarray  # float64
    exponent: np.ndarray  # float64, of the target
    factor: np.ndarray  # float64 (n_rows, n_genotypes)


class DrugTable:
    """Drugs by name, in the order in which their concentrations are given."""

    def __init__(self, drugs: Sequence[Drug]) -> None:
        self.drugs = {drug.name: drug for drug in drugs}
        self.names = tuple(self.drugs)
        self.channels = tuple(drug.channel for drug in drugs)
        self.lowest_halves = np.array([min(b.half for b in d.bindings) for d in drugs])
        self.inputs = (*INPUT_CHANNELS[:_N], *self.channels)
        self._rows = _rows(drugs)

    def only(self, names: Sequence[str]) -> Self:
        """The table of some drugs; an unknown one is refused with the nearest known."""
        for name in names:
            find(name, self.names, "drug")
        return type(self)([self.drugs[name] for name in names])

    def occupancy(self, concentration: np.ndarray, genotype: np.ndarray) -> np.ndarray:
        """Occupancies float32 (n, n_targets) at concentrations (n, n_drugs), by genotype bits."""
        inputs = np.zeros((len(concentration), len(self.inputs)), np.float32)
        inputs[:, _N:] = concentration
        return self.at_targets(inputs, genotype)[:, _N:]

    def at_targets(self, inputs: np.ndarray, genotype: np.ndarray) -> np.ndarray:
        """Inputs of the network, float32 (n, n_inputs), of surroundings and concentrations.

        Args:
            inputs: (n, n_surroundings + n_drugs), the drugs in the order of the table.
            genotype: bits (n,).
        """
        out = np.zeros((len(inputs), len(INPUTS)), np.float32)
        out[:, :_N] = inputs[:, :_N]
        if self.names:
            bits = np.asarray(genotype, np.int32)
            _occupy(self._rows, inputs[:, _N:], bits, FULL, out[:, _N:])
        return out

    def with_halves(self, halves: Mapping[tuple[str, str], float]) -> Self:
        """The table with another K of some (drug, target)."""

        def changed(drug: Drug) -> Drug:
            found = (
                b._replace(half=halves.get((drug.name, b.target), b.half)) for b in drug.bindings
            )
            return replace(drug, bindings=tuple(found))

        return type(self)([changed(drug) for drug in self.drugs.values()])


def _rows(drugs: Sequence[Drug]) -> Rows:
    exponents = {row["name"]: float(row["exponent"]) for row in read_table("targets")}
    found = sorted(
        ((TARGETS.index(b.target), k, b) for k, drug in enumerate(drugs) for b in drug.bindings),
        key=lambda row: row[:2],
    )
    factor = np.ones((len(found), len(GENOTYPES)))
    for row, (_, _, binding) in zip(factor, found, strict=True):
        for genotype, value in binding.factors.items():
            row[GENOTYPES.index(genotype)] = value
    return Rows(
        np.array([drug for _, drug, _ in found], np.int32),
        np.array([target for target, _, _ in found], np.int32),
        np.array([binding.half for _, _, binding in found], np.float64),
        np.array([binding.efficacy for _, _, binding in found], np.float64),
        np.array([exponents[binding.target] for _, _, binding in found], np.float64),
        factor,
    )


@cached(error_model="numpy")
def _occupy(
    rows: Rows, concentration: np.ndarray, genotype: np.ndarray, full: float, out: np.ndarray
) -> None:
    """Write the occupancies of all cells; a target that no drug is at stays as it is."""
    n_rows = rows.drug.size
    for i in range(out.shape[0]):
        row = 0
        while row < n_rows:
            target, bound, effect = rows.target[row], 0.0, 0.0
            exponent = rows.exponent[row]
            while row < n_rows and rows.target[row] == target:
                dose = np.float64(concentration[i, rows.drug[row]])
                if dose > 0.0:
                    half = rows.half[row]
                    for k in range(rows.factor.shape[1]):
                        if genotype[i] >> k & 1:
                            half *= rows.factor[row, k]
                    bound += dose / half
                    effect += rows.efficacy[row] * dose / half
                row += 1
            if bound > 0.0:
                held = effect / bound / (1.0 + bound**-exponent)
                out[i, target] = min(max(held, 0.0), full)


SHIPPED_TABLE = DrugTable(tuple(SHIPPED.values()))

__all__ = ["SHIPPED_TABLE", "DrugTable"]
