"""Fit the teacher's MAPK module to the training split of the pERK measurements.

    min_p  sum_conditions [w (offset + scale ERK(p) - pERK) / NOISE]^2
         + sum_peaks [ABSOLUTE (ERK(p) / ERK_untreated(p) - pERK) / NOISE]^2
         + sum_anchors [w (ERK(p) - wanted) / ANCHOR_NOISE]^2 + sum_p [PRIOR (z_p - z_start)]^2

over the numbers listed in `prior/fitted.tsv` with their bounds and starting values; z is the logit
of a strength and the logarithm of anything else. ERK is latent: offset and scale are solved for per
plate inside (variable projection, Golub & Pereyra 1973). Peaks are the responses 15 min after EGF
or HGF by time on drug, which are to be right without scale and offset too. Anchors hold the level
of ERK in cells and genotypes that no measurement covers, as the literature teacher had it: what
lies downstream of ERK was tuned to that. Only the nodes of MODULE move; the others rest at the
state they are in. A run that was stopped goes on from its checkpoint.

    python -m surrogates.training.fit_teacher DATA CHECKPOINT [--rounds N] [--write]
"""

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from surrogates.data import marm, observation
from surrogates.training.fitted_numbers import numbers, write
from surrogates.training.mapk_module import Anchor, Module

NOISE, ANCHOR_NOISE, PRIOR, ABSOLUTE = 0.12, 0.05, 0.25, 2.0
PEAK = 15.0  # [min] after ligand
EARLY_HGF, LATE_HGF = 1.7, 0.3  # weights: A375 forgets HGF in 2 h, other melanomas are rescued
DIFFERENCE = 1e-2  # of z, for the Jacobian; at 2e-3 the rounding of states is 8 % of a slope
EVALUATIONS = 5  # of the Jacobian in a round; a checkpoint follows each round
Progress = Callable[[str, float], None]


BRAF = ("BRAF_V600E",)
ON_DRUG = {"vemurafenib": 1.0}
ANCHORS = (
    Anchor("tumor", BRAF, {}, 24, 0.461),
    Anchor("tumor", BRAF, ON_DRUG, 2.5, 0.018, 20.0),
    Anchor("tumor", BRAF, ON_DRUG, 24, 0.045, 20.0),
    Anchor("tumor", BRAF, ON_DRUG | {"HGF": 1.0}, 24, 0.25, 2.0),
    Anchor("tumor", BRAF, ON_DRUG | {"HGF": 1.0}, 72, 0.25, 2.0),
    Anchor("tumor", BRAF, ON_DRUG | {"HGF": 0.2}, 24, 0.22, 2.0),
    Anchor("tumor", BRAF, ON_DRUG | {"HGF": 0.02}, 24, 0.06, 2.0),
    Anchor("tumor", (*BRAF, "NRAS_Q61"), ON_DRUG, 24, 0.46, 2.0),
    Anchor("tumor", ("NRAS_Q61",), {}, 24, 0.36, 3.0),
    Anchor("tumor", ("NRAS_Q61",), ON_DRUG, 2, 0.46, 4.0),
    Anchor("tumor", ("NRAS_Q61",), ON_DRUG, 24, 0.43, 4.0),
    Anchor("tumor", (*BRAF, "MET_amp"), ON_DRUG, 24, 0.42),
    Anchor("tumor", (*BRAF, "MEK1_mut"), ON_DRUG, 24, 0.416),
    Anchor("tumor", (*BRAF, "BRAF_amp"), ON_DRUG, 24, 0.419),
    Anchor("tumor", (*BRAF, "NF1_loss"), ON_DRUG, 24, 0.44),
    Anchor("tumor", ("EGFR_mut",), {}, 24, 0.315),
    Anchor("tumor", ("EGFR_mut",), {"erlotinib": 1.0}, 24, 0.0),
    Anchor("tumor", ("EGFR_mut", "EGFR_T790M"), {"erlotinib": 1.0}, 24, 0.306),
    Anchor("epithelium", (), {}, 24, 0.169, 3.0),
    Anchor("epithelium", (), {"EGF": 0.1}, 24, 0.3, 2.0),
    Anchor("epithelium", (), ON_DRUG, 2, 0.35, 4.0),
    Anchor("epithelium", (), ON_DRUG, 24, 0.24, 3.0),
    Anchor("fibroblast", (), {}, 24, 0.155, 2.0),
    Anchor("endothelial", (), {}, 24, 0.134, 2.0),
    Anchor("endothelial", (), {"VEGF": 0.5}, 24, 0.375),
    Anchor("macrophage", (), {}, 24, 0.113),
    Anchor("cd8_t", (), {}, 24, 0.0),
    Anchor("cd8_t", (), {"antigen": 1.0}, 24, 0.444),
)
UNTREATED = 0  # the anchor that `peaks` are relative to


def fit(
    folder: Path, checkpoint: Path, *, rounds: int = 10, progress: Progress | None = None
) -> dict[str, float]:
    """Fitted values by name, in `rounds` of EVALUATIONS; `folder` holds the data sets."""
    from scipy.optimize import least_squares

    problem = Problem(marm.training(folder))
    z = problem.to_z(np.array([number.start for number in problem.numbers]))
    stored: dict[str, Any] = {"rounds": 0}
    if checkpoint.is_file():
        stored = json.loads(checkpoint.read_text("utf-8"))
    if stored["rounds"]:
        z = problem.to_z(np.array([stored["values"][n.name] for n in problem.numbers]))
    low, high = (
        problem.to_z(np.array([getattr(n, side) for n in problem.numbers]))
        for side in ("low", "high")
    )
    for k in range(stored["rounds"], rounds):
        found = least_squares(
            problem.residuals,
            np.clip(z, low + 1e-6, high - 1e-6),
            jac=problem.jacobian,
            bounds=(low, high),
            max_nfev=EVALUATIONS,
        )
        z = found.x
        values = dict(
            zip((n.name for n in problem.numbers), problem.from_z(z).tolist(), strict=True)
        )
        checkpoint.write_text(
            json.dumps({"rounds": k + 1, "cost": found.cost, "values": values}, indent=1), "utf-8"
        )
        if progress:
            progress(f"fitting the teacher, cost {found.cost:.1f}", (k + 1) / rounds)
    fitted: dict[str, float] = json.loads(checkpoint.read_text("utf-8"))["values"]
    return fitted


class Problem:
    """Residuals of the fit and their Jacobian as functions of z."""

    def __init__(self, rows: marm.Conditions, anchors: Sequence[Anchor] = ANCHORS) -> None:
        self.numbers = numbers()
        self.rows = rows.take(np.isfinite(rows.pERK))
        self.module = Module(self.rows, anchors, self.numbers)
        self._wanted = np.array([anchor.wanted for anchor in anchors])
        self._weight = np.array([anchor.weight for anchor in anchors])
        hgf = np.where(self.rows.time > 20.0, LATE_HGF, EARLY_HGF)
        self._row_weight = np.where(self.rows.HGF > 0.0, hgf, 1.0)
        self._peak = np.flatnonzero(
            (self.rows.plate == marm.COURSES)
            & (self.rows.time == PEAK)
            & (self.rows.adapted > 0.0)
            & ((self.rows.EGF > 0.0) | (self.rows.HGF > 0.0))
        )
        self._plate = np.unique(self.rows.plate, return_inverse=True)[1]
        self._logit = np.array([number.field == "strength" for number in self.numbers])
        self._start = self.to_z(np.array([number.start for number in self.numbers]))

    def to_z(self, values: np.ndarray) -> np.ndarray:
        """Logit of strengths, logarithm of the rest."""
        share = np.clip(values, 1e-6, 1.0 - 1e-6)
        z: np.ndarray = np.where(self._logit, np.log(share / (1.0 - share)), np.log(values))
        return z

    def from_z(self, z: np.ndarray) -> np.ndarray:
        """Inverse of `to_z`."""
        values: np.ndarray = np.where(self._logit, 1.0 / (1.0 + np.exp(-z)), np.exp(z))
        return values

    def residuals(self, z: np.ndarray) -> np.ndarray:
        """Measurements, peaks, anchors, pull to the start."""
        erk, anchors = self.module.run(self.from_z(z))
        measured = self.rows.pERK[:, None]
        seen = observation.fit(
            erk[:, None], measured, plate=self._plate, weight=self._row_weight[:, None] ** 2
        )
        error = (seen.predict(erk[:, None], self._plate) - measured)[:, 0]
        peaks = erk[self._peak] / anchors[UNTREATED] - self.rows.pERK[self._peak]
        return np.concatenate(
            [
                error * self._row_weight / NOISE,
                ABSOLUTE * peaks / NOISE,
                (anchors - self._wanted) / ANCHOR_NOISE * self._weight,
                PRIOR * (z - self._start),
            ]
        )

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        """Forward differences, two columns at a time."""
        base = self.residuals(z)

        def column(k: int) -> np.ndarray:
            moved = z.copy()
            moved[k] += DIFFERENCE
            slope: np.ndarray = (self.residuals(moved) - base) / DIFFERENCE
            return slope

        with ThreadPoolExecutor(2) as pool:
            return np.stack(list(pool.map(column, range(len(z)))), axis=1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder that holds marm_melanoma_pERK")
    parser.add_argument("checkpoint", type=Path, help="JSON file to go on from")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--write", action="store_true", help="put the values into prior/*.tsv")
    options = parser.parse_args(arguments)
    values = fit(
        options.data,
        options.checkpoint,
        rounds=options.rounds,
        progress=lambda what, share: print(f"{share:4.0%} {what}", flush=True),
    )
    if options.write:
        write(values)


if __name__ == "__main__":
    main()
