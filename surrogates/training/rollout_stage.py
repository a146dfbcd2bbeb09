"""What second stages of training add to the regression of drives: where errors lead in time.

On-policy rows: the network runs freely through new courses and the teacher says what the drives
are at the states it visits (Ross 2011, arXiv:1011.0686). Rollouts: from states of training rows,
under inputs that change in mid-course, the network runs some ticks, first one, then more, and is
compared with the teacher where it arrives,

    loss = mean over reads, cells and nodes of (h - h_teacher)^2 / (variance of the node + FLOOR).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surrogates.contract import Cells
from surrogates.data.sampling import Rows
from surrogates.network.parameters import SWEEP
from surrogates.network.torch import MonotoneUnits
from surrogates.prior.graph import Network
from surrogates.teacher.model import Teacher
from surrogates.training.rollouts import Course, Roller

TICK = 2.0 * SWEEP  # [min]
FLOOR = 1e-3  # of a node's variance over the courses
READS = (0.25, 0.5, 1.0)  # shares of the ticks after which states are compared


@dataclass(frozen=True)
class Relabelling:
    """On-policy rounds: how many, courses of the network in each, steps and rate of regression."""

    rounds: int = 2
    n_trajectories: int = 1500
    steps: int = 1500
    learning_rate: float = 0.02


@dataclass(frozen=True)
class Rollouts:
    """The stage of rollouts: ticks of each part of the curriculum, and steps spent on each."""

    ticks: tuple[int, ...] = (1, 16, 72)
    steps: tuple[int, ...] = (150, 150, 300)
    n_courses: int = 3072
    batch: int = 128
    learning_rate: float = 0.005
    weight: float = 1.0  # of the loss of rollouts beside that of drives

    def __post_init__(self) -> None:
        if len(self.ticks) != len(self.steps):
            msg = f"as many ticks as steps; got {list(self.ticks)} and {list(self.steps)}"
            raise ValueError(msg)


@dataclass(frozen=True, eq=False)
class Pool:
    """Courses of the teacher, cells first; inputs of segment 1 start half way."""

    start: np.ndarray  # (n, n_nodes)
    inputs: np.ndarray  # (2, n, n_inputs)
    genotype: np.ndarray
    cell_type: np.ndarray
    reads: np.ndarray  # (n_reads,) sweeps done
    wanted: np.ndarray  # (n_reads, n, n_nodes), the teacher's states there
    weight: np.ndarray  # (n_nodes,)


def draw_pool(teacher: Teacher, rows: Rows, n: int, ticks: int, seed: int) -> Pool:
    """Start from `n` rows; half way a cell meets what another row of its trajectory meets."""
    rng = np.random.default_rng([seed, ticks])
    first = rng.choice(len(rows), n, replace=n > len(rows))
    after = _partners(rng, rows.trajectory, first)
    inputs = np.stack([rows.inputs[first], rows.inputs[after]])
    genotype, cell_type = rows.genotype[first], rows.cell_type[first]
    reads = np.unique([max(1, round(share * ticks)) for share in READS])
    state, out, wanted = rows.state[first], teacher.allocate(n), []
    for tick in range(ticks):
        teacher.step(
            Cells(state, inputs[_segment(tick, ticks)], genotype, cell_type), TICK, out=out
        )
        state = out.state.copy()
        if tick + 1 in reads:
            wanted.append(state)
    weight = 1.0 / (np.var(np.concatenate(wanted), axis=0) + FLOOR)
    return Pool(rows.state[first], inputs, genotype, cell_type, 2 * reads, np.array(wanted), weight)


def rollout_loss(
    units: MonotoneUnits, roll: Roller, network: Network, pool: Pool, chosen: np.ndarray
) -> Tensor:
    """Mean squared error of where `chosen` courses of the pool arrive."""
    n_sweeps = int(pool.reads[-1])
    segment = np.array([_segment(sweep // 2, n_sweeps // 2) for sweep in range(n_sweeps)])
    competence = network.competence[pool.cell_type[chosen], : network.n_nodes]
    course = Course(
        pool.start[chosen],
        pool.inputs[:, chosen],
        pool.genotype[chosen],
        competence,
        segment,
        np.full(n_sweeps, SWEEP),
        pool.reads,
    )
    error = roll(units, course) - torch.from_numpy(pool.wanted[:, chosen])
    return (error.square() * torch.from_numpy(pool.weight)).mean()


def _segment(tick: int, ticks: int) -> int:
    return int(2 * tick >= ticks and ticks > 1)


def _partners(rng: np.random.Generator, trajectory: np.ndarray, first: np.ndarray) -> np.ndarray:
    """For every row another (or the same) row of its trajectory, at random."""
    order = np.argsort(trajectory, kind="stable")
    numbers, begin, count = np.unique(trajectory[order], return_index=True, return_counts=True)
    where = np.searchsorted(numbers, trajectory[first])
    partners: np.ndarray = order[begin[where] + (rng.random(len(first)) * count[where]).astype(int)]
    return partners


__all__ = ["Pool", "Relabelling", "Rollouts", "draw_pool", "rollout_loss"]
