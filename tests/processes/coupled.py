"""What processes are handed, for tests of one process: a coupling, a medium, a clock."""

from types import SimpleNamespace

import numpy as np

from tests.reference.bodies import DECAY, GROWTH, OUTPUTS, domain
from tme_sim.model.cell_types import CellTypes
from tme_sim.model.coupling import Coupling
from tme_sim.processes.mechanics import ContactProperties
from tme_sim.processes.process import Clock, Pending


def cell_types(n_types=1, **changes):
    """Types of one body, all tumor, none a vessel."""
    given = {
        "names": tuple(f"type_{k}" for k in range(n_types)),
        "network": np.zeros(n_types, np.int8),
        "growth": GROWTH,
        "decay": DECAY,
        "contact": ContactProperties.uniform(n_types),
        "vessel_surface": np.zeros(n_types),
        "inheritance_noise": np.zeros(n_types),
        "tumor": np.ones(n_types, bool),
    }
    return CellTypes(**given | changes)


def coupling(n_types=1, *, types=None, **changes):
    """A coupling without substrates, vessels, supplies and mutations, but for what is given."""
    given = {
        "cell_model": None,
        "cell_types": cell_types(n_types, **(types or {})),
        "domain": domain(1e3, 1e3, 1e3),
        "basal": {},
        "sensed": {},
        "ports": (),
        "vessel_walls": {},
        "output_names": OUTPUTS,
        "output_high": dict.fromkeys(OUTPUTS, 1.0),
        "output_range": np.ones(len(OUTPUTS), np.float32),
        "silent": np.zeros(len(OUTPUTS), np.float32),
        "supplies": (),
        "mutation_rates": {},
        "mechanics": True,
        "motility": True,
    }
    return Coupling(**given | changes)


def clock(tick=0, *, dt=6.0, seed=1):
    """The tick of this number."""
    return Clock(tick, tick * dt, dt, seed)


def decide(population, **outputs):
    """Write outputs of the cell model, by name; those not given stay."""
    for name, value in outputs.items():
        population["outputs"][:, OUTPUTS.index(name)] = value


def output(population, name):
    """View of one output."""
    return population["outputs"][:, OUTPUTS.index(name)]


def medium(grid, **gradients):
    """Substrates that stay as they are: name -> (concentration, gradient)."""

    class Medium(SimpleNamespace):
        def __getitem__(self, name):
            return gradients[name][0]

        def gradient(self, name):
            return gradients[name][1]

    return Medium(grid=grid)


def pending(population, **decisions):
    """Nothing yet decided in this tick, but for what is given."""
    return Pending.nothing(population.n)._replace(**decisions)


def run(process, population, *, env=None, given=None, coupled=None, at=None):
    """One tick of one process; what it decided."""
    given = pending(population) if given is None else given
    coupled = coupling() if coupled is None else coupled
    at = clock() if at is None else at
    return process.advance(population, env, given, coupling=coupled, clock=at)
