"""The population: rows stay compact and stable, ids lead to rows, through any births and deaths."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from surrogates.channels import INPUTS, NODES, OUTPUTS
from tme_sim.state.columns import COLUMNS, Column, Population


def small(n=0, **more):
    population = Population(n_nodes=3, n_inputs=2, n_outputs=4, **more)
    if n:
        population.append(n, id=np.arange(1, n + 1), volume=10.0 * np.arange(1, n + 1))
    return population


class Births(RuleBasedStateMachine):
    """Random births, deaths and re-sorting, held against a list of (id, volume)."""

    def __init__(self):
        super().__init__()
        self.population = small(capacity=1)
        self.twin = []
        self.next_id = 1

    @rule(n=st.integers(0, 9))
    def born(self, n):
        ids = np.arange(self.next_id, self.next_id + n)
        rows = self.population.append(n, id=ids, volume=ids / 2, nodes=np.ones((n, 3)))
        assert (rows.stop - rows.start, rows.stop) == (n, len(self.population))
        self.twin += [(int(i), i / 2) for i in ids]
        self.next_id += n

    @rule(data=st.data())
    def die(self, data):
        n = len(self.twin)
        mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
        self.population.keep(np.array(mask, dtype=bool))
        self.twin = [cell for cell, kept in zip(self.twin, mask, strict=True) if kept]

    @rule(data=st.data())
    def sort(self, data):
        order = data.draw(st.permutations(range(len(self.twin))))
        self.population.permute(np.array(order, dtype=int))
        self.twin = [self.twin[row] for row in order]

    @precondition(lambda self: self.twin)
    @rule(data=st.data())
    def resume(self, data):
        other = small(data.draw(st.integers(0, 5)))
        other.restore(self.population.state())
        self.population = other

    @invariant()
    def holds_the_same_cells(self):
        self.population.check()
        pairs = zip(self.population["id"].tolist(), self.population["volume"].tolist(), strict=True)
        assert list(pairs) == self.twin
        assert (self.population["nodes"] == 1.0).all()
        assert (self.population["genotype"] == 0).all()
        assert self.population["in_domain"].all()


Births.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestBirths = Births.TestCase


def test_a_row_is_narrower_than_700_bytes_with_the_nodes_of_the_network():
    population = Population(len(NODES), len(INPUTS), len(OUTPUTS))
    assert population.bytes_per_cell <= 700
    assert population.bytes_per_cell == 159 + len(NODES) * 4
    rows = population.append(100, id=np.arange(1, 101))
    held = sum(population[n].nbytes for n, c in population.columns.items() if not c.scratch)
    assert held == population.bytes_per_cell * (rows.stop - rows.start)


def test_capacity_grows_by_half_and_never_shrinks():
    population = small(4, capacity=4)
    assert population["volume"].base.shape == (4,)
    population.append(1, id=5)
    assert population["volume"].base.shape == (6,)
    population.append(30, id=np.arange(6, 36))
    assert population["volume"].base.shape == (35,)


def test_views_are_the_memory_and_are_contiguous():
    population = small(5)
    population["nodes"][2] = 7.0
    assert (population["nodes"][2] == 7.0).all()
    assert all(population[name].flags.c_contiguous for name in population.columns)


def test_new_rows_do_not_inherit_what_removed_rows_left_behind():
    population = small(5)
    population["genotype"][:] = 3
    population["in_domain"][:] = False
    population.keep(np.zeros(5, dtype=bool))
    population.append(7, id=np.arange(10, 17))
    assert (population["genotype"] == 0).all()
    assert population["in_domain"].all()


def test_large_blocks_are_compacted_stably():
    population = small(20_000)
    mask = np.arange(20_000) % 3 != 1
    expected = population["id"][mask].copy()
    population.keep(mask)
    assert np.array_equal(population["id"], expected)
    assert np.array_equal(population["volume"], expected.astype(np.float32) * 10)


def test_rows_are_found_by_id_until_the_cell_is_gone():
    population = small(5)
    population.keep(np.array([True, False, True, True, False]))
    assert [population.row_of(i) for i in (1, 3, 4)] == [0, 1, 2]
    assert population.rows_of([4, 2, 1, 99]).tolist() == [2, -1, 0, -1]
    with pytest.raises(KeyError, match="no cell with id 2 among 3"):
        population.row_of(2)
    assert small().rows_of([1]).tolist() == [-1]


def test_every_column_is_declared_with_a_meaning_and_a_unit():
    assert all(column.meaning and column.unit for column in COLUMNS)
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)


def test_a_users_column_grows_with_the_others():
    population = small(3)
    population.add_column(Column("damage", "f4", (), "1", "DNA damage", fill=0.5))
    population.append(2000, id=np.arange(4, 2004))
    assert (population["damage"] == 0.5).all()
    with pytest.raises(ValueError, match="'damage' exists already"):
        population.add_column(Column("damage", "f4", (), "1", "again"))


def test_misuse_names_the_column_or_the_shape():
    population = small(3)
    with pytest.raises(KeyError, match="no column named 'colour'"):
        population.append(1, id=9, colour=1)
    with pytest.raises(ValueError, match=r"shape \(2,\), but the population has 3 rows"):
        population.keep(np.array([True, False]))
    with pytest.raises(ValueError, match="no permutation of the 3 rows"):
        population.permute(np.array([0, 0, 1]))
    with pytest.raises(ValueError, match="do not match"):
        population.restore({"id": np.array([1])})
    assert population.n == 3


def test_check_names_the_broken_invariant():
    population = small(2)
    population["id"][:] = 1
    with pytest.raises(AssertionError, match="unique"):
        population.check()
