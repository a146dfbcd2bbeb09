"""Read signed edges from OmniPath-style tables (Tuerei 2016, doi:10.1038/nmeth.4077).

Columns, separated by tabs, commas or semicolons: `source` and `target` (or `source_genesymbol` and
`target_genesymbol`, which win), a sign, and `references` if there are any. The sign is a column
`sign` (+, -, 1, -1; 0 or nothing: unknown) or the pair `is_stimulation` / `is_inhibition`, also
called `stimulation` / `inhibition`. Of a row that is both, `consensus_stimulation` and
`consensus_inhibition` decide where the table has them. A row that is both or neither carries no
sign. Blanks around names and values mean nothing, nor do rows without any value.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from surrogates.prior.edge import ROLE_OF_SIGN, Edge

UNSIGNED = ("refuse", "keep", "drop")
_SIGN_WORDS = {"+": 1, "-": -1, "": 0}
_KINDS = ("stimulation", "inhibition")
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
    pairs: dict[tuple[str, str], list[Edge]] = {}
    for where, row in _rows(Path(path)):
        edge = _edge(row, names, where)
        if edge is None or (edge.sign == 0 and unsigned == "drop"):
            continue
        if edge.sign == 0 and unsigned == "refuse":
            msg = f"{where}: no sign: is_stimulation and is_inhibition must differ"
            raise ValueError(msg)
        rows = pairs.setdefault((edge.source, edge.target), [])
        rows.append(edge)
        if unsigned == "refuse" and rows[0].sign != edge.sign:
            msg = f"{where}: {edge.source} -> {edge.target} carries both signs in this table"
            raise ValueError(msg)
    edges = map(_merged, pairs.values())
    return [edge for edge in edges if edge.sign or unsigned == "keep"]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """File and line of every row that has a value, and its values by column."""
    text = path.read_text("utf-8-sig")
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in "\t;" if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip() for name in next(reader, ())]
    for values in reader:
        row = [value.strip() for value in values]
        if not any(row):
            continue
        where = f"{path}:{reader.line_num}"
        if any(row[len(header) :]):
            msg = f"{where}: {len(row)} values, but there are {len(header)} columns"
            raise ValueError(msg)
        padded = row + [""] * (len(header) - len(row))
        yield where, dict(zip(header, padded, strict=False))


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
    if "sign" in row:
        return _read_sign(row["sign"], where)
    plus, minus = _flags(row, "is_") or _flags(row, "") or (None, None)
    if plus is None or minus is None:
        msg = (
            f"{where}: a column `sign`, or `is_stimulation` and `is_inhibition`, is needed; "
            f"there are {_named(row)}"
        )
        raise ValueError(msg)
    if plus and minus:
        plus, minus = _flags(row, "consensus_") or (plus, minus)
    return int(plus) - int(minus)


def _read_sign(text: str, where: str) -> int:
    """Sign of +, -, a number that is 1, -1 or 0, or nothing."""
    if text in _SIGN_WORDS:
        return _SIGN_WORDS[text]
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if number not in (1.0, -1.0, 0.0):
        msg = f"{where}: sign {text!r} is not one of +, -, 1, -1, 0"
        raise ValueError(msg)
    return int(number)


def _flags(row: Mapping[str, str], prefix: str) -> tuple[bool, bool] | None:
    """Whether a row stimulates and inhibits by two of its columns; None where it lacks one."""
    names = [f"{prefix}{kind}" for kind in _KINDS]
    if any(name not in row for name in names):
        return None
    plus, minus = (row[name].lower() in _YES for name in names)
    return plus, minus


def _merged(rows: list[Edge]) -> Edge:
    """One edge of all rows of a pair: the sign of those that know it, none where they differ."""
    signs = {edge.sign for edge in rows} - {0}
    sign = signs.pop() if len(signs) == 1 else 0
    references = ";".join(dict.fromkeys(edge.reference for edge in rows if edge.reference))
    return replace(rows[0], sign=sign, role=ROLE_OF_SIGN[sign], reference=references)


def _named(row: Mapping[str, str]) -> list[str]:
    """Columns of a row; what lies beyond the line of names has none."""
    return sorted(name for name in row if name is not None)
