"""What a run file says about its model: the quantities it records, its scenario, its origin."""

import contextlib
import datetime
import json
import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from surrogates.channels import Channel
from tme_sim.errors import InputError
from tme_sim.output import layout
from tme_sim.release import VERSION
from tme_sim.state.columns import PHASE_NAMES, STATUS_NAMES
from tme_sim.therapy import policies

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel
    from tme_sim.state.columns import Population

PACKAGES = ("numpy", "numba", "torch", "mesa", "h5py")
_SCRATCH = ("nodes", "inputs", "outputs")


@dataclass(frozen=True)
class Quantity:
    """One recorded column of ``/cells``: where it is in the model, and how it is stored."""

    name: str
    source: str  # column | node | output | input
    index: int  # among the channels of its source; -1 for a column of the body
    dtype: str
    shape: tuple[int, ...]
    units: str
    meaning: str
    categories: tuple[str, ...] = ()

    def read(self, population: "Population") -> np.ndarray:
        """The values of all cells."""
        if self.source == "column":
            return population[self.name]
        return population[f"{self.source}s"][:, self.index]


def recorded_quantities(model: "TumorModel") -> tuple[Quantity, ...]:
    """The quantities that ``output.columns`` of the scenario asks for, in a fixed order.

    Raises:
        InputError: it names a column that is none.
    """
    known = {q.name: q for q in _all_quantities(model)}
    wanted = model.scenario.output.columns
    if wanted == "all":
        return tuple(known.values())
    if wanted == "standard":
        standard = (*layout.STANDARD_COLUMNS, *layout.STANDARD_OUTPUTS, *layout.STANDARD_NODES)
        return tuple(q for q in known.values() if q.name in standard)
    unknown = sorted(set(wanted) - known.keys())
    if unknown:
        msg = f"output.columns names {unknown}, but a run can record {sorted(known)}"
        raise InputError(msg)
    return tuple(q for q in known.values() if q.name in {*layout.REQUIRED_COLUMNS, *wanted})


def _all_quantities(model: "TumorModel") -> list[Quantity]:
    categories = {
        "type": model.cell_types.names,
        "group": tuple(model.scenario.cells),
        "status": STATUS_NAMES,
        "phase": PHASE_NAMES,
    }
    found = []
    for c in model.population.columns.values():
        if c.name in _SCRATCH:
            continue
        dtype = layout.STORED_DTYPE.get(c.name, np.dtype(c.dtype).str)
        found.append(
            Quantity(
                c.name, "column", -1, dtype, c.shape, c.unit, c.meaning, categories.get(c.name, ())
            )
        )
    known = {q.name for q in found}
    channels = model.cell_model
    for source, members in (
        ("output", channels.outputs),
        ("node", channels.nodes),
        ("input", channels.inputs),
    ):
        dtype = layout.STORED_DTYPE.get(source, "<f4")
        for index, channel in enumerate(members):
            name = channel.name if channel.name not in known else f"{source}:{channel.name}"
            known.add(name)
            found.append(Quantity(name, source, index, dtype, (), channel.unit, channel.meaning))
    return found


def write_scenario(group: h5py.Group, model: "TumorModel") -> None:
    """The scenario as given and as resolved, and what a reader needs of its geometry.

    A resumed run keeps the text that it was started with; a branch gets its own, and keeps under
    what its past was made.
    """
    scenario = model.scenario
    resolved = json.dumps(scenario.resolved())
    past = []
    if "resolved" in group:
        before = group["resolved"].asstr()[()]
        if before == resolved:
            return
        past = [*past_of(group), {"until": model.time, "resolved": json.loads(before)}]
    texts = {"source": scenario.source, "resolved": resolved, "past": json.dumps(past)}
    for name, text in texts.items():
        if name in group:
            del group[name]
        dataset = group.create_dataset(name, data=text)
        dataset.flush()  # while it is open: see `Recorder`
    group.attrs["name"] = scenario.name
    group.attrs["seed"] = scenario.seed
    group.attrs["size"] = np.array(scenario.domain.size, "f8")
    group.attrs["voxel"] = float(model.grid.voxel)
    group.attrs["shape"] = np.array(model.grid.shape, "i8")


def past_of(group: h5py.Group) -> list[dict[str, Any]]:
    """Scenarios that a branch's past was made under, and until when [min]."""
    past: list[dict[str, Any]] = json.loads(group["past"].asstr()[()]) if "past" in group else []
    return past


def provenance_of(model: "TumorModel") -> dict[str, str | int]:
    """Where a run comes from, good enough to make it again."""
    found: dict[str, str | int] = {
        "tme_sim": VERSION,
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    found["machine"] = f"{platform.system()} {platform.machine()}"
    found["surrogate"] = model.cell_model.name
    found["surrogate_hash"] = model.cell_model.hash
    found["evidence"] = _evidence(model.cell_model.outputs)
    found |= {
        f"{layout.POLICY}{name}": policies.fingerprint(name) for name in model.scenario.policies
    }
    found["seed"] = int(model.seed)
    found["started"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return found


def _evidence(outputs: Iterable[Channel]) -> str:
    """How many outputs of the cell model rest on what, such as "12 literature, 30 assumed"."""
    counts = Counter(channel.evidence for channel in outputs)
    return ", ".join(f"{n} {grade}" for grade, n in counts.most_common())
