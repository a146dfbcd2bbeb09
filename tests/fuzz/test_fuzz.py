"""Whatever a file holds: it is read, or refused in one message, in little time and memory.

``TME_SIM_FUZZ`` is the number of mutations of each loader; ``tests.fuzz.campaign`` makes more.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tme_sim
from tests.fuzz import campaign
from tests.fuzz.loaders import LOADERS, scenario_data
from tests.fuzz.mutations import WORDS, keys
from tme_sim.errors import InputError
from tme_sim.scenario.document import parse_document
from tme_sim.scenario.units import UnitError, minutes, parse_quantity

pytestmark = pytest.mark.fuzz
COUNT = int(os.environ.get("TME_SIM_FUZZ", "300"))
often = settings(
    max_examples=COUNT, deadline=5000, suppress_health_check=list(HealthCheck), derandomize=True
)
scalars = [w for w in WORDS if w is None or isinstance(w, str | int | float)]
names = st.one_of(st.sampled_from(keys()), st.text(max_size=8))
plain = st.recursive(
    st.one_of(st.sampled_from(scalars), st.text(max_size=20), st.floats(-1e6, 1e6)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)


@pytest.mark.parametrize("name", LOADERS)
def test_every_input_is_read_or_refused(name, tmp_path):
    failures = campaign.one(tmp_path, name, COUNT)
    assert failures == []


@often
@given(st.text(max_size=200))
def test_any_text_is_a_document_or_no_yaml(text):
    with Refusal():
        parse_document(text, name="a.yaml")


@often
@given(st.one_of(st.text(max_size=30), st.floats(), st.integers()))
def test_any_value_is_a_quantity_or_none(value):
    with Refusal(UnitError):
        parse_quantity(value, "um")
    with Refusal(UnitError):
        minutes(value)


@often
@given(st.sampled_from(sorted({*scenario_data(), "evolution", "drugs", "cell_types"})), plain)
def test_any_section_is_read_or_refused(section, data):
    with Refusal():
        tme_sim.load_scenario(scenario_data(**{section: data}))


class Refusal:
    """Let pass what users are told; it is short."""

    def __init__(self, *others):
        self.kinds = (InputError, *others)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and isinstance(error, self.kinds):
            assert len(str(error)) < 2000
            return True
        return False
