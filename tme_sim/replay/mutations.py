"""Names and effects of the alterations that the cells of a run carry."""

from typing import Any

from surrogates.channels import GENOTYPES
from tme_sim.output.run import Run


def own_mutations(run: Run) -> dict[str, dict[str, dict[str, float]]]:
    """Mutations that the scenario defines: node -> ``{"times": x}`` or ``{"held": x}`` of each."""
    return {
        name: spec["nodes"]
        for name, spec in run.resolved.get("evolution", {}).items()
        if spec.get("nodes")
    }


def genotype_names(run: Run, bits: int) -> list[str]:
    """Alterations set in a genotype: the cell model's, then the scenario's own."""
    return [name for k, name in enumerate((*GENOTYPES, *own_mutations(run))) if bits >> k & 1]


def carried(run: Run) -> list[str]:
    """Alterations that some clone of the run has."""
    bits = 0
    for genotype in run.clones["genotype"]:
        bits |= int(genotype)
    return genotype_names(run, bits)


def direction(change: dict[str, Any]) -> int:
    """Whether a change raises a node (1) or lowers it (-1); one held does where it is held."""
    up = change["held"] >= 0.5 if "held" in change else change["times"] >= 1.0
    return 1 if up else -1
