"""Where each drug of a run is: the balance of the body, and that of the tissue.

    body      given = gut + compartments + cleared                          [mg]
    tissue    entered = stored + bound + taken up + decayed + left          [amol]

``given`` counts what was absorbed of oral doses, and infusions as they run. The tissue is a patch
of a few nanolitres: it holds a 1e-10th of the body's drug, is fed by vessels and walls, and takes
nothing from the body's balance. Solved is the free drug; with b bound per free (``bound_ratio``)

    (1 + b) dc/dt = D lap c - decay c - uptake + exchange,

so every amount of the solver counts 1 + b times: free ones are stored, b of them bound. What is
stored is read off the field itself, not off the solver's own budget, so that a gap is seen.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tme_sim.fields import Microenvironment, StepReport
from tme_sim.scenario.drugs import DrugSpec
from tme_sim.scenario.units import concentration_per_amount
from tme_sim.therapy.compartments import Body

BODY = ("given", "gut", "compartments", "cleared")
TISSUE = ("entered", "stored", "bound", "taken_up", "decayed", "left")
_FLOWS = {"entered": "in", "taken_up": "taken_up", "decayed": "decayed", "left": "out"}


def gap(balance: Mapping[str, float]) -> float:
    """What a balance leaves unexplained, as a share of its throughput (its first entry)."""
    first, *others = balance.values()
    return abs(first - sum(others)) / first if first > 0.0 else float(any(others))


def body_balance(body: Body) -> dict[str, float]:
    """Amounts of ``BODY`` [mg]."""
    gut = float(body.amounts[0])
    return dict(zip(BODY, (body.given, gut, body.stored - gut, body.cleared), strict=True))


class TissueBalance:
    """What entered the tissue of each drug since the start of a run, and where it went.

    Args:
        drugs: those that are substrates of the tissue.
        env: the tissue's substrates before the first step.
    """

    def __init__(self, drugs: Mapping[str, DrugSpec], env: Microenvironment) -> None:
        self._env = env
        self._drugs = {name: drug for name, drug in drugs.items() if name in env.names}
        self._flows = {name: dict.fromkeys(_FLOWS, 0.0) for name in self._drugs}
        self._initial = {name: self._content(name) for name in self._drugs}

    def add(self, report: StepReport) -> None:
        """Count what a step of the fields moved."""
        for name, flows in self._flows.items():
            for term, amount in _FLOWS.items():
                flows[term] += report[name].balance[amount]

    def amounts(self, name: str) -> dict[str, float]:
        """Amounts of ``TISSUE`` [amol] of one drug."""
        flows, drug = self._flows[name], self._drugs[name]
        free = self._env.grid.voxel_volume / concentration_per_amount(drug.unit)
        both = free * (1.0 + drug.bound_ratio)
        stored = self._content(name) - self._initial[name]
        values = {term: both * amount for term, amount in flows.items()}
        values |= {"stored": free * stored, "bound": free * drug.bound_ratio * stored}
        return {term: values[term] for term in TISSUE}

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        flows = {name: dict(flow) for name, flow in self._flows.items()}
        return {"flows": flows, "initial": dict(self._initial)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the sums of a checkpoint; a drug that a branch brings in starts at 0."""
        for name in self._drugs:
            if name in state["flows"]:
                self._flows[name] = dict(state["flows"][name])
                self._initial[name] = float(state["initial"][name])

    def __contains__(self, name: str) -> bool:
        return name in self._drugs

    def _content(self, name: str) -> float:
        """Free drug in the tissue [unit x voxels]."""
        return float(np.sum(self._env[name], dtype="f8"))
