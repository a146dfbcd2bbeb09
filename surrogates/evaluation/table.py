"""The table of scores on real data: network and teacher beside trivial rivals, wins and losses.

A row is one score of one data set on one split. All contenders of a row were fitted on the same
training folds and scored on the same held-out measurements; `published` is the figure of the paper
that the data come with, `asked` what this project set out to reach.
"""

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from typing import Any, Self

CONTENDERS = ("network", "teacher", "mean", "ridge", "boosting")
HIGHER_IS_BETTER = {  # metric -> whether more of it is better
    "r": True,
    "rho": True,
    "R2": True,
    "AUROC": True,
    "share": True,
    "RMSE": False,
    "NRMSE": False,
    "MAE": False,
    "ratio": False,  # of weights, injected edges over the scaffold's own
}
WIDTH = 100  # columns of the rendered table and its notes
TIE = 5e-4  # contenders that agree in what is printed share the mark
_LONGEST = {"what": 24, "anchor": 9, "target": 7}
_HEADINGS = ("what", "network", "teacher", "mean", "ridge", "boost", "published", "asked")


@dataclass(frozen=True)
class Row:
    """One score of all contenders; None where a contender cannot be scored."""

    data_set: str
    what: str  # what is scored, at most 24 characters
    split: str  # what the held-out part has that training has not
    metric: str  # one of HIGHER_IS_BETTER
    network: float | None
    teacher: float | None
    mean: float | None
    ridge: float | None
    boosting: float | None
    anchor: str = ""  # published figure, at most 9 characters
    target: str = ""  # figure asked, at most 7 characters
    n: int = 0  # held-out measurements
    note: str = ""  # what the figure leaves out, where the published one comes from

    def __post_init__(self) -> None:
        if self.metric not in HIGHER_IS_BETTER:
            msg = f"metric {self.metric!r} is unknown; known are {sorted(HIGHER_IS_BETTER)}"
            raise ValueError(msg)
        for name, longest in _LONGEST.items():
            if len(getattr(self, name)) > longest:
                msg = f"{name} {getattr(self, name)!r} is longer than {longest} characters"
                raise ValueError(msg)
        for name in CONTENDERS:
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                msg = f"{self.data_set}, {self.what}: {name} is {value}; give None for no score"
                raise ValueError(msg)

    @classmethod
    def of(  # noqa: PLR0913 - the columns of a row
        cls,
        data_set: str,
        what: str,
        split: str,
        metric: str,
        scores: Mapping[str, float | None],
        *,
        anchor: str = "",
        target: str = "",
        n: int = 0,
        note: str = "",
    ) -> Self:
        """A row from scores by contender; those that are absent have none."""
        return cls(
            data_set,
            what,
            split,
            metric,
            network=scores.get("network"),
            teacher=scores.get("teacher"),
            mean=scores.get("mean"),
            ridge=scores.get("ridge"),
            boosting=scores.get("boosting"),
            anchor=anchor,
            target=target,
            n=n,
            note=note,
        )

    def best(self) -> tuple[str, ...]:
        """Contenders with the best score; several where they agree in what is printed."""
        scores = {name: getattr(self, name) for name in CONTENDERS}
        known = {name: score for name, score in scores.items() if score is not None}
        if not known:
            return ()
        top = (max if HIGHER_IS_BETTER[self.metric] else min)(known.values())
        return tuple(name for name, score in known.items() if abs(score - top) <= TIE)


def render(rows: Sequence[Row]) -> str:
    """The rows as Markdown, a table per data set, split and metric, notes below it."""
    if not rows:
        return "No data set was scored.\n"
    parts = ["`*` marks the best of a row; a dash means that there is no such score.\n"]
    for (data_set, split, metric), group in groupby(rows, _heading):
        arrow = "more is better" if HIGHER_IS_BETTER[metric] else "less is better"
        parts.append(f"### {data_set}: {split}, {metric} ({arrow})\n")
        parts.append(_block(list(group)))
    parts.append(tally(rows))
    return "\n".join(parts)


def spread(scores: Sequence[float]) -> str:
    """How far a score differs from fold to fold, in words."""
    mean = sum(scores) / len(scores)
    sd = math.sqrt(sum((score - mean) ** 2 for score in scores) / len(scores))
    return f"By fold {min(scores):.3f} to {max(scores):.3f}, sd {sd:.3f}."


def tally(rows: Sequence[Row]) -> str:
    """How often each contender is the best of a row, in one sentence."""
    wins = [name for row in rows for name in row.best()]
    counts = ", ".join(f"{name} {wins.count(name)}" for name in CONTENDERS)
    return textwrap.fill(f"Best (or as good) of {len(rows)} rows: {counts}.", WIDTH) + "\n"


def _heading(row: Row) -> tuple[str, str, str]:
    return row.data_set, row.split, row.metric


def _block(rows: list[Row]) -> str:
    cells = [
        [row.what, *(_figure(row, name) for name in CONTENDERS), row.anchor, row.target]
        for row in rows
    ]
    widths = [max(len(line[k]) for line in (_HEADINGS, *cells)) for k in range(len(_HEADINGS))]
    lines = [_line(_HEADINGS, widths), "|" + "|".join("-" * (w + 2) for w in widths) + "|"]
    lines += [_line(line, widths) for line in cells]
    return "\n".join([*lines, "", *map(_note, rows), ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)) + " |"


def _figure(row: Row, name: str) -> str:
    value = getattr(row, name)
    if value is None:
        return "-"
    digits = 3 if abs(value) < 10.0 else 1
    return f"{value:.{digits}f}{'*' if name in row.best() else ''}"


def _note(row: Row) -> str:
    text = f"- {row.what}: n = {row.n}. {row.note}".rstrip()
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_long_words=False)


def to_json(rows: Iterable[Row]) -> str:
    """The rows as JSON text."""
    return json.dumps([asdict(row) for row in rows], indent=1)


def from_json(text: str) -> list[Row]:
    """The rows of JSON text; unknown or missing entries are named."""
    return from_entries(json.loads(text))


def from_entries(entries: Iterable[dict[str, Any]]) -> list[Row]:  # JSON
    """The rows of dictionaries such as a card holds."""
    known = {field.name for field in fields(Row)}
    rows = []
    for entry in entries:
        if unknown := entry.keys() - known:
            msg = f"a row of the table has entries {sorted(unknown)}; known are {sorted(known)}"
            raise ValueError(msg)
        rows.append(Row(**entry))
    return rows


__all__ = ["CONTENDERS", "Row", "from_entries", "from_json", "render", "spread", "tally", "to_json"]
