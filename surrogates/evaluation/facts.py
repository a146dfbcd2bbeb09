"""Ask a cell model what cancer biology takes for granted: qualitative facts, one cell each.

A table of facts has a row per question: what a cell is, what it lives in (`background`), what is
done to it (`stimulus`), and what it is compared with (`control`; the background alone where it is
empty), inputs as `name=value`, or `name=value@start-end` [min] for a pulse. `expect` is one of

    up, down        above or below the control by more than a tenth of its size
    same            between the two
    ratio a..b      times the control
    value a..b      by itself, in the unit of the readout

Cells start at their drug-free steady state. Half of the facts of every group are `sealed`, by a
seeded draw: they are scored once a model is done, the others as often as one likes.

    python -m surrogates.evaluation.facts TABLE [--model NAME] [--half shown|sealed|both]
"""

import argparse
import csv
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from surrogates.channels import CELL_TYPES, NODES, OUTPUTS, find
from surrogates.data.assay import DAY, Condition, follow
from surrogates.intervals import GROWTH
from surrogates.phenotype import net_growth_rate
from surrogates.trajectory import Surrogate

SHOWN, SEALED = "shown", "sealed"
TENTH = 0.1  # of the control's size: a change
SEED = 18  # of the draw
TICK = 12.0  # [min]
WORDS = ("up", "down", "same")
READOUTS = (*NODES, *OUTPUTS, GROWTH)
Inputs = Mapping[str, tuple[float, float, float]]  # value, from, until [min]


@dataclass(frozen=True)
class Fact:
    """One question as written; times in minutes."""

    id: str
    group: str
    cell_type: str
    genotype: str
    background: str
    stimulus: str
    control: str
    control_genotype: str
    control_minutes: str
    readout: str
    minutes: str
    expect: str
    half: str
    reference: str
    statement: str

    def dishes(self) -> "tuple[Dish, Dish]":
        """What is asked about, and what it is compared with."""
        end = float(self.minutes)
        control = float(self.control_minutes or end)
        return (
            Dish(self.cell_type, self.genotype, f"{self.background} {self.stimulus}", end),
            Dish(
                self.cell_type, self.control_genotype, f"{self.background} {self.control}", control
            ),
        )

    def bounds(self, control: float) -> tuple[float, float]:
        """What the answer must lie between, beside the control's; growth may be negative."""
        change = TENTH * abs(control)
        if self.expect == "up":
            return control + change, np.inf
        if self.expect == "down":
            return -np.inf, control - change
        if self.expect == "same":
            return control - change, control + change
        kind, _, limits = self.expect.partition(" ")
        least, _, most = limits.partition("..")
        if kind not in ("ratio", "value"):
            raise ValueError(kind)
        ends = np.array([float(least), float(most)]) * (control if kind == "ratio" else 1.0)
        return float(ends.min()), float(ends.max())


@dataclass(frozen=True)
class Dish:
    """One cell in constant surroundings or pulses."""

    cell_type: str
    genotype: str
    inputs: str
    minutes: float

    def condition(self, basal: Mapping[str, float]) -> Condition:
        """The same as an experiment is run; a pulse ends at the basal level."""
        steps: list[tuple[float, dict[str, float]]] = []
        for name, (value, start, end) in parse_inputs(self.inputs).items():
            steps.append((start, {name: value}))
            if end < np.inf:
                steps.append((end, {name: basal[name]}))
        return Condition(tuple(steps), self.cell_type, names_of(self.genotype))


@dataclass(frozen=True)
class Answer:
    """What a model says; NaN where it cannot be asked, and `why` says what it lacks."""

    fact: Fact
    value: float  # of the readout
    control: float  # of it beside that
    right: bool
    why: str = ""


def load_facts(path: Path) -> list[Fact]:
    """Facts of a table; a row that cannot be read is refused with its line."""
    columns = [field.name for field in fields(Fact)]
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t")
        if reader.fieldnames != columns:
            msg = f"{path}: columns are {reader.fieldnames}, but {columns} are needed"
            raise ValueError(msg)
        rows = list(reader)
    facts = []
    for number, row in enumerate(rows, start=2):
        fact = Fact(**row)
        try:
            fact.bounds(1.0)
            for dish in fact.dishes():
                parse_inputs(dish.inputs)
            find(fact.half, (SHOWN, SEALED), "half")
        except (ValueError, KeyError) as error:
            msg = (
                f"{path}:{number}: {fact.id}: {error}; inputs are name=value or "
                f"name=value@start-end, expect is one of {WORDS}, ratio a..b, value a..b"
            )
            raise ValueError(msg) from error
        facts.append(fact)
    return facts


def parse_inputs(text: str) -> Inputs:
    """Inputs by name: value, and from when until when [min]."""
    found = {}
    for word in text.split():
        name, _, rest = word.partition("=")
        value, _, span = rest.partition("@")
        start, _, end = span.partition("-")
        found[name] = (float(value), float(start or 0.0), float(end or np.inf))
    return found


def names_of(genotype: str) -> tuple[str, ...]:
    """Alterations that are written with + between them."""
    return tuple(name for name in genotype.split("+") if name)


def drawn_halves(facts: Sequence[Fact]) -> list[str]:
    """Which half every fact belongs to, group by group in order of the table."""
    luck = random.Random(SEED)
    halves: dict[str, str] = {}
    for group in dict.fromkeys(fact.group for fact in facts):
        ids = [fact.id for fact in facts if fact.group == group]
        chosen = set(luck.sample(range(len(ids)), len(ids) // 2))
        halves |= {name: SEALED if k in chosen else SHOWN for k, name in enumerate(ids)}
    return [halves[fact.id] for fact in facts]


def lacking(fact: Fact, model: Surrogate) -> str:
    """Name that the model does not have; empty where it can be asked."""
    asked = [name for dish in fact.dishes() for name in parse_inputs(dish.inputs)]
    genotype = names_of(f"{fact.genotype}+{fact.control_genotype}")
    known = {channel.name for channel in model.inputs}
    names = [
        *((name, known) for name in asked),
        *((name, model.genotypes) for name in genotype),
        (fact.cell_type, CELL_TYPES),
        (fact.readout, READOUTS),
    ]
    return next((name for name, among in names if name not in among), "")


def ask(model: Surrogate, facts: Iterable[Fact]) -> list[Answer]:
    """Answers of a model, in the order of the facts."""
    facts = list(facts)
    missing = {fact.id: lacking(fact, model) for fact in facts}
    dishes = [dish for fact in facts if not missing[fact.id] for dish in fact.dishes()]
    read = _read(model, list(dict.fromkeys(dishes)))
    answers = []
    for fact in facts:
        if missing[fact.id]:
            answers.append(Answer(fact, np.nan, np.nan, right=False, why=missing[fact.id]))
            continue
        value, control = (read[dish][fact.readout] for dish in fact.dishes())
        low, high = fact.bounds(control)
        answers.append(Answer(fact, value, control, right=bool(low < value < high)))
    return answers


def _read(model: Surrogate, dishes: Sequence[Dish]) -> dict[Dish, dict[str, float]]:
    """All readouts of every dish at its end; dishes of one length run together."""
    basal = {channel.name: channel.basal for channel in model.inputs}
    found = {}
    for minutes in sorted({dish.minutes for dish in dishes}):
        here = [dish for dish in dishes if dish.minutes == minutes]
        reading = follow(model, [d.condition(basal) for d in here], [0.0, minutes], TICK)
        growth = DAY * net_growth_rate(reading.outputs)[-1]
        table = np.column_stack([reading.nodes[-1], reading.outputs[-1], growth])
        for dish, row in zip(here, table.tolist(), strict=True):
            found[dish] = dict(zip(READOUTS, row, strict=True))
    return found


def render(answers: Sequence[Answer]) -> str:
    """Counts by group, then what is wrong, 80 columns wide."""
    lines = [f"{'group':22s} {'right':>6s} {'wrong':>6s} {'cannot be asked':>16s}"]
    groups = dict.fromkeys(answer.fact.group for answer in answers)
    for name in (*groups, "all"):
        part = [a for a in answers if name in (a.fact.group, "all")]
        unasked = sum(bool(a.why) for a in part)
        right = sum(a.right for a in part)
        lines.append(f"{name:22s} {right:6d} {len(part) - right - unasked:6d} {unasked:16d}")
    lines.append("")
    for answer in answers:
        if not answer.right:
            said = f"{answer.value:.3g}, control {answer.control:.3g}"
            said = f"lacks {answer.why}" if answer.why else said
            lines.append(f"{answer.fact.id:22s} {answer.fact.expect:22s} {said}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Score a model from the command line."""
    import surrogates

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--model", default="tme-cell")
    parser.add_argument("--half", choices=(SHOWN, SEALED, "both"), default=SHOWN)
    options = parser.parse_args(arguments)
    facts = [f for f in load_facts(options.table) if options.half in (f.half, "both")]
    print(render(ask(surrogates.load(options.model), facts)))


if __name__ == "__main__":
    main()


__all__ = ["Answer", "Fact", "ask", "drawn_halves", "load_facts", "render"]
