"""Cell types are what the scenario says of them, by type code."""

from tests.model.small import small
from tme_sim.model.cell_types import CellTypes


def test_affinity_is_of_a_pair_whichever_type_says_it():
    affinities = {"tumor": {"affinity": {"fibroblast": 0.3, "tumor": 2}}}
    types = CellTypes.of(small(cell_types=affinities | {"cd8_t": {"affinity": {"fibroblast": 0}}}))
    tumor, fibroblast, cd8 = (types.code(name) for name in ("tumor", "fibroblast", "cd8_t"))

    affinity = types.contact.affinity
    assert affinity[tumor, fibroblast] == affinity[fibroblast, tumor] == 0.3
    assert affinity[cd8, fibroblast] == affinity[fibroblast, cd8] == 0.0
    assert affinity[tumor, tumor] == 2.0
    assert affinity[tumor, cd8] == 1.0
    assert not types.contact.pairs.alike


def test_types_without_affinities_of_one_range_need_no_look():
    assert CellTypes.of(small()).contact.pairs.alike
    longer = {"cd8_t": {"adhesion_range": 1.5}}
    assert not CellTypes.of(small(cell_types=longer)).contact.pairs.alike
