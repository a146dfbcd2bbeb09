"""Exit codes of ``tme-sim``."""

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 3
