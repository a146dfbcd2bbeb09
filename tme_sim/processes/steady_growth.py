"""Give cells the phases, ages and volumes that they have in steady growth."""

import math
from collections.abc import Mapping

import numpy as np

from surrogates.phenotype import stationary_phases
from tme_sim.compute.elementary import exp, expm1, log, log1p
from tme_sim.compute.random import Stream, uniforms
from tme_sim.processes.cycle import Growth
from tme_sim.processes.volume import set_volumes
from tme_sim.state.columns import G1, G2M, Population, S

RATES = ("growth_rate", "g1s_rate", "g2m_rate", "s_duration_factor")  # outputs that decide it
KNOWN = ("phase", "phase_age", "phase_progress", "volume")  # what may be given of a new cell


def desynchronise(
    population: Population,
    rows: slice,
    *,
    outputs: Mapping[str, np.ndarray],
    growth: Growth,
    seed: int,
    given: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Give new rows the phases, ages and volumes of steady growth at their present rates.

    What is known of a cell stays, and the rest follows from it: an age is drawn within a known
    phase, and a known volume tells when the cell left G1.

    Args:
        population: the cells.
        rows: those that are new.
        outputs: rates by name, one value per cell of the population.
        growth: of their types.
        seed: of the run.
        given: what is known of the new rows, NaN where it is not: ``phase``, ``phase_age`` [min],
            ``phase_progress``, ``volume`` [um3].
    """
    kind, ids = population["type"][rows], population["id"][rows]
    known = {name: np.full(len(ids), np.nan) for name in KNOWN} | dict(given or {})
    growth_rate, g1s, g2m, factor = (outputs[name][rows].astype(float) for name in RATES)
    duration = growth.s_duration[kind] * factor
    size = known["volume"] / growth.volume[kind]
    phase_of, age_of = phase_of_size(size, growth_rate, duration)
    fractions, rate = stationary_phases(g1s, g2m, duration)
    phase_draw, age_draw = (uniforms(seed, Stream.INITIAL, 0, ids, draw) for draw in (0, 1))
    drawn = (phase_draw[:, None] > np.cumsum(fractions[:, :2], axis=1)).sum(axis=1)
    phase = _first_known(known["phase"], phase_of, drawn).astype(np.int8)
    loss = rate + np.select([phase == G1, phase == G2M], [g1s, g2m])  # of cells by age in a phase
    age = _first_known(
        known["phase_age"],
        np.where(phase == S, known["phase_progress"] * duration, np.nan),
        np.where(phase == phase_of, age_of, np.nan),
        _truncated_exponential(age_draw, loss, np.where(phase == S, duration, np.inf)),
    )
    share = np.divide(age, duration, out=np.zeros_like(age), where=duration > 0.0)
    population["phase"][rows], population["phase_age"][rows] = phase, age
    population["phase_progress"][rows] = np.where(phase == S, np.minimum(share, 1.0), 0.0)
    grown = np.select([phase == S, phase == G2M], [age, duration + age])
    solids = exp(np.minimum(growth_rate * grown, math.log(2.0)))
    set_volumes(population, rows, growth=growth, size=_first_known(size, solids))


def phase_of_size(
    size: np.ndarray, growth_rate: np.ndarray, s_duration: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Phase of cells of these sizes and, beyond G1, their age in it [min], in steady growth.

    A cell grows by exp(growth_rate t) in the time t since it left G1. Sizes are volumes of a
    newborn; NaN stays NaN.
    """
    growing = growth_rate > 0.0
    times = log(np.minimum(size, 2.0)) / np.where(growing, growth_rate, 1.0)
    phase = np.select([size <= 1.0, times < s_duration, times >= s_duration], [G1, S, G2M], np.nan)
    phase = np.where(growing | np.isnan(size), phase, G1)
    age = np.select([phase == S, phase == G2M], [times, times - s_duration], np.nan)
    return phase, age


def _first_known(*values: np.ndarray) -> np.ndarray:
    """The first of some values that is not NaN, cell by cell."""
    *before, result = values
    for value in reversed(before):
        result = np.where(np.isnan(value), result, value)
    return result


def _truncated_exponential(u: np.ndarray, rate: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Age with density proportional to exp(-rate age) on [0, span]; uniform or 0 at rate 0."""
    flat = np.where(np.isfinite(span), u * np.where(np.isfinite(span), span, 0.0), 0.0)
    inside = -expm1(-np.where(rate > 0.0, rate, 1.0) * span)
    age = -log1p(-u * inside) / np.where(rate > 0.0, rate, 1.0)
    return np.where(rate > 0.0, age, flat)
