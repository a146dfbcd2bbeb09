"""Score drives against the teacher's, unit by unit."""

from typing import Any

import numpy as np
import torch

from surrogates.data.sampling import Rows
from surrogates.network.ensemble import TmeCell
from surrogates.network.torch import MonotoneUnits, Sources, add_residual
from surrogates.prior.graph import UNITS

CHUNK = 4096  # rows evaluated at a time


def drive_of(model: TmeCell, rows: Rows) -> np.ndarray:
    """Drives (n_rows, n_members, n_units): competence x F of nodes, fractions of heads.

    Those of nodes with the residual, if there is one.
    """
    units, sources = MonotoneUnits(model.network, model.raw), Sources()
    competence = model.network.competence[rows.cell_type].copy()
    competence[:, model.network.n_nodes :] = 1.0
    parts = []
    with torch.no_grad():
        for first in range(0, len(rows), CHUNK):
            part = rows.take(slice(first, first + CHUNK))
            arrays = (part.state, part.inputs, part.genotype)
            x = sources(*(torch.from_numpy(a) for a in arrays))
            drive = units(x)
            if units.residual is not None:
                nodes = drive[..., : units.n_nodes]
                nodes[:] = add_residual(nodes, units.residual(x)[:, None])
            parts.append(drive.numpy())
    drives: np.ndarray = np.concatenate(parts) * competence[:, None]
    return drives


def unit_r2(model: TmeCell, rows: Rows, found: np.ndarray) -> np.ndarray:
    """R2 (n_units,) over the rows whose type has the unit; not a number where it is constant."""
    mask = model.network.competence[rows.cell_type] > 0
    r2 = np.full(len(UNITS), np.nan)
    for k in range(len(UNITS)):
        truth, guess = rows.target[mask[:, k], k], found[mask[:, k], k]
        if len(truth) and truth.var() > 1e-8:
            r2[k] = 1.0 - ((guess - truth) ** 2).mean() / truth.var()
    return r2


def drive_scores(model: TmeCell, rows: Rows) -> dict[str, Any]:
    """R2 of the drive of every unit, of the ensemble and of its members on average."""
    drive = drive_of(model, rows)
    ensemble = unit_r2(model, rows, drive.mean(axis=1))
    members = np.mean([unit_r2(model, rows, drive[:, m]) for m in range(drive.shape[1])], axis=0)
    worst = int(np.nanargmin(ensemble))
    return {
        "r2_median": float(np.nanmedian(ensemble)),
        "r2_worst": float(ensemble[worst]),
        "worst_unit": UNITS[worst],
        "r2_median_member": float(np.nanmedian(members)),
        "r2_worst_member": float(np.nanmin(members)),
        "r2": {name: round(float(value), 5) for name, value in zip(UNITS, ensemble, strict=True)},
    }
