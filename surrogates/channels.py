"""Name every input, node and output of the cell model: unit, range, basal value, meaning, evidence.

The tables live in `prior/*.tsv`; a released order is kept, new channels are appended. Inputs reach
the network in [0, 1] through one documented transform per channel:

    saturating  x = c / (c + a)                      ligands, metabolites, contacts; a = half level
    occupancy   x = ln(1 + X/a) / ln(1 + b/a)        of a drug target; X = c / (1 - c), clipped at 1
    ramp        x = (c - a) / (b - a), clipped       pH, size, stiffness, phase flags

Half saturations: tissue levels of ligands are 1e-3 to 0.3 nM, so an input scaled to 1 nM would
never leave zero. Drugs reach the network as occupancies of their targets, which `drugs` works out
of concentrations; the rows of `prior/targets.tsv` are the last inputs. Doses span decades, and so
does X, the dose in units of the one of half effect.
"""

import csv
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CELL_TYPES = ("tumor", "fibroblast", "cd8_t", "macrophage", "endothelial", "epithelium")
GENOTYPES = (
    "BRAF_V600E",
    "BRAF_amp",
    "NRAS_Q61",
    "NF1_loss",
    "MEK1_mut",
    "MET_amp",
    "EGFR_mut",
    "PTEN_loss",
    "PIK3CA_mut",
    "TP53_loss",
    "JAK1_loss",
    "B2M_loss",
    "STK11_loss",
    "MYC_amp",
    "EGFR_T790M",
    "RB1_loss",
    "CDKN2A_loss",
)  # bit k of the int32 column `genotype`

SATURATING, OCCUPANCY, RAMP = 0, 1, 2
_TRANSFORMS = {"saturating": SATURATING, "occupancy": OCCUPANCY, "ramp": RAMP}
FULL = 1.0 - 1e-7  # the highest occupancy
DOSE_A, DOSE_B = 0.1, 1e4  # of X


OCCUPIED = "_occupancy"  # the input of a target is called by it and this


class UnknownName(KeyError):
    """A name that the cell model does not have; the message names the nearest one it has."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Channel:
    """One named number that goes into, stays in or comes out of a cell."""

    name: str
    unit: str
    low: float
    high: float
    basal: float
    meaning: str
    evidence: str


def read_table(name: str) -> list[dict[str, str]]:
    """Rows of `prior/<name>.tsv`."""
    text = (Path(__file__).parent / "prior" / f"{name}.tsv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def find(name: str, names: Sequence[str], kind: str) -> int:
    """Index of `name` in `names`; an unknown name is refused with the nearest valid one."""
    try:
        return names.index(name)
    except ValueError:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
        msg = f"{kind} {name!r} is unknown to the cell model; nearest is {near[0]!r}"
        raise UnknownName(msg) from None


def genotype_bits(names: Iterable[str], known: Sequence[str] = GENOTYPES) -> int:
    """Bit mask of a collection of genotype names, bit k for the k-th of those `known`."""
    bits = 0
    for name in names:
        bits |= 1 << find(name, known, "genotype")
    return bits


def genotype_names(bits: int) -> tuple[str, ...]:
    """Names of the alterations set in a bit mask."""
    return tuple(name for k, name in enumerate(GENOTYPES) if bits >> k & 1)


def cell_type_code(name: str) -> int:
    """Code of a cell type in the int8 column `type`."""
    return find(name, CELL_TYPES, "cell type")


def basal_inputs(n: int = 1, channels: Sequence[Channel] | None = None) -> np.ndarray:
    """Documented basal value of every input (those of the network), float32 (n, n_inputs)."""
    channels = INPUT_CHANNELS if channels is None else channels
    return np.tile(np.array([c.basal for c in channels], dtype=np.float32), (n, 1))


def transform_value(value: float, kind: int, a: float, b: float) -> float:
    """Transform one raw input to [0, 1]: the formula that kernels compile.

    On arrays it is `transform.transform_inputs`, on tensors `network.torch.Sources`.
    """
    if kind == SATURATING:
        positive = max(value, 0.0)
        return positive / (positive + a)
    if kind == OCCUPANCY:
        within = min(max(value, 0.0), FULL)
        share: float = np.log(1.0 + within / (1.0 - within) / a) / np.log(1.0 + b / a)
        return min(share, 1.0)
    return min(max((value - a) / (b - a), 0.0), 1.0)


def dose_of_occupancy(value: float) -> float:
    """Dose X = c / (1 - c) in units of that of half effect; a formula that kernels compile."""
    within = min(max(value, 0.0), FULL)
    return within / (1.0 - within)


def _occupancy(row: dict[str, str]) -> dict[str, str]:
    """Row of an input out of that of a drug target."""
    return {
        "name": row["name"] + OCCUPIED,
        "unit": "1",
        "transform": "occupancy",
        "a": str(DOSE_A),
        "b": str(DOSE_B),
        "low": "0",
        "high": "1",
        "basal": "0",
        "evidence": row["evidence"],
        "meaning": f"effect of drugs on {row['meaning']}",
    }


def _channel(row: dict[str, str], unit: str = "1", low: str = "0", high: str = "1") -> Channel:
    return Channel(
        name=row["name"],
        unit=row.get("unit", unit),
        low=float(row.get("low", low)),
        high=float(row.get("high", high)),
        basal=float(row.get("basal", "nan")),
        meaning=row["meaning"],
        evidence=row["evidence"],
    )


_TARGET_ROWS = read_table("targets")
_INPUT_ROWS = read_table("inputs") + [_occupancy(row) for row in _TARGET_ROWS]
_NODE_ROWS = read_table("nodes")
_OUTPUT_ROWS = read_table("outputs")

INPUT_CHANNELS = tuple(_channel(row) for row in _INPUT_ROWS)
NODE_CHANNELS = tuple(_channel(row) for row in _NODE_ROWS)
OUTPUT_CHANNELS = tuple(_channel(row) for row in _OUTPUT_ROWS)
INPUTS = tuple(channel.name for channel in INPUT_CHANNELS)
NODES = tuple(channel.name for channel in NODE_CHANNELS)
OUTPUTS = tuple(channel.name for channel in OUTPUT_CHANNELS)
TARGETS = tuple(row["name"] for row in _TARGET_ROWS)
OCCUPANCIES = INPUTS[-len(TARGETS) :]
SURROUNDINGS = INPUTS[: -len(TARGETS)]

TRANSFORM_KIND = np.array([_TRANSFORMS[row["transform"]] for row in _INPUT_ROWS], dtype=np.int8)
TRANSFORM_A = np.array([row["a"] for row in _INPUT_ROWS], dtype=np.float64)
TRANSFORM_B = np.array([row["b"] for row in _INPUT_ROWS], dtype=np.float64)
