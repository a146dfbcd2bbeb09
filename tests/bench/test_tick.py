"""The benchmarks of ticks and of the cell processes: what they measure, and how they say it."""

import json

import numpy as np
import pytest

from tme_sim import cli
from tme_sim.bench import cells
from tme_sim.bench import tick as bench
from tme_sim.model import tick
from tme_sim.scenario.placement import place_all

FEW = ("--cells", "300", "--ticks", "2", "--repeat", "2", "--threads", "1")


def asked(capsys, *arguments):
    assert cli.main(["bench", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("dim", [2, 3])
def test_a_tick_is_timed_process_by_process(capsys, dim):
    found = json.loads(asked(capsys, "tick", *FEW, "--dim", str(dim), "--json"))

    assert found["benchmark"] == "tick"
    assert (found["dim"], found["threads"]) == (dim, 1)
    assert found["n_cells"] >= 300
    assert found["bytes_per_cell"] <= 700
    assert set(found["processes"]) == set(tick.PROCESSES)
    total = found["seconds_per_simulated_hour"]
    assert total == pytest.approx(sum(found["processes"].values()), rel=0.5)
    assert 0.0 < found["lowest_round"] <= found["highest_round"]
    motion = found["ns_per_cell_substep"]["motion"] * 1e-9 * found["substeps"] * found["n_cells"]
    assert 10.0 * motion == pytest.approx(found["processes"]["motion"], rel=0.05)


def test_the_cell_processes_are_timed_without_fields(capsys):
    found = json.loads(asked(capsys, "cells", *FEW, "--json"))

    assert set(found["processes"]) == set(tick.PROCESSES) - set(cells.OFF)
    assert found["substrates"] == []


def test_the_table_fits_a_terminal(capsys):
    lines = asked(capsys, "tick", *FEW).splitlines()

    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[4:16]] == list(tick.PROCESSES)


@pytest.mark.parametrize(("n", "dim"), [(1000, 2), (20_000, 2), (1000, 3), (20_000, 3)])
def test_cells_are_packed_to_touch_and_leave_room_around(n, dim):
    scenario = bench.packed(n, dim)
    place = place_all(scenario)["tumor"].position[:, :dim]

    assert len(place) == n
    reach = np.linalg.norm(place - np.array(scenario.domain.size) / 2, axis=1).max()
    assert reach <= bench.packed_radius(n, dim)
    volume = np.pi * reach**2 if dim == 2 else 4.0 / 3.0 * np.pi * reach**3
    assert n * bench.SITE[dim] == pytest.approx(volume, rel=0.2)
    assert reach < 0.5 * bench.FILLED * min(scenario.domain.size)


def test_the_grids_are_those_on_which_other_simulators_were_measured():
    assert bench.packed(10_000, 2).grid_shape() == (1, 120, 120)
    assert bench.packed(100_000, 3).grid_shape() == (50, 50, 50)


def test_no_cells_are_a_bad_input(capsys):
    assert cli.main(["bench", "tick", "--cells", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
