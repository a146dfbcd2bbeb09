import numpy as np
import pytest

from tests.processes.tissue import RADIUS, box, crowd
from tests.reference import contacts
from tme_sim.processes.cell_list import Space
from tme_sim.processes.neighbours import Neighbours


def pairs(position, radius, grid, walls, *, slack):
    """Pairs (row, neighbour) in the order in which they are listed."""
    near = Neighbours(Space(grid.size, grid.dim == 2, walls), radius, slack=slack).build(position)
    return [
        (int(i), int(j))
        for i, begin, number in zip(near.order, near.begin, near.number, strict=True)
        for j in near.listed[begin : begin + number]
    ]


@pytest.mark.parametrize("walls", ["reflecting", "periodic", "open"])
@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("slack", [0.0, 1.5])
def test_neighbours_are_all_pairs_within_reach(dim, walls, slack):
    position, grid = crowd(300, dim, seed=6)
    radius = np.random.default_rng(7).uniform(3, 9, 300)

    listed_pairs = pairs(position, radius, grid, walls, slack=slack)

    expected = set()
    for i in range(300):
        for j in range(300):
            d = np.linalg.norm(contacts.separation(position[i], position[j], grid.size, walls, dim))
            if i != j and d < 1.25 * (radius[i] + radius[j]) + 2 * slack:
                expected.add((i, j))
    assert len(listed_pairs) == len(set(listed_pairs))
    assert set(listed_pairs) == expected


@pytest.mark.parametrize("walls", ["reflecting", "periodic", "open"])
@pytest.mark.parametrize("dim", [2, 3])
def test_lists_hold_until_someone_within_reach_is_not_listed(dim, walls):
    n, held = 300, []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        position, grid = crowd(n, dim, seed=seed, spacing=20.0)
        radius = rng.uniform(3, 9, n)
        near = Neighbours(Space(grid.size, dim == 2, walls), radius).build(position)
        listed = set(pairs(position, radius, grid, walls, slack=1.5))
        step = rng.normal(size=(n, 3)) * [1, 1, dim == 3]
        step /= np.linalg.norm(step, axis=1)[:, None]
        length = np.full(n, 1.4)
        length[rng.choice(n, 3, replace=False)] = rng.uniform(1.6, 9.0, 3)
        moved = position + length[:, None] * step
        if walls == "periodic":
            moved[:, :dim] %= np.array(grid.size)[:dim]
        elif walls == "reflecting":
            moved = np.clip(moved, 0.0, grid.size)
        strayed = np.array(
            [
                np.linalg.norm(contacts.separation(a, b, grid.size, walls, dim))
                for a, b in zip(moved, position, strict=True)
            ]
        )
        touching = {(i, j) for i, j, _ in contacts.touching(moved, radius, grid.size, walls, dim)}

        assert near.hold(moved, strayed) == (touching <= listed)
        held.append(touching <= listed)
    assert any(held)
    assert not all(held)


def test_lists_do_not_hold_once_many_have_moved():
    position, grid = crowd(300, 3)
    near = Neighbours(Space(grid.size, planar=False), np.full(300, RADIUS)).build(position)

    assert near.hold(position, np.full(300, 1.4))
    assert not near.hold(position, np.full(300, 1.6))


def test_there_is_no_limit_to_the_neighbours_of_a_cell():
    rng = np.random.default_rng(8)
    position = np.vstack([rng.uniform(40, 41, (700, 3)), rng.uniform(0, 200, (300, 3))])
    radius = np.full(1000, RADIUS)
    grid = box(200, 3)

    listed_pairs = pairs(position, radius, grid, "reflecting", slack=0.5)

    distance = np.linalg.norm(position[:, None] - position[None], axis=2)
    near = (distance < 2.5 * RADIUS + 1.0).sum() - 1000
    assert len(set(listed_pairs)) == len(listed_pairs) == near
