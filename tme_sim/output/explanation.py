"""The file that says why cells survived: ``RUN.explain.h5``, beside the run it belongs to.

Explanation file format, version 1
==================================
MUST and MAY are meant as in ``layout``. Small on purpose: a row per explained cell and checkpoint,
4 bytes for each growth, one for the cause.

Root attributes
    ``format`` MUST be "tme-sim explanation", ``format_version`` an integer; a reader MUST refuse a
    larger one than it knows. ``name``, ``seed``, ``started``: of the run; a reader MUST ignore
    a file whose run has another. ``threshold`` float64 [doublings/day]: from where on a cell
    counts as surviving.
``/checkpoints``
    ``time`` float64 (n,) min, ascending; ``start``, ``count`` int64 (n,): checkpoint k owns rows
    start[k] to start[k] + count[k] of ``/cells``; ``n_tumor`` int64 (n,): living tumor cells,
    explained or not.
``/cells/<name>`` (n_rows,) or (n_rows, n_put_back)
    ``id`` int64; ``cause`` uint8, attribute ``categories``: the names that the codes count, the
    first three DYING, UNEXPLAINED, COMBINED, then one for everything that was put back;
    ``causes`` uint32: bit k is set where putting back category 3 + k alone changes the fate;
    ``net_growth``, ``joint`` float32 [doublings/day]: as it is, and with everything put back;
    ``effect`` float32 [doublings/day]: change of net growth when category 3 + k is put back alone.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tme_sim.output.layout import RunFileError
from tme_sim.output.run import Run

FORMAT, FORMAT_VERSION = "tme-sim explanation", 1
DYING, UNEXPLAINED, COMBINED = range(3)
FATES = ("dying", "unexplained", "combined")
COLUMNS = {  # name: dtype, unit, meaning
    "id": ("i8", "1", "the cell"),
    "cause": ("u1", "1", "why it survives: the put-back with the largest effect, or a fate"),
    "causes": ("u4", "1", "bit set of every put-back that alone changes the fate"),
    "net_growth": ("f4", "1/day", "doublings over the roll-out, as it is"),
    "joint": ("f4", "1/day", "the same with everything put back; NaN where it was dying anyway"),
    "effect": ("f4", "1/day", "change of net growth by each put-back alone"),
}


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a file holds: checkpoints, and the columns of ``/cells`` by name."""

    threshold: float
    put_back: tuple[str, ...]
    time: np.ndarray
    count: np.ndarray
    n_tumor: np.ndarray
    cells: dict[str, np.ndarray]

    @property
    def categories(self) -> tuple[str, ...]:
        """What the codes of ``cause`` stand for."""
        return (*FATES, *self.put_back)

    def at(self, index: int) -> dict[str, np.ndarray]:
        """Columns of one checkpoint."""
        end = int(self.count[: index + 1].sum())
        return {n: v[end - int(self.count[index]) : end] for n, v in self.cells.items()}

    def causes_of(self, ids: np.ndarray, time: float, *, unknown: int) -> np.ndarray:
        """Code of cells by the last checkpoint not after ``time``; ``unknown`` where not known."""
        found = np.full(len(ids), unknown, np.uint8)
        index = int(np.searchsorted(self.time, time + 1e-6)) - 1
        if index < 0 or self.count[index] == 0:
            return found
        known = self.at(index)
        order = np.argsort(known["id"])
        place = np.minimum(np.searchsorted(known["id"], ids, sorter=order), len(order) - 1)
        hit = known["id"][order[place]] == ids
        found[hit] = known["cause"][order[place[hit]]]
        return found


def path_beside(run: Run) -> Path:
    """Where the explanation of a run lives."""
    return run.path.with_suffix(".explain.h5")


def write(explanation: Explanation, run: Run) -> Path:
    """Write the file beside its run; it is moved into place when it is whole."""
    path = path_beside(run)
    partial = path.with_name(path.name + ".partial")
    with h5py.File(partial, "w") as file:
        file.attrs.update({"format": FORMAT, "format_version": FORMAT_VERSION} | _owner(run))
        file.attrs["threshold"] = explanation.threshold
        start = np.cumsum(explanation.count) - explanation.count
        for name, values in (
            ("time", explanation.time), ("start", start), ("count", explanation.count),
            ("n_tumor", explanation.n_tumor),
        ):  # fmt: skip
            file.create_dataset(f"checkpoints/{name}", data=values)
            file[f"checkpoints/{name}"].attrs["units"] = "min" if name == "time" else "1"
        for name, (dtype, unit, meaning) in COLUMNS.items():
            values = explanation.cells[name].astype(dtype)
            packing = {"compression": "lzf", "shuffle": True} if values.size else {}
            dataset = file.create_dataset(f"cells/{name}", data=values, **packing)
            dataset.attrs.update({"units": unit, "meaning": meaning})
        file["cells/cause"].attrs["categories"] = list(explanation.categories)
    partial.replace(path)
    return path


def read_beside(run: Run) -> Explanation | None:
    """The explanation of a run; None where there is none, or only that of an earlier run.

    Raises:
        RunFileError: the file is none of tme-sim, or of a newer format.
    """
    path = path_beside(run)
    if not path.is_file():
        return None
    try:
        file = h5py.File(path, "r")
    except OSError as err:
        msg = f"{path}: is no explanation file of tme-sim ({err}); make it anew"
        raise RunFileError(msg) from err
    with file:
        found = file.attrs.get("format"), int(file.attrs.get("format_version", 0))
        if found[0] != FORMAT or found[1] > FORMAT_VERSION:
            msg = f"{path}: has format {found}, but this version reads {(FORMAT, FORMAT_VERSION)}"
            raise RunFileError(msg)
        if any(file.attrs[key] != value for key, value in _owner(run).items()):
            return None
        categories = file["cells/cause"].attrs["categories"]
        return Explanation(
            threshold=float(file.attrs["threshold"]),
            put_back=tuple(str(name) for name in categories[len(FATES) :]),
            **{name: file[f"checkpoints/{name}"][:] for name in ("time", "count", "n_tumor")},
            cells={name: file[f"cells/{name}"][:] for name in COLUMNS},
        )


def _owner(run: Run) -> dict[str, str | int]:
    start = str(run.provenance.get("started", ""))
    return {"name": run.name, "seed": run.seed, "started": start}
