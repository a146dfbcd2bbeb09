"""Every process says which columns it reads and writes, and keeps to that.

Each is run on tissues in which anything may be the case, by a population that notes which columns
are asked for. What it wrote is seen by comparing, what it read by shuffling a column.
"""

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
import pytest

from surrogates.channels import INPUT_CHANNELS, NODES, OUTPUT_CHANNELS
from tests.model.small import small
from tme_sim.fields import Grid, Microenvironment, Substrate
from tme_sim.model.coupling import Coupling, Supply
from tme_sim.processes import (
    arrival,
    contact,
    cycle,
    death,
    diffusion,
    division,
    exchange,
    motion,
    mutation,
    sensing,
    signaling,
)
from tme_sim.processes.process import Clock, Pending
from tme_sim.state.columns import Population

PROCESSES = (  # in the order in which they need each other
    *(exchange, diffusion, sensing, signaling, motion, contact, cycle, death),
    *(arrival, division, mutation),
)
SITUATIONS = 3
N = 150
CLOCK = Clock(tick=7, time=42.0, dt=6.0, seed=3)
EACH = pytest.mark.parametrize(
    "process", PROCESSES, ids=[process.__name__.split(".")[-1] for process in PROCESSES]
)


class Watched(Population):
    """A population that notes which columns are asked for."""

    asked = frozenset()

    def __getitem__(self, name):
        self.asked |= {name}
        return super().__getitem__(name)


class Mind:
    """A cell model whose decisions depend on all it is told."""

    inputs, outputs = INPUT_CHANNELS, OUTPUT_CHANNELS

    def step(self, cells, dt, *, out):
        told = cells.inputs.sum(axis=1) + cells.genotype / 7 + cells.cell_type / 3
        told = (told + cells.key.cell_id % 11 / 11) % 1.0
        out.state[:] = 0.5 * cells.state + 0.1 * told[:, None] + 1e-3 * dt
        out.outputs[:] = told[:, None] * np.linspace(0.1, 1.0, out.outputs.shape[1])
        out.sigma[:] = out.outputs * 0.1
        out.in_domain[:] = told > 0.5


class Outcome(NamedTuple):
    """What a process left."""

    columns: dict  # after it, of all rows
    decided: list  # arrays
    fields: dict
    n: int


@functools.cache
def coupling():
    """That of the small scenario, with everything that a process may ask for."""
    scenario = small(evolution={"NRAS_Q61": {"rate": "0.09 per division"}})
    made = Coupling.of(scenario, Mind())
    types = made.cell_types
    return dataclasses.replace(
        made,
        cell_types=dataclasses.replace(
            types,
            inheritance_noise=np.full(len(types.names), 0.1),
            decay=types.decay._replace(apoptosis_duration=np.linspace(1e3, 3e3, len(types.names))),
            contact=dataclasses.replace(
                types.contact, b7=np.linspace(0.0, 1.0, len(types.names), dtype=np.float32)
            ),
        ),
        ports=tuple(port._replace(cell_clearance=50.0) for port in made.ports),
        sensed=made.sensed | {"oxygen": "oxygen"},
        supplies=(Supply(3, 20.0, 5.0),),
    )


def environment():
    specs = small().substrates
    substrates = [Substrate(name, spec.diffusivity, 0.1, 5.0) for name, spec in specs.items()]
    env = Microenvironment(Grid((1, 15, 15)), substrates)
    for k, name in enumerate(specs):
        env[name][:] *= np.random.default_rng(k).uniform(0.5, 2.0, env[name].shape)
    return env


def tissue(situation):
    """A population of which each cell may be anything, crowded so that cells touch."""
    rng = np.random.default_rng(situation)
    cells = Watched(len(NODES), len(INPUT_CHANNELS), len(OUTPUT_CHANNELS))
    ids = rng.permutation(np.arange(1, N + 1)) * 17
    volume = rng.uniform(1500, 5000, N)
    heading = rng.normal(size=(N, 3)) * [1, 1, 0]
    given = {
        "id": ids,
        "mother": rng.integers(0, 9, N),
        "type": rng.integers(0, len(coupling().cell_types.names), N),
        "group": rng.integers(0, 4, N),
        "clone": rng.integers(0, 5, N),
        "genotype": rng.integers(0, 8, N),
        "birth_time": rng.uniform(0, 30, N),
        "n_divisions": rng.integers(0, 4, N),
        "position": rng.uniform(0, 300, (N, 3)) * [1, 1, 0] + [0, 0, 10],
        "direction": heading / np.linalg.norm(heading, axis=1)[:, None],
        "volume": volume,
        "fluid_volume": volume * rng.uniform(0.5, 0.8, N),
        "nuclear_volume": volume * rng.uniform(0.02, 0.1, N),
        "radius": (0.75 / np.pi * volume) ** (1 / 3) * rng.uniform(0.9, 1.1, N),
        "status": rng.choice([0, 0, 0, 1, 2, 3], N),
        "phase": rng.integers(0, 3, N),
        "phase_age": rng.uniform(0, 12, N),
        "phase_progress": rng.random(N),
        "death_time": rng.uniform(0, 4000, N),
        "death_volume": rng.uniform(500, 5000, N),
        "death_cause": rng.integers(0, 3, N),
        "target": rng.choice(ids, N) * rng.integers(0, 2, N),
        "in_domain": rng.random(N) < 0.5,
        "nodes": rng.random((N, len(NODES))),
        "inputs": rng.random((N, len(INPUT_CHANNELS))),
        "outputs": outputs(rng),
    }
    scratch = set(cells) - set(given)
    cells.append(N, **given, **{name: rng.random(N) for name in scratch})
    return cells


def outputs(rng):
    """Anything between the limits, rates high enough that much happens in a tick."""
    low = np.array([channel.low for channel in OUTPUT_CHANNELS])
    high = np.array([channel.high for channel in OUTPUT_CHANNELS])
    return low + (high - low) * rng.random((N, len(OUTPUT_CHANNELS)))


def decisions(cells, process):
    """What earlier processes of the tick would have handed on."""
    given = Pending.nothing(cells.n)._replace(plasma={"vemurafenib": 3.0})
    if process is contact:
        return motion.advance(cells, environment(), given, coupling=coupling(), clock=CLOCK)
    if process is division:
        return given._replace(dividing=np.arange(cells.n) % 3 == 0)
    return given._replace(born=slice(40, 120)) if process is mutation else given


def before(process, situation):
    """Cells at the start of a process, and what was decided."""
    cells = tissue(situation)
    given = decisions(cells, process)
    cells.asked = frozenset()
    return cells, given


def outcome(process, cells, given):
    env = environment()
    done = process.advance(cells, env, given, coupling=coupling(), clock=CLOCK)
    arrays = [done.dividing, done.died, done.cleared]
    arrays += [np.array(done.mutants), np.array([done.born.stop])]
    arrays += [np.asarray(part) for arrivals in done.arriving for part in arrivals]
    asked = cells.asked
    columns = {name: cells[name].copy() for name in cells}
    cells.asked = asked
    env.step(1.0)  # what was handed over shows in what the solver makes of it
    return Outcome(columns, arrays, {name: env[name].copy() for name in env.names}, cells.n)


def same(one, other):
    return one.shape == other.shape and np.array_equal(one, other)


def changed_rows(start, end):
    """Rows of a column that are new or not what they were."""
    n = len(start)
    differs = (start != end[:n]).reshape(n, -1).any(axis=1)
    return np.append(np.flatnonzero(differs), np.arange(n, len(end)))


@functools.cache
def usual(process, situation):
    """Columns before, outcome, and columns asked for, of a process in a situation."""
    cells, given = before(process, situation)
    start = cells.state()
    cells.asked = frozenset()
    end = outcome(process, cells, given)
    return start, end, cells.asked


def effect(process, situation, name):
    """What changes elsewhere, and where the column itself is written, once it is shuffled."""
    start, end, _ = usual(process, situation)
    cells, given = before(process, situation)
    cells[name][:] = np.random.default_rng(9).permutation(cells[name])
    other = outcome(process, cells, given)
    elsewhere = [column for column in end.columns if column != name]
    differ = {c for c in elsewhere if not same(end.columns[c], other.columns[c])}
    differ |= {"fields" for c in end.fields if not same(end.fields[c], other.fields[c])}
    differ |= {"decided" for a, b in zip(end.decided, other.decided, strict=True) if not same(a, b)}
    rows = changed_rows(start[name], end.columns[name])
    if end.n == other.n and not same(end.columns[name][rows], other.columns[name][rows]):
        differ.add(name)
    return differ


@EACH
def test_a_process_asks_for_what_it_declares_and_no_more(process):
    asked = frozenset().union(*(usual(process, k)[2] for k in range(SITUATIONS)))

    assert asked == {*process.READS, *process.WRITES}


@EACH
def test_a_process_changes_what_it_declares_and_no_more(process):
    changed = set()
    for k in range(SITUATIONS):
        start, end, _ = usual(process, k)
        changed |= {c for c in start if not same(start[c], end.columns[c][: len(start[c])])}

    assert changed == set(process.WRITES)


@EACH
def test_every_column_that_a_process_reads_makes_a_difference(process):
    idle = [c for c in process.READS if not any(effect(process, k, c) for k in range(SITUATIONS))]

    assert idle == []


@EACH
def test_what_a_process_writes_without_reading_may_have_been_anything(process):
    for name in set(process.WRITES) - set(process.READS):
        assert effect(process, 0, name) == set(), name


def test_a_column_that_is_not_declared_is_noticed(monkeypatch):
    monkeypatch.setattr(cycle, "READS", tuple(set(cycle.READS) - {"status"}))

    with pytest.raises(AssertionError):
        test_a_process_asks_for_what_it_declares_and_no_more(cycle)
