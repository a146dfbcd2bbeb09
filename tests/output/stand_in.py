"""A stand-in for the model, for tests of the run file only: real columns, made-up cells.

It grows, dies and carries a dose so that every part of a run file has something in it. What it
does is a function of its tick, so two of them are equal, and one restored goes on as the other.
"""

import contextlib
from types import SimpleNamespace

import h5py
import numpy as np

from surrogates.channels import CELL_TYPES, Channel
from tme_sim.fields.grid import Grid
from tme_sim.output.seal import seal
from tme_sim.state.columns import Population

TICK = 6.0
DAY = 1440.0
NODES = ("ERK", "AKT", "HIF1A", "crowding")
INPUTS = ("oxygen", "vemurafenib")
OUTPUTS = ("g1s_rate", "kill_rate", "PDL1")


def channels(names, unit="1"):
    return tuple(Channel(n, unit, 0.0, 1.0, 0.0, f"{n} of a test", "assumed") for n in names)


class Env(dict):
    @property
    def names(self):
        return tuple(self)


class StandIn:
    """What a recorder needs of a model."""

    def __init__(
        self, n_cells=200, dim=2, seed=1, columns="standard", name="stand_in", nodes=NODES
    ):
        groups = {"tumor": "tumor", "caf": "fibroblast", "cd8": "cd8_t"}
        groups = {n: {"type": t, "supply": "0 per hour"} for n, t in groups.items()}
        shape = (1, 30, 30) if dim == 2 else (20, 30, 30)
        self.grid = Grid(shape=shape, voxel=20.0)
        self.seed = seed
        self.scenario = SimpleNamespace(
            name=name,
            seed=seed,
            source=f"name: {name}\nseed: {seed}\n",
            path=None,
            therapy=(),
            policies=(),
            files={"/data/cells.csv": "x,y\n1,2\n"},
            domain=SimpleNamespace(size=self.grid.size[:dim], voxel=20.0),
            cells={"tumor": None, "caf": None, "cd8": None},
            output=SimpleNamespace(fields=("oxygen", "vemurafenib"), columns=columns),
            substrates={
                "oxygen": SimpleNamespace(unit="mmHg"),
                "vemurafenib": SimpleNamespace(unit="uM"),
            },
            resolved=lambda: {"name": name, "seed": seed, "cells": groups},
        )
        self.cell_model = SimpleNamespace(
            name="stand-in",
            hash="0" * 64,
            nodes=channels(nodes),
            inputs=channels(INPUTS),
            outputs=channels(OUTPUTS, "1/min"),
        )
        self.cell_types = SimpleNamespace(
            names=CELL_TYPES,
            network=np.arange(len(CELL_TYPES)),
            tumor=np.array([name == "tumor" for name in CELL_TYPES]),
        )
        self.therapy = SimpleNamespace(plasma=lambda: {"vemurafenib": self._plasma()}, bodies={})
        self.drug_balance = ()
        self.env = Env()
        self.population = Population(len(nodes), len(INPUTS), len(OUTPUTS))
        self.tick_index, self.time, self._next = 0, 0.0, 1
        self.lineage, self.events, self.timers = [], [], {"fields": 0.5, "signaling": 0.25}
        self.clones = [SimpleNamespace(index=0, parent=-1, genotype=1, time=0.0, name="tumor")]
        self._add(n_cells, mother=0)
        self._decide()

    def step(self):
        self.tick_index += 1
        self.time = self.tick_index * TICK
        rng = np.random.default_rng([self.seed, self.tick_index])
        pop = self.population
        if self.tick_index % 20 == 0:
            self.events.append((self.time, "dose", "vemurafenib 960 mg"))
        if self.tick_index == 30:
            self.clones.append(
                SimpleNamespace(index=1, parent=0, genotype=5, time=self.time, name="tumor NRAS")
            )
        dying = rng.random(pop.n) < 0.004
        for row in np.flatnonzero(dying & (pop["status"] == 0)):
            pop["status"][row] = 1
            self.lineage.append((self.time, int(pop["id"][row]), 0, "death", "apoptosis", 0))
        pop.keep(~((pop["status"] == 1) & (rng.random(pop.n) < 0.05)))
        self._add(int(rng.integers(0, 4)), mother=int(pop["id"][0]), rng=rng)
        self._decide()

    def state(self):
        return {
            "population": self.population.state(),
            "tick": self.tick_index,
            "next": self._next,
            "clones": list(self.clones),
        }

    def restored(self, state):
        """Another model that goes on from ``state``, its past lineage and events forgotten."""
        other = StandIn(0, self.grid.dim, self.seed, self.scenario.output.columns)
        other.population.restore(state["population"])
        other.tick_index, other._next = state["tick"], state["next"]
        other.time, other.clones = other.tick_index * TICK, list(state["clones"])
        other.lineage, other.events = [], []
        other._decide()
        return other

    def _plasma(self):
        return 50.0 * np.exp(-((self.time % 120.0) / 90.0)) * (self.time >= 120.0)

    def _add(self, n, mother, rng=None):
        rng = rng or np.random.default_rng([self.seed, 0])
        position = rng.normal(300.0, 70.0, (n, 3))
        if self.grid.dim == 2:
            position[:, 2] = 10.0
        group = rng.choice(3, n, p=[0.7, 0.2, 0.1])
        ids = np.arange(self._next, self._next + n)
        clone = (self.tick_index >= 30) * np.ones(n, int)
        self.population.append(
            n,
            id=ids,
            type=group,
            group=group,
            clone=np.where(group == 0, clone, 0),
            position=np.clip(position, 0, self.grid.size),
            volume=rng.uniform(1500, 3000, n),
            radius=rng.uniform(6, 10, n),
            phase=rng.integers(0, 3, n),
            mother=mother,
        )
        self._next += n
        event = "birth" if mother else "founder"
        self.lineage += [(self.time, int(i), mother, event, "", 0) for i in ids]

    def _decide(self):
        pop = self.population
        levels = (pop["id"][:, None] * 0.618 + np.arange(len(self.cell_model.nodes)) * 0.3) % 1.0
        pop["nodes"][:] = levels
        pop["outputs"][:] = levels[:, : len(OUTPUTS)] * 1e-3
        pop["crowding"][:] = levels[:, 3] * 2
        pop["sigma"][:] = 0.05
        pop["in_domain"][:] = pop["id"] % 10 != 0
        _, ny, nx = self.grid.shape
        y, x = np.mgrid[0:ny, 0:nx]
        core = np.exp(-((x - 15) ** 2 + (y - 15) ** 2) / 60.0)
        core = np.broadcast_to(core, self.grid.shape)
        self.env["oxygen"] = (38.0 - 30.0 * core).astype("f4")
        self.env["vemurafenib"] = (self._plasma() * (1 - 0.6 * core)).astype("f4")


def record(path, model=None, ticks=100, frame_every=10, reason="duration"):
    """A recorded stand-in run."""
    from tme_sim.output.recorder import Recorder

    model = model or StandIn()
    recorder = Recorder(path, model)
    recorder.frame(model)
    advance(model, recorder, ticks, frame_every)
    recorder.finish(model, reason)
    return model


@contextlib.contextmanager
def changing(path):
    """A run file that somebody changes, and seals again."""
    with h5py.File(path, "r+") as file:
        yield file
    seal(path)


def advance(model, recorder, ticks, frame_every=10):
    for _ in range(ticks):
        model.step()
        recorder.tick(model)
        if model.tick_index % frame_every == 0:
            recorder.frame(model)
