"""What a scenario implies before it runs: reach of substrates, growth, drug at the cells, cost."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.channels import (
    OUTPUTS,
    basal_inputs,
    cell_type_code,
    genotype_bits,
)
from surrogates.contract import Cells
from surrogates.phenotype import net_growth_rate
from surrogates.trajectory import free_run
from tme_sim.analysis.reach import Reach, reach
from tme_sim.scenario.memory import (
    cell_bytes,
    field_bytes,
    in_words,
    initial_cells,
    refuse_if_too_large,
)
from tme_sim.scenario.mutations import own_mutations, scaled_rates
from tme_sim.scenario.placement import crowding, place_all
from tme_sim.scenario.scenario import Scenario
from tme_sim.scenario.substrates import SubstrateSpec
from tme_sim.scenario.tissue import CellGroup
from tme_sim.scenario.units import DAY, concentration_per_amount, time_in_words

CLOSED = ("no_flux", "periodic")
SETTLED = 2880.0  # [min] after which a cell's rates in constant surroundings are read
STEP = 6.0  # [min]
SECONDS_PER_CELL_TICK = 1e-5  # rough, two cores of 2025
SECONDS_PER_VOXEL_TICK = 1.5e-7  # per substrate; rough, the same machine
BYTES_PER_CELL_FRAME = 220
PACKED_VOLUME = {2: 222.4 * 20.0, 3: 3400.0}  # [um^3] per cell at rest, 2D at a voxel of 20 um


@dataclass(frozen=True)
class Growth:
    """Net growth of a group's cells in the surroundings at the start, after two days in them."""

    group: str
    count: float
    doublings_per_day: float


@dataclass(frozen=True)
class Exhausted:
    """What nothing supplies and cells use up: how long it lasts at the start's uptake [min]."""

    name: str
    lasts: float

    def text(self) -> str:
        """The same in words."""
        return (
            f"nothing supplies {self.name}: no vessel and no open wall; at the start's uptake what "
            f"is there lasts {time_in_words(float(f'{self.lasts:.2g}'))}, then cells starve"
        )


@dataclass(frozen=True)
class DrugCourse:
    """What cells would sense of a drug in plasma: its mean on some days [unit]."""

    name: str
    unit: str
    days: tuple[int, ...]
    level: tuple[float, ...]


@dataclass(frozen=True)
class Implications:
    """What a scenario implies; ``text()`` for people, ``as_dict()`` for programs."""

    name: str
    n_cells: float
    n_voxels: int
    substrates: tuple[Reach, ...]
    growth: tuple[Growth, ...]
    exhausted: tuple[Exhausted, ...]
    drugs: tuple[DrugCourse, ...]
    expected_cells: float
    memory_bytes: float
    run_seconds: float
    file_bytes: float
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dataclasses.asdict(self)

    def text(self) -> str:
        """The same in words, a fact a line."""
        lines = [f"{self.name}: {self.n_cells:g} cells in {self.n_voxels} voxels at the start"]
        lines += [f"  {substrate.text()}" for substrate in self.substrates]
        lines += [f"  {_growth_text(growth)}" for growth in self.growth]
        lines += [f"  {_course_text(course)}" for course in self.drugs]
        starving = f"starving, at most {self.expected_cells:.2g} cells at the end; "
        growing = f"about {self.expected_cells:.2g} cells at the end if therapy changes nothing; "
        lines.append(
            f"  {starving if self.exhausted else growing}"
            f"memory {in_words(self.memory_bytes)}, "
            f"run time roughly {_duration(self.run_seconds)}, file {in_words(self.file_bytes)}"
        )
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def implications(scenario: Scenario) -> Implications:
    """What a scenario implies before it runs.

    Raises:
        ScenarioError: The cells do not fit into their shapes, or the tissue not into memory.
    """
    refuse_if_too_large(scenario)
    placed = place_all(scenario)
    n_cells = float(sum(len(cells) for cells in placed.values()))
    outputs = _settled_outputs(scenario)
    growth = tuple(
        Growth(name, float(len(placed[name])), outputs[name]["growth_rate_net"] * DAY)
        for name in outputs
        if len(placed[name])
    )
    exhausted = _exhausted(scenario, outputs, {name: len(cells) for name, cells in placed.items()})
    days = min([scenario.time.duration, *(each.lasts for each in exhausted)]) / DAY
    expected = _expected_cells(scenario, n_cells, growth, days)
    nz, ny, nx = scenario.grid_shape()
    return Implications(
        name=scenario.name,
        n_cells=n_cells,
        n_voxels=nz * ny * nx,
        substrates=tuple(reach(scenario, name, outputs) for name in scenario.substrates),
        growth=growth,
        exhausted=exhausted,
        drugs=_courses(scenario),
        expected_cells=expected,
        memory_bytes=field_bytes(scenario) + cell_bytes(scenario, max(n_cells, expected)),
        run_seconds=_run_seconds(scenario, (n_cells + expected) / 2, nz * ny * nx),
        file_bytes=_file_bytes(scenario, (n_cells + expected) / 2, nz * ny * nx),
        notes=(*(each.text() for each in exhausted), *_notes(scenario), *crowding(placed)),
    )


def _settled_outputs(scenario: Scenario) -> dict[str, dict[str, float]]:
    """Outputs of the cell model for a cell of each group, after two days in what is there at 0."""
    import surrogates  # numba

    try:
        model = surrogates.load(**scenario.cell_model_options(), device="cpu")
    except (OSError, ValueError, KeyError) as err:
        raise scenario.error(("surrogate",), str(err)) from err
    groups = scenario.cells.values()
    inputs = basal_inputs(len(groups), model.inputs)
    names = [channel.name for channel in model.inputs]
    for spec in scenario.substrates.values():
        if spec.input is not None:
            inputs[:, names.index(spec.input)] = spec.initial
    kinds = [scenario.cell_types[group.type].network_type for group in groups]
    codes = np.array([cell_type_code(kind) for kind in kinds], np.int8)
    bits = np.array([genotype_bits(group.genotype, model.genotypes) for group in groups], np.int32)
    cells = Cells(model.initial_state(codes, bits), inputs, bits, codes)
    *_, settled = free_run(model, cells, STEP, round(SETTLED / STEP))
    growth = net_growth_rate(settled.outputs)
    return {
        name: dict(zip(OUTPUTS, values.tolist(), strict=True)) | {"growth_rate_net": float(net)}
        for name, values, net in zip(scenario.cells, settled.outputs, growth, strict=True)
    }


def _exhausted(
    scenario: Scenario, outputs: dict[str, dict[str, float]], counts: dict[str, int]
) -> tuple[Exhausted, ...]:
    """Substrates that cells use up before the end while nothing supplies them."""
    found = []
    for name, spec in scenario.substrates.items():
        used = sum(
            counts[group] * values.get(f"{spec.input}_uptake", 0.0)
            for group, values in outputs.items()
        )
        if used <= 0.0 or not spec.half_saturation or _is_supplied(scenario, spec):
            continue
        there = spec.initial / concentration_per_amount(spec.unit)  # [amol/um3]
        uptake = used * spec.initial / (spec.half_saturation + spec.initial)
        lasts = there * float(np.prod(scenario.domain.box)) / uptake if uptake > 0.0 else 0.0
        if lasts < scenario.time.duration:
            found.append(Exhausted(name, lasts))
    return tuple(found)


def _is_supplied(scenario: Scenario, spec: SubstrateSpec) -> bool:
    """Whether a substrate comes in through a wall, or through vessels that are or may come."""
    walls = (spec.boundary or {}).values()
    if any((w.get("bath", 0.0) if isinstance(w, dict) else w) for w in walls if w not in CLOSED):
        return True
    return _has_vessels(scenario) and spec.permeability > 0.0 and spec.plasma > 0.0


def _has_vessels(scenario: Scenario) -> bool:
    types = (scenario.cell_types[group.type] for group in scenario.cells.values())
    return any(kind.vessel_radius is not None for kind in types)


def _courses(scenario: Scenario) -> tuple[DrugCourse, ...]:
    """Daily means of what cells would sense of each drug, adaptive entries always on."""
    from tme_sim.therapy import Therapy  # scipy

    therapy = Therapy(scenario)
    therapy.load_policies(scenario)
    if not therapy.drugs:
        return ()
    n_days = max(1, math.ceil(scenario.time.duration / DAY))
    daily = [dict(therapy.advance(day * DAY, DAY)) for day in range(n_days)]
    days = sorted({d for d in (0, 1, 2, 4, 6, 13, 27) if d < n_days} | {n_days - 1})
    return tuple(
        DrugCourse(
            name=name,
            unit=drug.unit,
            days=tuple(day + 1 for day in days),
            level=tuple(daily[day][name] for day in days),
        )
        for name, drug in therapy.drugs.items()
    )


def _expected_cells(
    scenario: Scenario, n_cells: float, growth: tuple[Growth, ...], days: float
) -> float:
    """Cells after `days`: drug-free growth as at the start and supply, within the room there is."""
    born: float = sum(
        g.count * (2.0 ** min(g.doublings_per_day * days, 60.0) - 1.0) for g in growth
    )
    supplied = sum(group.supply for group in scenario.cells.values()) * scenario.time.duration
    volume = float(np.prod(scenario.domain.box))
    room = max(n_cells, volume / PACKED_VOLUME[scenario.domain.dim])
    limit = scenario.stop.burden_above
    return min(max(n_cells + born, 0.0) + supplied, room, math.inf if limit is None else 2 * limit)


def _run_seconds(scenario: Scenario, n_cells: float, n_voxels: int) -> float:
    ticks = scenario.time.duration / scenario.time.tick
    fields = SECONDS_PER_VOXEL_TICK * n_voxels * len(scenario.substrates)
    return ticks * (SECONDS_PER_CELL_TICK * n_cells + fields)


def _file_bytes(scenario: Scenario, n_cells: float, n_voxels: int) -> float:
    frames = scenario.time.duration / scenario.time.frame_every + 1
    return frames * (BYTES_PER_CELL_FRAME * n_cells + 4.0 * n_voxels * len(scenario.output.fields))


def _notes(scenario: Scenario) -> list[str]:
    """What will surprise the user."""
    vessels = _has_vessels(scenario)
    notes = []
    for name in {dose.drug: None for dose in scenario.therapy}:
        walls = (scenario.substrates[name].boundary or {}).values()
        if not vessels and all(wall in CLOSED for wall in walls):
            notes.append(f"{name} never reaches the tissue: there are no vessels")
    for k, dose in enumerate(scenario.therapy):
        if dose.start >= scenario.time.duration:
            start, end = time_in_words(dose.start), time_in_words(scenario.time.duration)
            told = f"it starts at {start}, the run ends at {end}"
            notes.append(f"therapy.{k}: {dose.drug} is never given: {told}")
    if not vessels and any(group.supply > 0 for group in scenario.cells.values()):
        notes.append("cells are supplied, but without endothelium none can enter")
    notes += [f"scaled: {text}" for text in scaled_rates(scenario)]
    notes += own_mutations(scenario)
    notes += _standing(scenario)
    if initial_cells(scenario) == 0 and not scenario.cells:
        notes.append("there are no cells")
    return notes


def _standing(scenario: Scenario) -> list[str]:
    """Mutants to expect from before the run: N u ln N of the lesion, in proportion of the patch."""
    return [
        f"{name} stands for {group.represents:.3g} cells: about {spec.rate * group.represents:.3g} "
        f"{gene} clones arose in them, a share {min(_mutant_share(spec.rate, group), 1.0):.2g} of "
        "all cells on average; few patches hold one unless that share times their cells nears 1"
        for name, group in scenario.cells.items()
        if group.represents is not None and group.represents > 1.0
        for gene, spec in scenario.evolution.items()
    ]


def _mutant_share(rate: float, group: CellGroup) -> float:
    """Mean share of mutants in a tumor grown from one cell without death: u ln N."""
    return rate * math.log(group.represents or 1.0)


def _growth_text(growth: Growth) -> str:
    rate = growth.doublings_per_day
    if abs(rate) < 1e-3:
        return f"{growth.group}: cells neither grow nor shrink in number"
    verb = "double" if rate > 0 else "halve"
    return f"{growth.group}: {verb} in {24.0 / abs(rate):.3g} h at the start ({rate:.2f} per day)"


def _course_text(course: DrugCourse) -> str:
    days = ", ".join(f"day {d} {c:.3g}" for d, c in zip(course.days, course.level, strict=True))
    return f"{course.name}: plasma as cells sense it [{course.unit}, mean]: {days}"


def _duration(seconds: float) -> str:
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"


__all__ = ["Implications", "implications", "refuse_if_too_large"]
