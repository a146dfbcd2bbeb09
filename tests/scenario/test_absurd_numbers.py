"""Any number of a scenario, made absurd, is refused at its own line, or a tick runs."""

import functools
import re
import time

import pytest
import yaml

from tests.scenario.test_every_key import BASE, EXAMPLES, FILES, STAND_INS, Change, filled_in
from tme_sim import TumorModel
from tme_sim.errors import InputError
from tme_sim.scenario import load_scenario
from tme_sim.scenario.document import Document
from tme_sim.scenario.overrides import apply_overrides

ABSURD = ("1e-300", "1e28", "1.7e308", "nan", "inf", "-1", "0")
NUMBER = re.compile(r"\s*[-+]?\d[\d.]*(?:[eE][-+]?\d+)?")
LONGEST, SLOWEST = 2000, 5.0  # characters, seconds


def _absurd(value, number):
    """The value with another number in the same unit; None where it holds none."""
    if isinstance(value, bool) or value in (None, "", []):
        return None
    if isinstance(value, list):
        first = _absurd(value[0], number)
        return None if first is None else [first, *value[1:]]
    if isinstance(value, dict):
        changed = {key: _absurd(item, number) for key, item in value.items()}
        return changed if all(changed.values()) and changed else None
    if isinstance(value, (int, float)):
        return float(number)
    return number + NUMBER.sub("", value, count=1) if NUMBER.match(value) else None


def _numeric():
    for key, example in EXAMPLES.items():
        change = example if isinstance(example, Change) else Change(example)
        if _absurd(change.value, "1") is not None:
            yield key, change


NUMERIC = dict(_numeric())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("files")
    for name, text in FILES.items():
        (made / name).write_text(text)
    TumorModel(load_scenario(BASE)).step()  # what is imported and compiled is not timed
    return made


def test_most_keys_are_numbers():
    assert len(NUMERIC) > 100


@pytest.mark.parametrize("key", NUMERIC)
def test_an_absurd_number_is_refused_at_its_line_or_a_tick_runs(key, folder):
    change = NUMERIC[key]
    _check(folder, _place(key, change), change, ABSURD)


@pytest.mark.fuzz
@pytest.mark.parametrize("key", NUMERIC)
def test_any_magnitude_is_refused_at_its_line_or_a_tick_runs(key, folder):
    change = NUMERIC[key]
    _check(folder, _place(key, change), change, [f"1e{k}" for k in range(-12, 16, 3)])


def _place(key, change):
    return change.at or functools.reduce(lambda k, s: k.replace(*s), STAND_INS.items(), key)


def _check(folder, place, change, numbers):
    for number in numbers:
        value = _absurd(change.value, number)
        begin = time.monotonic()
        try:
            _try(folder, place, change, value)
        except InputError as error:
            message = str(error)
            assert len(message) < LONGEST
            assert re.search(r"absurd\.yaml:\d+: ", message), message
            assert time.monotonic() - begin < SLOWEST, value


def _try(folder, place, change, value):
    overrides = {k: filled_in(eval(v), folder) for k, v in change.before} | {place: value}
    data = apply_overrides(Document(BASE), overrides).data
    file = folder / "absurd.yaml"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    TumorModel(load_scenario(file)).step()
