"""The one error a bad scenario ends in, and how it names the nearest valid word."""

import difflib
from collections.abc import Iterable

from tme_sim.errors import InputError, cut

_LISTED = 12  # names in one message
_COMPARED = 100  # characters of a name; no name is longer, and comparing takes time


class ScenarioError(InputError):
    """A scenario, catalogue or table that cannot be used; its text is complete and made for users.

    Args:
        message: What was found, what is allowed, the nearest valid name.
        where: File and line, for example ``melanoma.yaml:12``; empty where there is none.
    """

    exit_code = 2

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.message = cut(message)
        self.where = where

    def __reduce__(self) -> tuple[type["ScenarioError"], tuple[str, str]]:
        return type(self), (self.message, self.where)


def nearest(name: object, allowed: Iterable[str]) -> str:
    """Hint in words: the nearest allowed name if there is one, else what is allowed."""
    choices = [str(choice) for choice in allowed]
    folded = {choice.lower(): choice for choice in choices}
    asked = str(name).lower()[:_COMPARED]
    close = difflib.get_close_matches(asked, folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    if len(choices) > _LISTED:
        some = difflib.get_close_matches(asked, folded, n=_LISTED, cutoff=0.0)
        return "the nearest of what is allowed: " + ", ".join(folded[key] for key in some)
    return "allowed: " + (", ".join(choices) if choices else "nothing")
