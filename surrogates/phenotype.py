"""Turn the heads' fractions into physical outputs, one formula for teacher and network.

    linear   y = low + (high - low) f competence
    log      y = low ((high / low)^f - 1) competence      apoptosis and necrosis span decades
    share    lactate: f is a share of pyruvate, the flux layer of `metabolism` decides

Ranges are those of `channels.OUTPUT_CHANNELS`, f in [0, 1], competence of the cell's type. Growth
of a population follows from the hazards: with G1 and G2M left at g1 and g2 and S of fixed length T
an exponentially growing population without death has (Powell 1956; each division makes two)

    2 e^{-r T} g1 / (g1 + r) g2 / (g2 + r) = 1,      net = (r - apoptosis - necrosis) / ln 2.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from surrogates.channels import INPUTS, OUTPUT_CHANNELS, OUTPUTS, read_table
from surrogates.disk_cache import cached
from surrogates.metabolism import GLUCOSE_HALF, OXYGEN_HALF, lactate_flux, realised
from surrogates.prior.graph import load_network

S_DURATION = 480.0  # [min] reference duration of S, scaled by s_duration_factor
_BISECTIONS = 60  # halvings of an interval: to the last bit of the growth rate

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


class FluxColumns(NamedTuple):
    """Where the flux layer finds its numbers: four outputs, then two inputs."""

    growth: int
    oxygen: int
    glucose: int
    lactate: int
    oxygen_input: int
    glucose_input: int


class Ranges(NamedTuple):
    """How fractions of the heads become outputs, each (n_outputs,).

    Handed to the kernels as an argument: compiled code that is cached on disk keeps the values of
    global arrays, and would not notice a new table of outputs.
    """

    scale: np.ndarray  # int8: LINEAR, LOG or SHARE
    low: np.ndarray  # float32
    high: np.ndarray
    log_ratio: np.ndarray
    columns: FluxColumns


FLUX_COLUMNS = FluxColumns(
    growth=OUTPUTS.index("growth_rate"),
    oxygen=OUTPUTS.index("oxygen_uptake"),
    glucose=OUTPUTS.index("glucose_uptake"),
    lactate=OUTPUTS.index("lactate_secretion"),
    oxygen_input=INPUTS.index("oxygen"),
    glucose_input=INPUTS.index("glucose"),
)
RANGES = Ranges(SCALE, LOW, HIGH, LOG_RATIO, FLUX_COLUMNS)


@cached(error_model="numpy")
def outputs_from_fractions(
    fractions: np.ndarray,
    inputs: np.ndarray,
    competence: np.ndarray,
    ranges: Ranges,
    out: np.ndarray,
) -> None:
    """Physical outputs of one cell from head fractions, raw inputs, competences and RANGES."""
    low, columns = ranges.low, ranges.columns
    for k in range(out.size):
        fraction = fractions[k]
        if ranges.scale[k] == LOG:
            rise = np.exp(ranges.log_ratio[k] * fraction) - np.float32(1.0)
            out[k] = low[k] * rise * competence[k]
        else:
            out[k] = low[k] + (ranges.high[k] - low[k]) * fraction * competence[k]
    out[columns.lactate] = lactate_flux(
        realised(out[columns.glucose], inputs[columns.glucose_input], GLUCOSE_HALF),
        realised(out[columns.oxygen], inputs[columns.oxygen_input], OXYGEN_HALF),
        out[columns.growth],
        fractions[columns.lactate] * competence[columns.lactate],
    )


@cached(error_model="numpy")
def _outputs_of_cells(
    fractions: np.ndarray,
    inputs: np.ndarray,
    cell_type: np.ndarray,
    competence: np.ndarray,
    ranges: Ranges,
    out: np.ndarray,
) -> None:
    for i in range(out.shape[0]):
        outputs_from_fractions(fractions[i], inputs[i], competence[cell_type[i]], ranges, out[i])


def physical_outputs(
    fractions: np.ndarray, inputs: np.ndarray, cell_type: np.ndarray
) -> np.ndarray:
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


def stationary_phases(
    g1s: ArrayLike, g2m: ArrayLike, s_duration: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Shares (n, 3) of G1, S, G2M and growth rate r [1/min] of a population in steady growth.

    Hazards g1, g2 [1/min] and the duration T [min] of S, each (n,); no one dies. The root of the
    equation above is found by bisection. A cell that cannot divide rests in G1.
    """
    g1, g2, duration = np.broadcast_arrays(*np.atleast_1d(g1s, g2m, s_duration))
    cycling = (g1 > 0.0) & (g2 > 0.0)
    a, b = np.where(cycling, g1, 1.0), np.where(cycling, g2, 1.0)
    low, high = np.zeros(a.shape), np.minimum(a, b)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        grows = 2.0 * a * b * np.exp(-middle * duration) > (a + middle) * (b + middle)
        low, high = np.where(grows, middle, low), np.where(grows, high, middle)
    in_s = a * -np.expm1(-high * duration) / high
    in_g2m = a * np.exp(-high * duration) / (b + high)
    weights = np.stack([np.ones_like(high), in_s * cycling, in_g2m * cycling], axis=-1)
    return weights / weights.sum(axis=-1, keepdims=True), np.where(cycling, high, 0.0)


def net_growth_rate(outputs: np.ndarray) -> np.ndarray:
    """Doublings of cell number per minute implied by the hazards; outputs (..., n_outputs)."""
    g1s, g2m, factor, apoptosis, necrosis = (
        outputs[..., OUTPUTS.index(name)].astype(np.float64) for name in _HAZARDS
    )
    _, rate = stationary_phases(g1s, g2m, S_DURATION * factor)
    net: np.ndarray = (rate.reshape(g1s.shape) - apoptosis - necrosis) / np.log(2.0)
    return net


_HAZARDS = ("g1s_rate", "g2m_rate", "s_duration_factor", "apoptosis_rate", "necrosis_rate")


__all__ = [
    "HEAD_COMPETENCE",
    "RANGES",
    "net_growth_rate",
    "outputs_from_fractions",
    "physical_outputs",
    "stationary_phases",
]
