"""What of the teacher is fitted: numbers of `prior/fitted.tsv`, and how they go into the tables."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from surrogates.channels import (
    read_table,
)

FIELDS = ("strength", "half", "exponent")


@dataclass(frozen=True)
class Number:
    """One fitted number: a field of an edge, a `tau`, `K` of a drug or EGFR's `competence`."""

    field: str
    source: str
    target: str
    gate: str
    start: float
    low: float
    high: float

    @property
    def name(self) -> str:
        """How checkpoints name it."""
        return f"{self.source}>{self.target}:{self.gate}:{self.field}"


def numbers() -> list[Number]:
    """What is fitted: rows of `prior/fitted.tsv`."""
    return [
        Number(
            row["field"],
            row["source"],
            row["target"],
            row["gate"],
            float(row["start"]),
            float(row["low"]),
            float(row["high"]),
        )
        for row in read_table("fitted")
    ]


PRIOR = Path(__file__).parents[1] / "prior"
KEYS: dict[str, tuple[str, ...]] = {  # table -> columns that name a row
    "teacher": ("source", "target", "gate"),
    "nodes": ("name",),
    "competence": ("unit",),
    "affinity": ("drug", "target"),
}
FITTED = "fitted to the training split of the A375 pERK measurements"


def write(values: Mapping[str, float]) -> None:
    """Put fitted values into the tables of `prior`, marked as fitted."""
    by_table: dict[str, dict[str | tuple[str, ...], dict[str, str]]] = {
        "teacher": {},
        "nodes": {},
        "competence": {},
        "affinity": {},
    }
    for number in numbers():
        value = f"{values[number.name]:.4g}"
        if number.field in FIELDS:
            key = (number.source, number.target, number.gate)
            by_table["teacher"].setdefault(key, {})[number.field] = value
        elif number.field == "tau":
            by_table["nodes"][number.target,] = {"tau": value}
        elif number.field == "competence":
            by_table["competence"][number.target,] = {"tumor": value}
        else:
            by_table["affinity"][number.source, number.target] = {"K": value}
    marks = {
        "teacher": {"evidence": "fitted", "source_of_value": FITTED},
        "affinity": {"evidence": "fitted", "source": FITTED},
    }
    for table, names in KEYS.items():
        rows = read_table(table)
        for row in rows:
            changed = by_table[table].get(tuple(row[name] for name in names))
            if changed:
                row |= changed | marks.get(table, {})
        _store(PRIOR / f"{table}.tsv", rows)


def _store(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys(), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


__all__ = ["FIELDS", "Number", "numbers", "write"]
