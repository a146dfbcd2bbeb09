"""Sample the teacher: states along its trajectories, with the drive of every unit as the target.

The drive is local (a function of the present state and inputs), so rows of all times, types and
genotypes train together. Some rows are moved off the trajectory (noise on all nodes, or some nodes
replaced), which teaches the way back. Rows keep the number of their trajectory: data are split by
trajectory, never by row.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from surrogates.contract import CellModel, Cells
from surrogates.data.conditions import Courses, draw_courses
from surrogates.teacher.model import Teacher


@dataclass(frozen=True)
class Sampling:
    """How much to sample and how; times in minutes."""

    seed: int = 1
    n_trajectories: int = 6000
    n_held_out: int = 600
    n_segments: int = 4
    minutes: float = 4320.0
    snapshots: int = 20  # rows kept per trajectory
    early_share: float = 0.5  # of snapshots, in the first two hours after a switch, log-uniform
    noisy_share: float = 0.12
    noise: float = 0.1  # standard deviation on nodes
    replaced_share: float = 0.08  # rows in which a fifth of the nodes take any value
    random_start_share: float = 0.3  # trajectories that start with slow nodes at any value


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples, one per row, float32 unless said; `target` is the teacher's drive of every unit."""

    state: np.ndarray  # (n, n_nodes)
    inputs: np.ndarray  # (n, n_inputs) raw units
    genotype: np.ndarray  # int32 (n,)
    cell_type: np.ndarray  # int8 (n,)
    target: np.ndarray  # (n, n_units)
    trajectory: np.ndarray  # int32 (n,)

    def __len__(self) -> int:
        return len(self.state)

    def take(self, rows: np.ndarray | slice) -> "Rows":
        """Rows by index or mask."""
        return Rows(*(getattr(self, field.name)[rows] for field in fields(self)))


SLOW = 300.0  # [min] nodes slower than this are set at random in random starts


def sample(
    teacher: Teacher, config: Sampling, *, held_out: bool = False, follower: CellModel | None = None
) -> Rows:
    """Rows of `config.n_trajectories` courses, or of `n_held_out` ones with held-out drug pairs.

    The states are those that `follower` (a cell model; the teacher unless named) runs through,
    disturbed in part; the drives at them are always the teacher's.
    """
    rng = np.random.default_rng([config.seed, int(held_out)])
    n = config.n_held_out if held_out else config.n_trajectories
    courses = draw_courses(rng, n, config.n_segments, held_out=held_out)
    state, segment, trajectory = _follow(follower or teacher, teacher, courses, config, rng)
    cell_type, genotype = courses.cell_type[trajectory], courses.genotype[trajectory]
    inputs = np.ascontiguousarray(courses.inputs[segment, trajectory])
    state = _disturb(rng, state, config)
    target = teacher.drive(Cells(state, inputs, genotype, cell_type))
    return Rows(state, inputs, genotype, cell_type, target, trajectory.astype(np.int32))


def split(rows: Rows, share: float, seed: int) -> tuple[Rows, Rows]:
    """Training and validation rows; a trajectory is whole in one of them."""
    numbers = np.unique(rows.trajectory)
    order = np.random.default_rng(seed).permutation(numbers)
    held = np.isin(rows.trajectory, order[: max(1, round(share * len(numbers)))])
    return rows.take(~held), rows.take(held)


def start_states(
    teacher: Teacher, courses: Courses, rng: np.random.Generator, random_share: float
) -> np.ndarray:
    """Drug-free steady states, in some cells with slow nodes anywhere in their range."""
    state = teacher.initial_state(courses.cell_type, courses.genotype)
    n = len(state)
    competence = teacher.network.competence[courses.cell_type, : teacher.network.n_nodes]
    slow = teacher.network.tau > SLOW
    anywhere = (rng.random((n, 1)) < random_share) & slow & (rng.random(state.shape) < 0.5)
    return np.where(anywhere, rng.random(state.shape) * competence, state).astype(np.float32)


def join(*parts: Rows) -> Rows:
    """All rows of several tables; trajectories are numbered on."""
    shifted, first = [], 0
    for part in parts:
        shifted.append(replace(part, trajectory=part.trajectory + np.int32(first)))
        first += int(part.trajectory.max()) + 1
    return Rows(
        *(np.concatenate([getattr(part, field.name) for part in shifted]) for field in fields(Rows))
    )


def _follow(
    follower: CellModel,
    teacher: Teacher,
    courses: Courses,
    config: Sampling,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (n_rows, n_nodes) at random times, the segment and the trajectory of each."""
    n, n_segments = len(courses.cell_type), len(courses.inputs)
    length = config.minutes / n_segments
    per_segment = config.snapshots // n_segments
    state = start_states(teacher, courses, rng, config.random_start_share)
    out = follower.allocate(n)
    states, segments = [], []
    for k in range(n_segments):
        inputs = np.ascontiguousarray(courses.inputs[k])
        clock = 0.0
        for time in [*_snapshot_times(rng, per_segment, length, config.early_share), length]:
            follower.step(
                Cells(state, inputs, courses.genotype, courses.cell_type), time - clock, out=out
            )
            state, clock = out.state.copy(), time
            if time < length:
                states.append(state)
                segments.append(k)
    trajectory = np.tile(np.arange(n), len(states))
    return np.concatenate(states), np.repeat(segments, n), trajectory


def _snapshot_times(
    rng: np.random.Generator, count: int, length: float, early_share: float
) -> np.ndarray:
    """Times after a switch [min], half minutes, some of them early: a pulse lasts ten minutes."""
    early = rng.random(count) < early_share
    soon = np.exp(rng.uniform(np.log(0.5), np.log(120.0), count))
    times = np.where(early, soon, rng.uniform(1.0, length, count))
    return np.unique(np.clip(np.round(2.0 * times) / 2.0, 0.5, length - 1.0))


def _disturb(rng: np.random.Generator, state: np.ndarray, config: Sampling) -> np.ndarray:
    """Move some rows off their trajectory."""
    n = len(state)
    lot = rng.random(n)
    noisy = lot < config.noisy_share
    state = state.copy()
    state[noisy] += rng.normal(0.0, config.noise, (noisy.sum(), state.shape[1]))
    replaced = (lot > 1.0 - config.replaced_share)[:, None] & (rng.random(state.shape) < 0.2)
    state = np.where(replaced, rng.random(state.shape), state)
    within: np.ndarray = np.clip(state, 0.0, 1.0).astype(np.float32)
    return within
