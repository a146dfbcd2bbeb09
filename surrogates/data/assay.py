"""Do with a cell model what an experiment did with its cells: treat, wait, read at given times.

All conditions of an experiment run as one batch. Inputs hold from one change to the next and start
from the basal values, cells from the drug-free steady state of their type and genotype. A line that
makes more or less of a protein is a variant of the model, see `variants.with_abundance`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from surrogates.channels import basal_inputs, cell_type_code, find, genotype_bits
from surrogates.contract import Cells
from surrogates.dosed import dosed
from surrogates.trajectory import Surrogate

DAY = 1440.0  # [min]
MEDIUM = -DAY  # cells are a day in their medium before the first treatment


@dataclass(frozen=True, eq=False)
class Condition:
    """What was done to one dish: steps of (minute, {input: value}), each holding until changed.

    Inputs are those of `dosed.Dosed`, drugs by their names.
    """

    steps: tuple[tuple[float, Mapping[str, float]], ...]
    cell_type: str = "tumor"
    genotype: tuple[str, ...] = ()


class Change(NamedTuple):
    """An input of one condition from some minute on."""

    condition: int
    input: int
    value: float


@dataclass(frozen=True, eq=False)
class Reading:
    """Nodes (n_times, n_conditions, n_nodes) and outputs (n_times, n_conditions, n_outputs)."""

    nodes: np.ndarray
    outputs: np.ndarray


def follow(
    model: Surrogate, conditions: Sequence[Condition], times: Sequence[float], tick: float = 6.0
) -> Reading:
    """Run all conditions and read them at `times` [min], in rising order.

    Steps before the first time may be negative: what cells were in before the experiment. `tick`
    is the longest stretch the model is given at once [min]; times need not be multiples of it.
    """
    if list(times) != sorted(times):
        msg = f"times must rise; got {list(times)}"
        raise ValueError(msg)
    code = np.array([cell_type_code(c.cell_type) for c in conditions], np.int8)
    bits = np.array([genotype_bits(c.genotype) for c in conditions], np.int32)
    model = dosed(model)
    changes = _changes(conditions, [channel.name for channel in model.inputs])
    state, out = model.initial_state(code, bits), model.allocate(len(conditions))
    inputs = basal_inputs(len(conditions), model.inputs)
    now = min([*(m for m, _ in changes), times[0]])
    nodes, outputs = [], []
    for moment, change in _agenda(changes, times):
        while now < moment - 1e-9:
            stretch = min(tick, moment - now)
            model.step(Cells(state, inputs, bits, code), stretch, out=out)
            state, now = out.state.copy(), now + stretch
        if change is None:
            model.step(Cells(state, inputs, bits, code), 0.0, out=out)
            nodes.append(state)
            outputs.append(out.outputs.copy())
        else:
            for row, column, value in change:
                inputs[row, column] = value
    return Reading(np.array(nodes), np.array(outputs))


def _changes(
    conditions: Sequence[Condition], inputs: Sequence[str]
) -> list[tuple[float, list[Change]]]:
    """All changes of inputs by time: (minute, changes)."""
    table: dict[float, list[Change]] = {}
    for row, condition in enumerate(conditions):
        for minute, values in condition.steps:
            table.setdefault(minute, []).extend(
                Change(row, find(name, inputs, "input"), value) for name, value in values.items()
            )
    return sorted(table.items())


def _agenda(
    changes: Sequence[tuple[float, list[Change]]], times: Sequence[float]
) -> list[tuple[float, list[Change] | None]]:
    """Changes and readings in order of time, readings (None) before a change of the same time."""
    events: list[tuple[float, list[Change] | None]] = [(time, None) for time in times]
    return sorted([*events, *changes], key=lambda event: (event[0], event[1] is not None))


__all__ = ["MEDIUM", "Condition", "Reading", "follow"]
