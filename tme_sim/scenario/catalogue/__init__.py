"""Presets as data: substrates, drugs, cell types and mutations, numbers with their sources."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tme_sim.scenario.document import Document, read_document
from tme_sim.scenario.errors import ScenarioError, nearest

SECTIONS = ("substrates", "drugs", "cell_types", "mutations")
EVIDENCE = ("literature", "assumed")


@dataclass(frozen=True)
class Entry:
    """One preset as written, before its own preset is put under it."""

    name: str
    values: dict[str, Any]
    sources: dict[str, tuple[str, str]]  # value -> (source, evidence)
    document: Document

    def error(self, message: str) -> ScenarioError:
        """Error about this preset, with its file and line."""
        return self.document.error((self.name,), message)


@dataclass(frozen=True)
class Catalogue:
    """Presets by section and name; later files go before earlier ones."""

    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)

    def names(self, section: str) -> tuple[str, ...]:
        """Names of the presets of a section."""
        return tuple(self.entries[section])

    def preset(self, section: str, name: str) -> dict[str, Any]:
        """Values of a preset, over those of the preset that it names itself."""
        entry, chain = self.entries[section][name], {name}
        values = dict(entry.values)
        while (below := values.pop("preset", None)) is not None:
            if below in chain or below not in self.entries[section]:
                fault = "is its own preset" if below in chain else "is no preset"
                hint = nearest(below, self.names(section))
                msg = f"preset {below!r} {fault}; {hint}"
                raise entry.error(msg)
            chain.add(below)
            values = {**self.entries[section][below].values, **values}
        return values

    def sources(self, section: str, name: str) -> dict[str, tuple[str, str]]:
        """Source and evidence of each value of a preset that has one."""
        entry = self.entries[section][name]
        below = entry.values.get("preset")
        under = self.sources(section, below) if below in self.entries[section] else {}
        return {**under, **entry.sources}

    def place(self, section: str, name: str, key: str) -> str:
        """File and line where a value of a preset stands."""
        entry = self.entries[section][name]
        below = entry.values.get("preset")
        if key not in entry.values and below in self.entries[section]:
            return self.place(section, below, key)
        return entry.document.where((name, key))

    def extended(self, section: str, path: Path) -> "Catalogue":
        """With the entries of a user's file."""
        own = _entries(read_document(path))
        merged = {**self.entries[section], **own}
        return Catalogue({**self.entries, section: merged})


@functools.cache
def builtin() -> Catalogue:
    """The presets that ship with the simulator."""
    folder = Path(__file__).parent
    return Catalogue(
        {section: _entries(read_document(folder / f"{section}.yaml")) for section in SECTIONS}
    )


def _entries(document: Document) -> dict[str, Entry]:
    """Presets of one file: name -> value, or ``{value:, source:, evidence:}`` for each number."""
    if not isinstance(document.data, dict):
        raise document.error((), "a catalogue file maps names to presets")
    entries = {}
    for name, raw in document.data.items():
        if not isinstance(raw, dict):
            raise document.error((name,), f"found {raw!r}, but a mapping of values is needed")
        values, sources = {}, {}
        for key, value in raw.items():
            values[key] = value
            if isinstance(value, dict) and "value" in value:
                values[key], sources[key] = _sourced(value, (name, key), document)
        entries[name] = Entry(name, values, sources, document)
    return entries


def _sourced(
    value: dict[str, Any], path: tuple[str, ...], document: Document
) -> tuple[Any, tuple[str, str]]:
    """Value with its source and evidence."""
    for key in value:
        if key not in ("value", "source", "evidence"):
            hint = nearest(key, ("value", "source", "evidence"))
            raise document.error((*path, key), f"unknown key; {hint}")
    evidence = value.get("evidence", "assumed")
    if evidence not in EVIDENCE:
        raise document.error(
            (*path, "evidence"), f"found {evidence!r}; {nearest(evidence, EVIDENCE)}"
        )
    return value["value"], (str(value.get("source", "")), evidence)
