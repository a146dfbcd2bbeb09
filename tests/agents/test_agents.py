"""Cells as Mesa agents: views of rows, sets over columns, on a small model of the test's own."""

import gc
import pickle
import warnings
import weakref

import mesa
import numpy as np
import pytest

from tme_sim.agents.cell import CLASSES, CD8TCell, Cell, Fibroblast, TumorCell
from tme_sim.agents.cell_set import CellSet, columnwise
from tme_sim.agents.census import Census
from tme_sim.agents.population_model import PopulationModel, step_agents, use
from tme_sim.state.columns import Column, Population

try:
    from mesa.agentset import AbstractAgentSet as AgentSet  # Mesa 3.5 and later
except ImportError:
    from mesa.agent import AgentSet

TUMOR, FIBROBLAST, CD8 = 0, 1, 2


class Dish(PopulationModel):
    """A model that holds a population and nothing else."""

    def __init__(self, n=6, rng=1):
        super().__init__(rng=rng, nodes=("ERK", "AKT"))
        self.population = Population(n_nodes=2, n_inputs=1, n_outputs=1)
        self.population.append(
            n,
            id=np.arange(1, n + 1),
            type=np.arange(n) % 3,
            volume=100.0 * np.arange(n, 0, -1),
            nodes=np.arange(2 * n).reshape(n, 2) / (2 * n),
        )
        self.tick_index, self.time, self.lineage = 0, 0.0, []

    def complete(self, rows):
        self.population["volume"][rows] = 2494.0

    def step(self):
        step_agents(self)
        self.tick_index += 1
        self.time = 6.0 * self.tick_index


class Shrinking(TumorCell):
    """A user's type with a Python step."""

    def step(self):
        self.volume *= 0.5


class Marked(TumorCell):
    """A user's type with arguments of its own."""

    def __init__(self, model, mark, **columns):
        super().__init__(model, group=mark, **columns)


class Growing(CD8TCell):
    """A user's type with a step over columns."""

    @columnwise
    def step(self):
        self.set("volume", self.values("volume") * 2)


def ids(cells):
    return [cell.unique_id for cell in cells]


def test_a_cell_reads_and_writes_its_row():
    model = Dish()
    cell = model.agents[1]
    assert isinstance(cell, mesa.Agent)
    assert type(cell) is Fibroblast
    assert (cell.unique_id, cell.id, cell.volume, cell.AKT) == (2, 2, 500.0, 0.25)
    cell.volume *= 2
    cell.ERK = 0.75
    cell.position = (1.0, 2.0, 3.0)
    assert model.population["volume"][1] == 1000.0
    assert model.population["nodes"][1, 0] == 0.75
    assert cell.pos.tolist() == [1.0, 2.0, 3.0]
    assert cell.model is model
    assert repr(cell) == "<Fibroblast 2>"


def test_a_cell_refuses_what_is_no_column():
    model = Dish()
    cell = model.agents[0]
    with pytest.raises(AttributeError, match="did you mean 'volume'"):
        cell.volum = 1.0
    with pytest.raises(AttributeError, match="has no attribute 'EKR'; did you mean 'ERK'"):
        _ = cell.EKR
    with pytest.raises(AttributeError, match="'id' of a cell cannot be set"):
        cell.id = 7
    model.population.add_column(Column("damage", "f4", (), "1", "DNA damage"))
    cell.damage = 2.0
    assert model.agents.get("damage") == [2.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_handles_follow_their_cell_and_are_equal():
    model = Dish()
    cell = model.agents[5]
    model.population.keep(np.array([False, True, True, True, True, True]))
    assert cell.volume == 100.0
    assert cell == model.agents[4]
    assert cell != Dish().agents[5]
    assert len({cell, model.agents[4]}) == 1


@pytest.mark.parametrize(
    ("time", "event", "words"),
    [
        (6120.0, "death", "cell 3 died at 4 d 6 h"),
        (60.0, "removed", "cell 3 was removed at 1 h"),
        (0.0, "none", "there is no cell 3 in this model"),
    ],
)
def test_a_stale_handle_tells_what_became_of_the_cell(time, event, words):
    model = Dish()
    cell = model.agents[2]
    model.lineage += [(time, 3, 0, event, "apoptosis", 0)]
    if event == "death":
        model.lineage += [(time + 516, 3, 0, "cleared", "apoptosis", 0)]
    model.population.keep(model.population["id"] != 3)
    with pytest.raises(LookupError, match=words):
        _ = cell.volume
    with pytest.raises(LookupError, match=words):
        cell.volume = 1.0


def test_sets_of_the_model_follow_it():
    model = Dish()
    assert isinstance(model.agents, AgentSet)
    assert ids(model.agents) == [1, 2, 3, 4, 5, 6]
    assert ids(model.agents_by_type[TumorCell]) == [1, 4]
    assert ids(model.agents_by_type[Cell]) == [1, 2, 3, 4, 5, 6]
    assert model.agent_types == list(CLASSES)
    model.population.keep(model.population["id"] != 1)
    assert ids(model.agents_by_type[TumorCell]) == [4]
    assert len(model.agents) == 5
    with pytest.raises(KeyError):
        model.agents_by_type[mesa.Model]


def test_a_chosen_set_loses_cells_that_are_gone():
    model = Dish()
    chosen = model.agents.select(lambda cell: cell.volume > 250)
    assert ids(chosen) == [1, 2, 3, 4]
    model.population.keep(model.population["id"] != 2)
    assert ids(chosen) == [1, 3, 4]
    assert model.agents[0] in chosen
    assert model.agents[4] not in chosen
    assert Dish().agents[0] not in chosen
    assert ids(chosen[1:]) == [3, 4]


def test_select_takes_functions_masks_types_and_limits():
    model = Dish()
    every = model.agents
    assert ids(every.select()) == ids(every)
    assert ids(every.select(every.values("volume") < 300)) == [5, 6]
    assert ids(every.select(agent_type=CD8TCell)) == [3, 6]
    assert ids(every.select(at_most=2)) == [1, 2]
    assert ids(every.select(at_most=0.5)) == [1, 2, 3]
    assert ids(every.select(lambda cell: cell.id > 1, at_most=1, agent_type=TumorCell)) == [4]
    own = every.select()
    assert own.select(at_most=1, inplace=True) is own
    assert ids(own) == [1]
    with pytest.raises(ValueError, match="follows the model"):
        every.select(at_most=1, inplace=True)


def test_sort_and_shuffle_keep_the_cells():
    every = Dish().agents
    assert ids(every.sort("volume")) == [1, 2, 3, 4, 5, 6]
    assert ids(every.sort("volume", ascending=True)) == [6, 5, 4, 3, 2, 1]
    assert ids(every.sort("type")) == [3, 6, 2, 5, 1, 4]
    assert ids(every.sort(lambda cell: -cell.volume)) == [6, 5, 4, 3, 2, 1]
    assert sorted(ids(every.shuffle())) == [1, 2, 3, 4, 5, 6]
    assert ids(Dish().agents.shuffle()) == ids(Dish().agents.shuffle())


def test_do_and_map_call_every_cell_in_order():
    model = Dish()
    seen = []
    assert model.agents.do(lambda cell, seen: seen.append(cell.id), seen) is model.agents
    assert seen == [1, 2, 3, 4, 5, 6]
    model.agents.shuffle_do(lambda cell: seen.append(cell.id))
    assert sorted(seen[6:]) == [1, 2, 3, 4, 5, 6]
    assert model.agents.map(lambda cell, plus: cell.id + plus, 1) == [2, 3, 4, 5, 6, 7]
    assert model.agents.map("__hash__") == [1, 2, 3, 4, 5, 6]


def test_get_set_and_agg_work_on_columns():
    every = Dish().agents
    assert every.get("volume") == [600.0, 500.0, 400.0, 300.0, 200.0, 100.0]
    assert every.get(["id", "type"])[:2] == [[1, 0], [2, 1]]
    assert every.get("colour", handle_missing="default", default_value=7) == [7] * 6
    with pytest.raises(AttributeError, match="has no attribute 'colour'"):
        every.get("colour")
    with pytest.raises(ValueError, match="'error' or 'default'"):
        every.get("volume", handle_missing="ignore")
    every.set("volume", 10.0).select(at_most=2).set("volume", [1.0, 2.0])
    assert every.agg("volume", [sum, max, np.mean]) == [43.0, 10.0, pytest.approx(43 / 6)]
    assert every.agg("ERK", len) == 6
    assert every.get("position")[0].shape == (3,)
    assert every.agg("pos", len) == 6


def test_groupby_groups_by_column_and_function():
    every = Dish().agents
    groups = every.groupby("type")
    assert groups.count() == {0: 2, 1: 2, 2: 2}
    assert groups.agg("volume", np.sum) == {0: 900.0, 1: 700.0, 2: 500.0}
    assert {key: ids(group) for key, group in groups} == {0: [1, 4], 1: [2, 5], 2: [3, 6]}
    assert every.groupby(lambda cell: cell.id > 4).count() == {False: 4, True: 2}
    assert ids(every.groupby("type", result_type="list").groups[1]) == [2, 5]
    assert every.select(at_most=0).groupby("type").count() == {}


def test_own_sets_are_built_and_changed_like_mesas():
    model = Dish()
    own = CellSet([model.agents[0]])
    own.add(model.agents[3])
    own.add(model.agents[3])
    assert ids(own) == [1, 4]
    own.discard(model.agents[2])
    own.remove(model.agents[0])
    assert ids(own) == [4]
    with pytest.raises(KeyError):
        own.remove(model.agents[0])
    with pytest.raises(ValueError, match="follows the model"):
        model.agents.discard(model.agents[0])
    empty = CellSet()
    assert (len(empty), list(empty), empty.to_list()) == (0, [], [])
    assert empty.do("step").shuffle().sort("volume").select(agent_type=Cell).get("volume") == []
    assert empty.map("step") == empty.select(np.zeros(0)).get(["volume", "id"]) == []
    empty.add(model.agents[1])
    assert ids(empty) == [2]
    assert ids(reversed(own | empty)) == [2, 4]
    copied = model.agents.copy()
    copied.discard(model.agents[0])
    assert ids(copied) == [2, 3, 4, 5, 6]


def test_user_code_adds_and_removes_single_cells():
    model = Dish()
    new = TumorCell(model, position=(5.0, 6.0, 0.0), clone=3)
    other = TumorCell(model, volume=50.0)
    assert (new.volume, new.clone, new.pos.tolist()) == (2494.0, 3, [5.0, 6.0, 0.0])
    assert other.volume == 50.0
    assert new in model.agents
    assert len({new.unique_id, other.unique_id}) == 2
    assert Dish().agents.__class__ is CellSet
    twin = Dish()
    assert TumorCell(twin).unique_id == new.unique_id  # a pure function of tick and order
    new.remove()
    assert new not in model.agents
    with pytest.raises(LookupError, match="was removed"):
        _ = new.volume
    model.agents_by_type[Fibroblast].do("remove")
    assert len(model.agents_by_type[Fibroblast]) == 0
    assert [row[3] for row in model.lineage].count("removed") == 3
    model.remove_all_agents()
    assert len(model.agents) == 0
    model.population.check()


def test_many_cells_are_created_at_once():
    model = Dish(0)
    own = TumorCell.create_agents(model, 3, volume=[10.0, 20.0, 30.0], clone=4)
    assert isinstance(own, CellSet)
    assert own.get(["volume", "clone"]) == [[10.0, 4], [20.0, 4], [30.0, 4]]
    assert own.to_list() == list(model.agents)
    twin = Dish(0)
    singly = [TumorCell(twin) for _ in range(3)]
    assert ids(singly) == ids(own)  # a pure function of tick and order
    use(model, Marked)
    given = {"volume": [1.0, 2.0], "mark": 7, "position": (3.0, 4.0, 5.0)}
    marked = Marked.create_agents(model, 2, **given)
    assert marked.get(["volume", "group"]) == [[1.0, 7], [2.0, 7]]
    assert marked.values("position").tolist() == [[3.0, 4.0, 5.0]] * 2
    model.population.check()


def test_ids_of_added_cells_are_new_in_a_model_that_was_restored_within_the_tick():
    model = Dish()
    first = TumorCell(model)
    again = pickle.loads(pickle.dumps(model))
    again.census._added = (-1, 0)  # as where the model makes a new census
    assert TumorCell(again).unique_id != first.unique_id
    again.population.check()


def test_foreign_agents_are_refused():
    with pytest.raises(TypeError, match="is no cell type"):
        mesa.Agent(Dish())


def test_steps_of_users_subclasses_run():
    model = Dish()
    use(model, Shrinking)
    use(model, Growing)
    model.population["status"][3] = 1  # the dead do not act
    model.step()
    assert model.agents.get("volume") == [300.0, 500.0, 800.0, 300.0, 200.0, 200.0]
    assert type(model.agents[0]) is Shrinking
    assert ids(model.agents_by_type[TumorCell]) == ids(model.agents_by_type[Shrinking]) == [1, 4]
    with pytest.raises(TypeError, match="call use"):
        TumorCell(model)
    with pytest.raises(TypeError, match="must subclass"):
        use(model, Dish)


def test_a_step_is_one_tick_on_the_models_own_clock():
    model = Dish()
    model.step()
    model.step()
    assert (model.tick_index, model.time) == (2, 12.0)


def test_a_cell_removed_by_another_is_skipped():
    model = Dish()
    seen = []

    def eat_next(cell):
        seen.append(cell.id)
        model.agents.select(model.agents.values("id") == cell.id + 1).do("remove")

    model.agents.do(eat_next)
    assert seen == [1, 3, 5]


def test_a_data_collector_reads_the_agents():
    model = Dish()
    collector = mesa.DataCollector(
        model_reporters={"cells": lambda m: len(m.agents)},
        agent_reporters={"volume": "volume", "ERK": lambda cell: cell.ERK},
        agenttype_reporters={TumorCell: {"volume": "volume"}},
    )
    collector.collect(model)
    assert collector.get_model_vars_dataframe()["cells"].tolist() == [6]
    assert collector.get_agent_vars_dataframe()["volume"].tolist()[:2] == [600.0, 500.0]
    assert len(collector.get_agenttype_vars_dataframe(TumorCell)) == 2


def test_models_cells_and_sets_survive_pickling():
    model = pickle.loads(pickle.dumps(Dish()))
    assert ids(model.agents_by_type[TumorCell]) == [1, 4]
    cell = pickle.loads(pickle.dumps(model.agents[2]))
    assert (cell.unique_id, cell.volume) == (3, 400.0)
    chosen = pickle.loads(pickle.dumps(model.agents.select(at_most=2)))
    assert ids(chosen) == [1, 2]


def test_no_model_survives_its_last_reference():
    model = Dish()
    TumorCell(model).remove()
    model.agents.do(lambda cell: cell.volume)
    dead = weakref.ref(model)
    del model
    gc.collect()
    assert dead() is None


def test_long_python_loops_warn_once():
    model = Dish(10_001)
    with pytest.warns(UserWarning, match="loop over 10001 cells is slow"):
        model.agents.do(id)
    with warnings.catch_warnings(action="error"):
        model.agents.do(id)


def test_operations_on_columns_make_no_views(monkeypatch):
    model = Dish(20_000)
    monkeypatch.setattr(Census, "view", None)
    with warnings.catch_warnings(action="error"):
        every = model.agents
        every.set("volume", 1.0)
        assert sum(every.get("volume")) == every.agg("volume", sum) == 20_000
        assert len(every.select(every.values("type") == CD8)) == 6666
        assert len(every.select(agent_type=CD8TCell, at_most=7).sort("volume").shuffle()) == 7
        assert every.groupby("type").count() == {0: 6667, 1: 6667, 2: 6666}
        every.select(at_most=5).do("remove")
    assert len(every) == 19_995
