"""In what two scenarios differ, and what of it a run that has begun cannot take back."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tme_sim.errors import InputError
from tme_sim.scenario.scenario import Scenario

TOLD = 4  # differences that a message names; more are counted
WIDTH = 60  # characters of a value in a message

PAST = ("time.tick", "domain", "cells.*.type", "cells.*.genotype", "cells.*.count",
        "cells.*.placement", "cells.*.represents")  # fmt: skip

Differences = dict[str, tuple[Any, Any]]


def differences(old: Scenario, new: Scenario) -> Differences:
    """Key path -> (old, new) of every value in force that is not the same; None where it lacks."""
    before, after = dict(_values(old.resolved())), dict(_values(new.resolved()))
    return {
        key: (before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    }


def in_words(found: Differences) -> str:
    """Differences for a message: what is asked for, and what was."""
    told = [f"{key} is {_short(new)}, was {_short(old)}" for key, (old, new) in found.items()]
    more = [f"and {len(told) - TOLD} more"] if len(told) > TOLD else []
    return "; ".join([*told[:TOLD], *more])


def refuse_another_past(old: Scenario, new: Scenario) -> None:
    """Refuse what a branch cannot change: what the tissue was founded with, and how it is counted.

    Cells know their group and a scenario's own mutations by number: the groups stay, and of own
    mutations new ones may follow the old.

    Raises:
        InputError: names what differs.
    """
    if list(old.cells) != list(new.cells):
        _refuse_other_names("groups", old.cells, new.cells)
    kept = list(new.own_mutations.items())[: len(old.own_mutations)]
    if kept != list(old.own_mutations.items()):
        _refuse_other_names("own mutations", old.own_mutations, new.own_mutations)
    changed = differences(old, new).items()
    found = {key: pair for key, pair in changed if any(_is_below(key, past) for past in PAST)}
    if found:
        msg = f"a branch cannot change what its past rests on: {in_words(found)}; start a new run"
        raise InputError(msg)


def _refuse_other_names(what: str, old: Iterable[str], new: Iterable[str]) -> None:
    """Names are told even where they are the same, and what they stand for is not."""
    msg = (
        f"a branch keeps the {what} of its past as they were, in their order: {', '.join(old)}; "
        f"found {', '.join(new) or 'none'}; start a new run"
    )
    raise InputError(msg)


def _values(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Key path and value of all that holds no more values; what is empty is a value."""
    items = data.items() if isinstance(data, Mapping) else enumerate(data)
    for key, value in items:
        place = (*path, str(key))
        if isinstance(value, (Mapping, list)) and value:
            yield from _values(value, place)
        else:
            yield ".".join(place), value


def _is_below(key: str, pattern: str) -> bool:
    parts, wanted = key.split("."), pattern.split(".")
    return len(parts) >= len(wanted) and all(
        want in ("*", part) for part, want in zip(parts, wanted, strict=False)
    )


def _short(value: Any) -> str:
    text = "not there" if value is None else str(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."
