"""The fit of the teacher: what is fitted, the reduced module against the teacher, the tables."""

import csv

import numpy as np
import pytest

from surrogates.channels import NODES, cell_type_code, genotype_bits
from surrogates.data import marm
from surrogates.drugs import SHIPPED
from surrogates.prior.graph import load_network
from surrogates.teacher.model import Teacher
from surrogates.teacher.parameters import teacher_parameters
from surrogates.training import fit_teacher, fitted_numbers


def present(number):
    """The value of a fitted number in the shipped tables."""
    network = load_network()
    if number.field == "tau":
        return float(network.tau[NODES.index(number.target)])
    if number.field == "competence":
        return float(network.competence[cell_type_code("tumor"), NODES.index(number.target)])
    if number.field == "K":
        bindings = SHIPPED[number.source].bindings
        return next(b.half for b in bindings if b.target == number.target)
    edge = teacher_parameters()[number.source, number.target, number.gate]
    return edge[fitted_numbers.FIELDS.index(number.field)]


def conditions():
    """Vemurafenib 24 h: alone, low, with EGF for 5, 30 and 120 min; a line with more EGFR; HGF."""
    dose = np.array([1.0, 0.03, 1.0, 1.0, 1.0, 1.0, 1.0])
    doses = np.outer(dose, np.arange(len(marm.DRUGS)) == marm.DRUGS.index("Vemurafenib"))
    n = len(dose)
    return marm.Conditions(
        before=doses,
        now=doses,
        adapted=np.zeros(n),
        time=np.array([5.0, 5.0, 5.0, 30.0, 120.0, 480.0, 15.0]),
        EGF=np.array([0.0, 0.0, 100.0, 100.0, 100.0, 100.0, 0.0]),
        HGF=np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 100.0]),
        EGFR=np.array([1.0, 1.0, 1.0, 1.0, 1.0, 4.0, 1.0]),
        genotype=np.full(n, genotype_bits(["BRAF_V600E"]), np.int32),
        plate=np.full(n, marm.MAIN),
        pERK=np.array([0.1, 0.5, 1.7, 0.4, 0.1, 0.9, 1.8]),
        pMEK=np.full(n, np.nan),
    )


@pytest.fixture(scope="module")
def problem():
    return fit_teacher.Problem(conditions(), fit_teacher.ANCHORS[:2])


def test_every_fitted_number_is_in_the_tables_and_within_its_bounds():
    for number in fitted_numbers.numbers():
        assert number.low < number.start < number.high, number
        assert 0.99 * number.low <= present(number) <= 1.01 * number.high, number


def test_numbers_keep_their_value_through_z(problem):
    values = np.array([number.start for number in problem.numbers])
    np.testing.assert_allclose(problem.from_z(problem.to_z(values)), values, rtol=1e-9)


def test_the_reduced_module_follows_the_whole_teacher(problem):
    values = np.array([present(number) for number in problem.numbers])
    reduced, anchors = problem.module.run(values)
    whole = marm.predict(Teacher(), conditions())
    np.testing.assert_allclose(reduced, whole, atol=0.04)
    assert anchors[0] == pytest.approx(
        Teacher().simulate(genotype=["BRAF_V600E"], minutes=6)["ERK"][0], abs=0.02
    )


def test_the_jacobian_is_the_slope_of_the_residuals(problem):
    z = problem.to_z(np.array([present(number) for number in problem.numbers]))
    step = np.zeros_like(z)
    step[[0, 6, 20]] = (1.0, -0.5, 0.3)
    h = 1e-2
    slope = (problem.residuals(z + h * step) - problem.residuals(z - h * step)) / (2.0 * h)
    along = problem.jacobian(z) @ step
    np.testing.assert_allclose(along, slope, atol=0.05 * np.abs(slope).max())


def test_fitted_values_go_into_the_tables_and_are_marked(tmp_path, monkeypatch):
    monkeypatch.setattr(fitted_numbers, "PRIOR", tmp_path)
    numbers = fitted_numbers.numbers()
    fitted_numbers.write({number.name: 0.5 * (number.low + number.high) for number in numbers})

    def table(name):
        with (tmp_path / f"{name}.tsv").open(encoding="utf-8") as lines:
            return list(csv.DictReader(lines, delimiter="\t"))

    tau = next(number for number in numbers if number.field == "tau")
    row = next(row for row in table("nodes") if row["name"] == tau.target)
    assert float(row["tau"]) == pytest.approx(0.5 * (tau.low + tau.high), rel=1e-3)
    edge = next(number for number in numbers if number.field == "half")
    row = next(
        row
        for row in table("teacher")
        if (row["source"], row["target"], row["gate"]) == (edge.source, edge.target, edge.gate)
    )
    assert float(row["half"]) == pytest.approx(0.5 * (edge.low + edge.high), rel=1e-3)
    assert row["evidence"] == "fitted"
    untouched = next(row for row in table("teacher") if row["source"] == "TNF")
    assert untouched["evidence"] != "fitted"
