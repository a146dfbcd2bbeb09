"""Read YAML as plain data and remember on which line every value stands."""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tme_sim.scenario.errors import ScenarioError

Path_ = tuple[Hashable, ...]
MAX_BYTES = 10_000_000
MAX_DEPTH = 50


class _NotPlainError(yaml.MarkedYAMLError):  # type: ignore[misc]  # PyYAML has no types
    """A YAML text that holds more than plain data."""


class _Composer(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """YAML 1.2 scalars: ``1e5`` is a number; only true, false, on and off are truth values.

    Scenario files are plain data: tags and anchors, what YAML could construct beyond it, are
    refused.
    """

    # PyYAML's own protocol: first letter -> (tag, pattern)
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    depth = 0

    def get_event(self) -> yaml.Event:
        """Next event of the text."""
        event = super().get_event()
        self.depth += isinstance(event, yaml.CollectionStartEvent)
        self.depth -= isinstance(event, yaml.CollectionEndEvent)
        if self.depth > MAX_DEPTH:  # some thousand levels take minutes
            msg = f"lists and mappings are nested more than {MAX_DEPTH} deep"
            raise yaml.MarkedYAMLError(problem=msg, problem_mark=event.start_mark)
        tag, anchor = getattr(event, "tag", None), getattr(event, "anchor", None)
        if tag or anchor:
            found = f"the tag {tag!r}" if tag else f"the anchor or alias {anchor!r}"
            msg = f"found {found}; a scenario is plain YAML without tags and anchors"
            raise _NotPlainError(problem=msg, problem_mark=event.start_mark)
        return event


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "tTfFoO"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
):
    _Composer.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )


@dataclass(frozen=True)
class Document:
    """Plain data of one file or mapping, with the place of every value.

    Attributes:
        data: dicts, lists, str, int, float, bool and None.
        name: What messages call the document: the file's name, or ``scenario`` for a mapping.
        text: The text as given; empty for a mapping.
        path: The file; None for a mapping or a text.
        lines: Path of keys -> line, counted from 1.
        places: Path of keys -> other place in words, for values that a caller has put over.
    """

    data: Any
    name: str = "scenario"
    text: str = ""
    path: Path | None = None
    lines: dict[Path_, int] = field(default_factory=dict)
    places: dict[Path_, str] = field(default_factory=dict)

    def where(self, path: Path_) -> str:
        """File and line of a value, or of the nearest thing around it that has a line."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
            if path[:end] in self.lines:
                return f"{self.name}:{self.lines[path[:end]]}"
        return self.name

    def error(self, path: Path_, message: str) -> ScenarioError:
        """Error about the value at a path; the keys stand in front of the message."""
        keys = ".".join(str(key) for key in path)
        return ScenarioError(f"{keys}: {message}" if keys else message, self.where(path))


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ScenarioError: The file is missing, a directory, too large, not text or not YAML.
    """
    name = str(path)
    if path.is_dir():
        msg = "is a directory; a scenario is one YAML file"
        raise ScenarioError(msg, name)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # what is no regular file has no size
        if len(content) > MAX_BYTES:
            msg = f"has more than {MAX_BYTES} bytes, which no scenario needs"
            raise ScenarioError(msg, name)
        text = content.decode("utf-8")
    except FileNotFoundError as err:
        msg = "no such file"
        raise ScenarioError(msg, name) from err
    except (OSError, UnicodeDecodeError) as err:
        msg = f"cannot be read as UTF-8 text ({err})"
        raise ScenarioError(msg, name) from err
    return parse_document(text, name=name, path=path)


def parse_document(text: str, *, name: str, path: Path | None = None) -> Document:
    """Read a YAML text; tags, anchors and repeated keys are refused."""
    try:
        node = yaml.compose(text, Loader=_Composer)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        fault = "" if isinstance(err, _NotPlainError) else "not valid YAML: "
        msg = f"{fault}{err.problem or err.context}"
        raise ScenarioError(msg, where) from err
    except (yaml.YAMLError, RecursionError) as err:
        msg = f"not valid YAML: {str(err).splitlines()[0]}"
        raise ScenarioError(msg, name) from err
    document = Document(None, name=name, text=text, path=path)
    data = _plain(node, (), document) if node is not None else None
    return Document(data, name=name, text=text, path=path, lines=document.lines)


def _plain(node: yaml.Node, path: Path_, document: Document) -> Any:
    """Data of a node; notes the line of everything in it."""
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, k), document) for k, item in enumerate(node.value)]
    refuse_unwritable(node.value, path, document)
    return _scalar(node)


def refuse_unwritable(text: str, path: Path_, document: Document) -> None:
    """Refuse text that no file can hold: with a NUL, or half of a pair of surrogates."""
    wrong = "" if text.isascii() else next((c for c in text if "\ud800" <= c <= "\udfff"), "")
    wrong = "\0" if "\0" in text else wrong
    if wrong:
        raise document.error(path, f"found the character {wrong!a}, which no text file can hold")


def _mapping(node: yaml.MappingNode, path: Path_, document: Document) -> dict[str, Any]:
    """Dict of a mapping node; keys are text and stand once."""
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            msg = "a key must be a name, not a list or mapping"
            raise ScenarioError(msg, f"{document.name}:{line}")
        key = str(key_node.value)
        refuse_unwritable(key, path, document)
        if key in result:
            first = document.lines[(*path, key)]
            msg = f"the key {key!r} stands here a second time (first in line {first})"
            raise ScenarioError(msg, f"{document.name}:{line}")
        document.lines[(*path, key)] = line
        result[key] = _plain(value_node, (*path, key), document)
    return result


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """Value of a scalar by the tag its text implies."""
    kind = node.tag.rpartition(":")[2]
    if kind == "int" and len(node.value) < 300:
        return int(node.value)
    if kind == "float":
        return float(node.value)
    if kind == "bool":
        return node.value.lower() in ("true", "on")
    return None if kind == "null" else node.value


def parse_value(text: str, name: str) -> Any:
    """Value of one override as it would be read in a file (``3``, ``480 mg``, ``[a, b]``)."""
    return parse_document(text, name=name).data
