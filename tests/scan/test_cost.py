"""What a scan will cost: order and sum of its pieces by hand, growth extrapolated, a pilot."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.scan.scans import write
from tme_sim import simulation
from tme_sim.scan import cost, scan
from tme_sim.scan.execute import priorities
from tme_sim.scan.sharing import Task

COST = cost.Cost(start=5.0, root=1.0, branch=2.0, ticks=np.arange(101.0), timed=100)


def task(key, start, end, parent=None, *, is_run=True):
    return Task(key, None, start, end, parent, is_run, {})


def test_what_waits_for_a_shared_past_starts_when_that_is_done():
    past = task("past", 0, 40, is_run=False)
    tasks = [past, *(task(name, 40, 60, past) for name in "abc")]

    # 41 for the past; then three pieces of 22 on two workers
    assert cost.makespan(tasks, COST, 2) == 41 + 2 * 22
    assert cost.makespan(tasks, COST, 3) == 41 + 22
    assert cost.makespan(tasks[1:], COST, 1) == 3 * 22  # their past is done


def test_the_longest_start_first():
    tasks = [task("a", 0, 10), task("b", 0, 10), task("c", 0, 20)]
    past = task("past", 0, 10, is_run=False)
    chain = [task("alone", 0, 15), past, task("end", 10, 30, past)]

    assert cost.makespan(tasks, COST, 2) == 11 + 11  # c beside a and b; 32 if c were last
    assert priorities(chain) == {"alone": 15, "past": 30, "end": 20}


def test_time_left_is_as_planned_and_then_as_it_turns_out():
    tasks = [task(name, 0, 9) for name in "abcd"]
    forecast = cost.Forecast(COST, tasks, workers=2)

    assert forecast.seconds == 5 + 20
    assert forecast.left(tasks, 1.0) == 20
    assert forecast.left(tasks[2:], 30.0) == 10 * 30 / 15  # took twice as long as planned
    assert forecast.left([], 40.0) == 0.0


@pytest.mark.parametrize(("box", "last"), [(1e9, 1.02**99), (444.8 * 300, 6.0)])
def test_ticks_not_timed_follow_the_cells_up_to_the_room_they_have(box, last):
    cells = 100.0 * 1.02 ** np.arange(100)
    ticks = 0.01 + 2e-4 * cells
    domain = SimpleNamespace(domain=SimpleNamespace(box=(box, 20.0), dim=2))
    timed = cost.Pilot(ticks[:40], cells[:40], root=0.0, branch=0.0)

    found = cost.curve(timed, domain, 100)

    expected = np.minimum(cells, 100.0 * last)
    assert found[0] == 0.0
    assert np.diff(found) == pytest.approx(0.01 + 2e-4 * expected, rel=1e-6)


def test_a_plan_times_runs_in_the_scans_own_workers_and_keeps_nothing(tmp_path, here):
    planned = scan.plan(write(tmp_path))

    forecast = planned.forecast(1)

    each = forecast.cost
    assert len(here.submitted) == 2  # loaded, then timed
    assert each.timed == 20
    assert (np.diff(each.ticks) > 0).all()
    assert min(each.root, each.branch) > 0
    assert forecast.seconds == pytest.approx(
        each.start + 2 * each.root + 4 * each.branch + 2 * each.ticks[10]
        + 4 * (each.ticks[20] - each.ticks[10])
    )  # fmt: skip
    assert f"about {forecast.seconds:.0f} s on 1 workers" in planned.text(forecast)
    assert not (tmp_path / "store").exists()


@pytest.mark.usefixtures("here")
def test_a_long_run_is_timed_for_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "PILOT_SECONDS", 0.0)
    planned = scan.plan(write(tmp_path))

    told = planned.text(planned.forecast(1))

    assert "timed on 2 of 20 ticks; cells go on as in the second half of these" in told


@pytest.mark.usefixtures("here")
def test_a_plan_without_a_run_to_time_says_so(tmp_path, monkeypatch):
    def fails(*_args, **_options):
        msg = "out of luck"
        raise RuntimeError(msg)

    monkeypatch.setattr(simulation, "simulate", fails)
    planned = scan.plan(write(tmp_path))

    assert "time unknown" in planned.text(planned.forecast(1))
