"""Describe what diffuses: a substrate and what happens to it at the walls of the box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FACES = ("z_low", "z_high", "y_low", "y_high", "x_low", "x_high")
AXES = "zyx"


@dataclass(frozen=True)
class Wall:
    """One face of the box: flux into it is D (value - c_centre) / (1/exchange + voxel/2).

    Args:
        exchange: conductance of the face over the diffusivity [1/um]: 0 lets nothing through,
            inf holds the concentration on the face at `value`.
        value: concentration outside (the bath, or the value on the face).
        periodic: the face is joined to the opposite one.
    """

    exchange: float = 0.0
    value: float = 0.0
    periodic: bool = False


@dataclass(frozen=True)
class Substrate:
    """Something that diffuses, decays and is exchanged with cells.

    Args:
        name: name, unique within a microenvironment.
        diffusivity: D [um^2/min].
        decay_rate: first-order loss everywhere [1/min].
        initial: concentration at time 0, a number or an array (z, y, x).
        boundary: for "all" or single faces x_low ... z_high: a value (held on the face itself,
            half a voxel outside the first centre), "no_flux", "periodic", or
            {"exchange": rate [1/um], "bath": value}: dc/dn = rate (bath - c) on the face.
            Faces not named are closed. "all" leaves out axes one voxel thick.
    """

    name: str
    diffusivity: float
    decay_rate: float = 0.0
    initial: float | np.ndarray = 0.0
    boundary: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for quantity in ("diffusivity", "decay_rate"):
            check_not_negative(self.name, quantity, getattr(self, quantity))
        check_not_negative(self.name, "initial", self.initial)
        known = {"all", *FACES}
        for face, condition in self.boundary.items():
            if face not in known:
                msg = (
                    f"substrate {self.name!r}: boundary names the face {face!r}; "
                    f"the faces are {sorted(known)}"
                )
                raise ValueError(msg)
            _wall(self.name, face, condition)

    def walls(self, shape: tuple[int, int, int]) -> tuple[Wall, ...]:
        """The six walls in the order of FACES, for a grid of this shape."""
        walls = tuple(self._face(face, shape[AXES.index(face[0])]) for face in FACES)
        for low, high in zip(walls[::2], walls[1::2], strict=True):
            if low.periodic != high.periodic:
                axis = FACES[walls.index(low)][0]
                msg = f"substrate {self.name!r}: boundary is periodic at one end of {axis} only"
                raise ValueError(msg)
        return walls

    def _face(self, face: str, n_voxels: int) -> Wall:
        if face in self.boundary:
            return _wall(self.name, face, self.boundary[face])
        if "all" in self.boundary and n_voxels > 1:
            return _wall(self.name, "all", self.boundary["all"])
        return Wall()


def check_not_negative(substrate: str, quantity: str, value: Any) -> np.ndarray:
    """Return `value` as an array, or say which substrate has which bad value."""
    try:
        array = np.asarray(value)
        lowest, highest = float(array.min()), float(array.max())  # NaN propagates into both
    except (TypeError, ValueError) as err:
        msg = f"substrate {substrate!r}: {quantity} must be numbers, not {value!r}"
        raise ValueError(msg) from err
    if lowest >= 0.0 and highest < np.inf:
        return array
    if array.ndim == 0:
        msg = f"substrate {substrate!r}: {quantity} must be finite and not negative, not {value!r}"
        raise ValueError(msg)
    bad = ~((array >= 0.0) & (array < np.inf))
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    msg = (
        f"substrate {substrate!r}: {quantity} must be finite and not negative, but is "
        f"{array[first]} at {first} (bad in {int(bad.sum())} voxels)"
    )
    raise ValueError(msg)


def _wall(substrate: str, face: str, condition: Any) -> Wall:
    if isinstance(condition, str):
        if condition in ("no_flux", "periodic"):
            return Wall(periodic=condition == "periodic")
    elif isinstance(condition, Mapping):
        if set(condition) == {"exchange", "bath"}:
            rate = check_not_negative(substrate, f"exchange at {face}", condition["exchange"])
            bath = check_not_negative(substrate, f"bath at {face}", condition["bath"])
            return Wall(exchange=float(rate), value=float(bath))
    else:
        value = check_not_negative(substrate, f"boundary value at {face}", condition)
        return Wall(exchange=np.inf, value=float(value))
    msg = (
        f"substrate {substrate!r}: boundary {condition!r} at {face} is not a value, 'no_flux', "
        "'periodic' or {'exchange': rate, 'bath': value}"
    )
    raise ValueError(msg)
