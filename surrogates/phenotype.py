"""Turn the heads' fractions into physical outputs, one formula for teacher and network.

    linear   y = low + (high - low) f competence
    log      y = low ((high / low)^f - 1) competence      apoptosis and necrosis span decades
    share    lactate: f is a share of pyruvate, the flux layer of `metabolism` decides

Ranges are those of `channels.OUTPUT_CHANNELS`, f in [0, 1], competence of the cell's type. Growth
of a population follows from the hazards: with G1 and G2M left at g1 and g2 and S of fixed length T
an exponentially growing population without death has (Powell 1956; each division makes two)

    2 e^{-r T} g1 / (g1 + r) g2 / (g2 + r) = 1,      net = (r - apoptosis - necrosis) / ln 2.
"""

import numpy as np
from numba import njit

from surrogates.channels import INPUTS, OUTPUT_CHANNELS, OUTPUTS, read_table
from surrogates.metabolism import GLUCOSE_HALF, OXYGEN_HALF, lactate_flux, realised
from surrogates.prior.graph import load_network

S_DURATION = 480.0  # [min] reference duration of S, scaled by s_duration_factor

LINEAR, LOG, SHARE = 0, 1, 2
SCALE = np.array(
    [{"linear": LINEAR, "log": LOG, "share": SHARE}[row["scale"]] for row in read_table("outputs")],
    dtype=np.int8,
)
LOW = np.array([channel.low for channel in OUTPUT_CHANNELS], dtype=np.float32)
HIGH = np.array([channel.high for channel in OUTPUT_CHANNELS], dtype=np.float32)
LOG_RATIO = np.array(
    [
        np.log(high / low) if scale == LOG else 0.0
        for low, high, scale in zip(LOW, HIGH, SCALE, strict=True)
    ],
    dtype=np.float32,
)
HEAD_COMPETENCE = np.ascontiguousarray(load_network().competence[:, -len(OUTPUTS) :])

# where the flux layer reads and writes: growth, oxygen, glucose, lactate among the outputs, then
# oxygen, glucose among the inputs
FLUX_COLUMNS = np.array(
    [
        OUTPUTS.index(name)
        for name in ("growth_rate", "oxygen_uptake", "glucose_uptake", "lactate_secretion")
    ]
    + [INPUTS.index(name) for name in ("oxygen", "glucose")],
    dtype=np.int64,
)
# Handed to the kernels as an argument: compiled code that is cached on disk keeps the values of
# global arrays, and would not notice a new table of outputs.
RANGES = (SCALE, LOW, HIGH, LOG_RATIO, FLUX_COLUMNS)


@njit(cache=True, error_model="numpy")
def outputs_from_fractions(fractions, inputs, competence, ranges, out):
    """Physical outputs of one cell from head fractions, raw inputs, competences and RANGES."""
    scale, low, high, log_ratio, columns = ranges
    for k in range(out.size):
        fraction = fractions[k]
        if scale[k] == LOG:
            out[k] = low[k] * (np.exp(log_ratio[k] * fraction) - np.float32(1.0)) * competence[k]
        else:
            out[k] = low[k] + (high[k] - low[k]) * fraction * competence[k]
    growth, oxygen, glucose, lactate = columns[0], columns[1], columns[2], columns[3]
    oxygen_input, glucose_input = columns[4], columns[5]
    out[lactate] = lactate_flux(
        realised(out[glucose], inputs[glucose_input], GLUCOSE_HALF),
        realised(out[oxygen], inputs[oxygen_input], OXYGEN_HALF),
        out[growth],
        fractions[lactate] * competence[lactate],
    )


@njit(cache=True, error_model="numpy")
def _outputs_of_cells(fractions, inputs, cell_type, competence, ranges, out):
    for i in range(out.shape[0]):
        outputs_from_fractions(fractions[i], inputs[i], competence[cell_type[i]], ranges, out[i])


def physical_outputs(fractions: np.ndarray, inputs: np.ndarray, cell_type: np.ndarray):
    """Physical outputs float32 (n, n_outputs) from head fractions (n, n_outputs) and raw inputs."""
    out = np.empty((len(fractions), len(OUTPUTS)), np.float32)
    _outputs_of_cells(
        np.ascontiguousarray(fractions, np.float32),
        np.ascontiguousarray(inputs, np.float32),
        np.asarray(cell_type, np.int8),
        HEAD_COMPETENCE,
        RANGES,
        out,
    )
    return out


@njit(cache=True, error_model="numpy")
def population_rate(g1s_rate, g2m_rate, s_duration):
    """Rate of exponential growth r [1/min] of a population with these hazards and no death.

    Newton on ln 2 - r T - ln(1 + r/g1) - ln(1 + r/g2), convex and falling: monotone from r = 0.
    """
    if g1s_rate < 1e-12 or g2m_rate < 1e-12:
        return 0.0
    r = 0.0
    for _ in range(50):
        value = (
            np.log(2.0) - r * s_duration - np.log(1.0 + r / g1s_rate) - np.log(1.0 + r / g2m_rate)
        )
        slope = s_duration + 1.0 / (g1s_rate + r) + 1.0 / (g2m_rate + r)
        r += value / slope
        if value < 1e-12:
            break
    return r


@njit(cache=True, error_model="numpy")
def _net_growth(outputs, columns, out):
    g1s, g2m, s_factor, apoptosis, necrosis = columns
    for i in range(out.size):
        row = outputs[i]
        r = population_rate(row[g1s], row[g2m], S_DURATION * row[s_factor])
        out[i] = (r - row[apoptosis] - row[necrosis]) / np.log(2.0)


_HAZARDS = tuple(
    OUTPUTS.index(name)
    for name in ("g1s_rate", "g2m_rate", "s_duration_factor", "apoptosis_rate", "necrosis_rate")
)


def net_growth_rate(outputs: np.ndarray) -> np.ndarray:
    """Doublings of cell number per minute implied by the hazards; outputs (..., n_outputs)."""
    flat = np.ascontiguousarray(outputs, np.float64).reshape(-1, len(OUTPUTS))
    out = np.empty(len(flat))
    _net_growth(flat, _HAZARDS, out)
    return out.reshape(outputs.shape[:-1])


def phase_shares(g1s_rate: float, g2m_rate: float, s_duration: float) -> tuple[float, float, float]:
    """Shares of G1, S and G2M in exponential growth without death."""
    r = population_rate(g1s_rate, g2m_rate, s_duration)
    g1 = 2.0 * r / (g1s_rate + r)
    g2m = r / g2m_rate
    return g1, 1.0 - g1 - g2m, g2m


__all__ = [
    "HEAD_COMPETENCE",
    "RANGES",
    "net_growth_rate",
    "outputs_from_fractions",
    "phase_shares",
    "physical_outputs",
    "population_rate",
]
