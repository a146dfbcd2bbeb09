"""The errors that end a command in one line: a bad input, and a tick that failed."""

LONGEST = 700  # [characters] of a message; one of the product's own words is shorter
KEPT = 300  # [characters] of a longer one's start and end, around what was found


class InputError(ValueError):
    """A bad input. The message says where, what was found and what is allowed.

    The command line prints it without a traceback and exits with 2. A value of thousands of
    characters that the message quotes is cut in its middle; what cannot be printed is escaped.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(cut(str(message)))


def cut(text: str) -> str:
    """A text with the middle left out where it is too long to be read, and any terminal's own."""
    short = text if len(text) <= LONGEST else f"{text[:KEPT]} [...] {text[-KEPT:]}"
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in short)


class TickError(RuntimeError):
    """A tick of a run failed. The message says how, where, and what to send with a bug report.

    The command line prints it without a traceback, which is in the bundle, and exits with 1.
    """
