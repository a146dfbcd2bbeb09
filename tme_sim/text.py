"""Text from elsewhere, such as a run file's: as a terminal and as a spreadsheet may get it."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_FORMULA = re.compile(
    r"[=@\t\r\n]|[+-](?!\.?[0-9][0-9.]*(e[+-]?[0-9]+)?( [a-z][a-z0-9/^ ]*)?$)", re.I
)


def control_character(text: str) -> str | None:
    """The first character that is no text: a control character, half of a letter; None without."""
    found = _CONTROL.search(text)
    return None if found is None else found[0]


def printable(text: str) -> str:
    """Text in which no character commands the terminal; such are written as in Python."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def as_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe stands before what would be one.

    Quantities such as ``-5 um`` stay as they are.
    """
    return f"'{text}" if _FORMULA.match(text) else text
