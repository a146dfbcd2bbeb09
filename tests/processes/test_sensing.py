"""What cells sense, and what becomes of what the cell model decides."""

import numpy as np
import pytest

from tests.processes.coupled import clock, coupling, run
from tests.reference.bodies import GROWTH
from tme_sim.compute import launch
from tme_sim.fields import Microenvironment, Substrate
from tme_sim.fields.grid import Grid
from tme_sim.processes import sensing, signaling
from tme_sim.state.columns import ALIVE, APOPTOTIC, G2M, Population, S

GRID = Grid((3, 4, 5))
BASAL = {
    "oxygen": 38.0,
    "HGF": 0.1,
    "phase_S": 0.0,
    "antigen": 0.0,
    "granzyme_hits": 0.0,
    "phase_age": 0.0,
    "volume_ratio": 1.0,
    "phase_G2M": 0.0,
    "crowding": 0.0,
}


@pytest.fixture(params=[1, 10_000], ids=["parallel", "serial"])
def cells(request, monkeypatch):
    monkeypatch.setattr(launch, "PARALLEL_FROM", request.param)
    rng = np.random.default_rng(0)
    n = 50
    population = Population(2, len(BASAL), 3)
    population.append(
        n,
        id=np.arange(1, n + 1),
        position=rng.uniform(-10, 110, (n, 3)),
        volume=rng.uniform(1, 3, n),
        type=rng.integers(0, 2, n),
        phase=rng.integers(0, 3, n),
        phase_age=rng.uniform(0, 600, n),
        antigen_contact=rng.random(n),
        crowding=rng.random(n),
        granzyme_hits=rng.integers(0, 4, n),
    )
    return population


def test_every_input_comes_from_where_it_should(cells):
    env = Microenvironment(GRID, [Substrate("gas", diffusivity=1.0, initial=7.0)])
    env["gas"][:] = np.random.default_rng(1).random(GRID.shape)
    reference = np.array([2.0, 4.0])
    growth = GROWTH._replace(volume=reference)
    coupled = coupling(types={"growth": growth}, basal=BASAL, sensed={"oxygen": "gas"})
    run(sensing, cells, env=env, coupled=coupled, at=clock(dt=12.0))
    expected = {
        "oxygen": env["gas"].ravel()[GRID.voxel_of(cells["position"])],
        "HGF": 0.1,
        "antigen": cells["antigen_contact"],
        "crowding": cells["crowding"],
        "granzyme_hits": cells["granzyme_hits"] / 2.0,
        "phase_age": cells["phase_age"] / 60.0,
        "volume_ratio": cells["volume"] / reference[cells["type"]],
        "phase_S": cells["phase"] == S,
        "phase_G2M": cells["phase"] == G2M,
    }
    for column, name in enumerate(BASAL):
        np.testing.assert_allclose(cells["inputs"][:, column], expected[name], rtol=1e-6)


class Mind:
    """A cell model that adds one to the state and decides by row."""

    def step(self, cells, dt, *, out):  # noqa: ARG002
        out.state[:] = cells.state + 1.0
        out.outputs[:] = np.arange(len(cells))[:, None]
        out.sigma[:] = [0.1, 0.6, 0.2]
        out.in_domain[:] = False


def test_the_dead_keep_their_state_and_decide_nothing(cells):
    cells["status"][:] = ALIVE
    cells["status"][::3] = APOPTOTIC
    before, dead = cells["nodes"].copy(), cells["status"] == APOPTOTIC
    silent = np.array([0.0, 1.0, 0.0], np.float32)
    width = np.array([1.0, 2.0, 1.0], np.float32)
    types = {"network": np.arange(2, dtype=np.int8)}
    run(
        signaling,
        cells,
        coupled=coupling(cell_model=Mind(), types=types, silent=silent, output_range=width),
    )
    assert np.array_equal(cells["nodes"][dead], before[dead])
    assert np.array_equal(cells["nodes"][~dead], before[~dead] + 1.0)
    assert (cells["outputs"][dead] == silent).all()
    assert np.array_equal(cells["outputs"][~dead, 0], np.flatnonzero(~dead))
    assert np.array_equal(cells["in_domain"], dead)
    np.testing.assert_allclose(cells["sigma"], np.where(dead, 0.0, 0.3), rtol=1e-6)
