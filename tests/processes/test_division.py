"""Births: conservation, ids, inheritance."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.processes.coupled import coupling, pending, run
from tests.reference.bodies import GROWTH, domain, population
from tme_sim.compute.random import arrival_id, daughter_id
from tme_sim.processes import division
from tme_sim.processes.process import Clock
from tme_sim.processes.volume import set_volumes

NODES = np.array([[0.5, 0.98]], np.float32)


def mothers(n, **columns):
    cells = population(n, nodes=NODES, position=[500.0, 400.0, 300.0], clone=7, **columns)
    set_volumes(cells, slice(0, n), growth=GROWTH, size=np.linspace(1.1, 2.0, n))
    return cells


def divide(cells, dividing=None, *, noise=0.1, size=(1e3, 1e3, 1e3), tick=5, **how):
    dividing = np.ones(cells.n, bool) if dividing is None else np.asarray(dividing)
    types = {"inheritance_noise": np.array([noise])}
    coupled = coupling(types=types, domain=domain(*size, **how))
    given = pending(cells, dividing=dividing)
    return run(division, cells, given=given, coupled=coupled, at=Clock(tick, 30.0, 6.0, 3)).born


class Lives(RuleBasedStateMachine):
    """Random ticks of births, arrivals and removals, held against volumes by id."""

    def __init__(self):
        super().__init__()
        self.cells = mothers(3)
        self.volume = dict(zip(self.cells["id"].tolist(), self.cells["volume"], strict=True))
        self.ever = set(self.volume)
        self.tick = 0

    def masks(self, data):
        picked = st.lists(st.booleans(), min_size=self.cells.n, max_size=self.cells.n)
        return np.array(data.draw(picked), dtype=bool)

    @rule(data=st.data())
    def divide(self, data):
        mask = self.masks(data)
        parents = self.cells["id"][mask].tolist()
        self.tick += 1
        rows = divide(self.cells, mask, tick=self.tick)
        daughters = self.cells["id"][rows].tolist()
        assert self.cells["mother"][rows].tolist() == parents
        assert not self.ever & set(daughters)  # an id is never used again
        self.ever |= set(daughters)
        for mother, daughter in zip(parents, daughters, strict=True):
            self.volume[mother] = self.volume[daughter] = self.volume[mother] * np.float32(0.5)

    @rule(data=st.data())
    def remove(self, data):
        mask = self.masks(data)
        for cell in self.cells["id"][mask].tolist():
            del self.volume[cell]
        self.cells.keep(~mask)

    @rule(n=st.integers(0, 5))
    def enter(self, n):
        self.tick += 1
        ids = arrival_id(1, self.tick, np.arange(n))
        self.cells.append(n, id=ids, volume=100.0, position=[1.0, 2.0, 3.0])
        self.volume |= dict.fromkeys(ids.tolist(), np.float32(100.0))
        self.ever |= set(ids.tolist())

    @invariant()
    def every_cell_is_where_its_id_leads_with_its_own_volume(self):
        self.cells.check()
        assert self.cells["id"].tolist() == list(self.volume)  # stable order
        for cell, volume in self.volume.items():
            assert self.cells["volume"][self.cells.row_of(cell)] == volume


Lives.TestCase.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
TestLives = Lives.TestCase


def test_division_conserves_every_amount_to_the_bit():
    cells = mothers(500)
    before = {name: cells[name].copy() for name in division.AMOUNTS}
    rows = divide(cells)
    assert rows == slice(500, 1000)
    for name, amount in before.items():
        assert np.array_equal(cells[name][:500] + cells[name][rows], amount)
    np.testing.assert_allclose(cells["radius"] ** 3 * 4 * np.pi / 3, cells["volume"], rtol=1e-5)
    cells.check()


def test_mothers_keep_id_and_row_and_daughters_derive_theirs():
    cells = mothers(4)
    ids = cells["id"].copy()
    rows = divide(cells, [False, True, False, True])
    assert np.array_equal(cells["id"][:4], ids)
    assert np.array_equal(cells["id"][rows], daughter_id(ids[[1, 3]], 1))
    assert np.array_equal(cells["mother"][rows], ids[[1, 3]])
    assert cells["n_divisions"].tolist() == [0, 1, 0, 1, 0, 0]
    assert cells["birth_time"].tolist() == [0, 0, 0, 0, 36, 36]
    assert (cells["clone"] == 7).all()
    again = divide(cells, np.arange(6) == 1)
    assert cells["id"][again] == daughter_id(ids[1], 2)


@pytest.mark.parametrize("size", [(1e3, 1e3), (1e3, 1e3, 1e3)])
def test_daughters_lie_apart_around_the_mothers_place(size):
    cells = mothers(2000)
    place, radius = cells["position"].copy(), cells["radius"].copy()
    rows = divide(cells, size=size)
    between = cells["position"][rows] - cells["position"][:2000]
    np.testing.assert_allclose(np.linalg.norm(between, axis=1), radius, rtol=1e-6)
    np.testing.assert_allclose((cells["position"][rows] + cells["position"][:2000]) / 2, place)
    axes = between / radius[:, None]
    assert (axes[:, 2] == 0.0).all() == (len(size) == 2)
    np.testing.assert_allclose(axes.mean(axis=0), 0.0, atol=4 / np.sqrt(2000))
    square = np.diag(axes.T @ axes)[: len(size)] / 2000
    np.testing.assert_allclose(square, 1 / len(size), atol=0.03)


def test_daughters_stay_in_the_domain():
    cells = mothers(100)
    cells["position"][:] = [0.0, 1e3, 300.0]
    divide(cells)
    assert (cells["position"] >= 0.0).all()
    assert (cells["position"] <= 1e3).all()


@pytest.mark.parametrize("size", [(1e3, 1e3), (1e3, 1e3, 1e3)])
def test_daughters_come_in_at_the_other_side_of_periodic_walls(size):
    cells = mothers(400)
    corner = [0.0, 1e3 - 1e-9, 300.0 if len(size) == 2 else 0.0]
    cells["position"][:] = corner
    radius = cells["radius"].copy()
    rows = divide(cells, size=size, walls="periodic")
    assert (cells["position"] >= 0.0).all()
    assert (cells["position"][:, : len(size)] < 1e3).all()
    between = cells["position"][rows] - cells["position"][:400]
    between[:, : len(size)] -= 1e3 * np.round(between[:, : len(size)] / 1e3)
    np.testing.assert_allclose(np.linalg.norm(between, axis=1), radius, rtol=1e-6)
    assert np.mean(cells["position"][:, 0] > 500.0) == pytest.approx(0.5)  # one of each two


def test_nothing_lies_on_the_far_face_of_periodic_walls():
    box = domain(1e3, 1e3, walls="periodic")
    held = division.inside(np.array([[-1e-18, 1e3, -1.0]]), box)
    assert held.tolist() == [[0.0, 0.0, -1.0]]


def test_inheritance_is_noisy_conserving_and_bounded():
    cells = mothers(5000)
    rows = divide(cells, noise=0.1)
    mother, daughter = cells["nodes"][:5000], cells["nodes"][rows]
    np.testing.assert_allclose(mother + daughter, np.broadcast_to(2 * NODES, (5000, 2)), rtol=1e-6)
    assert np.log(daughter[:, 0] / 0.5).std() == pytest.approx(0.1, rel=0.05)
    assert daughter.mean(axis=0) == pytest.approx(NODES[0], abs=0.005)
    assert cells["nodes"].min() >= 0.0
    assert cells["nodes"].max() <= 1.0


def test_without_noise_nodes_are_copied():
    cells = mothers(3)
    rows = divide(cells, noise=0.0)
    assert np.array_equal(cells["nodes"][rows], np.broadcast_to(NODES, (3, 2)))


def test_the_order_of_rows_does_not_change_a_daughter():
    one, other = mothers(50), mothers(50)
    other.permute(np.arange(50)[::-1])
    divide(one)
    divide(other)
    for cell in one["id"]:
        a, b = one.row_of(cell), other.row_of(cell)
        for name in ("position", "nodes", "volume", "mother"):
            assert np.array_equal(one[name][a], other[name][b])


def test_no_division_changes_nothing():
    cells = mothers(3)
    generation = cells.generation
    assert divide(cells, [False] * 3) == slice(3, 3)
    assert cells.generation == generation
