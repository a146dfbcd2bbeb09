import numpy as np
import pytest

from surrogates import channels
from surrogates.channels import INPUTS, NODES, OUTPUTS


def test_released_names_keep_their_order():
    assert INPUTS[:3] == ("EGF", "HGF", "IGF1")
    assert INPUTS[-4:] == ("volume_ratio", "phase_S", "phase_G2M", "phase_age")
    assert OUTPUTS[:3] == ("growth_rate", "g1s_rate", "g2m_rate")
    assert OUTPUTS[-3:] == ("PDL1", "MHC1", "antigen")
    assert (len(INPUTS), len(OUTPUTS)) == (45, 46)
    assert len(set(NODES)) == len(NODES) == 100


def test_every_channel_has_unit_range_meaning_and_a_basal_value_in_range():
    for channel in channels.INPUT_CHANNELS:
        assert channel.unit
        assert channel.meaning
        assert channel.low <= channel.basal <= channel.high
    for channel in channels.OUTPUT_CHANNELS:
        assert channel.unit
        assert channel.low < channel.high
        assert channel.evidence in {"direct", "literature", "assumed", "definition"}


def test_transforms_are_monotone_bounded_and_agree_with_the_scalar_formula():
    rng = np.random.default_rng(0)
    high = np.array([c.high for c in channels.INPUT_CHANNELS])
    raw = np.sort(rng.random((50, len(INPUTS))) ** 3 * 1.5 * high, axis=0)
    x = channels.transform_inputs(raw)
    assert x.min() >= 0.0
    assert x.max() <= 1.0
    assert np.all(np.diff(x, axis=0) >= 0.0)
    scalar = [
        [
            channels.transform_value(value, *column)
            for value, column in zip(
                row,
                zip(
                    channels.TRANSFORM_KIND, channels.TRANSFORM_A, channels.TRANSFORM_B, strict=True
                ),
                strict=True,
            )
        ]
        for row in raw
    ]
    np.testing.assert_allclose(x, scalar, rtol=1e-12)


def test_half_saturation_is_where_the_channel_says():
    raw = channels.basal_inputs().astype(np.float64)
    raw[0, INPUTS.index("HGF")] = 0.2
    assert channels.transform_inputs(raw)[0, INPUTS.index("HGF")] == pytest.approx(0.5)


def test_genotype_bits_go_there_and_back():
    names = ("BRAF_V600E", "JAK1_loss")
    assert channels.genotype_names(channels.genotype_bits(names)) == names


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(channels.UnknownName, match=r"'BRAF_V600K'.*'BRAF_V600E'"):
        channels.genotype_bits(["BRAF_V600K"])
    with pytest.raises(channels.UnknownName, match=r"cell type.*nearest"):
        channels.cell_type_code("tumour")
