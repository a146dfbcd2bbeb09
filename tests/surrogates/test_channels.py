import pytest

from surrogates import channels
from surrogates.channels import INPUTS, NODES, OCCUPANCIES, OUTPUTS, SURROUNDINGS, TARGETS


def test_released_names_keep_their_order():
    assert INPUTS[:3] == ("EGF", "HGF", "IGF1")
    assert SURROUNDINGS[-4:] == ("volume_ratio", "phase_S", "phase_G2M", "phase_age")
    assert OCCUPANCIES[:3] == tuple(f"{name}_occupancy" for name in TARGETS[:3])
    assert OUTPUTS[:3] == ("growth_rate", "g1s_rate", "g2m_rate")
    assert OUTPUTS[-3:] == ("PDL1", "MHC1", "antigen")
    assert INPUTS == SURROUNDINGS + OCCUPANCIES
    assert (len(SURROUNDINGS), len(OUTPUTS)) == (34, 46)
    assert len(set(NODES)) == len(NODES) == 99


def test_every_channel_has_unit_range_meaning_and_a_basal_value_in_range():
    for channel in channels.INPUT_CHANNELS:
        assert channel.unit
        assert channel.meaning
        assert channel.low <= channel.basal <= channel.high
    for channel in channels.OUTPUT_CHANNELS:
        assert channel.unit
        assert channel.low < channel.high
        assert channel.evidence in {"direct", "literature", "assumed", "definition"}


def test_genotype_bits_go_there_and_back():
    names = ("BRAF_V600E", "JAK1_loss")
    assert channels.genotype_names(channels.genotype_bits(names)) == names


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(channels.UnknownName, match=r"'BRAF_V600K'.*'BRAF_V600E'"):
        channels.genotype_bits(["BRAF_V600K"])
    with pytest.raises(channels.UnknownName, match=r"cell type.*nearest"):
        channels.cell_type_code("tumour")
