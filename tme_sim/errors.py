"""The error that is the user's to mend: a bad scenario, table, run file or option."""


class InputError(ValueError):
    """A bad input. The message says where, what was found and what is allowed.

    The command line prints it without a traceback and exits with 2.
    """
