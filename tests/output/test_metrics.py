"""One row of metrics per tick: right by hand count, and cheap."""

import time

import numpy as np
import pytest

from tests.output.stand_in import StandIn
from tme_sim.output.metrics import Tally, row, units


def test_counts_agree_with_a_loop_over_cells():
    model = StandIn()
    for _ in range(40):
        model.step()
    pop, found = model.population, row(model)
    living = [k for k in range(pop.n) if pop["status"][k] == 0]
    tumor = [k for k in living if pop["type"][k] == 0]
    assert found["burden"] == found["n_tumor"] == len(tumor)
    assert found["n_dead"] == pop.n - len(living)
    assert found["phase_S"] == sum(pop["phase"][k] == 1 for k in tumor) / len(tumor)
    assert found["n_out_of_domain"] == sum(not pop["in_domain"][k] for k in living)
    assert found["n_clones"] == len({pop["clone"][k] for k in tumor})
    drug = model.env["vemurafenib"]
    there = [drug[0, int(y // 20), int(x // 20)] for x, y, _ in pop["position"][tumor]]
    assert found["tissue_vemurafenib"] == pytest.approx(np.mean(there), rel=1e-6)


def test_births_and_deaths_are_those_of_the_lineage():
    model = StandIn()
    for _ in range(40):
        model.step()
    events = [line[3] for line in model.lineage]
    found = row(model)
    assert found["births"] == events.count("birth")
    assert found["deaths"] == found["deaths_apoptosis"] == events.count("death")


def test_a_tally_counted_in_pieces_equals_one_counted_at_once():
    model = StandIn()
    for _ in range(40):
        model.step()
    first, second = Tally(), Tally()
    first.count(model.lineage[:50])
    second.restore(first.state())
    second.count(model.lineage[50:])
    assert row(model, second) == row(model)


def test_without_tumor_cells_means_are_nan_and_counts_zero():
    model = StandIn()
    model.population["status"][:] = 1
    found = row(model)
    assert found["burden"] == 0
    assert np.isnan(found["oxygen_tumor"])
    assert np.isnan(found["phase_G1"])


def test_every_column_has_a_unit():
    assert all(units(name) for name in row(StandIn()))
    with pytest.raises(KeyError, match="nonsense"):
        units("nonsense")


def test_a_row_of_two_thousand_cells_takes_well_under_a_millisecond():
    model, tally = StandIn(2000), Tally()
    row(model, tally)
    best = min(_timed(lambda: row(model, tally)) for _ in range(20))
    assert best < 2e-3


def _timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
