"""Let measurements pull on the network: pERK of A375 cells, the training split of `data.marm`.

Every dish is run as it was treated, 24 h in medium or drug, then drug and ligand, and ERK is seen
through the plate's offset, scale and noise (`observation`), which are the best ones for the states
of the step, so that the gradient of the profile likelihood is that with them held fixed:

    NLL = mean over known values of (y - offset - scale x)^2 / (2 noise^2) + ln(noise sqrt(2 pi))

Values that are missing, and rows that are held out, have no part in it. The steady state from
which dishes start follows the weights, but no gradient is taken through it: a day in medium or
longer lies between.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surrogates.channels import NODES, basal_inputs, cell_type_code
from surrogates.data import marm, observation
from surrogates.network.domain import everywhere
from surrogates.network.ensemble import TmeCell
from surrogates.network.parameters import SWEEP
from surrogates.network.torch import MonotoneUnits
from surrogates.occupancy import SHIPPED_TABLE
from surrogates.prior.graph import UNITS, Network
from surrogates.training.rollouts import Course, Roller
from surrogates.variants import with_abundance

EARLY = ((30.0, 0.5), (60.0, 1.0))  # [min] after ligand: until, longest sweep
LATE = 500.0  # [min] dishes read later than this are run apart, so that the rest stop here


@dataclass(frozen=True)
class Measurements:
    """The last stage: steps, rate, and weight of the loss of measurements beside that of drives."""

    steps: int = 60
    learning_rate: float = 0.003
    weight: float = 0.2


@dataclass(frozen=True, eq=False)
class Dishes:
    """Dishes that run together, and which measured rows are read from which of them."""

    inputs: np.ndarray  # (n_segments, n, n_inputs)
    genotype: np.ndarray
    fold: np.ndarray  # (n,) of EGFR
    segment: np.ndarray
    length: np.ndarray
    reads: np.ndarray
    row: np.ndarray  # measured rows, their read and their dish
    read: np.ndarray
    dish: np.ndarray


class PlateLikelihood:
    """Negative log-likelihood of measured rows under the present weights."""

    def __init__(self, network: Network, rows: marm.Conditions) -> None:
        self.rows = rows.take(np.isfinite(rows.pERK))
        self._network = network
        self._erk = NODES.index("ERK")
        self._roll = Roller(network, np.array([self._erk]))
        self._plate = np.unique(self.rows.plate, return_inverse=True)[1]
        keys = np.column_stack([self.rows.adapted > 0.0, self.rows.time > LATE])
        self._groups = [
            plan(self.rows, np.flatnonzero((keys == key).all(axis=1)))
            for key in np.unique(keys, axis=0)
        ]

    def __call__(self, units: MonotoneUnits) -> Tensor:
        """Mean over the measured values."""
        node = self.erk(units)[:, None]
        measured = self.rows.pERK[:, None]
        layer = observation.fit(node.detach().numpy().astype(float), measured, plate=self._plate)
        return gaussian_nll(node, measured, layer, self._plate)

    def erk(self, units: MonotoneUnits) -> Tensor:
        """ERK (n,) of every measured row."""
        model = TmeCell(self._network, units.raw(), everywhere(), name="in training", hash="")
        tumor = cell_type_code("tumor")
        parental = float(self._network.competence[tumor, UNITS.index("EGFR")])
        values, rows = [], []
        for dishes in self._groups:
            start = np.empty((len(dishes.fold), len(NODES)), np.float32)
            competence = np.empty_like(start)
            for fold in np.unique(dishes.fold):
                here = np.equal(dishes.fold, fold)
                factor = marm.egfr_competence(fold, parental) / parental
                line = with_abundance(model, {"EGFR": factor})
                code = np.full(here.sum(), tumor, np.int8)
                start[here] = line.initial_state(code, dishes.genotype[here])
                competence[here] = line.network.competence[tumor, : len(NODES)]
            course = Course(
                start,
                dishes.inputs,
                dishes.genotype,
                competence,
                dishes.segment,
                dishes.length,
                dishes.reads,
            )
            values.append(self._roll(units, course)[dishes.read, dishes.dish, self._erk])
            rows.append(dishes.row)
        return torch.cat(values)[torch.from_numpy(np.concatenate(rows).argsort())]


def gaussian_nll(
    node: Tensor,
    measured: np.ndarray,
    layer: observation.Observation,
    plate: np.ndarray | None = None,
) -> Tensor:
    """Mean negative log-likelihood of the known values (n, n_readouts); NaN is left out."""
    known = torch.from_numpy(np.isfinite(measured))
    offset, scale, noise = (
        torch.from_numpy(np.asarray(values, np.float32))
        for values in (
            layer.predict(np.zeros(measured.shape), plate),
            layer.gain(len(measured), plate),
            layer.sd(len(measured), plate),
        )
    )
    y = torch.from_numpy(np.where(np.isfinite(measured), measured, 0.0).astype(np.float32))
    z = (y - offset - scale * node) / noise
    nll = 0.5 * z.square() + torch.log(noise) + 0.5 * np.log(2.0 * np.pi)
    return torch.where(known, nll, 0.0).sum() / known.sum()


def plan(rows: marm.Conditions, chosen: np.ndarray) -> Dishes:
    """Treatments of the chosen rows as dishes on one clock; rows that differ in time share one."""
    part = rows.take(chosen)
    keys = np.column_stack(
        [part.before, part.now, part.adapted, part.EGF, part.HGF, part.EGFR, part.genotype]
    )
    _, first, dish = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    dish = dish.reshape(-1)
    steps = [treatment.steps for treatment in marm.treatments(part.take(first))]
    switches = np.unique([minute for dish_steps in steps for minute, _ in dish_steps])
    names = [channel.name for channel in SHIPPED_TABLE.inputs]
    medium = np.stack([basal_inputs(len(first), SHIPPED_TABLE.inputs)] * len(switches))
    for k, dish_steps in enumerate(steps):
        for minute, values in dish_steps:
            for name, value in values.items():
                medium[switches >= minute, k, names.index(name)] = value
    inputs = np.stack([SHIPPED_TABLE.at_targets(now, part.genotype[first]) for now in medium])
    times = np.unique(part.time)
    ends = sweep_ends(np.unique(np.concatenate([switches, times])))
    begin = np.concatenate([[switches[0]], ends[:-1]])
    reads = np.searchsorted(ends, times) + 1
    return Dishes(
        inputs,
        part.genotype[first],
        part.EGFR[first],
        np.searchsorted(switches, begin + 1e-6) - 1,
        np.round(ends - begin, 6),
        reads,
        chosen,
        np.searchsorted(times, part.time),
        dish,
    )


def sweep_ends(moments: np.ndarray) -> np.ndarray:
    """Ends [min] of sweeps that meet every moment: SWEEP long, shorter soon after ligand (0)."""
    ends = []
    for begin, end in itertools.pairwise(moments):
        longest = next((step for until, step in EARLY if 0.0 <= begin < until), SWEEP)
        n = int(np.ceil((end - begin) / longest - 1e-9))
        ends.append(begin + (end - begin) * np.arange(1, n + 1) / n)
    return np.concatenate(ends)


__all__ = ["Measurements", "PlateLikelihood", "gaussian_nll", "plan"]
