"""``TumorModel``: a Mesa model that owns the state of the tissue and steps the tick."""

from collections.abc import Callable
from typing import Any

import numpy as np

import surrogates
from surrogates.channels import CELL_TYPES, GENOTYPES
from surrogates.contract import CellModel
from tme_sim.agents.cell import CLASSES
from tme_sim.agents.population_model import PopulationModel
from tme_sim.compute.launch import resolve_device
from tme_sim.errors import InputError
from tme_sim.fields import Grid, Microenvironment, Substrate
from tme_sim.model import founders, tick
from tme_sim.model.clones import Clones
from tme_sim.model.coupling import Coupling
from tme_sim.processes.process import Clock
from tme_sim.processes.volume import set_volumes
from tme_sim.scenario import Scenario
from tme_sim.scenario.memory import refuse_if_too_large
from tme_sim.scenario.units import minutes
from tme_sim.state.columns import ALIVE, Population
from tme_sim.therapy import Therapy
from tme_sim.therapy.balance import TissueBalance

EPITHELIUM = CELL_TYPES.index("epithelium")
FIELD_TOLERANCE = 1e-2  # relative error in time per tick; cells sense with half-saturations


class TumorModel(PopulationModel):
    """A tissue of cells on substrates, stepped by one tick at a time.

    ``step()`` runs the processes of ``tme_sim.model.tick`` in their order. Between ticks the
    columns of ``model.population``, the fields of ``model.env`` and single agents may be read and
    changed.

    Args:
        scenario: what ``load_scenario`` returned.
        cell_model: what decides for the cells; the scenario's surrogate otherwise.
        device: ``auto``, ``cpu`` or ``cuda``: where the cell model is evaluated.
        state: a state as returned by ``state()``, to continue from.

    Raises:
        InputError: the scenario does not fit in memory or names what the cell model does not know.
    """

    scenario: Scenario = None  # type: ignore[assignment] # hides a property of Mesa 3.5 and later

    def __init__(
        self,
        scenario: Scenario,
        *,
        cell_model: CellModel | None = None,
        device: str = "auto",
        state: dict[str, Any] | None = None,
    ) -> None:
        refuse_if_too_large(scenario)
        device = resolve_device(device)
        cell_model = cell_model or load_cell_model(scenario, device)
        _check_genotypes(scenario, cell_model)
        coupling = Coupling.of(scenario, cell_model)
        super().__init__(
            rng=scenario.seed,
            kinds=[CLASSES[code] for code in coupling.cell_types.network],
            nodes=[channel.name for channel in cell_model.nodes],
        )
        self.scenario, self.seed, self.device = scenario, scenario.seed, device
        self.cell_model, self.coupling = cell_model, coupling
        self.cell_types = coupling.cell_types
        self.grid = Grid(shape=scenario.grid_shape(), voxel=scenario.domain.voxel)
        self.env = Microenvironment(self.grid, _substrates(scenario), tolerance=FIELD_TOLERANCE)
        self.therapy = Therapy(scenario)
        self.drug_balance = TissueBalance(self.therapy.drugs, self.env)
        self.clones = Clones()
        self.population = Population(
            len(self.cell_model.nodes), len(self.coupling.basal), len(self.coupling.silent)
        )
        self._set_clock(0)
        self.lineage = []
        self.events: list[tuple[float, str, str]] = []
        self.timers = dict.fromkeys(tick.PROCESSES, 0.0)
        self._hooks: list[Callable[[TumorModel], object]] = []
        self._stopped: str | None = None
        if state is None:
            self.therapy.load_policies(scenario)
            founders.seed(self)
        else:
            self.restore(state)

    @property
    def dt(self) -> float:
        """Length of a tick [min]."""
        return self.scenario.time.tick

    @property
    def outputs(self) -> dict[str, np.ndarray]:
        """What the cell model decided last, by name: views of one column each, (n_cells,)."""
        return self.coupling.outputs(self.population)

    @property
    def clock(self) -> Clock:
        """The present tick, and what keys its draws."""
        return Clock(self.tick_index, self.time, self.dt, self.seed)

    def is_on(self, process: str) -> bool:
        """Whether the scenario leaves a process of the tick switched on."""
        return self.scenario.process_is_on(process)

    def group_of(self, row: int) -> str:
        """Name of the scenario group of the cell in a row."""
        return list(self.scenario.cells)[int(self.population["group"][row])]

    def step(self) -> None:
        """Advance by one tick."""
        tick.advance(self)
        self._set_clock(self.tick_index + 1)
        for hook in self._hooks:
            hook(self)

    def run_for(self, duration: str | float) -> None:
        """Step until ``duration`` (a string with a unit, or minutes) has passed."""
        end = self.time + minutes(duration)
        self.run_until(lambda model: model.time >= end)

    def run_until(self, condition: Callable[["TumorModel"], bool]) -> None:
        """Step until ``condition(model)`` holds, the model is stopped or its duration is over."""
        while not condition(self) and self.stop_reason() is None:
            self.step()

    def on_tick(self, hook: Callable[["TumorModel"], object]) -> None:
        """Call ``hook(model)`` after every tick: look, change columns or fields, ``stop()``."""
        self._hooks.append(hook)

    def stop(self, reason: str = "stopped by a hook") -> None:
        """End the run after the present tick."""
        self._stopped = reason

    def stop_reason(self) -> str | None:
        """Why the run should end now, or None: a hook, or a stop condition of the scenario."""
        stop, burden = self.scenario.stop, self.burden
        if self._stopped is not None:
            return self._stopped
        if stop.burden_below is not None and burden < stop.burden_below:
            return f"burden below {stop.burden_below:g} cells"
        if stop.burden_above is not None and burden > stop.burden_above:
            return f"burden above {stop.burden_above:g} cells"
        return None

    def count(self, name: str) -> int:
        """Number of living cells of a scenario group or of a cell type.

        Raises:
            InputError: neither a group nor a type has this name.
        """
        alive = self.population["status"] == ALIVE
        groups = list(self.scenario.cells)
        if name in groups:
            return int(np.sum(alive & (self.population["group"] == groups.index(name))))
        return int(np.sum(alive & (self.population["type"] == self.cell_types.code(name))))

    @property
    def burden(self) -> int:
        """Living tumor cells (not apoptotic, necrotic or debris)."""
        alive = self.population["status"] == ALIVE
        return int(np.sum(alive & self.cell_types.tumor[self.population["type"]]))

    @property
    def healthy(self) -> int:
        """Living epithelial cells: what the toxicity of a drug is judged by."""
        alive = self.population["status"] == ALIVE
        return int(np.sum(alive & (self.cell_types.network[self.population["type"]] == EPITHELIUM)))

    def branch(self) -> "TumorModel":
        """A second future from this state: an independent copy of the model."""
        return TumorModel(
            self.scenario, cell_model=self.cell_model, device=self.device, state=self.state()
        )

    def state(self) -> dict[str, Any]:
        """Everything the future depends on, as nested dicts of arrays and plain values."""
        return {
            "tick_index": self.tick_index,
            "inputs": list(self.coupling.basal),
            "population": self.population.state(),
            "env": self.env.state(),
            "therapy": self.therapy.state(),
            "drug_balance": self.drug_balance.state(),
            "clones": self.clones.state(),
            "timers": dict(self.timers),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of ``state()``; the result is the same to the bit.

        Raises:
            InputError: the state is not that of such a model.
        """
        try:
            self._set_clock(int(state["tick_index"]))
            self.population.restore(self._with_own_inputs(state["population"], state["inputs"]))
            self.env.restore(state["env"])
            self.therapy.restore(state["therapy"])
            self.drug_balance.restore(state["drug_balance"])
            self.clones.restore(state["clones"])
            self.timers.update(state["timers"])
            tick.exchange_with_fields(self)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            msg = f"the state saved is not that of this scenario, or is damaged ({error})"
            raise InputError(msg) from error

    def _with_own_inputs(
        self, columns: dict[str, np.ndarray], names: list[str]
    ) -> dict[str, np.ndarray]:
        """The columns with this model's inputs: a branch may give other drugs than its run."""
        basal = self.coupling.basal
        if names == list(basal):
            return columns
        inputs = np.tile(np.array(list(basal.values()), np.float32), (len(columns["id"]), 1))
        for column, name in enumerate(basal):
            if name in names:
                inputs[:, column] = columns["inputs"][:, names.index(name)]
        return columns | {"inputs": inputs}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the state, not the objects: buffers of the solver do not survive a plain copy."""
        return _rebuild, (self.scenario, self.cell_model, self.device, self.state())

    def _set_clock(self, tick_index: int) -> None:
        """Be at the start of a tick; ``steps`` is Mesa's name for the number of ticks done."""
        self.tick_index = self.steps = tick_index
        self.time = tick_index * self.scenario.time.tick  # [min]

    def complete(self, rows: slice) -> None:
        """Give cells that user code added the volumes and the network state of their type."""
        population = self.population
        set_volumes(population, rows, growth=self.cell_types.growth)
        population["nodes"][rows] = self.cell_model.initial_state(
            self.cell_types.network[population["type"][rows]], population["genotype"][rows]
        )
        population["outputs"][rows] = self.coupling.silent


def _rebuild(
    scenario: Scenario, cell_model: CellModel, device: str, state: dict[str, Any]
) -> TumorModel:
    return TumorModel(scenario, cell_model=cell_model, device=device, state=state)


def load_cell_model(scenario: Scenario, device: str) -> CellModel:
    """The cell model that a scenario names, with its drugs and mutations.

    Raises:
        InputError: there is none such.
    """
    try:
        return surrogates.load(**scenario.cell_model_options(), device=resolve_device(device))
    except (ValueError, KeyError, OSError) as error:
        msg = f"surrogate: {error}"
        raise InputError(msg) from error


def _check_genotypes(scenario: Scenario, cell_model: CellModel) -> None:
    """A cell model that was handed over must know the mutations that the scenario defines."""
    if cell_model.genotypes != scenario.genotypes and scenario.genotypes != GENOTYPES:
        own = list(scenario.genotypes[len(GENOTYPES) :])
        msg = (
            f"evolution: the scenario defines {own}, but the cell model was made without them; "
            "surrogates.load(**scenario.cell_model_options()) makes one with them"
        )
        raise InputError(msg)


def _substrates(scenario: Scenario) -> list[Substrate]:
    """The scenario's substrates; one that names no boundary is closed, or periodic as the walls."""
    walls = "periodic" if scenario.domain.walls == "periodic" else "no_flux"
    return [
        Substrate(
            name,
            diffusivity=spec.diffusivity,
            decay_rate=spec.decay_rate,
            initial=spec.initial,
            boundary=spec.boundary or {"all": walls},
        )
        for name, spec in scenario.substrates.items()
    ]
