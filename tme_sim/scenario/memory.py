"""What a scenario needs in memory, and refusal where it will not fit."""

import os
from pathlib import Path

from tme_sim.scenario.placement import expected_count
from tme_sim.scenario.scenario import Scenario

BYTES_PER_VOXEL = 100  # work space of the field solver, shared by all substrates
BYTES_PER_VOXEL_SUBSTRATE = 60  # the field, what cells and vessels exchange, sums on their way
BYTES_PER_CELL = 2500  # columns, nodes, inputs, outputs and spread of the cell model, contact lists
USABLE = 0.9  # of the memory of the machine
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def refuse_if_too_large(scenario: Scenario) -> None:
    """Refuse a scenario that does not fit in the memory of this machine.

    Raises:
        ScenarioError: With the memory needed, the memory there is, and the size that is at fault.
    """
    fields, cells, there = field_bytes(scenario), cell_bytes(scenario), available_bytes()
    if fields + cells <= there:
        return
    nz, ny, nx = scenario.grid_shape()
    what = (
        f"{nx} x {ny} x {nz} voxels with {len(scenario.substrates)} substrates"
        if fields >= cells
        else f"{initial_cells(scenario):.3g} cells"
    )
    msg = f"{what} need {in_words(fields + cells)} of memory, but {in_words(there)} can be used"
    raise scenario.error(("domain", "size") if fields >= cells else ("cells",), msg)


def field_bytes(scenario: Scenario) -> float:
    """Memory of the microenvironment."""
    nz, ny, nx = scenario.grid_shape()
    per_voxel = BYTES_PER_VOXEL + BYTES_PER_VOXEL_SUBSTRATE * len(scenario.substrates)
    return float(nz) * ny * nx * per_voxel


def cell_bytes(scenario: Scenario, n_cells: float | None = None) -> float:
    """Memory of a number of cells; by default of those at the start."""
    return BYTES_PER_CELL * (initial_cells(scenario) if n_cells is None else n_cells)


def initial_cells(scenario: Scenario) -> float:
    """Number of cells at the start (those of tables not counted)."""
    return sum(expected_count(group, scenario.domain) for group in scenario.cells.values())


def available_bytes() -> float:
    """Memory that a run may use: a share of the machine's, or of what this process is allowed."""
    total = float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = float(_CGROUP.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such group, or "max"
        limit = total
    return USABLE * min(total, limit)


def in_words(n_bytes: float) -> str:
    """Bytes with a readable unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000.0:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000.0
    return f"{n_bytes:.3g} PB"
