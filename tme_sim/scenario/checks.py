"""Check what a scenario says across its sections: names the cell model knows, space, schedules."""

import itertools
from collections.abc import Iterable
from typing import Any

from tme_sim.scenario.drugs import DrugSpec
from tme_sim.scenario.errors import ScenarioError, nearest
from tme_sim.scenario.names import SHOWN, fault_of
from tme_sim.scenario.placement import check_placement, expected_count
from tme_sim.scenario.scenario import Scenario
from tme_sim.scenario.schedules import Dose
from tme_sim.scenario.tables import read_table

STANDARD = ("standard", "all")
MOST_TYPES = 16
MOST_DOSES = 100_000  # of an entry, and visits of a rule
MOST_CLONES = 1_000_000  # of one mutation before the run
MOST_ARRIVALS = 100_000  # of a group in a tick
MOST_SCATTERED = 100_000  # cells of a group; each is thrown until it is far from all others
COUNTED = ("dead", "clones", "out_of_domain")  # n_... of the metrics that is no group's


def check(scenario: Scenario) -> None:
    """Refuse what is valid in itself but cannot be together.

    Raises:
        ScenarioError: With the file and line of what is wrong.
    """
    _check_names(scenario)
    _check_number_of_types(scenario)
    _check_walls(scenario)
    _check_known_to_cell_model(scenario)
    _check_affinities(scenario)
    _check_inputs(scenario)
    _check_no_shared_input(scenario)
    _check_placements(scenario)
    _check_counts(scenario)
    _check_schedules(scenario)
    _check_output(scenario)


def _check_names(scenario: Scenario) -> None:
    """Names become keys of run files and columns."""
    for section in ("substrates", "cells", "cell_types", "drugs", "evolution"):
        for name in getattr(scenario, section):
            fault = fault_of(name)
            if fault is not None:
                msg = f"{section}.{name[:SHOWN]}: {fault}"
                raise ScenarioError(msg, scenario.document.where((section, name)))
    for name in scenario.cells:
        if name in COUNTED:
            msg = f"a group cannot be called {name!r}: the metrics count that beside the groups"
            raise scenario.error(("cells", name), msg)


def _check_number_of_types(scenario: Scenario) -> None:
    """The replay packs a cell's type into half a byte."""
    n_types = len(scenario.cell_types)
    if n_types > MOST_TYPES:
        msg = f"{n_types} cell types, but at most {MOST_TYPES} are allowed in one tissue"
        raise scenario.error(("cell_types",), msg)


def _check_walls(scenario: Scenario) -> None:
    """A substrate is periodic at both ends of an axis, or at none."""
    n_voxels = dict(zip("zyx", scenario.grid_shape(), strict=True))
    for name, spec in scenario.substrates.items():
        walls = spec.boundary or {}
        for axis, n in n_voxels.items():
            rest = walls.get("all") if n > 1 else None  # `all` leaves out an axis of one voxel
            low, high = (walls.get(face, rest) for face in (f"{axis}_low", f"{axis}_high"))
            if (low == "periodic") != (high == "periodic"):
                msg = f"{name} is periodic at one end of {axis} only; make both ends periodic"
                raise scenario.error(("substrates", name, "boundary"), msg)


def _check_known_to_cell_model(scenario: Scenario) -> None:
    """Cell types and mutations are those of the cell model."""
    from surrogates import channels

    for name, spec in scenario.cell_types.items():
        path = ("cell_types", name, "network_type")
        _know(scenario, path, spec.network_type, channels.CELL_TYPES)
    for name, group in scenario.cells.items():
        for k, mutation in enumerate(group.genotype):
            _know(scenario, ("cells", name, "genotype", k), mutation, scenario.genotypes)
    for mutation, change in scenario.evolution.items():
        if not change.nodes:
            _know(scenario, ("evolution", mutation), mutation, channels.GENOTYPES)
    _check_own_mutations(scenario)


def _check_own_mutations(scenario: Scenario) -> None:
    """Mutations that the scenario defines have a name of their own and change nodes there are."""
    from surrogates import channels
    from surrogates.mutations import MOST

    holder: dict[str, str] = {}
    own = {name: spec for name, spec in scenario.evolution.items() if spec.nodes}
    for name, spec in own.items():
        path: tuple[Any, ...] = ("evolution", name)
        if name in channels.GENOTYPES:
            msg = "the cell model knows what this mutation does; leave out `nodes` or rename it"
            raise scenario.error((*path, "nodes"), msg)
        if scenario.surrogate.name == "constant":
            msg = "the cell model `constant` has no nodes that a mutation could change"
            raise scenario.error((*path, "nodes"), msg)
        for node, change in spec.nodes.items():
            _know(scenario, (*path, "nodes", node), node, channels.NODES)
            if change.held is None:
                continue
            if node in holder:
                msg = f"both {holder[node]!r} and {name!r} hold {node}; one cell may carry both"
                raise scenario.error((*path, "nodes", node), msg)
            holder[node] = name
    if len(own) > MOST:
        msg = f"{len(own)} mutations of its own; a genotype has room for {MOST}"
        raise scenario.error(("evolution",), msg)


def _check_affinities(scenario: Scenario) -> None:
    """Affinities are between types of the scenario; two types say the same of each other."""
    for name, spec in scenario.cell_types.items():
        for other, factor in spec.affinity.items():
            path = ("cell_types", name, "affinity", other)
            if other not in scenario.cell_types:
                msg = f"unknown cell type {other!r}; {nearest(other, scenario.cell_types)}"
                raise scenario.error(path, msg)
            back = scenario.cell_types[other].affinity.get(name, factor)
            if back != factor:
                msg = f"found {factor:g}, but {other} says {back:g} of its affinity to {name}"
                raise scenario.error(path, msg)


def _check_inputs(scenario: Scenario) -> None:
    """What cells sense of a substrate is an input of the cell model, in its unit."""
    from surrogates import channels, drugs

    units = {c.name: c.unit for c in channels.INPUT_CHANNELS if c.name in channels.SURROUNDINGS}
    units |= {name: drug.unit for name, drug in drugs.SHIPPED.items()}
    for name, drug in scenario.drugs.items():
        _know_targets(scenario, name, drug)
        units[name] = drugs.SHIPPED[drug.acts_as].unit if drug.acts_as else drug.unit
    for name, spec in scenario.substrates.items():
        if spec.input is None:
            continue
        _know(scenario, ("substrates", name, "input"), spec.input, units)
        if units[spec.input] != spec.unit:
            msg = f"found {spec.unit}, but the cell model reads {spec.input} in {units[spec.input]}"
            raise scenario.error(("substrates", name, "unit"), msg)


def _know_targets(scenario: Scenario, name: str, spec: DrugSpec) -> None:
    """What a drug acts as, and what it acts on, is known to the cell model."""
    from surrogates import channels, drugs

    if spec.acts_as is not None:
        _know(scenario, ("drugs", name, "acts_as"), spec.acts_as, drugs.SHIPPED)
    for target in spec.targets or {}:
        _know(scenario, ("drugs", name, "targets", target), target, channels.TARGETS)


def _know(scenario: Scenario, path: tuple[Any, ...], name: str, allowed: Iterable[str]) -> None:
    """Refuse a name that the cell model does not know."""
    if name not in allowed:
        msg = f"{name!r} is unknown to the cell model; {nearest(name, allowed)}"
        raise scenario.error(path, msg)


def _check_no_shared_input(scenario: Scenario) -> None:
    """An input of the cell model is fed by one substrate."""
    feeds: dict[str, str] = {}
    for name, spec in scenario.substrates.items():
        if spec.input is not None and spec.input in feeds:
            msg = f"both {feeds[spec.input]!r} and {name!r} are read as {spec.input!r}"
            raise scenario.error(("substrates", name), msg)
        if spec.input is not None:
            feeds[spec.input] = name


def _check_placements(scenario: Scenario) -> None:
    """Shapes lie in the domain and are of its dimension; tables can be read."""
    for name, group in scenario.cells.items():
        if group.placement is None:
            continue
        path = ("cells", name, "placement")
        fault = check_placement(group.placement, scenario.domain)
        if fault:
            raise scenario.error((*path, group.placement.kind), fault)
        if group.placement.file is not None:
            _check_table(scenario, name, group.placement.file)


def _check_table(scenario: Scenario, name: str, file: str) -> None:
    """The table of a group can be read; only tumor cells are of clones."""
    columns = read_table(
        scenario.files[file], file, scenario.domain, n_mutations=len(scenario.genotypes)
    )
    kind = scenario.cell_types[scenario.cells[name].type].network_type
    if "clone" in columns and kind != "tumor":
        msg = f"the column 'clone' is of tumor cells, but the group {name} is of {kind} cells"
        raise ScenarioError(msg, f"{file}:1")


def _check_counts(scenario: Scenario) -> None:
    """What numbers imply together can be counted: cells, clones, doses, visits."""
    for name, group in scenario.cells.items():
        path: tuple[Any, ...] = ("cells", name)
        scattered = group.placement is not None and group.placement.kind == "poisson"
        if scattered:
            spacing = (*path, "placement", "poisson", "spacing")
            cells = expected_count(group, scenario.domain)
            _refuse_many(scenario, spacing, cells, MOST_SCATTERED, "cells")
        arriving = group.supply * scenario.time.tick
        _refuse_many(scenario, (*path, "supply"), arriving, MOST_ARRIVALS, "cells a tick")
        for gene, spec in scenario.evolution.items():
            clones = spec.rate * (group.represents or 0.0)
            what = f"standing clones of {gene}"
            _refuse_many(scenario, (*path, "represents"), clones, MOST_CLONES, what)
    for k, entry in enumerate(scenario.therapy):
        if entry.every is None:
            continue
        span = min(scenario.time.duration, entry.end) - entry.start
        _refuse_many(scenario, ("therapy", k, "every"), span / entry.every, MOST_DOSES, "doses")
        for rule in ("adaptive", "toxicity"):
            if getattr(entry, rule) is not None:
                visits = span / getattr(entry, rule).visit_every
                path = ("therapy", k, rule, "visit_every")
                _refuse_many(scenario, path, visits, MOST_DOSES, "visits")


def _refuse_many(
    scenario: Scenario, path: tuple[Any, ...], number: float, most: int, what: str
) -> None:
    if number > most:
        msg = f"this makes {number:.3g} {what}; at most {most:,} are possible"
        raise scenario.error(path, msg)


def _check_schedules(scenario: Scenario) -> None:
    """A drug is given by one entry at a time, in a way that it can be given."""
    for k, entry in enumerate(scenario.therapy):
        _check_route(scenario, k)
        if entry.toxicity is not None:
            _check_epithelium(scenario, k)
    for (i, first), (k, second) in itertools.combinations(enumerate(scenario.therapy), 2):
        if first.drug != second.drug:
            continue
        early, late = sorted((first, second), key=lambda dose: dose.start)
        if late.start < _end(scenario, early) or late.start == early.start:
            where = scenario.document.where(("therapy", i))
            msg = (
                f"{second.drug} is given at {late.start / 60:g} h although another entry "
                f"({where}) gives it then too; end the earlier one with `until` first"
            )
            raise scenario.error(("therapy", k), msg)


def _check_route(scenario: Scenario, number: int) -> None:
    """An oral dose needs a drug that is absorbed; an infusion needs a vein, and room."""
    entry = scenario.therapy[number]
    drug = scenario.drugs[entry.drug]
    route = entry.route or drug.route
    if route == "oral" and drug.absorption_rate is None:
        msg = f"{entry.drug} has no absorption_rate, so it cannot be given by mouth"
        raise scenario.error(("therapy", number, "route"), msg)
    if route == "oral" and entry.infusion:
        msg = f"{entry.drug} is given by mouth; an infusion needs `route: iv`"
        raise scenario.error(("therapy", number, "infusion"), msg)
    if entry.every is not None and _infusion(scenario, entry) > entry.every:
        msg = (
            f"every {entry.every:g} min, but an infusion of {entry.drug} takes "
            f"{_infusion(scenario, entry):g} min"
        )
        raise scenario.error(("therapy", number, "every"), msg)


def _check_epithelium(scenario: Scenario, number: int) -> None:
    """Toxicity is read off healthy epithelium, which must be there."""
    kinds = (scenario.cell_types[group.type].network_type for group in scenario.cells.values())
    if "epithelium" not in kinds:
        msg = "toxicity is judged by healthy epithelium, but no group of `cells` is of that type"
        raise scenario.error(("therapy", number, "toxicity"), msg)


def _infusion(scenario: Scenario, entry: Dose) -> float:
    """How long a dose of an entry runs into the vein [min]."""
    drug = scenario.drugs[entry.drug]
    if (entry.route or drug.route) == "oral":
        return 0.0
    return drug.infusion if entry.infusion is None else entry.infusion


def _end(scenario: Scenario, entry: Dose) -> float:
    """First time that an entry leaves to another one of the same drug [min]."""
    return entry.start + _infusion(scenario, entry) if entry.every is None else entry.end


def _check_output(scenario: Scenario) -> None:
    """Recorded substrates and columns exist."""
    for k, name in enumerate(scenario.output.fields):
        if name not in scenario.substrates:
            msg = f"unknown substrate {name!r}; {nearest(name, scenario.substrates)}"
            raise scenario.error(("output", "fields", k), msg)
    if scenario.output.columns in STANDARD:
        return
    from surrogates import channels
    from tme_sim.state.columns import COLUMNS

    inputs = (*channels.SURROUNDINGS, *scenario.sensed_drugs)
    known = (*(c.name for c in COLUMNS), *channels.NODES, *channels.OUTPUTS, *inputs)
    for k, name in enumerate(scenario.output.columns):
        if name not in known:
            msg = f"unknown column {name!r}; {nearest(name, known)}"
            raise scenario.error(("output", "columns", k), msg)
