"""What cells bring along that are new in the tissue: identity, genotype, clone, network state."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel

NO_CLONE = -1  # of cells that are no tumor cells


def founder(model: "TumorModel", name: str) -> int:
    """Clone of the cells that a group starts with; made on first use, none for other tissue."""
    group = model.scenario.cells[name]
    if not model.cell_types.tumor[model.cell_types.code(group.type)]:
        return NO_CLONE
    bits = model.scenario.genotype_bits(group.genotype)
    known = next((c for c in model.clones if c.name == name), None)
    return (known or model.clones.add(parent=-1, genotype=bits, time=0.0, name=name)).index


def columns(model: "TumorModel", index: int, ids: np.ndarray) -> dict[str, object]:
    """Columns of cells of a scenario group that are new in the tissue."""
    name = list(model.scenario.cells)[index]
    group = model.scenario.cells[name]
    code = model.cell_types.code(group.type)
    types = np.full(len(ids), model.cell_types.network[code], np.int8)
    genotype = np.full(len(ids), model.scenario.genotype_bits(group.genotype), np.int32)
    return {
        "id": ids,
        "type": code,
        "group": index,
        "clone": founder(model, name),
        "genotype": genotype,
        "birth_time": model.time,
        "nodes": model.cell_model.initial_state(types, genotype),
    }
