"""Trivial rivals on the same rows: the mean, ridge regression, gradient boosting."""

import numpy as np

from surrogates.channels import GENOTYPES, transform_inputs
from surrogates.datasets.sampling import Rows, Sampling, sample
from surrogates.network import UNITS
from surrogates.teacher import Teacher

COMPARED = ("ERK", "HIF1A", "CyclinD", "growth_rate", "g1s_rate", "g2m_rate", "apoptosis_rate",
            "necrosis_rate", "PDL1")
N_TRAJECTORIES = 1500  # for the rivals; boosting gains little from more
N_TYPES = 6


def baseline_scores(
    teacher: Teacher, sampling: Sampling, held_out: Rows, one_step: dict
) -> dict[str, dict[str, float]]:
    """R2 on the held-out rows by unit: network, mean, ridge, gradient boosting.

    The rivals see what the network sees (state, transformed inputs, genotype) and the cell type.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # extra `train`
    from sklearn.linear_model import Ridge

    values = {name: getattr(sampling, name) for name in sampling.__dataclass_fields__}
    values["n_trajectories"] = min(N_TRAJECTORIES, sampling.n_trajectories)
    rows = sample(teacher, Sampling(**values))
    x, x_held = _features(rows), _features(held_out)
    table = {}
    for name in COMPARED:
        k = UNITS.index(name)
        y, y_held = rows.target[:, k], held_out.target[:, k]
        boosting = HistGradientBoostingRegressor(max_iter=150, random_state=0)
        table[name] = {
            "network": one_step["r2"][name],
            "mean": _r2(y_held, np.full_like(y_held, y.mean())),
            "ridge": _r2(y_held, Ridge(1.0).fit(x, y).predict(x_held)),
            "gradient boosting": _r2(y_held, boosting.fit(x, y).predict(x_held)),
        }
    return table


def _features(rows: Rows) -> np.ndarray:
    bits = (rows.genotype[:, None] >> np.arange(len(GENOTYPES))) & 1
    kind = rows.cell_type[:, None] == np.arange(N_TYPES)
    return np.concatenate([rows.state, transform_inputs(rows.inputs), bits, kind], axis=1)


def _r2(truth: np.ndarray, found: np.ndarray) -> float:
    return round(float(1.0 - ((found - truth) ** 2).mean() / truth.var()), 5)
