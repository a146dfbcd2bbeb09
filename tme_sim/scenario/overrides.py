"""Put values over a scenario by dotted paths, as ``--set therapy.0.dose="480 mg"`` does."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from tme_sim.scenario.document import Document, parse_value
from tme_sim.scenario.errors import ScenarioError, nearest

Keys = tuple[Any, ...]


def apply_overrides(document: Document, overrides: Mapping[str, Any]) -> Document:
    """Document with the values of the overrides; messages about them will name the override.

    Args:
        document: The scenario as given.
        overrides: Dotted path, with indices into lists -> value; text is read as YAML.

    Raises:
        ScenarioError: A path leads through a value, past the end of a list or into no group.
    """
    data, places = copy.deepcopy(document.data), dict(document.places)
    for dotted, value in overrides.items():
        plain = parse_value(value, f"--set {dotted}") if isinstance(value, str) else value
        keys = _put(data, dotted, plain)
        places[keys] = f"--set {dotted}={value}"
    return dataclasses.replace(document, data=data, places=places)


def _put(data: Any, dotted: str, value: Any) -> Keys:
    """Set one value in place and return its path."""
    place = f"--set {dotted}"
    keys: list[Any] = []
    names = dotted.split(".")
    for depth, name in enumerate(names):
        last = depth == len(names) - 1
        key = _key(data, name, keys, place=place, new_group=isinstance(value, dict))
        keys.append(key)
        if last:
            data[key] = value
        elif isinstance(data, dict) and data.get(key) is None:
            data[key] = {}
        data = data[key]
    return tuple(keys)


def _key(data: Any, name: str, keys: list[Any], *, place: str, new_group: bool) -> Any:
    """Key or index that a name of the path stands for."""
    above = ".".join(str(key) for key in keys) or "the scenario"
    if isinstance(data, list):
        if not name.isdecimal() or int(name) >= len(data):
            msg = f"{above} has {len(data)} entries; an index from 0 to {len(data) - 1} is needed"
            raise ScenarioError(msg, place)
        return int(name)
    if not isinstance(data, dict):
        msg = f"{above} is the value {data!r}; nothing lies below it"
        raise ScenarioError(msg, place)
    if keys == ["cells"] and name not in data and not new_group:
        msg = f"unknown group of cells {name!r}; {nearest(name, data)}"
        raise ScenarioError(msg, place)
    return name
