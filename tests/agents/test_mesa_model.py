"""The whole model under Mesa's tools: users' cell types, collectors, cells added and removed."""

import gc
import pickle
import weakref

import mesa
import numpy as np
import pytest

import tme_sim
from tests.model.small import small
from tme_sim.agents.population_model import use

DEATH = {"surrogate": {"name": "constant", "rates": {"tumor": {"apoptosis_rate": "1e-3 per min"}}}}
NOTHING = {"surrogate": {"name": "constant"}, "therapy": None, "evolution": None, "output": None}


class Mortal(tme_sim.TumorCell):
    """Leaves the tissue after an hour."""

    def step(self):
        if self.model.time - self.birth_time >= 60.0:
            self.remove()


class Budding(tme_sim.TumorCell):
    """Makes one new cell beside itself, once."""

    def step(self):
        if self.mother == 0 and self.clone < 100:
            self.clone = 100
            Budding(self.model, position=self.position + 1.0, clone=100, mother=self.unique_id)


def test_the_step_of_a_users_type_runs_within_the_tick_and_may_remove_cells():
    model = tme_sim.TumorModel(small(**NOTHING))
    use(model, Mortal)

    model.run_for("1 h")
    before = model.count("tumor")
    model.step()

    assert before == 80
    assert model.count("tumor") == 0
    assert [row[3] for row in model.lineage].count("removed") == 80
    model.population.check()


def test_the_step_of_a_users_type_may_add_cells_that_live_like_others():
    model = tme_sim.TumorModel(small(**NOTHING))
    use(model, Budding)

    model.step()
    buds = model.agents_by_type[Budding].select(lambda cell: cell.mother > 0)
    model.run_for("1 h")

    assert len(buds) == 80
    assert model.count("tumor") == 160
    np.testing.assert_allclose(buds.values("volume"), 2494.0, rtol=1e-3)
    assert (buds.values("oxygen_realised") >= 0.0).all()
    model.population.check()


def test_a_handle_of_a_dead_cell_says_when_it_died():
    model = tme_sim.TumorModel(small(**DEATH))
    cells = list(model.agents_by_type[tme_sim.TumorCell])

    model.run_for("11 h")

    gone = [cell for cell in cells if not model.census.is_there(cell.unique_id)]
    assert gone
    died = {row[1]: row[0] for row in model.lineage if row[3] == "death"}
    minutes = round(died[gone[0].unique_id])
    with pytest.raises(LookupError, match=f"cell {gone[0].unique_id} died at ") as told:
        _ = gone[0].volume
    words = {"h": minutes // 60, "min": minutes % 60}
    assert str(told.value).endswith(" ".join(f"{n} {unit}" for unit, n in words.items() if n))


def test_a_data_collector_follows_a_run():
    model = tme_sim.TumorModel(small(**DEATH))
    collector = mesa.DataCollector(
        model_reporters={"alive": lambda m: m.count("tumor"), "hours": lambda m: m.time / 60.0},
        agent_reporters={"volume": "volume"},
        agenttype_reporters={tme_sim.TumorCell: {"status": "status"}},
    )
    model.on_tick(collector.collect)

    model.run_for("3 h")

    rows = collector.get_model_vars_dataframe()
    assert rows["hours"].tolist() == pytest.approx([0.1 * k for k in range(1, 31)])
    assert rows["alive"].iloc[-1] == model.count("tumor") < 80
    by_agent = collector.get_agent_vars_dataframe()
    assert by_agent.index.get_level_values(0).nunique() == 30
    assert len(collector.get_agenttype_vars_dataframe(tme_sim.TumorCell)) > 0


def test_a_pickled_model_keeps_cells_that_user_code_added():
    model = tme_sim.TumorModel(small(**NOTHING))
    added = tme_sim.TumorCell(model, position=(20.0, 20.0, 10.0), clone=5)

    other = pickle.loads(pickle.dumps(model))
    again = tme_sim.TumorCell(other, position=(40.0, 20.0, 10.0))
    other.run_for("1 h")

    assert other.agents.select(lambda cell: cell.unique_id == added.unique_id)[0].clone == 5
    assert again.unique_id != added.unique_id
    other.population.check()


def test_no_model_survives_its_last_reference_after_use():
    model = tme_sim.TumorModel(small(**NOTHING))
    use(model, Mortal)
    model.on_tick(lambda m: m.agents.agg("volume", np.mean))
    model.run_for("30 min")
    cell = model.agents[0]
    gone = weakref.ref(model)

    del model, cell
    gc.collect()

    assert gone() is None
