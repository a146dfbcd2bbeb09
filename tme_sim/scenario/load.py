"""Load a scenario: read, override, fill in presets, convert units, check names."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tme_sim.scenario.assemble import assemble, place_of_preset
from tme_sim.scenario.checks import check
from tme_sim.scenario.document import Document, no_text, parse_document, read_document
from tme_sim.scenario.errors import ScenarioError
from tme_sim.scenario.overrides import apply_overrides
from tme_sim.scenario.scenario import Scenario
from tme_sim.scenario.tables import table_text

# presets may give what these require
_Fault = tuple[tuple[Any, ...], str]  # path and message
_PARTS = ("SubstrateSpec", "DrugSpec", "CellTypeSpec", "MutationSpec")


def load_scenario(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    files: Mapping[str, str] | None = None,
) -> Scenario:
    """Load a scenario.

    Args:
        source: A YAML file, a mapping of the same form, or the text of a file (several lines).
        overrides: Dotted path -> value, for example ``{"therapy.0.dose": "480 mg", "seed": 3}``.
        files: Texts that stand for tables of cells, by absolute path; others are read from disk.

    Returns:
        The frozen scenario in internal units.

    Raises:
        ScenarioError: With file and line, what was found, and what is allowed.

    Example:
        >>> load_scenario("scenarios/quickstart.yaml", {"seed": 3}).seed
        3
    """
    document = apply_overrides(_document(source), overrides or {})
    data = assemble(document)
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as err:
        raise first_error(err, document) from err
    scenario._document = document
    scenario._files = _tables(scenario, files or {})
    check(scenario)
    return scenario


def _tables(scenario: Scenario, known: Mapping[str, str]) -> dict[str, str]:
    """Texts of the tables that the groups name, by path."""
    named = {
        group.placement.file: scenario.document.where(("cells", name, "placement"))
        for name, group in scenario.cells.items()
        if group.placement is not None and group.placement.file is not None
    }
    return {
        path: known[path] if path in known else table_text(path, where)
        for path, where in named.items()
    }


def schema() -> dict[str, Any]:
    """JSON Schema of scenario files."""
    result = Scenario.model_json_schema(mode="validation")
    for part in _PARTS:
        result["$defs"][part].pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **result}


def _document(source: str | Path | Mapping[str, Any]) -> Document:
    """Document of a file, a text or a mapping; it is a mapping at its top."""
    if isinstance(source, Mapping):
        data = _plain(source)
        document = Document(data, text=json.dumps(data, indent=2))
        for path, text in _texts(data):
            if fault := no_text(text):
                raise document.error(path, fault)
    elif isinstance(source, str) and "\n" in source:
        document = parse_document(source, name="scenario")
    else:
        document = read_document(Path(source))
    if not isinstance(document.data, dict):
        found = "nothing" if document.data is None else repr(document.data)[:60]
        raise document.error((), f"found {found}, but a scenario is a mapping (key: value)")
    return document


def _plain(value: Any) -> Any:
    """Data of a mapping without what only Python knows (tuples, paths, numpy numbers)."""
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (str, int, float)) or value is None:
        return value
    return value.item() if callable(getattr(value, "item", None)) else str(value)


def _texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every text of plain data, keys too, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for k, item in enumerate(value):
            yield from _texts(item, (*path, k))


def first_error(err: ValidationError, document: Document) -> ScenarioError:
    """The first error in the file's order, in words; the others are counted."""
    found = _without_followers([_in_words(error) for error in err.errors()])
    path, message = min(found, key=lambda item: _line(item[0], document))
    more = len(found) - 1
    message += f" (and {more} more errors)" if more else ""
    place = place_of_preset(document, path)
    if place is not None:
        return ScenarioError(f"{'.'.join(map(str, path))}: {message}", place)
    return document.error(path, message)


def _without_followers(
    found: list[tuple[tuple[Any, ...], str]],
) -> list[tuple[tuple[Any, ...], str]]:
    """Errors without those of a whole that only follow from what is wrong with a part of it."""
    parts = {path[:end] for path, _ in found for end in range(len(path))}
    return [(path, message) for path, message in found if path not in parts]


def _line(path: tuple[Any, ...], document: Document) -> int:
    while path and path not in document.lines:
        path = path[:-1]
    return document.lines.get(path, 0)


def _in_words(error: Any) -> tuple[tuple[Any, ...], str]:
    """Path and message of one error of pydantic's."""
    path, kind = tuple(error["loc"]), error["type"]
    context = error.get("ctx", {})
    if kind == "scenario":
        return (*path, *context["at"]), context["text"]
    if kind == "missing":
        return path[:-1], f"the key {path[-1]!r} is missing"
    message = error["msg"][:1].lower() + error["msg"][1:]
    return path, f"found {error['input']!r}, but {message.replace('input should', 'it should')}"
