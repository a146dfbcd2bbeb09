"""Read signed edges from OmniPath-style tables (Tuerei 2016, doi:10.1038/nmeth.4077).

Columns, separated by tabs or commas: `source` and `target` (or `source_genesymbol` and
`target_genesymbol`, which win), a sign, and `references` if there are any. The sign is a column
`sign` (+, -, 1, -1; 0 or nothing: unknown) or the pair `is_stimulation` / `is_inhibition`, also
called `stimulation` / `inhibition`. A row that is both or neither carries no sign.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from surrogates.prior.edge import ROLE_OF_SIGN, Edge

UNSIGNED = ("refuse", "keep", "drop")
_SIGNS = {"+": 1, "1": 1, "+1": 1, "-": -1, "-1": -1, "0": 0, "": 0}
_YES = {"1", "true", "1.0"}


def load_signed_table(
    path: str | Path, *, unsigned: str = "refuse", names: Mapping[str, str] | None = None
) -> list[Edge]:
    """Edges of a table, one per pair of source and target, in the order of their first rows.

    Args:
        path: the table.
        unsigned: what becomes of a pair without a sign: `refuse` names the row, `keep` leaves the
            sign to training (sign 0), `drop` leaves the pair out. A pair whose rows contradict each
            other has no sign either.
        names: name in the table -> name of a node; rows of other names are left out. Without it
            names are taken as they are.

    Raises:
        ValueError: a column is missing, a sign cannot be read, or none is given and is needed.
    """
    if unsigned not in UNSIGNED:
        msg = f"unsigned={unsigned!r} is not one of {UNSIGNED}"
        raise ValueError(msg)
    pairs: dict[tuple[str, str], Edge] = {}
    for where, row in _rows(Path(path)):
        edge = _edge(row, names, where)
        if edge is None or (edge.sign == 0 and unsigned == "drop"):
            continue
        if edge.sign == 0 and unsigned == "refuse":
            msg = f"{where}: no sign: is_stimulation and is_inhibition must differ"
            raise ValueError(msg)
        pair = (edge.source, edge.target)
        pairs[pair] = _merged(pairs[pair], edge, unsigned, where) if pair in pairs else edge
    return [edge for edge in pairs.values() if edge.sign or unsigned == "keep"]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    text = path.read_text("utf-8")
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    for number, row in enumerate(csv.DictReader(text.splitlines(), delimiter=delimiter), start=2):
        yield f"{path}:{number}", row


def _edge(row: Mapping[str, str], names: Mapping[str, str] | None, where: str) -> Edge | None:
    source, target = (row.get(f"{end}_genesymbol") or row.get(end) for end in ("source", "target"))
    if not (source and target):
        msg = f"{where}: columns `source` and `target` are needed; there are {_named(row)}"
        raise ValueError(msg)
    if names is not None:
        if source not in names or target not in names:
            return None
        source, target = names[source], names[target]
    sign = _sign(row, where)
    return Edge(
        source,
        target,
        sign,
        ROLE_OF_SIGN[sign],
        kind="user",
        evidence="literature",
        reference=row.get("references") or "",
    )


def _sign(row: Mapping[str, str], where: str) -> int:
    if row.get("sign") is not None:
        text = row["sign"].strip()
        if text not in _SIGNS:
            msg = f"{where}: sign {text!r} is not one of {sorted(filter(None, _SIGNS))}"
            raise ValueError(msg)
        return _SIGNS[text]
    flags = [row.get(f"is_{kind}", row.get(kind)) for kind in ("stimulation", "inhibition")]
    if None in flags:
        msg = (
            f"{where}: a column `sign`, or `is_stimulation` and `is_inhibition`, is needed; "
            f"there are {_named(row)}"
        )
        raise ValueError(msg)
    plus, minus = (str(flag).strip().lower() in _YES for flag in flags)
    return int(plus) - int(minus)


def _named(row: Mapping[str, str]) -> list[str]:
    """Columns of a row; what lies beyond the line of names has none."""
    return sorted(name for name in row if name is not None)


def _merged(first: Edge, second: Edge, unsigned: str, where: str) -> Edge:
    """One edge of two rows: the sign that either knows, none if they contradict each other."""
    signs = {first.sign, second.sign} - {0}
    if len(signs) > 1 and unsigned == "refuse":
        msg = f"{where}: {first.source} -> {first.target} carries both signs in this table"
        raise ValueError(msg)
    sign = signs.pop() if len(signs) == 1 else 0
    references = ";".join(dict.fromkeys(filter(None, (first.reference, second.reference))))
    return replace(first, sign=sign, role=ROLE_OF_SIGN[sign], reference=references)
