"""Drugs as what they do to their targets: concentrations in, occupancies of targets out.

A drug is a row per target it hits (`prior/affinity.tsv`): the concentration K of half occupancy,
nominal in a medium with 10 % serum, and an efficacy e, 1 for a full inhibitor, less for a partial
one, negative for one that only keeps others away. With exponent h of the target
(`prior/targets.tsv`), drugs of one target compete:

    X_d = c_d / K_d,   X = sum_d X_d,   E = sum_d e_d X_d / X . X^h / (1 + X^h),   0 <= E < 1

so that a drug given as two entries of half the dose equals the whole. K of a cell is that of the
wild type times a factor for each alteration it carries (`prior/resistance.tsv`). E is the input
`<target>_occupancy` of the network and the teacher; a new drug of known targets needs no training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from surrogates.channels import GENOTYPES, TARGETS, Channel, find, read_table

HIGHEST = 1e4  # of X, up to which a concentration is a known one
Targets = Mapping[str, float]  # target -> K in the unit of the drug


class Binding(NamedTuple):
    """One drug at one target."""

    target: str
    half: float  # K in the unit of the drug, wild type
    efficacy: float
    factors: Mapping[str, float]  # on K, by alteration
    evidence: str


@dataclass(frozen=True)
class Drug:
    """A drug and all its targets."""

    name: str
    unit: str  # of concentrations: uM, or nM for antibodies
    bindings: tuple[Binding, ...]

    @property
    def channel(self) -> Channel:
        """The input that holds its concentration."""
        high = HIGHEST * min(binding.half for binding in self.bindings)
        worst = max((binding.evidence for binding in self.bindings), key=_GRADES.index)
        where = ", ".join(binding.target for binding in self.bindings)
        return Channel(self.name, self.unit, 0.0, high, 0.0, f"drug at {where}, nominal", worst)


_GRADES = ("fitted", "literature", "assumed")


def own_drug(name: str, unit: str, targets: Targets) -> Drug:
    """A user's drug: a full inhibitor of known targets, with K [`unit`] of each."""
    for target, half in targets.items():
        find(target, TARGETS, f"target of {name!r}:")
        if not (np.isfinite(half) and half > 0.0):
            msg = f"drug {name!r}: K of {target} is {half!r}; it must be above 0"
            raise ValueError(msg)
    bindings = [Binding(target, half, 1.0, {}, "assumed") for target, half in targets.items()]
    return Drug(name, unit, tuple(bindings))


def _shipped() -> dict[str, Drug]:
    """Drugs by name, of the tables `affinity` and `resistance`; unknown names are refused."""
    factors: dict[tuple[str, str], dict[str, float]] = {}
    for row in read_table("resistance"):
        find(row["genotype"], GENOTYPES, f"resistance to {row['drug']!r}: alteration")
        by_genotype = factors.setdefault((row["drug"], row["target"]), {})
        by_genotype[row["genotype"]] = float(row["factor"])
    units: dict[str, str] = {}
    bindings: dict[str, list[Binding]] = {}
    for row in read_table("affinity"):
        find(row["target"], TARGETS, f"target of {row['drug']!r}:")
        units[row["drug"]] = row["unit"]
        bindings.setdefault(row["drug"], []).append(
            Binding(
                row["target"],
                float(row["K"]),
                float(row["efficacy"]),
                factors.pop((row["drug"], row["target"]), {}),
                row["evidence"],
            )
        )
    if factors:
        msg = f"resistance.tsv has factors without a row in affinity.tsv: {sorted(factors)}"
        raise ValueError(msg)
    return {name: Drug(name, units[name], tuple(rows)) for name, rows in bindings.items()}


SHIPPED = _shipped()

__all__ = ["SHIPPED", "Binding", "Drug", "Targets", "own_drug"]
