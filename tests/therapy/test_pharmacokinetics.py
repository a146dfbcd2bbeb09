"""Plasma concentrations against closed forms and labels (cases D1, D2, D3)."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from tme_sim.scenario import ScenarioError
from tme_sim.therapy import nominal_concentration, plasma_concentration
from tme_sim.therapy.compartments import Body, Compartments, exponential, product
from tme_sim.therapy.pharmacokinetics import catalogue_drug

HOUR, DAY = 60.0, 1440.0
ORAL = {"clearance": "5 L/h", "central_volume": "50 L", "absorption_rate": "1 per hour"}
TWO = {
    "clearance": "5 L/h",
    "central_volume": "10 L",
    "intercompartmental_clearance": "8 L/h",
    "peripheral_volume": "50 L",
}


def auc(concentration, times):
    return np.trapezoid(concentration, times) / HOUR


def repeated(dose, every_h, n):
    return [{"time": f"{every_h * k} h", "dose": dose} for k in range(n)]


def steady_interval(drug, dose, every_h, n):
    times = np.arange(every_h * (n - 1) * HOUR, every_h * n * HOUR, 1.0)
    return plasma_concentration(drug, repeated(dose, every_h, n), times)


def half_life_h(name):
    matrix = Compartments.of(catalogue_drug(name)).matrix
    rates = -np.linalg.eigvals(matrix[1:-2, 1:-2]).real
    return np.log(2) / rates.min() / HOUR


def test_one_compartment_oral_dose_follows_bateman():
    times = np.arange(0.0, 200 * HOUR, 0.5)
    c = plasma_concentration(ORAL, [{"time": "0 h", "dose": "100 mg", "route": "oral"}], times)
    assert times[c.argmax()] / HOUR == pytest.approx(2.55843, rel=1e-3)
    assert c.max() == pytest.approx(1.548527, rel=1e-3)
    assert c[times == 12 * HOUR] == pytest.approx(0.669307, rel=1e-3)
    assert auc(c, times) == pytest.approx(20.0, rel=1e-3)


def test_two_compartment_bolus_follows_the_biexponential():
    times = np.array([1.0, 4.0, 12.0]) * HOUR
    c = plasma_concentration(TWO, [{"time": "0 h", "dose": "100 mg", "route": "iv"}], times)
    assert c == pytest.approx([2.993215, 0.642803, 0.385963], rel=1e-3)
    fine = np.arange(0.0, 400 * HOUR, 0.5)
    c = plasma_concentration(TWO, [{"time": "0 h", "dose": "100 mg", "route": "iv"}], fine)
    assert auc(c, fine) == pytest.approx(20.0, rel=1e-3)


def test_two_compartments_have_their_half_lives():
    matrix = Compartments(5 / 60, 10.0, ((8 / 60, 50.0),)).matrix
    rates = np.sort(-np.linalg.eigvals(matrix[1:-2, 1:-2])) * HOUR
    assert rates == pytest.approx([0.057022, 1.402978], rel=1e-4)


def test_three_compartments_with_infusion_agree_with_an_ode_solver():
    drug = catalogue_drug("doxorubicin")
    body = Compartments.of(drug)
    times = np.linspace(1.0, 3 * DAY, 40)
    doses = [{"time": "10 min", "dose": "108 mg", "route": "iv", "infusion": "45 min"}]

    def rhs(t, a):
        rate = np.zeros(len(a))
        rate[1] = 108 / 45 if 10 <= t < 55 else 0.0
        return body.matrix[:-1, :-1] @ a + rate

    solved = solve_ivp(
        rhs, (0, 3 * DAY), np.zeros(5), t_eval=times, rtol=1e-9, atol=1e-12, max_step=5.0
    )
    expected = solved.y[1] / body.central_volume
    assert plasma_concentration("doxorubicin", doses, times) == pytest.approx(expected, rel=1e-5)


def test_equal_absorption_and_elimination_rates_are_no_special_case():
    drug = {"clearance": "50 L/h", "central_volume": "50 L", "absorption_rate": "1 per hour"}
    c = plasma_concentration(drug, [{"time": "0 h", "dose": "100 mg", "route": "oral"}], [HOUR])
    assert c == pytest.approx(100 / 50 * np.exp(-1), rel=1e-9)


def test_vemurafenib_accumulates_as_its_label_says():
    assert 1 / (1 - 2 ** (-12 / half_life_h("vemurafenib"))) == pytest.approx(7.36, rel=0.01)
    c = steady_interval("vemurafenib", "960 mg", 12, 60)
    assert c.mean() == pytest.approx(62.0, rel=0.01)
    assert c.max() / c.min() == pytest.approx(1.04, abs=0.01)


def test_vemurafenib_rises_over_two_weeks():
    times = np.arange(0.0, 14 * DAY, 6.0)
    c = plasma_concentration("vemurafenib", repeated("960 mg", 12, 28), times) / 489.9 * 1e3
    daily = c.reshape(14, -1).mean(axis=1)
    assert daily[[0, 1, 6, 13]] == pytest.approx([18, 45, 108, 124], rel=0.05)


def test_trametinib_meets_its_label():
    c = steady_interval("trametinib", "2 mg", 24, 40)
    assert half_life_h("trametinib") == pytest.approx(115, rel=0.02)
    assert c.mean() * 24 * 1e3 == pytest.approx(408, rel=0.02)
    assert c.mean() * 24 * 1e3 == pytest.approx(370, rel=0.15)
    assert c.max() * 1e3 == pytest.approx(22.2, rel=0.15)


def test_pembrolizumab_meets_its_label():
    assert half_life_h("pembrolizumab") / 24 == pytest.approx(22, rel=0.05)
    assert 1 / (1 - 2 ** (-21 * 24 / half_life_h("pembrolizumab"))) == pytest.approx(2.1, rel=0.05)
    times = np.arange(20 * 21 * DAY, 21 * 21 * DAY, 60.0)
    c = plasma_concentration("pembrolizumab", repeated("200 mg", 21 * 24, 21), times)
    assert c.mean() == pytest.approx(48.8, rel=0.01)


def test_one_compartment_of_22_days_half_life_accumulates_as_the_antibody_does():
    drug = {"clearance": f"{6.0 * np.log(2) / 22} L/d", "central_volume": "6.0 L"}
    doses = [{"time": f"{21 * k} d", "dose": "200 mg"} for k in range(40)]
    times = np.array([39 * 21 * DAY, 40 * 21 * DAY - 1e-3])
    assert plasma_concentration(drug, doses, times) == pytest.approx([68.9, 35.5], rel=0.01)


def test_doxorubicin_has_the_half_lives_of_its_label():
    matrix = Compartments.of(catalogue_drug("doxorubicin")).matrix
    hours = np.sort(np.log(2) / -np.linalg.eigvals(matrix[1:-2, 1:-2]).real / HOUR)
    assert 3 / 60 < hours[0] < 8 / 60
    assert 1 <= hours[1] <= 3
    assert 20 <= hours[2] <= 48


@pytest.mark.parametrize(
    ("name", "total_uM", "nominal"),
    [("vemurafenib", 110, 11), ("trametinib", 0.025, 3.1e-3), ("erlotinib", 4.0, 0.6)],
)
def test_cells_sense_the_nominal_equivalent_of_free_drug(name, total_uM, nominal):
    drug = catalogue_drug(name)
    total = total_uM * drug.molar_mass * 1e-3
    assert nominal_concentration(total, drug) == pytest.approx(nominal, rel=0.05)


def test_an_antibody_is_sensed_in_nanomolar():
    drug = catalogue_drug("pembrolizumab")
    assert nominal_concentration(48.8, drug) == pytest.approx(327, rel=0.01)


def test_the_body_loses_nothing_but_what_it_clears():
    body = Body(Compartments.of(catalogue_drug("trametinib")))
    body.give(2.0, route="oral")
    body.give(5.0, route="iv", infusion=30.0)
    for k in range(1000):
        body.advance(6.0 * k, 6.0 * (k + 1))
    assert body.given == pytest.approx(7.0, rel=1e-12)
    assert body.stored + body.cleared == pytest.approx(body.given, rel=1e-10)


def test_times_may_come_in_any_order():
    doses = [{"time": "2 h", "dose": "100 mg"}, {"time": "0 h", "dose": "50 mg"}]
    times = np.array([[300.0, 60.0], [0.0, -5.0]])
    c = plasma_concentration(ORAL, doses, times)
    assert c.shape == (2, 2)
    assert c[0, 1] == plasma_concentration(ORAL, doses, [60.0])[0]
    assert c[1, 0] == c[1, 1] == 0.0


@pytest.mark.parametrize(
    ("drug", "doses", "words"),
    [
        ("vemurafinib", [], "did you mean 'vemurafenib'"),
        (ORAL | {"clearence": "1 L/h"}, [], "did you mean 'clearance'"),
        (ORAL | {"clearance": "1 L"}, [], "[length] ** 3"),
        (ORAL | {"clearance": "-1 L/h"}, [], "more than 0"),
        ({"clearance": "1 L/h"}, [], "'central_volume' is missing"),
        (ORAL, [{"time": "0 h", "dose": "-5 mg"}], "negative"),
        (ORAL, [{"time": "0 h", "dose": "5"}], "no unit"),
        (ORAL, [{"time": "0 h", "doze": "5 mg"}], "did you mean 'dose'"),
        (TWO, [{"time": "0 h", "dose": "5 mg", "route": "oral"}], "absorption_rate"),
        (TWO, [{"time": "0 h", "dose": "5 mg", "route": "nasal"}], "allowed: iv, oral"),
        (ORAL | {"peripheral_volume": "5 L"}, [], "needs 'intercompartmental_clearance'"),
        (ORAL | {"intercompartmental_clearance": "5 L/h"}, [], "needs 'peripheral_volume'"),
        (ORAL | {"bioavailability": 1.2}, [], "at most 1"),
        (None, [], "a name of the catalogue or a mapping"),
        (ORAL, ["100 mg"], "doses.0.: found '100 mg'"),
        (ORAL, [{"time": "0 h"}], "doses.0.: the key 'dose' is missing"),
        (ORAL, [{"dose": "5 mg"}], "the key 'time' is missing"),
        (ORAL, [{"time": 5, "dose": "5 mg"}], "doses.0.: time: 5 has no unit"),
        (TWO, [{"time": "0 h", "dose": "5 mg", "infusion": "-1 h"}], "infusion: found '-1 h'"),
        (ORAL, [{"time": "0 h", "dose": "5 mg", "infusion": "1 h"}], "a dose by mouth has none"),
    ],
)
def test_impossible_requests_are_refused_in_words(drug, doses, words):
    with pytest.raises(ScenarioError, match=words.replace("[", r"\[").replace("*", r"\*")):
        plasma_concentration(drug, doses, [0.0])


def test_doses_per_body_are_those_of_a_reference_adult():
    at = [HOUR]
    doses = [{"time": "0 h", "dose": dose} for dose in ("108 mg", "60 mg/m2", "1.542857 mg/kg")]
    found = [plasma_concentration("doxorubicin", [dose], at)[0] for dose in doses]
    assert found == pytest.approx([found[0]] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "dose", "every", "auc_per_dose", "most", "half_life"),
    [  # label or population model: AUC [mg h/L], Cmax [mg/L], half-life [h]
        ("dabrafenib", "150 mg", 12, 2.619, 0.806, None),
        ("palbociclib", "125 mg", 24, 125 / 63.1, None, 29),
        ("capmatinib", "400 mg", 12, 400 / 24, None, None),  # its half-life is an effective one
        ("erlotinib", "150 mg", 24, 150 / 3.95, None, 36.2),
    ],
)
def test_other_labels_are_met(name, dose, every, auc_per_dose, most, half_life):
    c = steady_interval(name, dose, every, 20)
    assert c.mean() * every == pytest.approx(auc_per_dose, rel=0.02)
    if most is not None:
        assert c.max() == pytest.approx(most, rel=0.05)
    if half_life is not None:
        assert half_life_h(name) == pytest.approx(half_life, rel=0.15)


@pytest.mark.parametrize(
    ("name", "half_life", "accumulation"), [("atezolizumab", 27, 1.91), ("nivolumab", 25, None)]
)
def test_antibodies_have_the_half_life_of_their_label(name, half_life, accumulation):
    assert half_life_h(name) / 24 == pytest.approx(half_life, rel=0.2)
    if accumulation is not None:
        weeks = 3 * 7 * 24 * HOUR
        times = np.arange(0.0, 20 * weeks, 60.0)
        c = plasma_concentration(name, repeated("1200 mg", weeks / HOUR, 20), times)
        every = c.reshape(20, -1).mean(axis=1)
        assert every[-1] / every[0] == pytest.approx(accumulation, rel=0.15)


def test_palbociclib_accumulates_as_its_label_says():
    c = plasma_concentration("palbociclib", repeated("125 mg", 24, 20), np.arange(0, 20 * DAY, 6.0))
    daily = c.reshape(20, -1).mean(axis=1)
    assert daily[-1] / daily[0] == pytest.approx(2.4, rel=0.2)


def test_osimertinib_accumulates_and_stays_flat():
    """Three-fold (US label); peak over trough 1.6 (Planchard 2016)."""
    times = np.arange(0, 30 * DAY, 6.0)
    c = plasma_concentration("osimertinib", repeated("80 mg", 24, 30), times)
    daily = c.reshape(30, -1)
    assert daily[-1].mean() / daily[0].mean() == pytest.approx(3.0, rel=0.25)
    assert daily[-1].max() / daily[-1].min() == pytest.approx(1.6, rel=0.25)


def test_temozolomide_meets_its_label():
    """150 mg/m2 by mouth: peak 7.5 mg/L, area 23.4 mg h/L, half-life 1.8 h."""
    times = np.arange(0.0, DAY, 1.0)
    c = plasma_concentration("temozolomide", [{"time": "0 h", "dose": "150 mg/m2"}], times)
    assert c.max() == pytest.approx(7.5, rel=0.25)
    assert c.sum() / HOUR == pytest.approx(23.4, rel=0.1)
    assert half_life_h("temozolomide") == pytest.approx(1.8, rel=0.1)


def test_gemcitabine_and_binimetinib_go_as_fast_as_their_labels_say():
    assert 42 / 60 / 3 < half_life_h("gemcitabine") < 94 / 60  # 42 to 94 min after short infusions
    assert half_life_h("binimetinib") == pytest.approx(3.5, rel=0.15)


@pytest.mark.parametrize("duration", [1e-3, 12.0, 1440.0, 30240.0])
def test_the_exponential_of_a_course_is_scipys(duration):
    matrix = Compartments(0.01, 3.0, ((0.02, 5.0), (0.001, 40.0)), 0.02, 0.8).matrix * duration
    amounts = np.array([100.0, 50.0, 20.0, 7.0, 3.0, 0.5])

    found = exponential(matrix)

    np.testing.assert_allclose(found, expm(matrix), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(product(found, amounts), found @ amounts, rtol=1e-14)
