"""Keep a few cells' inputs of every frame, to compare what a run met with training.

`/situations` of a run file (see ``layout``): the sensed inputs, genotype and cell-model type of up
to SAMPLE living cells per frame, drawn by a keyed hash. A cell born in the frame's own tick has
not sensed yet and is left out.
"""

from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np

from tme_sim.compute.random import Stream, uniforms
from tme_sim.state.columns import ALIVE

if TYPE_CHECKING:
    from tme_sim.model.tumor_model import TumorModel

GROUP = "situations"
SAMPLE = 32  # cells per frame
NO_CELL = -1  # type of a place without a cell
FILL = {"inputs": 0.0, "genotype": 0, "type": NO_CELL}


class Situations(NamedTuple):
    """What cells sensed: one row per cell."""

    inputs: np.ndarray  # float32 (n, n_inputs), raw units
    genotype: np.ndarray  # int32 (n,)
    type: np.ndarray  # int8 (n,), codes of the cell model


def lay_out(file: h5py.File, model: "TumorModel", n_frames: int) -> bool:
    """Make the group where the file has none; frames that are there hold nobody.

    Cells of a branch may sense other drugs than those of its past: inputs are put in the present
    order then, 0 where there was none, and True is returned.

    A chunk per frame: a compressed one is written anew, elsewhere, with every change in it.
    """
    channels = [channel.name for channel in model.cell_model.inputs]
    if GROUP not in file:
        group = file.create_group(GROUP)
        for name, dtype, shape in (
            ("inputs", "f4", (SAMPLE, len(channels))),
            ("genotype", "i4", (SAMPLE,)),
            ("type", "i1", (SAMPLE,)),
        ):
            _create(group, name, dtype, (n_frames, *shape))
        _describe_inputs(group["inputs"], model)
        return False
    group = file[GROUP]
    before = [str(name) for name in group["inputs"].attrs["channels"]]
    if before == channels:
        return False
    past = group["inputs"][:n_frames]
    del group["inputs"]
    inputs = _create(group, "inputs", "f4", (n_frames, SAMPLE, len(channels)))
    for column, name in enumerate(channels):
        if name in before:
            inputs[:, :, column] = past[:, :, before.index(name)]
    _describe_inputs(inputs, model)
    return True


def _create(group: h5py.Group, name: str, dtype: str, shape: tuple[int, ...]) -> h5py.Dataset:
    dataset = group.create_dataset(
        name, shape, dtype, maxshape=(None, *shape[1:]), chunks=(1, *shape[1:]),
        compression="lzf", shuffle=True, fletcher32=True, fillvalue=FILL[name],
    )  # fmt: skip
    dataset.attrs["units"] = "1"
    return dataset


def _describe_inputs(dataset: h5py.Dataset, model: "TumorModel") -> None:
    dataset.attrs["units"] = [channel.unit for channel in model.cell_model.inputs]
    dataset.attrs["channels"] = [channel.name for channel in model.cell_model.inputs]


def sampled(model: "TumorModel") -> dict[str, np.ndarray]:
    """What a frame puts down: data set -> SAMPLE rows, nobody in those that are left over."""
    population, rows = model.population, _sample(model)
    found = {
        "inputs": population["inputs"][rows],
        "genotype": population["genotype"][rows],
        "type": model.cell_types.network[population["type"][rows]],
    }
    return {name: _padded(values, FILL[name]) for name, values in found.items()}


def _padded(values: np.ndarray, fill: float) -> np.ndarray:
    result = np.full((SAMPLE, *values.shape[1:]), fill, values.dtype)
    result[: len(values)] = values
    return result


def _sample(model: "TumorModel") -> np.ndarray:
    population = model.population
    sensed = (population["status"] == ALIVE) & (population["birth_time"] < max(model.time, 1e-9))
    rows = np.flatnonzero(sensed)
    draw = uniforms(model.seed, Stream.RECORD, model.tick_index, population["id"][rows], 0)
    return np.sort(rows[np.argsort(draw, kind="stable")[:SAMPLE]])


def read(file: h5py.File, n_frames: int) -> tuple[Situations, tuple[str, ...]]:
    """Situations of all frames and the names of the inputs; empty where the file keeps none."""
    if GROUP not in file:
        return Situations(np.empty((0, 0), "f4"), np.empty(0, "i4"), np.empty(0, "i1")), ()
    group = file[GROUP]
    kind = group["type"][:n_frames]
    occupied = kind != NO_CELL
    found = Situations(group["inputs"][:n_frames][occupied], group["genotype"][:n_frames][occupied],
                       kind[occupied])  # fmt: skip
    return found, tuple(str(name) for name in group["inputs"].attrs["channels"])
