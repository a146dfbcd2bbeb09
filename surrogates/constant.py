"""Fixed rates per cell type behind the cell-model contract: what is not named is zero."""

import hashlib
import json
from collections.abc import Mapping
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike

from surrogates.channels import (
    CELL_TYPES,
    GENOTYPES,
    INPUT_CHANNELS,
    NODE_CHANNELS,
    NODES,
    OUTPUT_CHANNELS,
    OUTPUTS,
    cell_type_code,
    find,
)
from surrogates.contract import Cells, Decision
from surrogates.trajectory import Conditions, Trajectory, simulate

NEUTRAL = {"s_duration_factor": 1.0, "vessel_PS": 1.0}  # factors: 1 changes nothing


class Constant:
    """Every cell of a type has the same outputs for ever; state and inputs are ignored."""

    name = "constant"
    inputs = INPUT_CHANNELS
    nodes = NODE_CHANNELS
    outputs = OUTPUT_CHANNELS
    genotypes = GENOTYPES

    def __init__(self, rates: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self._table = _table(rates or {})
        text = json.dumps({"table": self._table.tolist()})
        self.hash = hashlib.sha256(text.encode()).hexdigest()

    def initial_state(self, cell_type: ArrayLike, genotype: ArrayLike) -> np.ndarray:  # noqa: ARG002
        """No state: zeros."""
        return np.zeros((len(np.asarray(cell_type)), len(NODES)), np.float32)

    def allocate(self, n: int) -> Decision:
        """Room for the results of `n` cells."""
        return Decision.allocate(n)

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:  # noqa: ARG002
        """Write the type's outputs; the state stays as it is."""
        out.state[:] = cells.state
        out.outputs[:] = self._table[cells.cell_type]
        out.sigma[:] = 0.0
        out.in_domain[:] = True

    def simulate(self, **conditions: Unpack[Conditions]) -> Trajectory:
        """Follow one cell; see `surrogates.trajectory.simulate`."""
        return simulate(self, **conditions)


def _table(rates: Mapping[str, Mapping[str, float]]) -> np.ndarray:
    """Outputs float32 (n_types, n_outputs)."""
    table = np.zeros((len(CELL_TYPES), len(OUTPUTS)), np.float32)
    for name, value in NEUTRAL.items():
        table[:, OUTPUTS.index(name)] = value
    for cell_type, values in rates.items():
        row = table[cell_type_code(cell_type)]
        for name, value in values.items():
            row[find(name, OUTPUTS, "output")] = _within(name, value)
    return table


def _within(name: str, value: float) -> float:
    if not (np.isfinite(value) and (value >= 0.0 or name.startswith("chemotaxis"))):
        msg = f"constant output {name!r} is {value!r}; it must be finite and not negative"
        raise ValueError(msg)
    return float(value)


__all__ = ["Constant"]
