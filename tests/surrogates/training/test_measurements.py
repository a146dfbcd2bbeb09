"""Measurements in the loss: their likelihood, what is missing, and dishes run as they were."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch

import surrogates
from surrogates.data import marm, observation
from surrogates.network.torch import MonotoneUnits
from surrogates.prior.graph import load_network
from surrogates.training.measurements import PlateLikelihood, gaussian_nll


@pytest.fixture(scope="module")
def rows():
    """On vemurafenib for a day, then EGF; a day of it before HGF; a line with much EGFR."""
    n = 6
    doses = np.zeros((n, len(marm.DRUGS)))
    doses[:, 0] = (1.0, 1.0, 1.0, 0.0, 0.1, 1.0)
    before = doses.copy()
    before[2] = 0.0
    return marm.Conditions(
        before=before,
        now=doses,
        adapted=np.array([0.0, 0.0, 120.0, 0.0, 0.0, 0.0]),
        time=np.array([5.0, 60.0, 15.0, 0.0, 30.0, 10.0]),
        EGF=np.array([100.0, 100.0, 0.0, 0.0, 10.0, 0.0]),
        HGF=np.array([0.0, 0.0, 100.0, 0.0, 0.0, 0.0]),
        EGFR=np.array([1.0, 1.0, 1.0, 1.0, 4.0, 1.0]),
        genotype=np.ones(n, np.int32),
        plate=np.array([marm.MAIN, marm.MAIN, marm.COURSES, marm.MAIN, marm.MAIN, marm.MAIN]),
        pERK=np.array([1.5, 0.4, 1.0, 1.0, 0.9, 0.1]),
        pMEK=np.full(n, np.nan),
    )


def test_the_likelihood_is_that_of_a_normal_distribution():
    node, measured = np.array([[0.2], [0.5], [0.9]]), np.array([[0.4], [1.3], [1.7]])
    layer = observation.fit(node, measured)
    found = gaussian_nll(torch.tensor(node, dtype=torch.float32), measured, layer)
    wanted = -scipy.stats.norm.logpdf(measured, layer.predict(node), layer.sd(3)).mean()
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_what_was_not_measured_changes_nothing():
    draw = np.random.default_rng(0)
    node, measured = draw.random((20, 2)), draw.random((20, 2))
    measured[3:7, 0] = np.nan
    layer = observation.fit(node, measured)
    values, gradients = [], []
    for guess in (0.0, 0.8):
        moved = node.copy()
        moved[3:7, 0] = guess
        x = torch.tensor(moved, dtype=torch.float32, requires_grad=True)
        loss = gaussian_nll(x, measured, layer)
        loss.backward()
        values.append(float(loss.detach()))
        gradients.append(x.grad.numpy())
    assert values[0] == values[1]
    assert (gradients[0][3:7, 0] == 0.0).all()
    assert (gradients[0][:3] != 0.0).all()


def test_dishes_are_treated_as_the_evaluation_treats_them(rows):
    model = surrogates.load("tme-cell")
    likelihood = PlateLikelihood(load_network(), rows)
    found = likelihood.erk(MonotoneUnits(model.network, model.model.raw)).detach().numpy()
    np.testing.assert_allclose(found, marm.predict(model, rows), atol=0.02)
    assert np.ptp(found) > 0.1


def test_rows_without_a_value_have_no_part_in_the_likelihood(rows):
    pERK = rows.pERK.copy()
    pERK[4] = np.nan
    masked = PlateLikelihood(load_network(), replace(rows, pERK=pERK))
    assert len(masked.rows) == len(rows) - 1
    assert 4.0 not in masked.rows.EGFR


def test_a_step_down_the_gradient_makes_measurements_likelier(rows):
    model = surrogates.load("tme-cell")
    units, likelihood = (
        MonotoneUnits(model.network, model.model.raw),
        PlateLikelihood(model.network, rows.take(rows.adapted == 0.0)),
    )
    before = likelihood(units)
    before.backward()
    with torch.no_grad():
        slope = sum(float(p.grad.square().sum()) for p in (units.theta, units.bias, units.share))
        for parameter in (units.theta, units.bias, units.share):
            parameter -= 0.02 / slope * parameter.grad
    fall = float(before.detach()) - float(likelihood(units).detach())
    assert fall == pytest.approx(0.02, rel=0.5)
