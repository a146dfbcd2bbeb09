"""Fill presets into the mapping of a scenario, before it is validated."""

from pathlib import Path
from typing import Any

from tme_sim.scenario import catalogue
from tme_sim.scenario.catalogue import SECTIONS, Catalogue
from tme_sim.scenario.document import Document
from tme_sim.scenario.errors import ScenarioError, nearest
from tme_sim.scenario.names import title_of
from tme_sim.scenario.patient import absolute_dose
from tme_sim.scenario.units import UnitError, format_quantity, parse_quantity

_DEPTH = 3  # section, name, key

TRANSPORT = {
    "diffusivity": "um^2/min",
    "decay_rate": "1/min",
    "cell_clearance": "um^3/min",
    "permeability": "um/min",
}


def assemble(document: Document) -> dict[str, Any]:
    """Complete mapping of a scenario: presets filled in, drugs added to the substrates.

    Raises:
        ScenarioError: A preset, drug or type is unknown, or a catalogue file cannot be read.
    """
    data = dict(document.data)
    presets = _presets(data, document)
    data["cell_types"] = _cell_types(data, presets, document)
    data["drugs"] = _drugs(data, presets, document)
    data["substrates"] = _substrates(data, presets, document)
    data["therapy"] = _therapy(data, document)
    data["cells"] = _cells(data, document)
    data["evolution"] = _evolution(data, presets, document)
    data["surrogate"] = _surrogate(data, document)
    data["output"] = _output(data)
    if data.get("name") is None and document.path is not None:
        data["name"] = title_of(document.path.stem)
    return data


def place_of_preset(document: Document, path: tuple[Any, ...]) -> str | None:
    """File and line of a value that a preset gave; None where the scenario gave it itself."""
    if len(path) < _DEPTH or path[0] not in SECTIONS:
        return None
    section, name, key = path[:_DEPTH]
    entry = (document.data.get(section) or {}).get(name) or {}
    presets = _presets(document.data, document)
    wanted = entry.get("preset") or name
    if key in entry or wanted not in presets.names(section):
        return None
    return presets.place(section, wanted, key)


def base_folder(document: Document) -> Path:
    """Folder that relative paths in a scenario start from."""
    return document.path.parent if document.path is not None else Path()


def _presets(data: dict[str, Any], document: Document) -> Catalogue:
    """Built-in presets with the user's files over them."""
    presets = catalogue.builtin()
    files = data.get("catalogue")
    for section, name in (files if isinstance(files, dict) else {}).items():
        if section not in SECTIONS:
            hint = nearest(section, SECTIONS)
            raise document.error(("catalogue", section), f"unknown key; {hint}")
        if not isinstance(name, str):
            raise document.error(("catalogue", section), f"found {name!r}, but a file is needed")
        try:
            presets = presets.extended(section, base_folder(document) / name)
        except ScenarioError as err:
            if err.message == "no such file":
                msg = f"no such file {name!r}"
                raise document.error(("catalogue", section), msg) from err
            raise
    return presets


def _mapping(data: dict[str, Any], section: str, document: Document) -> dict[str, Any]:
    """Entries of a section by name; an entry without values is its preset."""
    entries = data.get(section) or {}
    if not isinstance(entries, dict):
        raise document.error((section,), f"found {entries!r}, but a mapping of names is needed")
    for name, entry in entries.items():
        if entry is not None and not isinstance(entry, dict):
            raise document.error((section, name), f"found {entry!r}, but a mapping is needed")
        preset = (entry or {}).get("preset")
        if preset is not None and not isinstance(preset, str):
            msg = f"found {preset!r}, but the name of a preset is needed"
            raise document.error((section, name, "preset"), msg)
    return {name: dict(entry or {}) for name, entry in entries.items()}


def _filled(
    name: str, entry: dict[str, Any], section: str, presets: Catalogue
) -> dict[str, Any] | None:
    """An entry over its preset (by default that of its own name); None: there is no such preset."""
    wanted = entry.get("preset") or name
    if wanted in presets.names(section):
        return {**presets.preset(section, wanted), **_given(entry), "preset": wanted}
    return _given(entry) if entry.get("preset") is None else None


def _given(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "preset"}


def _cell_types(data: dict[str, Any], presets: Catalogue, document: Document) -> dict[str, Any]:
    """The types written in the scenario and those that its groups name."""
    types = _mapping(data, "cell_types", document)
    for name, group in _mapping(data, "cells", document).items():
        kind = group.get("type")
        if not isinstance(kind, str) or kind in types:
            continue
        if kind not in presets.names("cell_types"):
            known = [k for k in (*types, *presets.names("cell_types")) if k != "generic"]
            msg = f"unknown cell type {kind!r}; {nearest(kind, known)}"
            raise document.error(("cells", name, "type"), msg)
        types[kind] = {}
    return {
        name: _known("cell_types", name, _filled(name, entry, "cell_types", presets), document)
        for name, entry in types.items()
    }


def _drugs(data: dict[str, Any], presets: Catalogue, document: Document) -> dict[str, Any]:
    """The drugs written in the scenario and those that its therapy gives."""
    drugs = _mapping(data, "drugs", document)
    for k, dose in enumerate(_entries(data, document)):
        name = dose.get("drug")
        if not isinstance(name, str) or name in drugs:
            continue
        if name not in presets.names("drugs"):
            known = (*drugs, *presets.names("drugs"))
            msg = f"unknown drug {name!r}; {nearest(name, known)}"
            raise document.error(("therapy", k, "drug"), msg)
        drugs[name] = {}
    return {
        name: _known("drugs", name, _filled(name, entry, "drugs", presets), document)
        for name, entry in drugs.items()
    }


def _known(
    section: str, name: str, entry: dict[str, Any] | None, document: Document
) -> dict[str, Any]:
    if entry is None:
        wanted = document.data[section][name]["preset"]
        hint = nearest(wanted, catalogue.builtin().names(section))
        raise document.error((section, name, "preset"), f"unknown preset {wanted!r}; {hint}")
    return entry


def _substrates(data: dict[str, Any], presets: Catalogue, document: Document) -> dict[str, Any]:
    """The substrates written in the scenario, in order, then the drugs of its therapy."""
    written = _mapping(data, "substrates", document)
    names = [*written, *(name for name in data["drugs"] if name not in written)]
    result = {}
    for name in names:
        entry = written.get(name, {})
        filled = _filled(name, entry, "substrates", presets)
        wanted = entry.get("preset") or name
        no_preset = filled is None or "preset" not in filled
        if wanted in data["drugs"] or (no_preset and wanted in presets.names("drugs")):
            transport = _drug_transport(wanted, data, presets, document)
            filled = {**transport, **_given(entry), "preset": wanted}
        if filled is None or ("preset" not in filled and "diffusivity" not in filled):
            hint = nearest(wanted, (*presets.names("substrates"), *presets.names("drugs")))
            msg = f"unknown substrate {wanted!r}; {hint}, or give its own unit and diffusivity"
            raise document.error(("substrates", name), msg)
        result[name] = {"input": _input_of(name), **_with_walls(filled, data)}
    return result


def _input_of(name: str) -> str | None:
    """Input of the cell model of the same name, if there is one."""
    from surrogates import channels

    return name if name in channels.SURROUNDINGS else None


def _drug_transport(
    name: str, data: dict[str, Any], presets: Catalogue, document: Document
) -> dict[str, Any]:
    """Substrate of a drug: its transport through tissue, slowed by what binds it there.

    With b bound per free, (1 + b) dc/dt = D lap c - (decay + uptake) c + exchange, for the free
    drug c.
    """
    own = data["drugs"].get(name)
    drug = own or presets.preset("drugs", name)
    acts = drug.get("targets") or drug.get("acts_as")
    result = {"input": None if not acts else name if own else drug.get("acts_as", name)}
    result |= {"unit": drug["unit"]} if "unit" in drug else {}
    path: tuple[str, ...] = ("drugs", name)
    try:
        slower = 1.0 + max(parse_quantity(drug.get("bound_ratio", 0), "1"), 0.0)
        for key, unit in TRANSPORT.items():
            if key in drug:
                path = ("drugs", name, key)
                result[key] = format_quantity(parse_quantity(drug[key], unit) / slower, unit)
    except UnitError as err:
        raise document.error(path, str(err)) from err
    return result


def _with_walls(entry: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Boundary that follows from the domain's walls, where none is given."""
    domain = data.get("domain")
    walls = domain.get("walls") if isinstance(domain, dict) else None
    default = {"all": "periodic" if walls == "periodic" else "no_flux"}
    return entry if entry.get("boundary") is not None else {**entry, "boundary": default}


def _entries(data: dict[str, Any], document: Document) -> list[dict[str, Any]]:
    """Doses as a list of mappings."""
    doses = data.get("therapy") or []
    if not isinstance(doses, (list, tuple)):
        raise document.error(("therapy",), f"found {doses!r}, but a list of doses is needed")
    for k, dose in enumerate(doses):
        if not isinstance(dose, dict):
            raise document.error(("therapy", k), f"found {dose!r}, but a mapping is needed")
    return [dict(dose) for dose in doses]


def _therapy(data: dict[str, Any], document: Document) -> list[dict[str, Any]]:
    """Doses per body surface or weight become those of the scenario's patient."""
    patient = data.get("patient")
    patient = patient if isinstance(patient, dict) else None
    doses = []
    for dose in _entries(data, document):
        whole = {**dose, **_absolute(dose, ("dose", "loading"), patient)}
        if isinstance(dose.get("escalate"), dict):
            steps = dose["escalate"]
            whole["escalate"] = {**steps, **_absolute(steps, ("by", "up_to"), patient)}
        if isinstance(dose.get("adaptive"), dict):
            whole["adaptive"] = _with_policy(dose["adaptive"], document)
        doses.append(whole)
    return doses


def _absolute(
    entry: dict[str, Any], keys: tuple[str, ...], patient: dict[str, Any] | None
) -> dict[str, str]:
    """Amounts of an entry in mg; what is no amount above 0 is left to validation's message."""
    result = {}
    for key in keys:
        try:
            amount = absolute_dose(entry.get(key), patient)
        except UnitError:
            continue
        if amount > 0:
            result[key] = format_quantity(amount, "mg")
    return result


def _with_policy(rule: dict[str, Any], document: Document) -> dict[str, Any]:
    """An adaptive rule with the file of a user's policy made absolute."""
    place, _, name = str(rule.get("policy") or "").rpartition(":")
    if not place.endswith(".py"):
        return rule
    return {**rule, "policy": f"{(base_folder(document) / place).resolve()}:{name}"}


def _cells(data: dict[str, Any], document: Document) -> dict[str, Any]:
    """Groups with the paths of their tables made absolute."""
    groups = _mapping(data, "cells", document)
    for name, group in groups.items():
        placement = group.get("placement")
        if isinstance(placement, dict) and isinstance(placement.get("file"), str):
            table = (base_folder(document) / placement["file"]).resolve()
            groups[name] = {**group, "placement": {**placement, "file": str(table)}}
    return groups


def _evolution(
    data: dict[str, Any], presets: Catalogue, document: Document
) -> dict[str, dict[str, Any]]:
    """Mutations with the catalogue's rate where the scenario gives none."""
    given, known = data.get("evolution"), presets.names("mutations")
    for name, entry in (given if isinstance(given, dict) else {}).items():
        if entry is not None and not isinstance(entry, dict):
            msg = f"found {entry!r}, but {{rate: 1e-7 per division}} is needed"
            raise document.error(("evolution", name), msg)
    entries = _mapping(data, "evolution", document)
    for name, entry in entries.items():
        if name in known:
            entries[name] = {**presets.preset("mutations", name), **entry}
        elif "rate" not in entry and not entry.get("nodes"):
            msg = f"unknown mutation {name!r}; {nearest(name, known)}"
            raise document.error(("evolution", name), msg)
    return entries


def _surrogate(data: dict[str, Any], document: Document) -> Any:
    """Rates of a constant cell model in the units of its outputs."""
    surrogate = data.get("surrogate")
    if not isinstance(surrogate, dict):
        return {} if surrogate is None else surrogate
    surrogate = dict(surrogate)
    if isinstance(surrogate.get("path"), str):
        surrogate["path"] = str((base_folder(document) / surrogate["path"]).resolve())
    if isinstance(surrogate.get("rates"), dict):
        surrogate["rates"] = {
            kind: _rates(kind, rates, document) for kind, rates in surrogate["rates"].items()
        }
    return surrogate


def _rates(kind: str, rates: Any, document: Document) -> dict[str, float]:
    """Values of one cell type's outputs, in the outputs' units."""
    from surrogates import channels

    path = ("surrogate", "rates", kind)
    if kind not in channels.CELL_TYPES:
        hint = nearest(kind, channels.CELL_TYPES)
        raise document.error(path, f"unknown cell type of the cell model; {hint}")
    if not isinstance(rates, dict):
        raise document.error(path, f"found {rates!r}, but a mapping of outputs is needed")
    units = {channel.name: channel.unit for channel in channels.OUTPUT_CHANNELS}
    result = {}
    for name, value in rates.items():
        if name not in units:
            raise document.error((*path, name), f"unknown output; {nearest(name, units)}")
        try:
            result[name] = parse_quantity(value, units[name])
        except UnitError as err:
            raise document.error((*path, name), str(err)) from err
        if result[name] < 0.0:
            raise document.error((*path, name), f"found {value!r}, but at least 0 is needed")
    return result


def _output(data: dict[str, Any]) -> Any:
    """Fields to record: every substrate unless a list says otherwise."""
    output = data.get("output") or {}
    if not isinstance(output, dict):
        return output
    fields = output.get("fields", "all")
    return {**output, "fields": list(data["substrates"]) if fields == "all" else fields}
