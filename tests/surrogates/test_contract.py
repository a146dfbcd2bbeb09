"""The contract of cell models: who keeps it, and what each part of it does."""

from dataclasses import replace

import numpy as np
import pytest

import surrogates
from surrogates.channels import (
    GENOTYPES,
    INPUTS,
    NODES,
    OUTPUTS,
    SURROUNDINGS,
    basal_inputs,
    genotype_bits,
)
from surrogates.contract import CellModel, Cells, Decision, Key
from surrogates.drugs import SHIPPED as SHIPPED_DRUGS
from surrogates.prior.graph import UNITS
from surrogates.trajectory import Surrogate
from surrogates.variants import MOST, with_abundance

OWN = {"ERK_on": {"ERK": {"held": 0.9}}}
SHIPPED = {
    "network": {},
    "member": {"member": 1},
    "clamped": {"out_of_domain": "clamp"},
    "swapped": {"out_of_domain": "teacher"},
    "stopping": {"out_of_domain": "stop"},
    "mutants": {"mutations": OWN},
    "guarded mutants": {"mutations": OWN, "out_of_domain": "teacher"},
    "untrained": {"untrained_seed": 1},
    "teacher": {"name": "teacher"},
    "mutants of the teacher": {"name": "teacher", "mutations": OWN},
    "constant": {"name": "constant", "rates": {"tumor": {"g1s_rate": 1e-3}}},
}
OF_UNITS = ("network", "clamped", "mutants", "teacher", "mutants of the teacher")
EGFR = {"EGFR": 0.5}


@pytest.fixture(scope="module", params=SHIPPED)
def model(request):
    return surrogates.load(**SHIPPED[request.param])


@pytest.fixture(scope="module", params=OF_UNITS)
def of_units(request):
    return surrogates.load(**SHIPPED[request.param])


def cells_of(model, n=6):
    """Tumor cells and fibroblasts under EGF, half of them mutated."""
    code = np.arange(n, dtype=np.int8) % 2
    bits = np.where(np.arange(n) < n // 2, 0, genotype_bits(["BRAF_V600E"])).astype(np.int32)
    inputs = basal_inputs(n, model.inputs)
    inputs[:, INPUTS.index("EGF")] = 0.5
    key = Key(np.arange(n), tick=3, seed=1)
    return Cells(model.initial_state(code, bits), inputs, bits, code, key=key)


def decided(model, cells, dt=12.0):
    out = model.allocate(len(cells))
    for array in out:
        array[:] = np.nan if array.dtype.kind == "f" else False
    model.step(cells, dt, out=out)
    return out


def test_every_shipped_model_keeps_the_contract(model):
    assert isinstance(model, CellModel)
    assert isinstance(model, Surrogate)
    assert [c.name for c in model.inputs] == [*SURROUNDINGS, *SHIPPED_DRUGS]
    assert [c.name for c in model.nodes] == list(NODES)
    assert [c.name for c in model.outputs] == list(OUTPUTS)
    assert model.genotypes[: len(GENOTYPES)] == GENOTYPES
    assert model.name
    assert model.hash
    out = decided(model, cells_of(model))
    assert all(np.isfinite(array).all() for array in out[:3])
    assert out.in_domain.all() or "untrained" in model.name


def test_a_decision_does_not_depend_on_the_batch(model):
    cells = cells_of(model)
    whole, parts = decided(model, cells), model.allocate(len(cells))
    for rows in (np.array([4, 1]), np.array([0, 2, 3]), np.array([5])):
        parts.put(rows, decided(model, cells.take(rows)))
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one, other)


def test_a_step_may_write_into_the_state_it_reads(model):
    cells = cells_of(model)
    apart, out = decided(model, cells), model.allocate(len(cells))
    out.state[:] = cells.state
    model.step(replace(cells, state=out.state), 12.0, out=out)
    for one, other in zip(apart, out, strict=True):
        assert np.array_equal(one, other)


def test_what_has_no_step_is_no_cell_model():
    class Half:
        name, hash, inputs, nodes, outputs, genotypes = "half", "", (), (), (), ()

        def initial_state(self, cell_type, genotype): ...

        def allocate(self, n): ...

    assert not isinstance(Half(), CellModel)


def test_abundance_acts_as_a_changed_competence_does(of_units):
    cells = cells_of(of_units)
    abundance = np.ones((len(cells), len(UNITS)), np.float32)
    plain = decided(of_units, cells)
    same = decided(of_units, replace(cells, abundance=abundance))
    for one, other in zip(plain, same, strict=True):
        assert np.array_equal(one, other)

    less = np.array([0, 3, 4])  # cells of both types
    abundance[less, UNITS.index("EGFR")] = EGFR["EGFR"]
    mixed = decided(of_units, replace(cells, abundance=abundance), dt=60.0)
    rest = np.setdiff1d(np.arange(len(cells)), less)
    plain = decided(of_units, cells, dt=60.0)
    assert np.array_equal(mixed.state[rest], plain.state[rest])
    assert (mixed.state[less, UNITS.index("EGFR")] < plain.state[less, UNITS.index("EGFR")]).all()


@pytest.mark.parametrize("name", ["tme-cell", "teacher"])
def test_abundance_of_all_cells_is_the_model_of_that_line(name):
    model = surrogates.load(name)
    cells = cells_of(model).take(np.array([0, 2, 4]))
    factors = {"EGFR": 0.5, "PDL1": 0.25, "ERK": 0.0, "g1s_rate": 0.5}
    abundance = np.ones((len(cells), len(UNITS)), np.float32)
    for unit, factor in factors.items():
        abundance[:, UNITS.index(unit)] = factor

    line = decided(with_abundance(model, factors), cells)

    found = decided(model, replace(cells, abundance=abundance))
    for one, other in zip(line, found, strict=True):
        assert np.array_equal(one, other)
    plain, g1s = decided(model, cells), OUTPUTS.index("g1s_rate")
    assert not np.array_equal(found.outputs[:, g1s], plain.outputs[:, g1s])


def test_abundance_of_the_wrong_shape_is_refused(of_units):
    cells = cells_of(of_units)
    with pytest.raises(ValueError, match=r"of shape \(6, \d+\), one factor a unit"):
        decided(of_units, replace(cells, abundance=np.ones((6, 3), np.float32)))


def test_many_abundances_do_not_fill_the_memory():
    model = surrogates.load("teacher")
    cells = cells_of(model, MOST + 5)
    abundance = np.ones((len(cells), len(UNITS)), np.float32)
    abundance[:, 0] = np.linspace(0.1, 0.9, len(cells))
    decided(model, replace(cells, abundance=abundance))
    assert len(model.model._by_abundance._variants) == MOST


@pytest.mark.parametrize("name", ["tme-cell", "teacher"])
def test_a_model_that_was_fitted_to_no_lines_refuses_them(name):
    model = surrogates.load(name)
    cells = replace(cells_of(model), line=np.zeros(6, np.int16))
    with pytest.raises(ValueError, match=f"{name!r} was fitted to none"):
        decided(model, cells)


def test_cells_are_taken_and_put_together_with_all_that_they_have():
    cells = replace(
        cells_of(surrogates.load("constant")),
        line=np.arange(6, dtype=np.int16),
        abundance=np.random.default_rng(0).random((6, 3)).astype(np.float32),
    )
    again = Cells.concatenate([cells.take(np.array([5, 0])), cells.take(slice(1, 5))])

    order = [5, 0, 1, 2, 3, 4]
    for name in ("state", "inputs", "genotype", "cell_type", "line", "abundance"):
        assert np.array_equal(getattr(again, name), getattr(cells, name)[order]), name
    assert again.key.cell_id.tolist() == order
    assert (again.key.tick, again.key.seed) == (3, 1)
    assert Cells.concatenate([replace(cells, key=None, line=None)]).key is None


def test_a_part_of_a_decision_goes_where_its_rows_are():
    whole, part = Decision.allocate(4), Decision.allocate(2)
    part.outputs[:], part.in_domain[:] = 2.0, False
    whole.put(np.array([3, 1]), part)
    assert whole.outputs[:, 0].tolist() == [0.0, 2.0, 0.0, 2.0]
    assert whole.in_domain.tolist() == [True, False, True, False]
