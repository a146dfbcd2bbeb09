"""The contract between a tissue and whatever decides what its cells do.

Once per tick a cell model is handed all cells in one batch and writes what each of them does:

    class Mine:                                    # a cell model of a user's; no base class
        name, hash = "mine", "1"
        inputs, nodes, outputs = INPUT_CHANNELS, NODE_CHANNELS, OUTPUT_CHANNELS
        genotypes = GENOTYPES

        def initial_state(self, cell_type, genotype): ...     # float32 (n, n_nodes)
        def allocate(self, n): return Decision.allocate(n)
        def step(self, cells, dt, *, out): ...                # writes all four arrays of `out`

What a cell does must depend on its own row alone, or results would depend on how cells are put into
batches. Luck is a function of `Cells.key`: it depends on no thread, batch or order either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from surrogates.channels import NODES, OUTPUTS, Channel

Rows = np.ndarray | slice  # some of the cells: indices, a mask, or a range


class Key(NamedTuple):
    """What a draw of a cell model depends on: which cell it is, the tick, the run."""

    cell_id: np.ndarray  # int64 (n,), never used twice in a run
    tick: int
    seed: int


@dataclass(frozen=True, eq=False)
class Cells:
    """What a cell model reads, a row per cell; arrays C-contiguous, on the host.

    Attributes:
        state: float32 (n, n_nodes), as the model left it.
        inputs: float32 (n, n_inputs), raw, in the units of the model's channels.
        genotype: int32 (n,), bit k for the k-th of the model's genotypes.
        cell_type: int8 (n,), index into `channels.CELL_TYPES`.
        line: int16 (n,), index into the cell lines that a model was fitted to; None where no cell
            is of a line. The shipped models were fitted to none and refuse it.
        abundance: float32 (n, n_units), a factor on the competence of every unit; None for 1.
        key: what draws depend on; None where cells have no identity.
    """

    state: np.ndarray
    inputs: np.ndarray
    genotype: np.ndarray
    cell_type: np.ndarray
    line: np.ndarray | None = None
    abundance: np.ndarray | None = None
    key: Key | None = None

    def __len__(self) -> int:
        return len(self.cell_type)

    @staticmethod
    def concatenate(parts: "Sequence[Cells]") -> "Cells":
        """Cells of several batches, all of one run and tick, in one."""
        keys = [part.key for part in parts if part.key is not None]
        return Cells(
            np.concatenate([part.state for part in parts]),
            np.concatenate([part.inputs for part in parts]),
            np.concatenate([part.genotype for part in parts]),
            np.concatenate([part.cell_type for part in parts]),
            line=_concatenate([part.line for part in parts]),
            abundance=_concatenate([part.abundance for part in parts]),
            key=keys[0]._replace(cell_id=np.concatenate([k.cell_id for k in keys]))
            if keys
            else None,
        )

    def contiguous(self) -> "Cells":
        """The same, as arrays that kernels take: contiguous, of the types of the contract."""
        return replace(
            self,
            state=np.ascontiguousarray(self.state, np.float32),
            inputs=np.ascontiguousarray(self.inputs, np.float32),
            genotype=np.ascontiguousarray(self.genotype, np.int32),
            cell_type=np.ascontiguousarray(self.cell_type, np.int8),
        )

    def take(self, rows: Rows) -> "Cells":
        """Some of the cells: a copy for indices or a mask, a view for a slice."""
        return Cells(
            self.state[rows],
            self.inputs[rows],
            self.genotype[rows],
            self.cell_type[rows],
            line=None if self.line is None else self.line[rows],
            abundance=None if self.abundance is None else self.abundance[rows],
            key=None if self.key is None else self.key._replace(cell_id=self.key.cell_id[rows]),
        )


def _concatenate(columns: "Sequence[np.ndarray | None]") -> np.ndarray | None:
    given = [column for column in columns if column is not None]
    return np.concatenate(given) if given else None


class Decision(NamedTuple):
    """What a cell model writes, a row per cell, into arrays that the caller allocates.

    The state may be the array that `Cells.state` is: a model reads a row before it writes it.
    """

    state: np.ndarray  # float32 (n, n_nodes)
    outputs: np.ndarray  # float32 (n, n_outputs), in the units of the model's channels
    sigma: np.ndarray  # float32 (n, n_outputs), epistemic standard deviation of the outputs
    in_domain: np.ndarray  # bool (n,), whether the model was trained on such a situation

    @classmethod
    def allocate(cls, n: int, n_nodes: int = len(NODES), n_outputs: int = len(OUTPUTS)) -> Self:
        """Room for `n` cells: zeros, and all of them in the domain."""
        return cls(
            np.zeros((n, n_nodes), np.float32),
            np.zeros((n, n_outputs), np.float32),
            np.zeros((n, n_outputs), np.float32),
            np.ones(n, bool),
        )

    def put(self, rows: Rows, part: "Decision") -> None:
        """Take over what was decided about some of the cells."""
        for mine, theirs in zip(self, part, strict=True):
            mine[rows] = theirs


@runtime_checkable
class CellModel(Protocol):
    """What a tissue asks of a cell model."""

    @property
    def name(self) -> str:
        """What the model is called in tables and run files."""

    @property
    def hash(self) -> str:
        """Changes with whatever the model's decisions depend on."""

    @property
    def inputs(self) -> Sequence[Channel]:
        """What a cell senses, in the order of the columns of `Cells.inputs`."""

    @property
    def nodes(self) -> Sequence[Channel]:
        """What a cell remembers, in the order of the columns of `Cells.state`."""

    @property
    def outputs(self) -> Sequence[Channel]:
        """What a cell does, in the order of the columns of `Decision.outputs`."""

    @property
    def genotypes(self) -> tuple[str, ...]:
        """Names of the bits of a genotype."""

    def initial_state(self, cell_type: ArrayLike, genotype: ArrayLike) -> np.ndarray:
        """Drug-free steady state of each type and genotype, float32 (n, n_nodes)."""

    def allocate(self, n: int) -> Decision:
        """Room for what is decided about `n` cells."""

    def step(self, cells: Cells, dt: float, *, out: Decision) -> None:
        """Advance all cells by `dt` [min] at constant inputs; 0 reads outputs of the present state.

        `out.outputs` are what acts from the end of the step on.
        """


__all__ = ["CellModel", "Cells", "Decision", "Key", "Rows"]
