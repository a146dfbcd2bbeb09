"""Everything a run file tells of one cell: columns, surroundings, family, history, survival."""

from typing import Any

import numpy as np

from surrogates.channels import INPUT_CHANNELS
from surrogates.drugs import SHIPPED
from tme_sim.output.explanation import Explanation
from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run
from tme_sim.replay.family import Family
from tme_sim.replay.mutations import genotype_names


def cell_facts(
    run: Run, family: Family, explanation: Explanation | None, frame: int, row: int
) -> dict[str, Any]:
    """What is known of the cell in one row of a frame.

    Raises:
        RunFileError: the frame has no such row.
    """
    n = int(run.n_cells[frame])
    if not 0 <= row < n:
        msg = f"no cell in row {row} of frame {frame}; it has {n} cells"
        raise RunFileError(msg)
    values = {name: v[row] for name, v in run.frame(frame, tuple(run.columns)).items()}
    identity, clone = int(values["id"]), int(values["clone"])
    return {
        "row": row,
        "id": str(identity),
        "columns": {name: _as_json(run, name, value) for name, value in values.items()},
        "genotype": genotype_names(run, _genotype(run, values)),
        "clone": clone,
        "senses": _senses(run, frame, values["position"]),
        "life": family.life(identity),
        "survival": survival(explanation, identity),
    }


def row_of(run: Run, frame: int, identity: int) -> int | None:
    """Where a cell is in a frame; None where it is not (yet, or any more)."""
    rows = np.flatnonzero(run.frame(frame, ("id",))["id"] == identity)
    return int(rows[0]) if len(rows) else None


def history(run: Run, identity: int, name: str) -> list[float | None]:
    """One number of a cell in every frame of the run; None where it is not there.

    Raises:
        RunFileError: the column has more than one number of each cell.
    """
    entries: list[float | None] = []
    for frame in range(len(run.times)):
        row = row_of(run, frame, identity)
        value = None if row is None else _one_number(run.frame(frame, (name,))[name][row], name)
        entries.append(value if value is not None and np.isfinite(value) else None)
    return entries


def _one_number(value: Any, name: str) -> float:
    if np.ndim(value):
        msg = f"{name} is more than one number of a cell, so it has no curve"
        raise RunFileError(msg)
    return float(value)


def families(
    run: Run, family: Family, explanation: Explanation | None
) -> list[tuple[str, dict[str, Any]]]:
    """What ``cell_facts`` tells of every cell that ever lived and that no frame holds."""
    genotypes = run.clones["genotype"].tolist()
    entries = []
    for identity in family.ids:
        clone = family.clone_of(identity)
        entries.append(
            (
                str(identity),
                {
                    "clone": clone,
                    "genotype": genotype_names(run, genotypes[clone] if clone >= 0 else 0),
                    "life": family.life(identity),
                    "survival": survival(explanation, identity),
                },
            )
        )
    return entries  # fmt: skip


def survival(explanation: Explanation | None, identity: int) -> list[dict[str, Any]]:
    """Why the cell survives, at each checkpoint that it was explained at."""
    if explanation is None:
        return []
    found = []
    for index, time in enumerate(explanation.time):
        cells = explanation.at(index)
        rows = np.flatnonzero(cells["id"] == identity)
        if len(rows) == 0:
            continue
        row = int(rows[0])
        effects = zip(explanation.put_back, cells["effect"][row].tolist(), strict=True)
        found.append(
            {
                "time": float(time),
                "cause": explanation.categories[int(cells["cause"][row])],
                "net": float(cells["net_growth"][row]),
                "joint": _finite(cells["joint"][row]),
                "threshold": explanation.threshold,
                "effects": [{"name": n, "effect": e} for n, e in effects if abs(e) > 5e-4],
            }
        )
    return found


def _senses(run: Run, frame: int, position: np.ndarray) -> list[dict[str, Any]]:
    """What the recorded fields hold in the voxel of a cell."""
    nz, ny, nx = run.shape
    x, y, z = (int(p) for p in np.asarray(position) // run.voxel)
    voxel = min(z, nz - 1), min(y, ny - 1), min(x, nx - 1)
    units = {c.name: c.unit for c in INPUT_CHANNELS} | {n: d.unit for n, d in SHIPPED.items()}
    return [
        {"name": name, "units": unit, "value": _finite(run.field_voxel(name, frame, voxel)),
         "input": units.get(name) == unit}
        for name, unit in run.fields.items()
    ]  # fmt: skip


def _as_json(run: Run, name: str, value: Any) -> Any:
    """A value as JSON: names for codes, null for what is no number."""
    categories = run.columns[name]["categories"]
    if categories:
        return categories[int(value)]
    if name == "clone":
        return str(run.clones["name"].iloc[int(value)]) if int(value) >= 0 else None
    if np.ndim(value):
        return [float(v) for v in value]
    if isinstance(value, np.bool_):
        return bool(value)
    if name in ("id", "mother"):
        return str(value)
    return _finite(value)


def _genotype(run: Run, values: dict[str, Any]) -> int:
    """Bits of the cell's alterations: recorded, or those of its clone."""
    if "genotype" in values:
        return int(values["genotype"])
    clone = int(values["clone"])
    return int(run.clones["genotype"].iloc[clone]) if clone >= 0 else 0


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
