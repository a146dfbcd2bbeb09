"""Follow one cell, or a batch of them, through time with any cell model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypedDict, Unpack, runtime_checkable

import numpy as np

from surrogates.channels import (
    NODES,
    OUTPUTS,
    Channel,
    basal_inputs,
    cell_type_code,
    find,
    genotype_bits,
)
from surrogates.contract import CellModel, Cells, Decision, Key
from surrogates.intervals import GROWTH, Intervals
from surrogates.phenotype import net_growth_rate

Steps = float | Sequence[tuple[float, float]]


class Conditions(TypedDict, total=False):
    """What one cell is and lives in; defaults are those of `simulate`."""

    cell_type: str
    genotype: Sequence[str]
    minutes: float
    dt: float
    inputs: Mapping[str, Steps] | None
    state: np.ndarray | None


@runtime_checkable
class Surrogate(CellModel, Protocol):
    """A cell model that also follows one cell by itself: what `surrogates.load` returns."""

    def simulate(self, **conditions: Unpack[Conditions]) -> "Trajectory":
        """Follow one cell; see `simulate`."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One cell over time: `trajectory["ERK"]` is a column, of nodes, outputs or growth_rate_net.

    `time` [min] includes 0. `spread` holds the standard deviation of members run freely, None
    for a model that has no members; `intervals` is None where none were calibrated. Outputs of
    row k are those that act from time[k] on.
    """

    time: np.ndarray  # (n_times,)
    nodes: np.ndarray  # (n_times, n_nodes)
    outputs: np.ndarray  # (n_times, n_outputs)
    in_domain: np.ndarray  # bool (n_times,)
    spread: Mapping[str, np.ndarray] | None = None
    intervals: Intervals | None = None

    def __getitem__(self, name: str) -> np.ndarray:
        if name == GROWTH:
            return net_growth_rate(self.outputs)
        column = find(name, (*NODES, *OUTPUTS, GROWTH), "node or output")
        table, first = (self.nodes, 0) if column < len(NODES) else (self.outputs, len(NODES))
        values: np.ndarray = table[:, column - first]
        return values

    def std(self, name: str) -> np.ndarray:
        """Spread of the model's members for a node, output or growth_rate_net."""
        column = self[name]
        return np.zeros_like(column) if self.spread is None else self.spread[name]

    def interval(self, name: str, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end that hold the teacher's answer in a share `level` of situations.

        Calibrated on drug pairs that training never saw, see `intervals`; it promises nothing
        where `in_domain` is false. Needs an ensemble whose card holds intervals.
        """
        if self.spread is None or self.intervals is None:
            msg = (
                f"no interval for {name!r}: it takes an ensemble with calibrated intervals, "
                "not a single member, the teacher, or weights whose card holds none"
            )
            raise ValueError(msg)
        middle = self[name]
        half = self.intervals.half_width(name, self.spread[name], level)
        low, high = middle - half, middle + half
        if name in NODES:
            return np.maximum(low, 0.0), np.minimum(high, 1.0)
        return (low if name == GROWTH else np.maximum(low, 0.0)), high

    @property
    def state(self) -> np.ndarray:
        """Nodes at the end, to go on from."""
        last: np.ndarray = self.nodes[-1]
        return last


def simulate(
    model: CellModel,
    *,
    cell_type: str = "tumor",
    genotype: Sequence[str] = (),
    minutes: float = 1440.0,
    dt: float = 6.0,
    inputs: Mapping[str, Steps] | None = None,
    state: np.ndarray | None = None,
) -> Trajectory:
    """Step `model` over `minutes` in steps of `dt` [min].

    Inputs are constants or (minute, value) steps that hold until the next; what is absent takes
    its documented basal value. Starts at the drug-free steady state of the type and genotype
    unless `state` (n_nodes,) is given. Unknown names are refused with the nearest valid one.
    """
    n_steps = _whole_steps(minutes, dt)
    time = np.arange(n_steps + 1) * dt
    course = _input_course(inputs or {}, time, model.inputs)
    code = np.array([cell_type_code(cell_type)], np.int8)
    bits = np.array([genotype_bits(genotype, model.genotypes)], np.int32)
    start = model.initial_state(code, bits) if state is None else np.asarray(state)[None]
    out = model.allocate(1)
    nodes = np.empty((n_steps + 1, len(NODES)), np.float32)
    outputs = np.empty((n_steps + 1, len(OUTPUTS)), np.float32)
    in_domain = np.empty(n_steps + 1, bool)
    current = np.ascontiguousarray(start, np.float32)
    for k in range(n_steps + 1):  # a step of no length reads the heads at time 0
        key = Key(np.zeros(1, np.int64), k, seed=0)
        cells = Cells(current, course[max(k - 1, 0)][None], bits, code, key=key)
        model.step(cells, dt if k else 0.0, out=out)
        current = out.state.copy()
        nodes[k], outputs[k], in_domain[k] = current[0], out.outputs[0], out.in_domain[0]
    return Trajectory(time, nodes, outputs, in_domain)


def free_run(model: CellModel, cells: Cells, dt: float, n_steps: int) -> Iterator[Decision]:
    """What is decided at the end of every step of `dt` [min] in constant surroundings.

    All steps are written into the same arrays; each of them starts from the state of the last.
    """
    out = model.allocate(len(cells))
    for step in range(n_steps):
        key = cells.key and cells.key._replace(tick=cells.key.tick + step)
        model.step(replace(cells, key=key), dt, out=out)
        yield out
        cells = replace(cells, state=out.state.copy())


def _whole_steps(minutes: float, dt: float) -> int:
    n_steps = round(minutes / dt)
    if dt <= 0.0 or abs(n_steps * dt - minutes) > 1e-6 * max(dt, 1.0):
        msg = f"{minutes} minutes are not a whole number of steps of {dt} minutes"
        raise ValueError(msg)
    return n_steps


def level_at(value: Steps, minute: float, basal: float = 0.0) -> float:
    """Value of an input at a time [min]; `basal` before its first step."""
    if isinstance(value, float | int | np.number):
        return float(value)
    held = [level for since, level in value if minute >= since - 1e-9]
    return float(held[-1]) if held else basal


def _input_course(
    inputs: Mapping[str, Steps], time: np.ndarray, channels: Sequence[Channel]
) -> np.ndarray:
    """Raw inputs float32 (n_times, n_inputs); row k holds from time[k] to time[k + 1]."""
    course, names = basal_inputs(len(time), channels), [channel.name for channel in channels]
    for name, value in inputs.items():
        k = find(name, names, "input")
        course[:, k] = [level_at(value, minute, channels[k].basal) for minute in time]
    return course


__all__ = [
    "Conditions",
    "Steps",
    "Surrogate",
    "Trajectory",
    "free_run",
    "level_at",
    "simulate",
]
