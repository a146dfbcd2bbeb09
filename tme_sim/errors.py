"""The errors that end a command in one line: a bad input, and a tick that failed."""


class InputError(ValueError):
    """A bad input. The message says where, what was found and what is allowed.

    The command line prints it without a traceback and exits with 2.
    """


class TickError(RuntimeError):
    """A tick of a run failed. The message says how, where, and what to send with a bug report.

    The command line prints it without a traceback, which is in the bundle, and exits with 1.
    """
