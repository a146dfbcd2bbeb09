"""References for combinations, and growth-rate metrics (cases D5 and D6)."""

import numpy as np
import pytest

from tme_sim.analysis.drug_response import (
    HillCurve,
    bliss,
    growth_rate_inhibition,
    highest_single_agent,
    loewe,
    proliferation_rate,
)

FIRST, SECOND = HillCurve(1.5, 1.0), HillCurve(1.0, 3.0)


def test_a_combination_has_its_published_references():
    one, two = FIRST.effect(0.5), SECOND.effect(2.0)
    assert one == pytest.approx(0.738796, abs=1e-6)
    assert two == pytest.approx(0.6)
    assert bliss(one, two) == pytest.approx(0.443278, abs=1e-6)
    assert highest_single_agent(one, two) == pytest.approx(0.6)
    assert loewe((FIRST, SECOND), (0.5, 2.0)) == pytest.approx(0.455032, abs=1e-6)


def test_references_agree_with_the_synergy_package():
    pytest.importorskip("synergy", reason="pip install synergy")
    from synergy.combination import Loewe
    from synergy.single import Hill

    drugs = [Hill(E0=1.0, Emax=0.0, h=h, C=c) for h, c in ((1.5, 1.0), (1.0, 3.0))]
    model = Loewe(drug1_model=drugs[0], drug2_model=drugs[1])
    for doses in ((0.5, 2.0), (0.1, 0.3), (2.0, 8.0)):
        expected = model.E_reference(np.array([doses[0]]), np.array([doses[1]]))
        assert loewe((FIRST, SECOND), doses) == pytest.approx(float(np.squeeze(expected)), rel=1e-4)


def test_a_hill_curve_has_its_published_values():
    curve = HillCurve(2.0, 1.0)
    assert curve.effect(np.array([0.1, 1.0, 3.1623, 10.0])) == pytest.approx(
        [0.990099, 0.5, 0.090909, 0.009901], abs=1e-5
    )
    assert curve.effect(curve.dose(0.3)) == pytest.approx(0.3)


def test_a_drug_combined_with_itself_is_additive_after_loewe_alone():
    assert loewe((FIRST, FIRST), (0.4, 0.9)) == pytest.approx(FIRST.effect(1.3), rel=1e-9)
    assert bliss(FIRST.effect(0.4), FIRST.effect(0.9)) > FIRST.effect(1.3) + 0.01


def test_one_drug_alone_keeps_its_own_effect():
    assert loewe((FIRST, SECOND), (0.7, 0.0)) == pytest.approx(FIRST.effect(0.7), rel=1e-9)
    assert loewe((FIRST, SECOND), (0.0, 0.0)) == 1.0


def test_a_drug_with_a_floor_may_be_taken_below_it_by_the_other():
    floor = HillCurve(1.0, 1.0, end=0.4)
    assert floor.dose(0.3) == np.inf
    assert loewe((floor, SECOND), (1.0, 30.0)) < 0.4


def test_curves_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="start from one effect"):
        loewe((FIRST, HillCurve(1.0, 1.0, start=2.0)), (1.0, 1.0))
    with pytest.raises(ValueError, match="positive"):
        HillCurve(1.0, -1.0)


def test_growth_rate_inhibition_is_as_published():
    found = growth_rate_inhibition(1.0, 8.0, np.array([4.0, 1.0, 0.5, 8.0]))
    assert found == pytest.approx([0.587401, 0.0, -0.206299, 1.0], abs=1e-6)


def test_the_proliferation_rate_is_that_of_an_exponential():
    time = np.linspace(0.0, 4320.0, 10)
    assert proliferation_rate(time, 100 * 2 ** (0.7 * time / 1440.0)) == pytest.approx(0.7)
