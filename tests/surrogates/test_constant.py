"""Fixed rates: what is named is there, everything else is nothing."""

import numpy as np
import pytest

import surrogates
from surrogates.channels import CELL_TYPES, OUTPUTS, UnknownName, basal_inputs
from surrogates.contract import Cells


def outputs(model):
    n = len(CELL_TYPES)
    out = model.allocate(n)
    code, bits = np.arange(n, dtype=np.int8), np.zeros(n, np.int32)
    model.step(Cells(model.initial_state(code, bits), basal_inputs(n), bits, code), 6.0, out=out)
    return out


def test_without_rates_nothing_happens():
    out = outputs(surrogates.load("constant"))
    neutral = [OUTPUTS.index("s_duration_factor"), OUTPUTS.index("vessel_PS")]
    assert (out.outputs[:, neutral] == 1.0).all()
    assert (np.delete(out.outputs, neutral, axis=1) == 0.0).all()
    assert (out.sigma == 0.0).all()
    assert out.in_domain.all()


def test_rates_are_those_of_the_type():
    out = outputs(surrogates.load("constant", rates={"tumor": {"g1s_rate": 8e-4}}))
    column = out.outputs[:, OUTPUTS.index("g1s_rate")]
    assert column[0] == np.float32(8e-4)
    assert (column[1:] == 0.0).all()


def test_the_hash_follows_the_rates():
    one, two = (surrogates.load("constant", rates={"tumor": {"speed": s}}) for s in (0.1, 0.2))
    assert one.hash != two.hash


@pytest.mark.parametrize("rates", [{"tumour": {"speed": 1.0}}, {"tumor": {"sped": 1.0}}])
def test_a_misspelt_name_is_refused_with_the_nearest(rates):
    with pytest.raises(UnknownName, match=r"tumor|speed"):
        surrogates.load("constant", rates=rates)


def test_a_negative_rate_is_refused():
    with pytest.raises(ValueError, match="apoptosis_rate"):
        surrogates.load("constant", rates={"tumor": {"apoptosis_rate": -1.0}})
