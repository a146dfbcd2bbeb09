"""Hold one substrate's concentration, and what cells, vessels and the scenario set for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tme_sim.fields import levels as multigrid
from tme_sim.fields.grid import Grid
from tme_sim.fields.rates import Reactions, edges_of
from tme_sim.fields.solver import System, Workspace
from tme_sim.fields.substrate import Substrate, check_not_negative

TERMS = ("source", "uptake", "maximum", "permeability_area", "fixed")
DECAY, HALF_SATURATION, PLASMA = range(3)  # constants of a substrate


class Field:
    """One substrate's concentration and what acts on it.

    Attributes:
        concentration: (z, y, x) [unit].
        arrays: what acts in the voxels, by the names of TERMS; of size 0 where absent.
        constants: rate of decay [1/min], half-saturation [unit], plasma concentration [unit].
        mean: average of the concentration over the last step, of size 0 without uptake.
        realised: average of the saturating uptake over the last step, likewise [unit/min].
        next_substep: that the next step tries first [min].
        cycles: multigrid cycles that the last step took.
    """

    def __init__(self, substrate: Substrate, grid: Grid, work: Workspace, dtype: np.dtype) -> None:
        self.substrate, self.grid = substrate, grid
        self.absent = np.zeros((0, 0, 0), dtype)
        walls = substrate.walls(grid.shape)
        self.coef = multigrid.couplings(
            work.levels,
            voxel=grid.voxel,
            diffusivity=substrate.diffusivity,
            walls=walls,
            dtype=dtype,
        )
        self.periodic = np.array([wall.periodic for wall in walls[::2]])
        self.outside = np.array([wall.value for wall in walls], dtype)
        self.constants = np.array([substrate.decay_rate, 1.0, 0.0], dtype)
        self.arrays = dict.fromkeys(TERMS, self.absent)
        self.arrays["fixed"] = np.zeros((0, 0, 0), np.uint8)
        self.find_edges()
        self.concentration = np.empty(grid.shape, dtype)
        self.concentration[...] = self.checked("initial", substrate.initial)
        self.mean = self.realised = self.absent
        self.next_substep = np.inf
        self.cycles = 0

    def find_edges(self) -> None:
        """Look up the faces through which the free voxels meet fixed ones and the outside."""
        fixed = self.arrays["fixed"]
        mask = fixed.astype(bool) if fixed.size else None
        self.edges = edges_of(self.grid.shape, self.coef[0], self.periodic, mask)

    def checked(self, quantity: str, value: Any) -> np.ndarray:
        """A number or array as given, refused where it is negative, not finite or misshapen."""
        array = check_not_negative(self.substrate.name, quantity, value)
        if array.ndim and array.shape != self.grid.shape:
            msg = (
                f"substrate {self.substrate.name!r}: {quantity} has shape {array.shape}, "
                f"the grid has {self.grid.shape}"
            )
            raise ValueError(msg)
        return array

    def set(self, term: str, value: Any) -> None:
        """Set a term; 0 removes it. Arrays of the field's type are not copied."""
        array = self.checked(term, value)
        if array.ndim == 0:
            dtype = self.concentration.dtype
            self.arrays[term] = np.full(self.grid.shape, array, dtype) if array else self.absent
        else:
            self.arrays[term] = np.ascontiguousarray(array, self.concentration.dtype)

    def checked_number(self, quantity: str, value: Any) -> float:
        """A number as given, refused where it is negative, not finite or an array."""
        array = check_not_negative(self.substrate.name, quantity, value)
        if array.ndim:
            msg = f"substrate {self.substrate.name!r}: {quantity} must be one number"
            raise ValueError(msg)
        return float(array)

    def fix(self, mask: np.ndarray | None, value: Any) -> None:
        """Hold the concentration in the voxels of `mask` at `value`; None holds none."""
        if mask is None:
            self.arrays["fixed"] = np.zeros((0, 0, 0), np.uint8)
            self.find_edges()
            return
        fixed = np.asarray(mask, bool)
        if fixed.shape != self.grid.shape:
            msg = (
                f"substrate {self.substrate.name!r}: mask has shape {fixed.shape}, "
                f"the grid has {self.grid.shape}"
            )
            raise ValueError(msg)
        values = np.broadcast_to(self.checked("fixed value", value), self.grid.shape)
        self.concentration[fixed] = values[fixed]
        self.arrays["fixed"] = fixed.astype(np.uint8)
        self.find_edges()

    def system(self, work: Workspace) -> System:
        """The equations as they stand, where the solver works on them."""
        to_device, arrays = work.to_device, self.arrays
        reactions = Reactions(
            decay=self.constants[DECAY],
            half_saturation=self.constants[HALF_SATURATION],
            plasma=self.constants[PLASMA],
            source=to_device(arrays["source"]),
            uptake=to_device(arrays["uptake"]),
            maximum=to_device(arrays["maximum"]),
            permeability=to_device(arrays["permeability_area"]),
            fixed=to_device(arrays["fixed"]),
            no_rate=work.no_rate,
            no_mask=work.no_mask,
        )
        return System(self.coef, self.periodic, self.outside, to_device(self.edges), reactions)

    def in_double(self, work: Workspace) -> Field:
        """The same field in float64; `work` is of that type too."""
        double = Field(self.substrate, self.grid, work, np.dtype(np.float64))
        double.restore(self.state())
        fixed = double.arrays.pop("fixed")
        double.arrays = {term: array.astype(float) for term, array in double.arrays.items()}
        double.arrays["fixed"] = fixed
        double.mean = double.realised = double.absent
        return double

    def take_over(self, double: Field) -> None:
        """Take over the concentration and averages of a step that was made in float64."""
        self.concentration[...] = double.concentration
        self.mean, self.realised = (
            array.astype(self.concentration.dtype) for array in (double.mean, double.realised)
        )
        self.next_substep, self.cycles = double.next_substep, double.cycles

    def clear_averages(self) -> None:
        """Set the averages over a step to 0, in the shapes that the present terms ask for."""
        self.mean = _zeros(self.mean, self.arrays["uptake"])
        self.realised = _zeros(self.realised, self.arrays["maximum"])

    def check_steady_state_exists(self) -> None:
        """Refuse a net source that has nowhere to go."""
        uptake, permeability = self.arrays["uptake"], self.arrays["permeability_area"]
        linear = self.constants[DECAY] > 0 or uptake.any() or permeability.any()
        if linear or self.edges.size:
            return
        produced = float(self.arrays["source"].sum(dtype=float))
        most = float(self.arrays["maximum"].sum(dtype=float))
        if produced > 0.0 and produced >= most:
            msg = (
                f"substrate {self.substrate.name!r} has no steady state: its source of "
                f"{produced:g} per min (sum over the voxels) meets no decay, uptake, vessel or "
                f"open wall"
            )
            raise ValueError(msg)

    def state(self) -> dict[str, Any]:
        """Everything a restored field needs to continue to the bit."""
        return {
            "concentration": self.concentration.copy(),
            "constants": self.constants.copy(),
            "next_substep": float(self.next_substep),
            "mean": self.mean.copy(),
            "taken": self.realised.copy(),
            **{term: array.copy() for term, array in self.arrays.items()},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""
        self.concentration[...] = saved["concentration"]
        self.constants[...] = saved["constants"]
        self.next_substep = float(saved["next_substep"])
        self.mean, self.realised = np.array(saved["mean"]), np.array(saved["taken"])
        self.arrays = {term: np.array(saved[term]) for term in TERMS}
        self.find_edges()


def _zeros(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Zeros of the shape of `like`, in `array` where that fits."""
    if array.shape != like.shape:
        return np.zeros_like(like)
    array.fill(0)
    return array
