import numpy as np
import pytest

from tests.processes.coupled import clock, coupling, pending, run
from tests.processes.tissue import N_TYPES, box, cells, decided, pass_time
from tests.reference import contacts
from tme_sim.processes import contact
from tme_sim.processes.contact import contact_weight, display, expected_hits
from tme_sim.processes.mechanics import ContactProperties
from tme_sim.state.columns import APOPTOTIC, DEBRIS, NECROTIC

TUMOR, T_CELL = 0, 2


def arena(position, **columns):
    """Cells that stay where they are, and their report."""
    population = cells(position, **columns)
    grid = box(np.max(position) + 40, 2)
    report = pass_time(population, grid, mechanics=False, motility=False)
    return population, report


def shoot(population, report, antigen, rate, *, tick=0, dt=6.0, mhc1=1.0):
    outputs = decided(population, MHC1=mhc1, antigen=antigen, kill_rate=rate)
    given = pending(population, motion=report.motion._replace(shown=displayed(population, outputs)))
    run(contact, population, given=given, coupled=coupling(N_TYPES), at=clock(tick, dt=dt, seed=4))
    return population["granzyme_hits"].copy()


def displayed(population, outputs):
    return display(population, outputs, np.zeros(N_TYPES, dtype=np.float32))


def flower(n_petals=4):
    """A T cell among tumor cells that all touch it, and one that touches nobody."""
    angle = np.arange(n_petals) * 2 * np.pi / n_petals
    petals = 100 + 15 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    return np.vstack([[[100.0, 100, 100]], petals, [[200.0, 200, 100]]])


def test_weight_is_full_at_touch_and_nothing_beyond_reach():
    assert [contact_weight(q) for q in (0.5, 1.0, 1.125, 1.25, 2.0)] == [1, 1, 0.5, 0, 0]
    assert contact_weight(1.1) == pytest.approx(contacts.weight(1.1))


def test_hits_go_to_the_touching_in_proportion_to_the_antigen_they_show():
    population, report = arena(flower(), type=[T_CELL, 0, 0, 0, 0, 0])
    antigen = np.array([0, 0.1, 0.2, 0.0, 0.7, 1.0])
    rate = [0.5, 0, 0, 0, 0, 0]

    received = np.zeros(6)
    for tick in range(3000):
        population["target"][:] = 0  # a new meeting
        received += shoot(population, report, antigen, rate, tick=tick)

    assert received.sum() == pytest.approx(0.5 * 6 * 3000, rel=0.05)
    np.testing.assert_allclose(received / received.sum(), [0, 0.1, 0.2, 0, 0.7, 0], atol=0.03)


def test_one_target_is_engaged_at_a_time():
    population, report = arena(flower(), type=[T_CELL, 0, 0, 0, 0, 0])

    received = [
        shoot(population, report, np.full(6, 0.5), [1.0, 0, 0, 0, 0, 0], tick=k) for k in range(50)
    ]

    assert (np.sum(received, axis=0) > 0).sum() == 1
    assert population["target"].tolist() == [1 + np.argmax(received[0]), 0, 0, 0, 0, 0]


@pytest.mark.parametrize("end", ["death", "antigen", "distance"])
def test_a_target_is_left_when_it_dies_shows_nothing_or_is_gone(end):
    population, report = arena(flower(), type=[T_CELL, 0, 0, 0, 0, 0])
    antigen, rate = np.full(6, 0.5), [1.0, 0, 0, 0, 0, 0]
    shoot(population, report, antigen, rate)
    first = int(population["target"][0]) - 1

    if end == "death":
        population["status"][first] = APOPTOTIC
    if end == "antigen":
        antigen[first] = 0.0
    if end == "distance":
        population["position"][first] = [200.0, 180.0, 100.0]
        report = pass_time(population, box(240, 2), mechanics=False, motility=False)
    received = sum(shoot(population, report, antigen, rate, tick=k) for k in range(1, 20))

    assert received[first] == 0
    assert population["target"][0] - 1 not in (first, -1)


def test_who_kills_no_more_engages_nobody():
    population, report = arena(flower(), type=[T_CELL, 0, 0, 0, 0, 0])
    shoot(population, report, np.ones(6), [1.0, 0, 0, 0, 0, 0])

    shoot(population, report, np.ones(6), np.zeros(6))

    assert not population["target"].any()


def test_hits_of_several_killers_add_up():
    position = np.array([[100.0, 100, 100], [110.0, 100, 100], [90.0, 100, 100]])
    population, report = arena(position, type=[TUMOR, T_CELL, T_CELL])
    antigen = [1.0, 0, 0]

    both = [shoot(population, report, antigen, [0, 0.5, 0.5], tick=k)[0] for k in range(400)]
    left = [shoot(population, report, antigen, [0, 0.5, 0.0], tick=k)[0] for k in range(400)]
    right = [shoot(population, report, antigen, [0, 0.0, 0.5], tick=k)[0] for k in range(400)]

    np.testing.assert_array_equal(both, np.add(left, right))
    assert np.mean(left) == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize("escape", ["no antigen", "no MHC1", "dead target", "dead killer"])
def test_nobody_is_hit_without_a_reason(escape):
    population, report = arena(flower(), type=[T_CELL, 0, 0, 0, 0, 0])
    antigen = np.zeros(6) if escape == "no antigen" else np.ones(6)
    mhc1 = 0.0 if escape == "no MHC1" else 1.0
    population["status"][1:] = APOPTOTIC if escape == "dead target" else 0
    population["status"][0] = APOPTOTIC if escape == "dead killer" else 0

    assert shoot(population, report, antigen, [5.0, 0, 0, 0, 0, 0], mhc1=mhc1).sum() == 0


def test_hits_are_expected_where_antigen_and_engagement_send_them():
    population, report = arena(flower(), type=[T_CELL, 0, 0, 0, 0, 0])
    antigen, rate = np.array([0, 0.1, 0.2, 0.0, 0.7, 1.0]), np.array([0.5, 0, 0, 0, 0, 0])

    free = expected_hits(population, report.motion.cells, antigen, kill_rate=rate)
    shoot(population, report, antigen, rate)
    engaged = expected_hits(population, report.motion.cells, antigen, kill_rate=rate)

    np.testing.assert_allclose(free, 0.5 * np.array([0, 0.1, 0.2, 0, 0.7, 0]))
    assert np.array_equal(engaged, 0.5 * (population["id"] == population["target"][0]))


def eaten_at(status, rates, *, ticks=2000, dt=6.0):
    """Share of ticks in which the first of two touching cells is engulfed."""
    position = np.array([[100.0, 100, 100], [112.0, 100, 100], [88.0, 100, 100]])
    population, report = arena(position)
    population["status"][0] = status
    outputs = decided(population, phagocytosis_rate=[0.0, *rates])
    motion = report.motion._replace(shown=displayed(population, outputs))
    masks = [
        run(
            contact,
            population,
            given=pending(population, motion=motion),
            coupled=coupling(N_TYPES),
            at=clock(k, dt=dt, seed=2),
        ).cleared
        for k in range(ticks)
    ]
    assert not np.array(masks)[:, 1:].any()
    return np.mean(np.array(masks)[:, 0])


def test_hazards_of_phagocytes_add_up():
    assert eaten_at(APOPTOTIC, [0.02, 0.03]) == pytest.approx(1 - np.exp(-0.05 * 6), rel=0.1)
    assert eaten_at(DEBRIS, [0.02, 0.0]) == pytest.approx(1 - np.exp(-0.02 * 6), rel=0.15)


def test_the_living_and_the_swelling_are_not_engulfed():
    assert eaten_at(0, [1.0, 1.0], ticks=20) == 0
    assert eaten_at(NECROTIC, [1.0, 1.0], ticks=20) == 0
    assert eaten_at(APOPTOTIC, [0.0, 0.0], ticks=20) == 0


def test_b7_is_what_the_type_offers_while_it_lives():
    population = cells(np.full((3, 3), 50.0), type=[0, 3, 3])
    population["status"][2] = DEBRIS
    b7 = np.array([0.1, 0, 0, 1.0, 0, 0], dtype=np.float32)

    shown = display(population, decided(population), b7)

    np.testing.assert_allclose(shown[:, 2], [0.1, 1.0, 0.0])
    np.testing.assert_allclose(shown[:, 3], [0.0, 0.0, 1.0])
    assert ContactProperties.uniform(2).b7.tolist() == [0.0, 0.0]
