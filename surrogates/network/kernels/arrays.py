"""Arrays that the kernels of the network take, by name.

Units are nodes, then output heads. Sources are rows: nodes, transformed inputs, genotype bits, one
row of ones, products of gated parents; lanes are cells. Floating-point arrays are float32.
"""

from typing import NamedTuple

import numpy as np

from surrogates.phenotype import Ranges


class ResidualWeights(NamedTuple):
    """The learned term, see `network.residual`."""

    read: np.ndarray  # V (rank, n_sources)
    bias: np.ndarray  # b (rank,)
    write: np.ndarray  # G (n_nodes, rank)
    is_open: np.ndarray  # bool (n_nodes,), nodes whose gate is open


class Weights(NamedTuple):
    """The ensemble's numbers. Terms of a unit are those of the first member, then of the next."""

    n_parents: np.ndarray  # int32 (n_units,)
    parent: np.ndarray  # int32 (n_units, widest), row among the sources
    product: np.ndarray  # int32 (n_products, 2), rows of source and gate
    varies: np.ndarray  # bool (n_rows,), whether a source hangs on a node: changes between sweeps
    factor: np.ndarray  # (n_units, n_terms, FACTORS (1 + widest)), biases, then weights
    head_share: np.ndarray  # (n_heads, n_terms) of the mix, over 2^FACTORS; see `network.cpu`
    competence: np.ndarray  # (n_types, n_units)
    is_joint: np.ndarray  # bool (n_heads,), one product of all factors
    residual: ResidualWeights


class DomainLimits(NamedTuple):
    """The training domain, see `network.domain`."""

    low: np.ndarray  # (n_inputs,) raw units
    high: np.ndarray  # (n_inputs,)
    whiten: np.ndarray  # (n_features, n_features), lower triangular
    centre: np.ndarray  # (n_features,), of the whitened cloud
    most_present: np.ndarray  # (n_groups,)
    groups: np.ndarray  # int (n_groups, 2), first and last + 1 of the features counted together
    distance: np.float32  # squared, the largest inside
    disagreement: np.float32  # the largest inside


class Transforms(NamedTuple):
    """How raw inputs become sources, see `channels.transform_value`."""

    kind: np.ndarray  # int8 (n_inputs,)
    a: np.ndarray  # float64 (n_inputs,)
    b: np.ndarray  # float64 (n_inputs,)


class Tables(NamedTuple):
    """What is known of inputs and outputs."""

    transforms: Transforms
    ranges: Ranges


class Timing(NamedTuple):
    """What a sweep adds and takes away."""

    share: np.ndarray  # (n_types, n_nodes, n_terms): competence x gain x share of the mix
    loss: np.ndarray  # (n_nodes,): sum of the members' gains
    n_sweeps: int


class Tiles(NamedTuple):
    """Cells sorted by type and cut into tiles of one type each."""

    cell: np.ndarray  # int (n_cells,), rows of the cells in the order of the tiles
    first: np.ndarray  # int (n_tiles,), place of a tile's first cell in that order
    n_cells: np.ndarray  # int (n_tiles,)
    cell_type: np.ndarray  # int (n_tiles,)


class CellArrays(NamedTuple):
    """What the cells are and meet; results go to a `contract.Decision`."""

    state: np.ndarray  # (n_cells, n_nodes)
    inputs: np.ndarray  # (n_cells, n_inputs), raw units
    genotype: np.ndarray  # int32 (n_cells,)


class LiveParents(NamedTuple):
    """Parents of every unit that are not zero in the whole tile."""

    n_live: np.ndarray  # int32 (n_units,)
    row: np.ndarray  # int32 (n_units, widest), among the sources
    is_fixed: np.ndarray  # bool (n_units,), the same drive in every sweep
    start: np.ndarray  # int64 (n_units,), where the unit's numbers begin in `factor`
    factor: np.ndarray  # biases and weights of the live parents, units one after another


class Terms(NamedTuple):
    """Some terms of a unit."""

    first: int
    share: np.ndarray  # (n_terms,) of the mix, over 2^FACTORS


class Marks(NamedTuple):
    """What is known of every source of a tile, bool (n_rows,)."""

    live: np.ndarray  # not zero in the whole tile
    fresh: np.ndarray  # not as it was in the tile before


class Lanes(NamedTuple):
    """The cells of a tile, padded by its last."""

    cell: np.ndarray  # int64 (TILE,), rows of the cells
    genotype: np.ndarray  # int32 (TILE,), bits


class Rows(NamedTuple):
    """Work space of a tile, every row as wide as the tile."""

    source: np.ndarray  # (n_rows, width)
    raw: np.ndarray  # (n_inputs, width), inputs in raw units
    drive: np.ndarray  # (n_nodes, width), what a sweep adds
    argument: np.ndarray  # (FACTORS, width), of the sigmoids of a term
    member: np.ndarray  # (n_members, width), fractions of one head
    term: np.ndarray  # (n_members, width), of a joint head
    carbon: np.ndarray  # (4 n_members, width), fractions that the flux of lactate needs
    output: np.ndarray  # (2 n_heads, width), outputs and their sigma
    judgement: np.ndarray  # (3, width): inside box and counts, squared distance, disagreement
    residual: np.ndarray  # (rank + 1, width)
