"""Draw the conditions a cell may meet: type, genotype and inputs that switch in mid-course.

A third of the courses are `wide`: they fill the ranges of `channels` log-uniformly, zeros included,
and occupy up to four drug targets directly, so that a drug yet unknown is no news. A third are
`tissue`: gas and nutrients between vessel and necrosis, a few ligands at tissue levels, at most two
drugs of the table. A third are `clinic`: mostly the plain BRAF-V600E tumor or its untouched
neighbours, few ligands, targeted drugs; slow growth under treatment is a small number there, so it
has to be learned closely. What is drawn here is also what the domain check calls known.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from surrogates.channels import (
    CELL_TYPES,
    GENOTYPES,
    INPUT_CHANNELS,
    INPUTS,
    SURROUNDINGS,
    TARGETS,
    genotype_bits,
)
from surrogates.occupancy import SHIPPED_TABLE

DRUGS = SHIPPED_TABLE.names
LIGANDS = INPUTS[: INPUTS.index("oxygen")]
CONTACTS = INPUTS[INPUTS.index("antigen") : INPUTS.index("crowding")]
TYPE_SHARE = (0.5, 0.1, 0.14, 0.1, 0.08, 0.08)  # of CELL_TYPES
WIDE, TISSUE, CLINIC = 0, 1, 2  # kinds of courses
KIND_SHARE = np.array([0.33, 0.32, 0.35])
LIGAND_SHARE = np.array([0.4, 0.25, 0.06])  # of ligands away from basal, by kind
CLINIC_LIGANDS = {"HGF": 0.35, "IFNg": 0.2, "TGFb": 0.15, "EGF": 0.35}
DRUG_COUNT = np.array(  # share of courses with 0, 1, ... 4 targets (wide) or drugs, by kind
    [(0.1, 0.3, 0.3, 0.2, 0.1), (0.3, 0.4, 0.2, 0.1, 0.0), (0.4, 0.4, 0.15, 0.05, 0.0)]
)
CLINIC_DRUGS = ("vemurafenib", "trametinib", "capmatinib", "pembrolizumab", "palbociclib")
NUTRIENT_SHARE = np.array([0.75, 0.75, 0.5])  # of nutrients away from basal, by kind
CONTACT_SHARE = np.array([0.4, 0.4, 0.15])
PLAIN_SHARE = np.array([0.0, 0.0, 0.8])  # of tumor cells that carry BRAF-V600E and nothing else
ARRESTED_SHARE = 0.4  # of cells in G1 for long, as drug, crowding or want of oxygen leaves them
ZERO_SHARE = 0.25  # share of perturbed ligands and contacts that are exactly zero
DECADES = 4.0  # a ligand is drawn over so many decades below its upper range
DOSES = (1e-2, 1e3)  # a drug is drawn between, in units of its lowest K
AT_TARGET = (1e-2, 9e3)  # doses of a target by itself, in units of the one of half effect
TISSUE_NUTRIENTS = {  # log-uniform, from beside a necrotic core to beside a vessel
    "oxygen": (0.5, 60.0),
    "glucose": (0.2, 6.0),
    "lactate": (0.7, 15.0),
    "glutamine": (0.05, 1.0),
    "adenosine": (0.02, 3.0),
}
WIDE_NUTRIENTS = {
    "oxygen": (0.05, 160.0),
    "glucose": (0.01, 25.0),
    "lactate": (0.1, 40.0),
    "glutamine": (0.005, 4.0),
    "adenosine": (0.005, 20.0),
}
HELD_OUT_PAIRS = (  # targets never occupied together in training; both act on one unit
    ("TOP2", "DNA_crosslink"),
    ("AURK_PLK", "microtubules"),
    ("BCLXL", "MCL1"),
    ("PD1", "PDL1"),
    ("proteasome", "GR"),
)
_FIRST = len(SURROUNDINGS)


@dataclass(frozen=True, eq=False)
class Courses:
    """Conditions of many cells: inputs (n_segments, n, n_inputs) that hold for equal times."""

    cell_type: np.ndarray  # int8 (n,)
    genotype: np.ndarray  # int32 (n,)
    kind: np.ndarray  # int8 (n,), WIDE, TISSUE or CLINIC
    inputs: np.ndarray  # float32 (n_segments, n, n_inputs), raw units


def draw_courses(
    rng: np.random.Generator, n: int, n_segments: int, *, held_out: bool = False
) -> Courses:
    """Conditions of `n` cells; with `held_out` every cell meets one of HELD_OUT_PAIRS."""
    cell_type = rng.choice(len(CELL_TYPES), n, p=TYPE_SHARE).astype(np.int8)
    kind = rng.choice(len(KIND_SHARE), n, p=KIND_SHARE).astype(np.int8)
    genotype = draw_genotypes(rng, cell_type, kind)
    given = _agents(rng, kind, genotype, held_out=held_out)
    inputs = np.stack([_segment(rng, kind, given) for _ in range(n_segments)])
    _hold(rng, inputs)
    if not held_out:
        _keep_apart(inputs)
    return Courses(cell_type, genotype, kind, inputs)


def draw_genotypes(rng: np.random.Generator, cell_type: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Genotype bits: tumors carry BRAF-V600E in two thirds and up to three more alterations."""
    n = len(cell_type)
    n_more = rng.choice(4, n, p=(0.4, 0.3, 0.2, 0.1))
    order = rng.random((n, len(GENOTYPES))).argsort(axis=1).argsort(axis=1)
    bits = ((order < n_more[:, None]) << np.arange(len(GENOTYPES))).sum(axis=1)
    braf = genotype_bits(["BRAF_V600E"])
    bits = np.where(rng.random(n) < 0.67, bits | braf, bits & ~braf)
    bits = np.where(rng.random(n) < PLAIN_SHARE[kind], braf, bits)
    normal = (cell_type != CELL_TYPES.index("tumor")) & (rng.random(n) < 0.97)
    return np.where(normal, 0, bits).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Agents:
    """What a cell may be given in its course, bool; drugs act on targets by the genotype."""

    drugs: np.ndarray  # (n, n_drugs)
    targets: np.ndarray  # (n, n_targets), occupied by themselves
    genotype: np.ndarray  # int32 (n,)


def _agents(
    rng: np.random.Generator, kind: np.ndarray, genotype: np.ndarray, *, held_out: bool
) -> Agents:
    n = len(kind)
    drugs, targets = np.zeros((n, len(DRUGS)), bool), np.zeros((n, len(TARGETS)), bool)
    if held_out:
        pairs = np.array([[TARGETS.index(name) for name in pair] for pair in HELD_OUT_PAIRS])
        chosen = pairs[rng.integers(len(pairs), size=n)]
        targets[np.arange(n)[:, None], chosen] = True
        return Agents(drugs, targets, genotype)
    count = (rng.random(n)[:, None] > DRUG_COUNT[kind].cumsum(axis=1)).sum(axis=1)
    favour = np.isin(DRUGS, CLINIC_DRUGS) * 0.6 + (np.array(DRUGS) == "vemurafenib") * 0.3
    drugs[:] = _lots(rng, drugs.shape, np.where(kind[:, None] == CLINIC, favour, 0.0), count)
    targets[:] = _lots(rng, targets.shape, 0.0, count)
    drugs[kind == WIDE], targets[kind != WIDE] = False, False
    return Agents(drugs, targets, genotype)


def _lots(
    rng: np.random.Generator, shape: tuple[int, ...], favour: np.ndarray | float, count: np.ndarray
) -> np.ndarray:
    """`count` of the columns of every row, those that are favoured rather."""
    order = (rng.random(shape) - favour).argsort(axis=1).argsort(axis=1)
    chosen: np.ndarray = order < count[:, None]
    return chosen


def _keep_apart(inputs: np.ndarray) -> None:
    """Where both targets of a held-out pair are occupied, free one of them, now this, now that."""
    for a, b in HELD_OUT_PAIRS:
        first, second = (inputs[..., _FIRST + TARGETS.index(name)] for name in (a, b))
        both = (first > 0.0) & (second > 0.0)
        stronger = first > second
        second[both & stronger] = 0.0
        first[both & ~stronger] = 0.0


def _segment(rng: np.random.Generator, kind: np.ndarray, given: Agents) -> np.ndarray:
    """One set of inputs per cell."""
    n = len(kind)
    inputs = np.tile(np.array([c.basal for c in INPUT_CHANNELS]), (n, 1))
    _ligands(rng, kind, inputs)
    _nutrients(rng, kind, inputs)
    _doses(rng, given, inputs)
    _contacts(rng, kind, inputs)
    _body(rng, inputs)
    low, high = (np.array([getattr(c, side) for c in INPUT_CHANNELS]) for side in ("low", "high"))
    within: np.ndarray = np.clip(inputs, low, high).astype(np.float32)
    return within


def _ligands(rng: np.random.Generator, kind: np.ndarray, inputs: np.ndarray) -> None:
    n = len(kind)
    for k, name in enumerate(LIGANDS):
        share = np.where(
            kind == CLINIC, CLINIC_LIGANDS.get(name, LIGAND_SHARE[CLINIC]), LIGAND_SHARE[kind]
        )
        level = _log_uniform(rng, n, INPUT_CHANNELS[k].high * 10**-DECADES, INPUT_CHANNELS[k].high)
        level[rng.random(n) < ZERO_SHARE] = 0.0
        inputs[:, k] = np.where(rng.random(n) < share, level, inputs[:, k])


def _nutrients(rng: np.random.Generator, kind: np.ndarray, inputs: np.ndarray) -> None:
    n = len(kind)
    tissue = kind != WIDE
    for name, (low, high) in TISSUE_NUTRIENTS.items():
        wide = _log_uniform(rng, n, *WIDE_NUTRIENTS[name])
        level = np.where(tissue, _log_uniform(rng, n, low, high), wide)
        level[~tissue & (rng.random(n) < 0.04)] = 0.0
        column = inputs[:, INPUTS.index(name)]
        column[:] = np.where(rng.random(n) < NUTRIENT_SHARE[kind], level, column)
    ph = inputs[:, INPUTS.index("pH")]
    ph[:] = np.where(rng.random(n) < 0.4, rng.uniform(6.2, 7.6, n), ph)


def _doses(rng: np.random.Generator, given: Agents, inputs: np.ndarray) -> None:
    """Occupancies; what is given is absent at times: wash-in and wash-out."""
    present = given.targets & (rng.random(given.targets.shape) < 0.8)
    dose = np.exp(rng.uniform(math.log(AT_TARGET[0]), math.log(AT_TARGET[1]), present.shape))
    inputs[:, _FIRST:] = np.where(present, dose / (1.0 + dose), 0.0)
    present = given.drugs & (rng.random(given.drugs.shape) < 0.8)
    concentration = np.where(present, draw_doses(rng, len(present)), 0.0)
    inputs[:, _FIRST:] += SHIPPED_TABLE.occupancy(concentration, given.genotype)


def draw_doses(rng: np.random.Generator, n: int) -> np.ndarray:
    """Concentrations (n, n_drugs) of all drugs, log-uniform over DOSES of the lowest K of each."""
    lowest = SHIPPED_TABLE.lowest_halves
    doses: np.ndarray = lowest * np.exp(
        rng.uniform(math.log(DOSES[0]), math.log(DOSES[1]), (n, len(lowest)))
    )
    return doses


def _contacts(rng: np.random.Generator, kind: np.ndarray, inputs: np.ndarray) -> None:
    n = len(kind)
    tissue = kind != WIDE
    for name in CONTACTS:
        channel = INPUT_CHANNELS[INPUTS.index(name)]
        level = channel.high * rng.random(n) ** np.where(tissue, 3.0, 1.0)
        met = rng.random(n) < CONTACT_SHARE[kind] * (0.5 if name == "granzyme_hits" else 1.0)
        inputs[:, INPUTS.index(name)] = np.where(met, level, 0.0)
    crowding = inputs[:, INPUTS.index("crowding")]
    crowding[:] = np.where(rng.random(n) < 0.8, 8.0 * rng.random(n) ** 2, 0.0)
    wide = rng.random(n) < 0.15
    crowding[wide] = 60.0 * rng.random(wide.sum())
    stiffness = inputs[:, INPUTS.index("stiffness")]
    stiffness[:] = np.where(rng.random(n) < 0.4, rng.random(n), stiffness)


def _body(rng: np.random.Generator, inputs: np.ndarray) -> None:
    """Size, phase and age in it: of dividing cells, and of arrested ones, small and days in G1."""
    n = len(inputs)
    arrested = rng.random(n) < ARRESTED_SHARE
    volume = np.where(arrested, rng.uniform(0.4, 1.2, n), rng.normal(1.35, 0.35, n).clip(0.3, 3.0))
    phase = np.where(arrested, 0, rng.choice(3, n, p=(0.6, 0.25, 0.15)))
    age = np.where(arrested, _log_uniform(rng, n, 6.0, 500.0), rng.exponential(6.0, n))
    inputs[:, INPUTS.index("volume_ratio")] = volume
    inputs[:, INPUTS.index("phase_S")] = phase == 1
    inputs[:, INPUTS.index("phase_G2M")] = phase == 2
    inputs[:, INPUTS.index("phase_age")] = np.where(
        rng.random(n) < 0.1, _log_uniform(rng, n, 0.05, 500.0), age
    )


def _hold(rng: np.random.Generator, inputs: np.ndarray) -> None:
    """Let every input of a cell keep its level over a switch in most cases."""
    for before, after in itertools.pairwise(inputs):
        keep = rng.random(after.shape) < 0.6
        after[keep] = before[keep]
    phases = [INPUTS.index("phase_S"), INPUTS.index("phase_G2M")]
    both = inputs[..., phases].sum(axis=-1) > 1.0
    inputs[both, phases[1]] = 0.0


def _log_uniform(rng: np.random.Generator, n: int, low: float, high: float) -> np.ndarray:
    return np.exp(rng.uniform(np.log(low), np.log(high), n))
